#include "io/onnx/dims.h"

#include <string.h>

size_t onnx_dims_axis(int64_t axis, size_t n)
{
    if (axis < 0)
        axis += (int64_t)n;
    return axis < 0 || axis >= (int64_t)n ? n : (size_t)axis;
}

size_t onnx_dims_product(const struct onnx_dims *dims, size_t first)
{
    size_t product = 1;

    for (size_t d = first; d < dims->n; d++)
        if (__builtin_mul_overflow(product, dims->size[d], &product))
            return 0;
    return product;
}

bool onnx_dims_equal(const struct onnx_dims *a, const struct onnx_dims *b)
{
    return a->n == b->n && memcmp(a->size, b->size, a->n * sizeof a->size[0]) == 0;
}

bool onnx_dims_reshape(struct onnx_dims *out, const struct onnx_dims *in, const struct onnx_integers *shape,
                       bool keep_zeros)
{
    size_t all = onnx_dims_product(in, 0), open = ONNX_MAX_DIMS, known;

    if (shape->n > ONNX_MAX_DIMS)
        return false;
    out->n = shape->n;
    for (size_t d = 0; d < shape->n; d++) {
        int64_t size = shape->values[d];
        if (size < -1 || (size == -1 && open < ONNX_MAX_DIMS) || (size == 0 && !keep_zeros && d >= in->n))
            return false;
        if (size == -1)
            open = d;
        out->size[d] = size == -1 ? 1 : size == 0 && !keep_zeros ? in->size[d] : (size_t)size;
    }
    known = onnx_dims_product(out, 0);
    if (open < ONNX_MAX_DIMS) {
        if (known == 0 || all % known != 0)
            return false;
        out->size[open] = all / known;
    }
    return onnx_dims_product(out, 0) == all;
}

/* Mark the axes in `marks` [n]; false if one is not there or is there twice. */
static bool mark_axes(bool *marks, size_t n, const struct onnx_integers *axes)
{
    for (size_t i = 0; i < axes->n; i++) {
        size_t axis = onnx_dims_axis(axes->values[i], n);
        if (axis == n || marks[axis])
            return false;
        marks[axis] = true;
    }
    return true;
}

bool onnx_dims_squeeze(struct onnx_dims *out, const struct onnx_dims *in, const struct onnx_integers *axes)
{
    bool gone[ONNX_MAX_DIMS] = {false};

    if (axes && !mark_axes(gone, in->n, axes))
        return false;
    out->n = 0;
    for (size_t d = 0; d < in->n; d++) {
        if (gone[d] && in->size[d] != 1)
            return false;
        if (!gone[d] && (axes || in->size[d] != 1))
            out->size[out->n++] = in->size[d];
    }
    return true;
}

bool onnx_dims_unsqueeze(struct onnx_dims *out, const struct onnx_dims *in, const struct onnx_integers *axes)
{
    bool added[ONNX_MAX_DIMS] = {false};
    size_t from = 0;

    if (in->n + axes->n > ONNX_MAX_DIMS || !mark_axes(added, in->n + axes->n, axes))
        return false;
    out->n = in->n + axes->n;
    for (size_t d = 0; d < out->n; d++)
        out->size[d] = added[d] ? 1 : in->size[from++];
    return true;
}

bool onnx_dims_flatten(struct onnx_dims *out, const struct onnx_dims *in, int64_t axis)
{
    size_t at = axis == (int64_t)in->n ? in->n : onnx_dims_axis(axis, in->n);
    struct onnx_dims head = *in;

    if (at == in->n && axis != (int64_t)in->n)
        return false;
    head.n = at;
    *out = (struct onnx_dims){2, {onnx_dims_product(&head, 0), onnx_dims_product(in, at)}};
    return true;
}

/* The order without its default, and with axes from 0; false if it is no permutation. */
static bool full_order(size_t *full, size_t n, const struct onnx_integers *order)
{
    bool taken[ONNX_MAX_DIMS] = {false};

    if (order->n != 0 && order->n != n)
        return false;
    for (size_t d = 0; d < n; d++) {
        full[d] = order->n ? onnx_dims_axis(order->values[d], n) : n - 1 - d;
        if (full[d] == n || taken[full[d]])
            return false;
        taken[full[d]] = true;
    }
    return true;
}

bool onnx_dims_transpose(struct onnx_dims *out, const struct onnx_dims *in, const struct onnx_integers *order)
{
    size_t full[ONNX_MAX_DIMS];

    if (!full_order(full, in->n, order))
        return false;
    out->n = in->n;
    for (size_t d = 0; d < in->n; d++)
        out->size[d] = in->size[full[d]];
    return true;
}

bool onnx_dims_order_is_kept(const struct onnx_dims *in, const struct onnx_integers *order)
{
    size_t full[ONNX_MAX_DIMS], last = 0;

    if (!full_order(full, in->n, order))
        return false;
    for (size_t d = 0; d < in->n; d++) {
        if (in->size[full[d]] == 1)
            continue;
        if (full[d] < last)
            return false;
        last = full[d];
    }
    return true;
}
