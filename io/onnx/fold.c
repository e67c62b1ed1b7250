/* Computing with constants: shapes are vectors of integers; tensors of reals are only seen with other dimensions. */
#include "io/onnx/operation.h"

#include <string.h>

static const char too_complex[] = "it computes something else than a shape from constants; export the network with "
                                  "do_constant_folding";

struct vector {
    int64_t values[ONNX_MAX_INTEGERS];
    size_t n, ndim; /* ndim: 0 of a scalar, else 1 */
};

/* Read a constant scalar or vector of integers; *is tells whether it is one. */
static enum status read_vector(struct vector *v, bool *is, struct onnx_build *b, const struct onnx_node *node,
                               size_t place)
{
    const struct onnx_tensor *t = onnx_build_constant(b, node, place);

    *is = t && t->ndim <= 1 && onnx_tensor_is_integer(t);
    if (!*is)
        return OK;
    v->n = t->elements;
    v->ndim = t->ndim;
    return onnx_tensor_integers(v->values, &b->model->file, t, b->err);
}

static enum status write_vector(struct onnx_build *b, const struct onnx_node *node, const struct vector *v)
{
    return onnx_build_set_constant(b, node, onnx_tensor_make(&b->model->memory, v->values, v->n, v->ndim));
}

/* The node's first input with other dimensions. */
static enum status see_as(struct onnx_build *b, const struct onnx_node *node, const struct onnx_dims *dims,
                          bool transposed)
{
    struct onnx_tensor *t = onnx_memory_take(&b->model->memory, 1, sizeof *t);

    if (!t)
        return onnx_build_memory(b);
    *t = *onnx_build_constant(b, node, 0);
    t->ndim = dims->n;
    memcpy(t->dims, dims->size, sizeof t->dims);
    t->transposed = t->transposed != transposed;
    return onnx_build_set_constant(b, node, t);
}

static struct onnx_tensor *make_real(struct onnx_memory *memory, const float *values, size_t n, size_t ndim)
{
    struct onnx_tensor *t = onnx_memory_take(memory, 1, sizeof *t);
    unsigned char *bytes = onnx_memory_take(memory, n, sizeof *values);

    if (!t || !bytes)
        return NULL;
    *t = (struct onnx_tensor){
        .name = "", .dtype = weights_dtype_find("F32"), .ndim = ndim, .dims = {n}, .elements = n, .bytes = bytes};
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        for (size_t byte = 0; byte < sizeof bits; byte++)
            bytes[i * sizeof bits + byte] = (unsigned char)(bits >> 8 * byte);
    }
    return t;
}

enum status onnx_fold_constant(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_attribute *a = node->nattributes == 1 ? &node->attributes[0] : NULL;
    struct onnx_memory *memory = &b->model->memory;

    if (a && a->tensor && strcmp(a->name, "value") == 0)
        return onnx_build_set_constant(b, node, a->tensor);
    if (a && strcmp(a->name, "value_int") == 0)
        return onnx_build_set_constant(b, node, onnx_tensor_make(memory, &a->integer, 1, 0));
    if (a && strcmp(a->name, "value_ints") == 0)
        return onnx_build_set_constant(b, node, onnx_tensor_make(memory, a->integers, a->nintegers, 1));
    if (a && strcmp(a->name, "value_float") == 0)
        return onnx_build_set_constant(b, node, make_real(memory, &a->real, 1, 0));
    if (a && strcmp(a->name, "value_floats") == 0)
        return onnx_build_set_constant(b, node, make_real(memory, a->reals, a->nreals, 1));
    return onnx_build_refuse(b, node, "its value is no tensor of numbers");
}

enum status onnx_fold_shape(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *value = onnx_build_value(b, node, 0);
    struct onnx_dims dims = value->state == ONNX_CONSTANT ? onnx_build_dims(value->tensor) : value->view.dims;
    int64_t n = (int64_t)dims.n, start = onnx_model_integer(node, "start", 0), end = onnx_model_integer(node, "end", n);
    struct vector v = {.ndim = 1};

    start = start < 0 ? start + n : start;
    end = end < 0 ? end + n : end;
    for (int64_t d = 0; d < n; d++)
        if (d >= start && d < end)
            v.values[v.n++] = (int64_t)dims.size[d];
    return write_vector(b, node, &v);
}

enum status onnx_fold_identity(struct onnx_build *b, const struct onnx_node *node)
{
    return onnx_build_set_constant(b, node, onnx_build_constant(b, node, 0));
}

enum status onnx_fold_cast(struct onnx_build *b, const struct onnx_node *node)
{
    enum { INT32 = 6, INT64 = 7 };

    int64_t to = onnx_model_integer(node, "to", 0);
    struct vector v;
    bool is;
    enum status rc;

    TRY(read_vector(&v, &is, b, node, 0));
    if (!is || (to != INT32 && to != INT64))
        return onnx_build_refuse(b, node, too_complex);
    return write_vector(b, node, &v);
done:
    return rc;
}

/* ---- dimensions ------------------------------------------------------------------------------------------------ */

enum status onnx_fold_reshape(struct onnx_build *b, const struct onnx_node *node)
{
    struct onnx_dims in = onnx_build_dims(onnx_build_constant(b, node, 0)), out;
    struct onnx_integers shape;
    bool given;
    enum status rc;

    TRY(onnx_build_integers(&shape, &given, b, node, "shape", 1));
    if (!given || onnx_build_constant(b, node, 0)->transposed ||
        !onnx_dims_reshape(&out, &in, &shape, onnx_model_integer(node, "allowzero", 0) != 0))
        return onnx_build_refuse(b, node, "its shape does not fit to what it reads");
    return see_as(b, node, &out, false);
done:
    return rc == FAIL_UNSUPPORTED ? onnx_build_refuse(b, node, too_complex) : rc;
}

enum status onnx_fold_squeeze(struct onnx_build *b, const struct onnx_node *node)
{
    struct onnx_dims in = onnx_build_dims(onnx_build_constant(b, node, 0)), out;
    struct onnx_integers axes;
    bool given;
    enum status rc;

    TRY(onnx_build_integers(&axes, &given, b, node, "axes", 1));
    if (onnx_build_constant(b, node, 0)->transposed || !onnx_dims_squeeze(&out, &in, given ? &axes : NULL))
        return onnx_build_refuse(b, node, "its axes do not fit to what it reads");
    return see_as(b, node, &out, false);
done:
    return rc == FAIL_UNSUPPORTED ? onnx_build_refuse(b, node, too_complex) : rc;
}

enum status onnx_fold_unsqueeze(struct onnx_build *b, const struct onnx_node *node)
{
    struct onnx_dims in = onnx_build_dims(onnx_build_constant(b, node, 0)), out;
    struct onnx_integers axes;
    bool given;
    enum status rc;

    TRY(onnx_build_integers(&axes, &given, b, node, "axes", 1));
    if (!given || onnx_build_constant(b, node, 0)->transposed || !onnx_dims_unsqueeze(&out, &in, &axes))
        return onnx_build_refuse(b, node, "its axes do not fit to what it reads");
    return see_as(b, node, &out, false);
done:
    return rc == FAIL_UNSUPPORTED ? onnx_build_refuse(b, node, too_complex) : rc;
}

/* Of a matrix, or of what keeps its elements in order. */
enum status onnx_fold_transpose(struct onnx_build *b, const struct onnx_node *node)
{
    struct onnx_dims in = onnx_build_dims(onnx_build_constant(b, node, 0)), out;
    struct onnx_integers order;
    bool given;
    enum status rc;

    TRY(onnx_build_integers(&order, &given, b, node, "perm", SIZE_MAX));
    bool kept = onnx_dims_order_is_kept(&in, &order);
    if (!onnx_dims_transpose(&out, &in, &order) || !(in.n == 2 || kept))
        return onnx_build_refuse(b, node, too_complex);
    return see_as(b, node, &out, !kept);
done:
    return rc == FAIL_UNSUPPORTED ? onnx_build_refuse(b, node, too_complex) : rc;
}

/* ---- vectors --------------------------------------------------------------------------------------------------- */

enum status onnx_fold_gather(struct onnx_build *b, const struct onnx_node *node)
{
    struct vector from, places, out;
    bool is, are;
    enum status rc;

    TRY(read_vector(&from, &is, b, node, 0));
    TRY(read_vector(&places, &are, b, node, 1));
    if (!is || !are || from.ndim != 1 || onnx_dims_axis(onnx_model_integer(node, "axis", 0), 1) != 0)
        return onnx_build_refuse(b, node, too_complex);
    out.n = places.n;
    out.ndim = places.ndim;
    for (size_t i = 0; i < places.n; i++) {
        size_t place = onnx_dims_axis(places.values[i], from.n);
        if (place == from.n)
            return onnx_build_refuse(b, node, "it takes an element that is not there");
        out.values[i] = from.values[place];
    }
    return write_vector(b, node, &out);
done:
    return rc;
}

enum status onnx_fold_concat(struct onnx_build *b, const struct onnx_node *node)
{
    struct vector piece, out = {.ndim = 1};
    bool is;
    enum status rc = OK;

    for (size_t i = 0; i < node->ninputs; i++) {
        TRY(read_vector(&piece, &is, b, node, i));
        if (!is || piece.ndim != 1 || piece.n > ONNX_MAX_INTEGERS - out.n)
            return onnx_build_refuse(b, node, too_complex);
        memcpy(out.values + out.n, piece.values, piece.n * sizeof piece.values[0]);
        out.n += piece.n;
    }
    return write_vector(b, node, &out);
done:
    return rc;
}

/* A bound of a slice of n with positive step. */
static size_t clamp(int64_t bound, size_t n)
{
    if (bound < 0)
        bound = bound < -(int64_t)n ? 0 : bound + (int64_t)n;
    return bound > (int64_t)n ? n : (size_t)bound;
}

enum status onnx_fold_slice(struct onnx_build *b, const struct onnx_node *node)
{
    struct onnx_integers starts, ends, steps;
    bool given, steps_given, is;
    struct vector v, out = {.ndim = 1};
    enum status rc;

    TRY(read_vector(&v, &is, b, node, 0));
    TRY(onnx_build_integers(&starts, &given, b, node, "starts", 1));
    TRY(onnx_build_integers(&ends, &given, b, node, "ends", 2));
    TRY(onnx_build_integers(&steps, &steps_given, b, node, "steps", 4));
    if (!is || v.ndim != 1 || starts.n != 1 || ends.n != 1 || (steps_given && (steps.n != 1 || steps.values[0] < 1)))
        return onnx_build_refuse(b, node, too_complex);
    uint64_t step = steps_given ? (uint64_t)steps.values[0] : 1;
    size_t end = clamp(ends.values[0], v.n);
    for (uint64_t i = clamp(starts.values[0], v.n); i<end; i += step> v.n ? v.n : step)
        out.values[out.n++] = v.values[i];
    return write_vector(b, node, &out);
done:
    return rc == FAIL_UNSUPPORTED ? onnx_build_refuse(b, node, too_complex) : rc;
}

/* One element; false if it cannot be computed. */
static bool compute(int64_t *out, char op, int64_t x, int64_t y)
{
    switch (op) {
    case 'A':
        return !__builtin_add_overflow(x, y, out);
    case 'S':
        return !__builtin_sub_overflow(x, y, out);
    case 'M':
        return !__builtin_mul_overflow(x, y, out);
    default:
        if (y == 0 || (y == -1 && x == INT64_MIN))
            return false;
        *out = x / y;
        return true;
    }
}

/* Add, Sub, Mul and Div, told apart by their first letters. */
enum status onnx_fold_arithmetic(struct onnx_build *b, const struct onnx_node *node)
{
    struct vector x, y, out;
    bool is, are;
    enum status rc;

    TRY(read_vector(&x, &is, b, node, 0));
    TRY(read_vector(&y, &are, b, node, 1));
    if (!is || !are || (x.n != y.n && x.n != 1 && y.n != 1))
        return onnx_build_refuse(b, node, too_complex);
    out.n = x.n == 1 ? y.n : x.n;
    out.ndim = x.ndim > y.ndim ? x.ndim : y.ndim;
    for (size_t i = 0; i < out.n; i++)
        if (!compute(&out.values[i], node->op[0], x.values[x.n == 1 ? 0 : i], y.values[y.n == 1 ? 0 : i]))
            return onnx_build_refuse(b, node, "it divides by zero or overflows");
    return write_vector(b, node, &out);
done:
    return rc;
}

/* ConstantOfShape, of integers. */
enum status onnx_fold_fill(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_attribute *a = onnx_model_attribute(node, "value");
    struct vector shape, out = {.ndim = 1};
    int64_t value = 0;
    bool is;
    enum status rc;

    TRY(read_vector(&shape, &is, b, node, 0));
    if (!is || shape.n != 1 || shape.values[0] < 0 || shape.values[0] > ONNX_MAX_INTEGERS || !a || !a->tensor ||
        a->tensor->elements != 1 || !onnx_tensor_is_integer(a->tensor))
        return onnx_build_refuse(b, node, too_complex);
    TRY(onnx_tensor_integers(&value, &b->model->file, a->tensor, b->err));
    out.n = (size_t)shape.values[0];
    for (size_t i = 0; i < out.n; i++)
        out.values[i] = value;
    return write_vector(b, node, &out);
done:
    return rc;
}
