/* Dimensions of arrays, and how Reshape and its like change them; private to io/onnx/. */
#ifndef NRMFLOW_IO_ONNX_DIMS_H
#define NRMFLOW_IO_ONNX_DIMS_H

#include "io/onnx/tensor.h"

struct onnx_dims {
    size_t n, size[ONNX_MAX_DIMS];
};

/* Integers of a node: axes, pads, a shape. */
struct onnx_integers {
    int64_t values[2 * ONNX_MAX_DIMS];
    size_t n;
};

/* An axis, which may count from the end, as 0 .. n - 1; n if there is none such. */
size_t onnx_dims_axis(int64_t axis, size_t n);

/* The product of dimensions first .. n - 1; 0 also if it overflows. */
size_t onnx_dims_product(const struct onnx_dims *dims, size_t first);

bool onnx_dims_equal(const struct onnx_dims *a, const struct onnx_dims *b);

/* What the operations make of `in`; false if they cannot. `axes` may be NULL for Squeeze: all dimensions of one. With
 * keep_zeros a 0 in a shape is a size, else that of `in`. */
bool onnx_dims_reshape(struct onnx_dims *out, const struct onnx_dims *in, const struct onnx_integers *shape,
                       bool keep_zeros);
bool onnx_dims_squeeze(struct onnx_dims *out, const struct onnx_dims *in, const struct onnx_integers *axes);
bool onnx_dims_unsqueeze(struct onnx_dims *out, const struct onnx_dims *in, const struct onnx_integers *axes);
bool onnx_dims_flatten(struct onnx_dims *out, const struct onnx_dims *in, int64_t axis);

/* `order` as Transpose has it; empty: reversed. */
bool onnx_dims_transpose(struct onnx_dims *out, const struct onnx_dims *in, const struct onnx_integers *order);

/* Whether a transposition leaves all elements in their order in memory: it moves dimensions of one only. */
bool onnx_dims_order_is_kept(const struct onnx_dims *in, const struct onnx_integers *order);

#endif
