#include "tests/support/onnx_evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a layer is computed from. */
struct work {
    const struct onnx_graph *graph;
    const struct onnx_layer *layer;
    double **variables;
    struct onnx_shape lower;
    const double *a; /* the first variable that the layer reads */
    const float *weight, *bias;
};

static size_t neurons(struct onnx_shape s)
{
    return s.channels * s.height * s.width;
}

/* The part of a window that lies in the map: rows first .. last - 1 of `size`. */
struct range {
    size_t first, last;
};

static struct range inside(size_t position, size_t stride, size_t begin, size_t length, size_t size)
{
    long from = (long)(position * stride) - (long)begin, to = from + (long)length;

    return (struct range){from < 0 ? 0 : (size_t)from, to < 0 ? 0 : to > (long)size ? size : (size_t)to};
}

static struct range rows_of(const struct work *w, size_t y)
{
    return inside(y, w->layer->window.down, w->layer->window.top, w->layer->window.height, w->lower.height);
}

static struct range columns_of(const struct work *w, size_t x)
{
    return inside(x, w->layer->window.across, w->layer->window.left, w->layer->window.width, w->lower.width);
}

static double convolve(const struct work *w, size_t k, size_t y, size_t x)
{
    struct onnx_window v = w->layer->window;
    size_t each = w->lower.channels / w->layer->groups, group = k / (w->layer->upper.channels / w->layer->groups);
    struct range rows = rows_of(w, y), columns = columns_of(w, x);
    double sum = (double)w->bias[k];

    for (size_t c = 0; c < each; c++)
        for (size_t i = rows.first; i < rows.last; i++)
            for (size_t j = columns.first; j < columns.last; j++) {
                size_t dy = i + v.top - y * v.down, dx = j + v.left - x * v.across;
                sum += (double)w->weight[((k * each + c) * v.height + dy) * v.width + dx] *
                       w->a[((group * each + c) * w->lower.height + i) * w->lower.width + j];
            }
    return sum;
}

static double maximum(const struct work *w, size_t k, size_t y, size_t x)
{
    struct range rows = rows_of(w, y), columns = columns_of(w, x);
    double most = -INFINITY;

    for (size_t i = rows.first; i < rows.last; i++)
        for (size_t j = columns.first; j < columns.last; j++)
            most = fmax(most, w->a[(k * w->lower.height + i) * w->lower.width + j]);
    return most;
}

static double average(const struct work *w, size_t k, size_t y, size_t x)
{
    struct onnx_window v = w->layer->window;
    struct range rows = rows_of(w, y), columns = columns_of(w, x);
    double sum = 0.0, count = (double)((rows.last - rows.first) * (columns.last - columns.first));

    for (size_t i = rows.first; i < rows.last; i++)
        for (size_t j = columns.first; j < columns.last; j++)
            sum += w->a[(k * w->lower.height + i) * w->lower.width + j];
    if (w->layer->count_padding) {
        struct range all_rows = inside(y, v.down, 0, v.height, w->lower.height + v.top + v.bottom);
        struct range all_columns = inside(x, v.across, 0, v.width, w->lower.width + v.left + v.right);
        count = (double)((all_rows.last - all_rows.first) * (all_columns.last - all_columns.first));
    }
    return sum / count;
}

static double dense(const struct work *w, size_t k, size_t y, size_t x)
{
    size_t N = neurons(w->lower);
    double sum = (double)w->bias[k];

    (void)y, (void)x;
    for (size_t i = 0; i < N; i++)
        sum += (double)w->weight[k * N + i] * w->a[i];
    return sum;
}

static double add(const struct work *w, size_t k, size_t y, size_t x)
{
    size_t at = (k * w->lower.height + y) * w->lower.width + x;
    double sum = 0.0;

    for (size_t i = 0; i < w->layer->ninputs; i++)
        sum += w->variables[w->graph->inputs[w->layer->first_input + i].variable][at];
    return sum;
}

static double channel(const struct work *w, size_t k, size_t y, size_t x)
{
    for (size_t i = 0; i < w->layer->ninputs; i++) {
        const struct onnx_input *p = &w->graph->inputs[w->layer->first_input + i];
        if (k < p->upper || (k - p->upper) % p->step != 0 || (k - p->upper) / p->step >= p->count)
            continue;
        size_t c = p->lower + (k - p->upper) / p->step;
        return w->variables[p->variable][(c * w->lower.height + y) * w->lower.width + x];
    }
    return NAN;
}

static double gate(const struct work *w, size_t k, size_t y, size_t x)
{
    struct onnx_shape s = onnx_graph_shape(w->graph, w->layer->gate);
    size_t at = (k * w->lower.height + y) * w->lower.width + x;

    return w->a[at] * w->variables[w->layer->gate][s.height * s.width == 1 ? k : at];
}

static double pass(const struct work *w, size_t k, size_t y, size_t x)
{
    double a = w->a[(k * w->lower.height + y) * w->lower.width + x];

    return w->layer->weighted ? (double)w->weight[k] * a + (double)w->bias[k] : a;
}

static double activate(struct onnx_activation f, double z)
{
    double a = (double)f.a, b = (double)f.b;

    switch (f.kind) {
    case ONNX_RELU:
        return fmax(z, 0.0);
    case ONNX_CLIP:
        return fmin(fmax(z, a), b);
    case ONNX_LEAKY:
        return z > 0.0 ? z : a * z;
    case ONNX_SIGMOID:
        return 1.0 / (1.0 + exp(-z));
    case ONNX_HARD_SIGMOID:
        return fmin(fmax(a * z + b, 0.0), 1.0);
    case ONNX_SILU:
        return z / (1.0 + exp(-z));
    case ONNX_HARD_SWISH:
        return z * fmin(fmax(z + 3.0, 0.0), 6.0) / 6.0;
    case ONNX_GELU:
        return z * (1.0 + erf(z / sqrt(2.0))) / 2.0;
    case ONNX_ELU:
        return z > 0.0 ? b * z : a * (exp(z) - 1.0);
    case ONNX_TANH:
        return tanh(z);
    case ONNX_SOFTPLUS:
        return log1p(exp(z));
    case ONNX_MISH:
        return z * tanh(log1p(exp(z)));
    default:
        return z;
    }
}

static enum status compute(double *upper, struct work *w, size_t layer, struct error *err)
{
    static double (*const neuron[ONNX_KINDS])(const struct work *, size_t, size_t, size_t) = {
        [ONNX_CONVOLUTION] = convolve,
        [ONNX_DENSE] = dense,
        [ONNX_POOL] = maximum,
        [ONNX_AVERAGE] = average,
        [ONNX_ADD] = add,
        [ONNX_CHANNELS] = channel,
        [ONNX_GATE] = gate,
        [ONNX_PASS] = pass,
    };
    const struct onnx_layer *l = w->layer;
    float *weight = malloc(onnx_graph_weight_floats(w->graph, layer) * sizeof *weight + 1);
    float *bias = malloc(l->upper.channels * sizeof *bias);
    enum status rc = OK;

    if (!weight || !bias) {
        rc = error_system(err, "weights");
        goto done;
    }
    if (l->weighted)
        TRY(onnx_graph_load(weight, bias, w->graph, layer, err));
    w->weight = weight;
    w->bias = bias;
    for (size_t k = 0; k < l->upper.channels; k++)
        for (size_t y = 0; y < l->upper.height; y++)
            for (size_t x = 0; x < l->upper.width; x++)
                upper[(k * l->upper.height + y) * l->upper.width + x] =
                    activate(l->activation, neuron[l->kind](w, k, y, x));
done:
    free(bias);
    free(weight);
    return rc;
}

enum status onnx_evaluate(double **variables, const struct onnx_graph *graph, const double *image, struct error *err)
{
    enum status rc = OK;

    for (size_t v = 0; v <= graph->nlayers; v++) {
        variables[v] = calloc(neurons(onnx_graph_shape(graph, v)), sizeof **variables);
        if (!variables[v])
            rc = error_system(err, "variable %zu", v);
    }
    if (rc == OK)
        memcpy(variables[0], image, neurons(graph->input) * sizeof *image);
    for (size_t k = 0; k < graph->nlayers && rc == OK; k++) {
        size_t lower = graph->inputs[graph->layers[k].first_input].variable;
        struct work w = {.graph = graph,
                         .layer = &graph->layers[k],
                         .variables = variables,
                         .lower = onnx_graph_shape(graph, lower),
                         .a = variables[lower]};
        rc = compute(variables[k + 1], &w, k, err);
    }
    return rc;
}
