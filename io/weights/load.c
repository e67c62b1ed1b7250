/* Loading the tensors of a file: types, order, folded BatchNorm, check for finite numbers. */
#include "io/weights/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    NUMBER = 8,      /* bytes of the largest type of numbers */
    BATCH = 1 << 20, /* elements read at a time, or one row if that is longer */
    TILE = 16        /* outputs that are transposed together: a cache line of floats */
};

/* Reads rows of tensors, one tensor at a time. */
struct reader {
    const struct weights *w;
    const struct weights_record *r;
    double *values;       /* [capacity] decoded rows */
    unsigned char *bytes; /* [capacity * NUMBER] the same as in the file */
    unsigned char *span;  /* the whole tensor if it is not contiguous or can only be fetched as a whole; else NULL */
    size_t capacity;
};

/* Scale and shift of each output of a layer: 1 and the bias, or with a folded BatchNorm. */
struct affine {
    double *scale, *shift; /* [out] each; one allocation, owned by scale */
};

static enum status out_of_memory(const struct weights *w, struct error *err)
{
    error_system(err, "%s: reading a tensor", w->path);
    return FAIL_SYSTEM;
}

static enum status reader_reserve(struct reader *reader, size_t n, struct error *err)
{
    if (reader->values && reader->bytes && n <= reader->capacity)
        return OK;
    n = n < TILE ? TILE : n; /* never zero */
    free(reader->values);
    free(reader->bytes);
    reader->capacity = 0;
    reader->values = malloc(n * sizeof *reader->values);
    reader->bytes = malloc(n * NUMBER);
    if (!reader->values || !reader->bytes)
        return out_of_memory(reader->w, err);
    reader->capacity = n;
    return OK;
}

static void reader_free(struct reader *reader)
{
    free(reader->values);
    free(reader->bytes);
    free(reader->span);
}

static enum status reader_begin(struct reader *reader, const struct weights_record *r, struct error *err)
{
    reader->r = r;
    free(reader->span);
    reader->span = NULL;
    if (r->contiguous && !r->whole)
        return OK;
    reader->span = malloc(r->span * r->dtype->nbytes);
    if (!reader->span)
        return out_of_memory(reader->w, err);
    return reader->w->format->fetch(reader->span, reader->w, r, 0, r->span, err);
}

/* Collect elements first .. first + n in C order from the span. */
static void gather(struct reader *reader, size_t first, size_t n)
{
    const struct weights_record *r = reader->r;
    size_t nbytes = r->dtype->nbytes;

    for (size_t i = 0; i < n; i++) {
        size_t rest = first + i, at = 0;
        for (size_t d = r->info.ndim; d-- > 0;) {
            at += rest % r->info.dims[d] * r->strides[d];
            rest /= r->info.dims[d];
        }
        memcpy(reader->bytes + i * nbytes, reader->span + at * nbytes, nbytes);
    }
}

/* Decode nrows rows from `row` on to values + at. */
static enum status reader_rows(struct reader *reader, size_t at, size_t row, size_t nrows, struct error *err)
{
    const struct weights_record *r = reader->r;
    size_t first = row * weights_row(r), n = nrows * weights_row(r);
    const unsigned char *bytes = reader->bytes;
    enum status rc = OK;

    if (!reader->span)
        TRY(reader->w->format->fetch(reader->bytes, reader->w, r, first, n, err));
    else if (r->contiguous)
        bytes = reader->span + first * r->dtype->nbytes;
    else
        gather(reader, first, n);
    r->dtype->decode(reader->values + at, bytes, n);
done:
    return rc;
}

static enum status not_finite(const struct reader *reader, size_t element, struct error *err)
{
    return error_set(err, FAIL_FORMAT,
                     "%s: tensor '%s': element %zu is not a finite number as float; the weights are damaged",
                     reader->w->path, reader->r->info.name, element);
}

/* Load a vector with one value for each output. */
static enum status load_vector(double *dest, struct reader *reader, const struct weights_record *r, struct error *err)
{
    size_t n = r->elements;
    enum status rc;

    TRY(reader_reserve(reader, n, err));
    TRY(reader_begin(reader, r, err));
    TRY(reader_rows(reader, 0, 0, n, err));
    for (size_t i = 0; i < n; i++) {
        if (!isfinite((float)reader->values[i]))
            return not_finite(reader, i, err);
        dest[i] = reader->values[i];
    }
done:
    return rc;
}

static enum status fold(struct affine *affine, struct reader *reader, const struct weights_source *source,
                        const struct weights_layer *l, struct error *err)
{
    size_t n = l->out;
    double *mean = calloc(3 * n, sizeof *mean), *variance = mean + n, *beta = mean + 2 * n;
    enum status rc;

    if (!mean)
        return out_of_memory(reader->w, err);
    TRY(load_vector(affine->scale, reader, source->parts[WEIGHTS_GAMMA], err));
    TRY(load_vector(beta, reader, source->parts[WEIGHTS_BETA], err));
    TRY(load_vector(mean, reader, source->parts[WEIGHTS_MEAN], err));
    TRY(load_vector(variance, reader, source->parts[WEIGHTS_VARIANCE], err));
    for (size_t k = 0; k < n; k++) {
        if (variance[k] < 0.0) {
            rc = error_set(err, FAIL_FORMAT, "%s: tensor '%s': element %zu is a negative variance", reader->w->path,
                           source->parts[WEIGHTS_VARIANCE]->info.name, k);
            goto done;
        }
        affine->scale[k] /= sqrt(variance[k] + l->epsilon);
        affine->shift[k] = (affine->shift[k] - mean[k]) * affine->scale[k] + beta[k];
    }
done:
    free(mean);
    return rc;
}

static enum status affine_init(struct affine *affine, struct reader *reader, const struct weights_layer *l,
                               const struct weights_source *source, struct error *err)
{
    enum status rc = OK;

    affine->scale = calloc(2 * l->out, sizeof *affine->scale);
    if (!affine->scale)
        return out_of_memory(reader->w, err);
    affine->shift = affine->scale + l->out;
    for (size_t k = 0; k < l->out; k++)
        affine->scale[k] = 1.0;
    if (source->parts[WEIGHTS_BIAS])
        TRY(load_vector(affine->shift, reader, source->parts[WEIGHTS_BIAS], err));
    if (l->batchnorm)
        TRY(fold(affine, reader, source, l, err));
done:
    return rc;
}

/* Returns the index of the first value that is not finite, or n. */
static size_t scale_row(float *dest, const double *values, double scale, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dest[i] = (float)(values[i] * scale);
        if (!isfinite(dest[i]))
            return i;
    }
    return n;
}

/* Number of rows of this length to read at a time, from 1 to n. */
static size_t batch_rows(size_t row, size_t n)
{
    size_t rows = 1 + BATCH / (row + 1);

    return rows < n ? rows : n;
}

/* PyTorch's order is already the program's. */
static enum status load_in_order(float *dest, struct reader *reader, const struct weights_layer *l, const double *scale,
                                 struct error *err)
{
    size_t row = weights_row(reader->r), batch = batch_rows(row, l->out);
    enum status rc = OK;

    TRY(reader_reserve(reader, batch * row, err));
    for (size_t k = 0; k < l->out; k += batch) {
        size_t n = l->out - k < batch ? l->out - k : batch;
        TRY(reader_rows(reader, 0, k, n, err));
        for (size_t i = 0; i < n; i++) {
            size_t bad = scale_row(dest + (k + i) * row, reader->values + i * row, scale[k + i], row);
            if (bad < row)
                return not_finite(reader, (k + i) * row + bad, err);
        }
    }
done:
    return rc;
}

/* Keras' [3][3][in][out] to [out][in][3][3]. Three inputs of the first layer are B, G, R and become R, G, B. */
static enum status load_keras_kernel(float *dest, struct reader *reader, const struct weights_layer *l,
                                     const double *scale, bool first, struct error *err)
{
    size_t row = weights_row(reader->r), C = l->in, K = l->out;
    bool flipped = first && C == 3;
    enum status rc = OK;

    TRY(reader_reserve(reader, row, err));
    for (size_t y = 0; y < 3; y++) {
        TRY(reader_rows(reader, 0, y, 1, err));
        for (size_t i = 0; i < row; i++) {
            size_t k = i % K, c = i / K % C, x = i / (K * C);
            float value = (float)(reader->values[i] * scale[k]);
            if (!isfinite(value))
                return not_finite(reader, y * row + i, err);
            dest[((k * C + (flipped ? C - 1 - c : c)) * 3 + y) * 3 + x] = value;
        }
    }
done:
    return rc;
}

/* Transpose channels c .. c + n of a [positions][channels][out] matrix to [out][channels][positions]; values hold
 * [positions][n][out]. Returns the index in the file of an element that is not finite, or the number of elements. */
static size_t transpose(float *dest, const double *values, const struct weights_layer *l, size_t positions, size_t c,
                        size_t n)
{
    size_t C = l->in / positions;

    for (size_t k = 0; k < l->out; k += TILE)
        for (size_t i = 0; i < n; i++)
            for (size_t p = 0; p < positions; p++)
                for (size_t t = k; t < k + TILE && t < l->out; t++) {
                    float value = (float)values[(p * n + i) * l->out + t];
                    if (!isfinite(value))
                        return (p * C + c + i) * l->out + t;
                    dest[t * l->in + (c + i) * positions + p] = value;
                }
    return l->in * l->out;
}

/* Keras' [positions][channels][out] to [out][channels][positions], a few channels at a time. */
static enum status load_keras_matrix(float *dest, struct reader *reader, const struct weights_layer *l,
                                     size_t positions, struct error *err)
{
    size_t C = l->in / positions, column = positions * l->out, batch = batch_rows(column, C);
    enum status rc = OK;

    TRY(reader_reserve(reader, batch * column, err));
    for (size_t c = 0; c < C; c += batch) {
        size_t n = C - c < batch ? C - c : batch;
        for (size_t p = 0; p < positions; p++)
            TRY(reader_rows(reader, p * n * l->out, p * C + c, n, err));
        size_t element = transpose(dest, reader->values, l, positions, c, n);
        if (element < l->in * l->out)
            return not_finite(reader, element, err);
    }
done:
    return rc;
}

static enum status load_bias(float *dest, const struct reader *reader, const double *shift,
                             const struct weights_layer *l, struct error *err)
{
    for (size_t k = 0; k < l->out; k++) {
        dest[k] = (float)shift[k];
        if (!isfinite(dest[k]))
            return error_set(err, FAIL_FORMAT,
                             "%s: tensor '%s': the bias of output %zu is not finite after folding the BatchNorm",
                             reader->w->path, l->name, k);
    }
    return OK;
}

static enum status load_layer(float *dest, struct reader *reader, size_t i, struct error *err)
{
    const struct weights *w = reader->w;
    const struct weights_layer *l = &w->layers[i];
    struct affine affine = {NULL, NULL};
    enum status rc;

    TRY(affine_init(&affine, reader, l, &w->sources[i], err));
    TRY(load_bias(dest + l->bias, reader, affine.shift, l, err));
    TRY(reader_begin(reader, w->sources[i].parts[WEIGHTS_WEIGHT], err));
    if (!w->format->keras)
        TRY(load_in_order(dest + l->weight, reader, l, affine.scale, err));
    else if (l->convolution)
        TRY(load_keras_kernel(dest + l->weight, reader, l, affine.scale, i == 0, err));
    else
        TRY(load_keras_matrix(dest + l->weight, reader, l, l[-1].convolution ? l->in / l[-1].out : 1, err));
done:
    free(affine.scale);
    return rc;
}

/* Clear the floats between the end of one piece of the array and the start of the next. */
static void clear_gap(float *dest, size_t start, size_t n)
{
    size_t end = start + n;

    while (end % WEIGHTS_ALIGN_FLOATS != 0)
        dest[end++] = 0.0F;
}

enum status weights_load(float *dest, const struct weights *w, struct error *err)
{
    struct reader reader = {.w = w};
    enum status rc = OK;

    for (size_t i = 0; i < w->nlayers; i++) {
        const struct weights_layer *l = &w->layers[i];
        TRY(load_layer(dest, &reader, i, err));
        clear_gap(dest, l->weight, w->sources[i].parts[WEIGHTS_WEIGHT]->elements);
        clear_gap(dest, l->bias, l->out);
    }
done:
    reader_free(&reader);
    return rc;
}
