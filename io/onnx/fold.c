/* Constants that are given, that say shapes, or that are others with another type or other dimensions. */
#include "io/onnx/array.h"
#include "io/onnx/operation.h"

#include <math.h>
#include <string.h>

static const char too_complex[] =
    "what it computes from constants is not supported; export the network with do_constant_folding";

/* The node's first input with other dimensions; the numbers stay where they are. */
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
    return onnx_build_set_constant(b, node, 0, t);
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
        return onnx_build_set_constant(b, node, 0, a->tensor);
    if (a && strcmp(a->name, "value_int") == 0)
        return onnx_build_set_constant(b, node, 0, onnx_tensor_make(memory, &a->integer, 1, 0));
    if (a && strcmp(a->name, "value_ints") == 0)
        return onnx_build_set_constant(b, node, 0, onnx_tensor_make(memory, a->integers, a->nintegers, 1));
    if (a && strcmp(a->name, "value_float") == 0)
        return onnx_build_set_constant(b, node, 0, make_real(memory, &a->real, 1, 0));
    if (a && strcmp(a->name, "value_floats") == 0)
        return onnx_build_set_constant(b, node, 0, make_real(memory, a->reals, a->nreals, 1));
    return onnx_build_refuse(b, node, "its value is no tensor of numbers");
}

/* ---- shapes ---------------------------------------------------------------------------------------------------- */

/* The dimensions of what the node reads, a constant or a variable. */
static struct onnx_dims dims_of(const struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *value = onnx_build_value(b, node, 0);

    return value->state == ONNX_CONSTANT ? onnx_build_dims(value->tensor) : value->view.dims;
}

enum status onnx_fold_shape(struct onnx_build *b, const struct onnx_node *node)
{
    struct onnx_dims dims = dims_of(b, node);
    int64_t n = (int64_t)dims.n, start = onnx_model_integer(node, "start", 0), end = onnx_model_integer(node, "end", n);
    int64_t values[ONNX_MAX_DIMS];
    size_t nvalues = 0;

    start = start < 0 ? start + n : start;
    end = end < 0 ? end + n : end;
    for (int64_t d = 0; d < n; d++)
        if (d >= start && d < end)
            values[nvalues++] = (int64_t)dims.size[d];
    return onnx_build_set_constant(b, node, 0, onnx_tensor_make(&b->model->memory, values, nvalues, 1));
}

enum status onnx_fold_size(struct onnx_build *b, const struct onnx_node *node)
{
    struct onnx_dims dims = dims_of(b, node);
    int64_t size = (int64_t)onnx_dims_product(&dims, 0);

    return onnx_build_set_constant(b, node, 0, onnx_tensor_make(&b->model->memory, &size, 1, 0));
}

/* ---- types ----------------------------------------------------------------------------------------------------- */

enum status onnx_fold_identity(struct onnx_build *b, const struct onnx_node *node)
{
    return onnx_build_set_constant(b, node, 0, onnx_build_constant(b, node, 0));
}

/* A number of one type as one of another; false if it does not fit. */
static bool convert(union onnx_number *number, bool from_real, bool to_real, bool to_truth)
{
    const double most = 0x1p62;

    if (from_real && !to_real && !to_truth && !(fabs(number->real) < most))
        return false;
    if (to_truth)
        number->whole = from_real ? number->real != 0.0 : number->whole != 0;
    else if (from_real && !to_real)
        number->whole = (int64_t)number->real;
    else if (!from_real && to_real)
        number->real = (double)number->whole;
    return true;
}

static enum status cast_to(struct onnx_fold *f, const struct weights_dtype *dtype)
{
    struct onnx_steps steps = onnx_array_steps(&f->in[0]);
    bool from_real = onnx_array_is_real(&f->in[0]);
    enum status rc;

    if (!dtype)
        return FAIL_UNSUPPORTED;
    TRY(onnx_array_pick(f, &f->in[0], &f->in[0].dims, &steps));
    f->out.dtype = dtype;
    for (size_t i = 0; i < f->out.n; i++)
        if (!convert(&f->out.values[i], from_real, dtype->decode != NULL, strcmp(dtype->name, "BOOL") == 0))
            return FAIL_UNSUPPORTED;
done:
    return rc;
}

static enum status cast(struct onnx_fold *f)
{
    return cast_to(f, onnx_tensor_type(onnx_model_integer(f->node, "to", 0)));
}

static enum status cast_like(struct onnx_fold *f)
{
    return cast_to(f, f->in[1].dtype);
}

enum status onnx_fold_cast(struct onnx_build *b, const struct onnx_node *node)
{
    const struct weights_dtype *to = onnx_tensor_type(onnx_model_integer(node, "to", 0));

    if (to && to->decode && onnx_tensor_is_real_type(onnx_build_constant(b, node, 0)))
        return onnx_fold_identity(b, node); /* weights stay in the file */
    return onnx_array_fold(b, node, cast);
}

enum status onnx_fold_cast_like(struct onnx_build *b, const struct onnx_node *node)
{
    return onnx_array_fold(b, node, cast_like);
}

/* ---- many of one number ---------------------------------------------------------------------------------------- */

/* ConstantOfShape: of the attribute's number, or of zeros. */
static enum status fill(struct onnx_fold *f)
{
    const struct onnx_attribute *a = onnx_model_attribute(f->node, "value");
    struct onnx_dims dims = {.n = f->in[0].n};
    union onnx_number value = {.real = 0.0};
    enum status rc = OK;

    if (f->in[0].n > ONNX_MAX_DIMS || onnx_array_is_real(&f->in[0]))
        return FAIL_UNSUPPORTED;
    for (size_t d = 0; d < dims.n; d++) {
        if (f->in[0].values[d].whole < 0)
            return FAIL_UNSUPPORTED;
        dims.size[d] = (size_t)f->in[0].values[d].whole;
    }
    if (a && (!a->tensor || a->tensor->elements != 1 || !a->tensor->dtype))
        return FAIL_UNSUPPORTED;
    if (a && a->tensor->dtype->decode) {
        if (!onnx_build_scalar(&value.real, f->b, a->tensor))
            return FAIL_UNSUPPORTED;
    } else if (a) {
        TRY(onnx_tensor_integers(&value.whole, &f->b->model->file, a->tensor, f->b->err));
    }
    TRY(onnx_array_make(f, a ? a->tensor->dtype : weights_dtype_find("F32"), &dims));
    for (size_t i = 0; i < f->out.n; i++)
        f->out.values[i] = value;
done:
    return rc;
}

enum status onnx_fold_fill(struct onnx_build *b, const struct onnx_node *node)
{
    return onnx_array_fold(b, node, fill);
}

/* start, start + delta, ... before the limit. */
static enum status range(struct onnx_fold *f)
{
    double start, limit, delta;
    enum status rc;

    if (!onnx_array_scalar(&start, &f->in[0]) || !onnx_array_scalar(&limit, &f->in[1]) ||
        !onnx_array_scalar(&delta, &f->in[2]) || delta == 0.0 || f->in[0].dtype != f->in[2].dtype)
        return FAIL_UNSUPPORTED;
    double n = fmax(ceil((limit - start) / delta), 0.0);
    if (!(n <= ONNX_MAX_FOLDED))
        return FAIL_UNSUPPORTED;
    TRY(onnx_array_make(f, f->in[0].dtype, &(struct onnx_dims){1, {(size_t)n}}));
    for (size_t i = 0; i < f->out.n; i++) {
        if (onnx_array_is_real(&f->out))
            f->out.values[i].real = start + (double)i * delta;
        else
            f->out.values[i].whole =
                (int64_t)((uint64_t)f->in[0].values[0].whole + i * (uint64_t)f->in[2].values[0].whole);
    }
done:
    return rc;
}

enum status onnx_fold_range(struct onnx_build *b, const struct onnx_node *node)
{
    return onnx_array_fold(b, node, range);
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

enum status onnx_fold_flatten(struct onnx_build *b, const struct onnx_node *node)
{
    struct onnx_dims in = onnx_build_dims(onnx_build_constant(b, node, 0)), out;

    if (onnx_build_constant(b, node, 0)->transposed ||
        !onnx_dims_flatten(&out, &in, onnx_model_integer(node, "axis", 1)))
        return onnx_build_refuse(b, node, "its axis does not fit to what it reads");
    return see_as(b, node, &out, false);
}

static enum status transpose(struct onnx_fold *f)
{
    const struct onnx_array *from = &f->in[0];
    struct onnx_steps own = onnx_array_steps(from), steps = {.offset = 0};
    struct onnx_integers order;
    struct onnx_dims out;
    bool given;
    enum status rc;

    TRY(onnx_build_integers(&order, &given, f->b, f->node, "perm", SIZE_MAX));
    if (!onnx_dims_transpose(&out, &from->dims, &order))
        return FAIL_UNSUPPORTED;
    for (size_t d = 0; d < out.n; d++)
        steps.step[d] = own.step[order.n ? onnx_dims_axis(order.values[d], out.n) : out.n - 1 - d];
    return onnx_array_pick(f, from, &out, &steps);
done:
    return rc;
}

/* What keeps its elements in order stays in the file, and so does a large matrix, which layers can read by columns. */
enum status onnx_fold_transpose(struct onnx_build *b, const struct onnx_node *node)
{
    enum { LARGE = 1 << 20 };

    const struct onnx_tensor *t = onnx_build_constant(b, node, 0);
    struct onnx_dims in = onnx_build_dims(t), out;
    struct onnx_integers order;
    bool given;
    enum status rc;

    TRY(onnx_build_integers(&order, &given, b, node, "perm", SIZE_MAX));
    if (!onnx_dims_transpose(&out, &in, &order))
        return onnx_build_refuse(b, node, "its order does not fit to what it reads");
    bool kept = onnx_dims_order_is_kept(&in, &order);
    if (kept || (in.n == 2 && t->elements > LARGE && onnx_tensor_is_real_type(t)))
        return see_as(b, node, &out, !kept);
    return onnx_array_fold(b, node, transpose);
done:
    return rc == FAIL_UNSUPPORTED ? onnx_build_refuse(b, node, too_complex) : rc;
}
