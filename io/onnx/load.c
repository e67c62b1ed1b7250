/* Reading the weights of a layer, with what is folded into them. */
#include "io/onnx/graph.h"
#include "io/onnx/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 1 << 20 }; /* elements read at a time, or one row if that is longer */

/* Reads rows of a tensor: what has one index in its first dimension. */
struct reader {
    struct onnx_file *file;
    const struct onnx_tensor *t;
    size_t row, batch;    /* elements of a row, rows read at a time */
    double *values;       /* [batch row] */
    unsigned char *bytes; /* the same as in the file */
    struct error *err;
};

static enum status reader_init(struct reader *r, struct onnx_model *model, const struct onnx_tensor *t, size_t row,
                               struct error *err)
{
    *r = (struct reader){.file = &model->file, .t = t, .row = row, .batch = 1 + BATCH / (row + 1), .err = err};
    r->values = malloc(r->batch * row * sizeof *r->values + 1);
    r->bytes = malloc(r->batch * row * t->dtype->nbytes + 1);
    if (!r->values || !r->bytes)
        return error_system(err, "%s: reading a tensor", model->file.path);
    return OK;
}

static void reader_free(struct reader *r)
{
    free(r->values);
    free(r->bytes);
}

static enum status reader_rows(struct reader *r, size_t first, size_t n)
{
    enum status rc = onnx_tensor_fetch(r->bytes, r->file, r->t, first * r->row, n * r->row, r->err);

    if (rc == OK)
        r->t->dtype->decode(r->values, r->bytes, n * r->row);
    return rc;
}

static enum status not_finite(const struct reader *r, const struct onnx_layer *layer, size_t element)
{
    return error_set(r->err, FAIL_FORMAT,
                     "%s: tensor '%.200s' of layer %s: element %zu is not a finite number as float; the weights are "
                     "damaged",
                     r->file->path, r->t->name, layer->name, element);
}

/* Rows and columns of a convolution's window that have weights in the file. */
static size_t taps(size_t length, size_t spread)
{
    return (length - 1) / spread + 1;
}

static bool is_spread(const struct onnx_layer *layer)
{
    return layer->kind == ONNX_CONVOLUTION && layer->spread_down * layer->spread_across > 1;
}

/* The place in a row of [C / groups][height][width] of element i of the file's, which may be spread. */
static size_t place_of(const struct onnx_layer *layer, size_t i)
{
    const struct onnx_window *w = &layer->window;
    size_t height = taps(w->height, layer->spread_down), width = taps(w->width, layer->spread_across);
    size_t c = i / (height * width), y = i / width % height, x = i % width;

    return (c * w->height + y * layer->spread_down) * w->width + x * layer->spread_across;
}

/* Rows are outputs, of N weights each. */
static enum status load_rows(float *weight, struct reader *r, const struct onnx_layer *layer, size_t N)
{
    size_t K = layer->upper.channels, row = r->row;
    bool spread = is_spread(layer);
    enum status rc = OK;

    if (spread)
        memset(weight, 0, K * N * sizeof *weight);

    for (size_t k = 0; k < K; k += r->batch) {
        size_t n = K - k < r->batch ? K - k : r->batch;
        TRY(reader_rows(r, k, n));
        for (size_t i = 0; i < n * row; i++) {
            float value = (float)(r->values[i] * layer->scale[k + i / row]);
            if (!isfinite(value))
                return not_finite(r, layer, k * row + i);
            weight[spread ? (k + i / row) * N + place_of(layer, i % row) : k * row + i] = value;
        }
    }
done:
    return rc;
}

/* Rows are inputs, N of them, of K outputs each. */
static enum status load_transposed(float *weight, struct reader *r, const struct onnx_layer *layer, size_t N)
{
    size_t K = layer->upper.channels;
    enum status rc = OK;

    for (size_t first = 0; first < N; first += r->batch) {
        size_t n = N - first < r->batch ? N - first : r->batch;
        TRY(reader_rows(r, first, n));
        for (size_t k = 0; k < K; k++)
            for (size_t i = 0; i < n; i++) {
                float value = (float)(r->values[i * K + k] * layer->scale[k]);
                if (!isfinite(value))
                    return not_finite(r, layer, (first + i) * K + k);
                weight[k * N + first + i] = value;
            }
    }
done:
    return rc;
}

/* Round a vector of a layer. */
static enum status round_vector(float *out, const double *values, const struct onnx_graph *graph,
                                const struct onnx_layer *layer, struct error *err)
{
    for (size_t k = 0; k < layer->upper.channels; k++) {
        out[k] = (float)values[k];
        if (!isfinite(out[k]))
            return error_set(err, FAIL_FORMAT, "%s: layer %s: the weight or bias of channel %zu is not finite as float",
                             graph->model->file.path, layer->name, k);
    }
    return OK;
}

enum status onnx_graph_load(float *weight, float *bias, const struct onnx_graph *graph, size_t layer, struct error *err)
{
    const struct onnx_layer *l = &graph->layers[layer];
    size_t K = l->upper.channels, N = onnx_graph_weight_floats(graph, layer) / K;
    struct reader reader = {.values = NULL};
    enum status rc;

    TRY(round_vector(bias, l->shift, graph, l, err));
    if (!l->weight) {
        TRY(round_vector(weight, l->scale, graph, l, err));
        goto done;
    }
    size_t row = is_spread(l) ? l->weight->elements / K : N;
    TRY(reader_init(&reader, graph->model, l->weight, l->transposed ? K : row, err));
    TRY(l->transposed ? load_transposed(weight, &reader, l, N) : load_rows(weight, &reader, l, N));
done:
    reader_free(&reader);
    return rc;
}

enum status onnx_graph_sha256(char hex[SHA256_HEX], const struct onnx_graph *graph, struct error *err)
{
    return onnx_model_sha256(hex, graph->model, err);
}
