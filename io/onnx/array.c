#include "io/onnx/array.h"

#include <stdlib.h>
#include <string.h>

enum { NUMBER_BYTES = 8 };

static const char too_complex[] =
    "what it computes from constants is not supported; export the network with do_constant_folding";

/* Count elements that are worked on: a small file could ask for years of work. */
static enum status count(struct onnx_build *b, size_t n)
{
    b->nfolded += n;
    if (b->nfolded > ONNX_MAX_ALL_FOLDED)
        return error_set(b->err, FAIL_LIMIT,
                         "%s: more than %d numbers would be computed from constants; export the network with "
                         "do_constant_folding",
                         b->model->file.path, ONNX_MAX_ALL_FOLDED);
    return OK;
}

/* The elements of a matrix whose columns are the rows in the file. */
static enum status transpose(struct onnx_array *a, struct onnx_build *b)
{
    size_t rows = a->dims.size[0], columns = a->dims.size[1];
    union onnx_number *values = malloc(a->n * sizeof *values + 1);

    if (!values)
        return onnx_build_memory(b);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            values[r * columns + c] = a->values[c * rows + r];
    free(a->values);
    a->values = values;
    return OK;
}

/* False if a number does not fit into 64 bits with sign. */
static bool decode(struct onnx_array *a, const unsigned char *bytes)
{
    bool large = strcmp(a->dtype->name, "U64") == 0;

    if (onnx_array_is_real(a)) {
        a->dtype->decode(&a->values[0].real, bytes, a->n);
        return true;
    }
    for (size_t i = 0; i < a->n; i++) {
        a->values[i].whole = onnx_tensor_integer(a->dtype, bytes + i * a->dtype->nbytes);
        if (large && a->values[i].whole < 0)
            return false;
    }
    return true;
}

/* Errors: FAIL_UNSUPPORTED without a message if the numbers cannot be computed with. */
static enum status read_array(struct onnx_array *a, struct onnx_build *b, const struct onnx_tensor *t)
{
    unsigned char *bytes = NULL;
    enum status rc = OK;

    if (!t->dtype || t->elements > ONNX_MAX_FOLDED)
        return FAIL_UNSUPPORTED;
    *a = (struct onnx_array){.dtype = t->dtype, .dims = onnx_build_dims(t), .n = t->elements};
    TRY(count(b, a->n));
    a->values = malloc(a->n * sizeof *a->values + 1);
    bytes = malloc(a->n * t->dtype->nbytes + 1);
    if (!a->values || !bytes) {
        rc = onnx_build_memory(b);
        goto done;
    }
    if (a->n > 0)
        TRY(onnx_tensor_fetch(bytes, &b->model->file, t, 0, a->n, b->err));
    if (!decode(a, bytes))
        rc = FAIL_UNSUPPORTED;
    else if (t->transposed)
        rc = transpose(a, b);
done:
    free(bytes);
    return rc;
}

static void encode(unsigned char *bytes, const struct onnx_array *a, const struct weights_dtype *dtype)
{
    bool real = onnx_array_is_real(a), single = real && dtype->nbytes == sizeof(float);

    for (size_t i = 0; i < a->n; i++) {
        uint64_t bits = (uint64_t)a->values[i].whole;
        if (single) {
            float value = (float)a->values[i].real;
            uint32_t low;
            memcpy(&low, &value, sizeof low);
            bits = low;
        } else if (real) {
            memcpy(&bits, &a->values[i].real, sizeof bits);
        }
        for (size_t byte = 0; byte < dtype->nbytes; byte++)
            bytes[i * dtype->nbytes + byte] = (unsigned char)(bits >> 8 * byte);
    }
}

static void empty(struct onnx_array *a)
{
    free(a->values);
    *a = (struct onnx_array){.values = NULL};
}

enum status onnx_array_write(struct onnx_fold *f)
{
    struct onnx_array *a = &f->out;
    bool half = onnx_array_is_real(a) && a->dtype->nbytes < sizeof(float);
    const struct weights_dtype *dtype = half ? weights_dtype_find("F32") : a->dtype;
    struct onnx_tensor *t = onnx_memory_take(&f->b->model->memory, 1, sizeof *t);
    unsigned char *bytes = onnx_memory_take(&f->b->model->memory, a->n + 1, dtype->nbytes);

    if (!t || !bytes)
        return onnx_build_memory(f->b);
    *t = (struct onnx_tensor){.name = "", .dtype = dtype, .ndim = a->dims.n, .elements = a->n, .bytes = bytes};
    memcpy(t->dims, a->dims.size, sizeof t->dims);
    encode(bytes, a, dtype);
    empty(a);
    if (f->node->outputs[f->place] == 0)
        return OK; /* an output that is left out */
    return onnx_build_set_constant(f->b, f->node, f->place, t);
}

enum status onnx_array_fold(struct onnx_build *b, const struct onnx_node *node, onnx_folding *folding)
{
    struct onnx_fold f = {.b = b, .node = node, .nin = node->ninputs};
    enum status rc = OK;

    f.in = calloc(f.nin + 1, sizeof *f.in);
    if (!f.in)
        return onnx_build_memory(b);
    for (size_t i = 0; i < f.nin; i++)
        if (node->inputs[i])
            TRY(read_array(&f.in[i], b, onnx_build_constant(b, node, i)));
    TRY(folding(&f));
    if (f.out.values)
        TRY(onnx_array_write(&f));
done:
    for (size_t i = 0; i < f.nin; i++)
        empty(&f.in[i]);
    empty(&f.out);
    free(f.in);
    return rc == FAIL_UNSUPPORTED ? onnx_build_refuse(b, node, too_complex) : rc;
}

enum status onnx_array_make(struct onnx_fold *f, const struct weights_dtype *dtype, const struct onnx_dims *dims)
{
    size_t n = 1;

    for (size_t d = 0; d < dims->n; d++)
        if (__builtin_mul_overflow(n, dims->size[d], &n))
            return FAIL_UNSUPPORTED;
    if (!dtype || n > ONNX_MAX_FOLDED)
        return FAIL_UNSUPPORTED;
    f->out = (struct onnx_array){.dtype = dtype, .dims = *dims, .n = n, .values = calloc(n + 1, NUMBER_BYTES)};
    return f->out.values ? count(f->b, n) : onnx_build_memory(f->b);
}

/* ---- elements -------------------------------------------------------------------------------------------------- */

bool onnx_array_is_real(const struct onnx_array *a)
{
    return a->dtype && a->dtype->decode;
}

bool onnx_array_scalar(double *out, const struct onnx_array *a)
{
    if (a->n != 1)
        return false;
    *out = onnx_array_is_real(a) ? a->values[0].real : (double)a->values[0].whole;
    return true;
}

struct onnx_steps onnx_array_steps(const struct onnx_array *a)
{
    struct onnx_steps steps = {.offset = 0};
    size_t step = 1; /* overflows only if there are no elements */

    for (size_t d = a->dims.n; d-- > 0;) {
        steps.step[d] = (int64_t)step;
        step *= a->dims.size[d];
    }
    return steps;
}

bool onnx_array_stretch(struct onnx_steps *steps, const struct onnx_array *a, const struct onnx_dims *dims)
{
    struct onnx_steps own = onnx_array_steps(a);

    *steps = (struct onnx_steps){.offset = 0};
    if (a->dims.n > dims->n)
        return false;
    for (size_t d = 0, first = dims->n - a->dims.n; d < a->dims.n; d++) {
        if (a->dims.size[d] != 1 && a->dims.size[d] != dims->size[first + d])
            return false;
        steps->step[first + d] = a->dims.size[d] == 1 ? 0 : own.step[d];
    }
    return true;
}

bool onnx_array_common(struct onnx_dims *out, const struct onnx_dims *a, const struct onnx_dims *b)
{
    const struct onnx_dims *longer = a->n >= b->n ? a : b, *shorter = a->n >= b->n ? b : a;
    size_t first = longer->n - shorter->n;

    *out = *longer;
    for (size_t d = 0; d < shorter->n; d++) {
        size_t x = longer->size[first + d], y = shorter->size[d];
        if (x != y && x != 1 && y != 1)
            return false;
        out->size[first + d] = x == 1 ? y : x;
    }
    return true;
}

void onnx_array_places(size_t *places, const struct onnx_dims *dims, const struct onnx_steps *steps)
{
    size_t index[ONNX_MAX_DIMS] = {0}, n = onnx_dims_product(dims, 0);
    int64_t at = steps->offset;

    for (size_t i = 0; i < n; i++) {
        places[i] = (size_t)at;
        for (size_t d = dims->n; d-- > 0;) {
            at += steps->step[d];
            if (++index[d] < dims->size[d])
                break;
            at -= steps->step[d] * (int64_t)dims->size[d];
            index[d] = 0;
        }
    }
}

enum status onnx_array_pick(struct onnx_fold *f, const struct onnx_array *from, const struct onnx_dims *dims,
                            const struct onnx_steps *steps)
{
    size_t *places;
    enum status rc = onnx_array_make(f, from->dtype, dims);

    if (rc != OK)
        return rc;
    places = malloc(f->out.n * sizeof *places + 1);
    if (!places)
        return onnx_build_memory(f->b);
    onnx_array_places(places, dims, steps);
    for (size_t i = 0; i < f->out.n; i++)
        f->out.values[i] = from->values[places[i]];
    free(places);
    return OK;
}
