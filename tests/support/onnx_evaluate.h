/* Plain loops over a graph of io/onnx/, in double. */
#ifndef NRMFLOW_TESTS_SUPPORT_ONNX_EVALUATE_H
#define NRMFLOW_TESTS_SUPPORT_ONNX_EVALUATE_H

#include "io/onnx/graph.h"

/* Compute every variable for one image.
 *
 *   variables  out  [nlayers + 1] arrays [C][H][W], of which the caller frees each, also after a failure; 0 is a copy
 *   image      in   [C][H][W]
 * Errors: those of onnx_graph_load; FAIL_SYSTEM without memory. */
enum status onnx_evaluate(double **variables, const struct onnx_graph *graph, const double *image, struct error *err);

#endif
