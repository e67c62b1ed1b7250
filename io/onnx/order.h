/* Which nodes the output depends on, and an order in which each comes after those it reads; private to io/onnx/. */
#ifndef NRMFLOW_IO_ONNX_ORDER_H
#define NRMFLOW_IO_ONNX_ORDER_H

#include "io/onnx/model.h"

#define ONNX_NOBODY SIZE_MAX

/* Find the node that writes each value.
 *
 *   producers  out  [names.count] nodes, or ONNX_NOBODY
 * Errors: FAIL_FORMAT if two nodes, or a node and an initializer, write one value. */
enum status onnx_order_producers(size_t *producers, const struct onnx_model *model, struct error *err);

/* Order the nodes that a value depends on: in the file's order if that is possible, else the lowest first.
 *
 *   order  out  [nnodes]
 *   n      out  how many there are
 * Errors: FAIL_FORMAT if nodes read what depends on them; FAIL_SYSTEM. */
enum status onnx_order_find(size_t *order, size_t *n, const struct onnx_model *model, const size_t *producers,
                            size_t value, struct error *err);

#endif
