/* From nodes to layers; private to io/onnx/. */
#ifndef NRMFLOW_IO_ONNX_WALK_H
#define NRMFLOW_IO_ONNX_WALK_H

#include "io/onnx/build.h"

/* Say what the Constant nodes of the file are. Errors: those of reading. */
enum status onnx_walk_constants(struct onnx_build *b);

/* Turn nodes into layers, in an order in which each comes after those it reads. Nodes that cannot be used are noted in
 * b->refusals.
 *
 *   order  in  [n] nodes
 * Errors: those of reading, FAIL_LIMIT, FAIL_SYSTEM. */
enum status onnx_walk_nodes(struct onnx_build *b, const size_t *order, size_t n);

/* Whether an operation reads only the dimensions of its first input. */
bool onnx_walk_is_shape(const struct onnx_node *node);

#endif
