/* What follows from the layers of a graph. */
#include "io/onnx/graph.h"

const char *onnx_graph_kind_name(enum onnx_kind kind)
{
    static const char *const names[ONNX_KINDS] = {
        [ONNX_CONVOLUTION] = "convolution",
        [ONNX_DENSE] = "dense",
        [ONNX_POOL] = "pool",
        [ONNX_AVERAGE] = "average",
        [ONNX_ADD] = "add",
        [ONNX_CHANNELS] = "channels",
        [ONNX_GATE] = "gate",
        [ONNX_PASS] = "pass",
    };

    return names[kind];
}

const char *onnx_graph_activation_name(enum onnx_activation_kind kind)
{
    static const char *const names[ONNX_ACTIVATIONS] = {
        [ONNX_NONE] = "none",        [ONNX_RELU] = "relu",       [ONNX_CLIP] = "clip",
        [ONNX_LEAKY] = "leaky relu", [ONNX_SIGMOID] = "sigmoid", [ONNX_HARD_SIGMOID] = "hard sigmoid",
        [ONNX_SILU] = "silu",        [ONNX_GELU] = "gelu",       [ONNX_HARD_SWISH] = "hard swish",
        [ONNX_ELU] = "elu",          [ONNX_TANH] = "tanh",       [ONNX_SOFTPLUS] = "softplus",
        [ONNX_MISH] = "mish",
    };

    return names[kind];
}

const char *onnx_graph_variable(const struct onnx_graph *graph, size_t variable)
{
    return variable ? graph->layers[variable - 1].name : "input";
}

struct onnx_shape onnx_graph_shape(const struct onnx_graph *graph, size_t variable)
{
    return variable ? graph->layers[variable - 1].upper : graph->input;
}

static struct onnx_shape lower_shape(const struct onnx_graph *graph, const struct onnx_layer *layer)
{
    return onnx_graph_shape(graph, graph->inputs[layer->first_input].variable);
}

size_t onnx_graph_weight_floats(const struct onnx_graph *graph, size_t layer)
{
    const struct onnx_layer *l = &graph->layers[layer];
    struct onnx_shape lower = lower_shape(graph, l);
    size_t K = l->upper.channels;

    if (!l->weighted)
        return 0;
    if (l->kind == ONNX_CONVOLUTION)
        return K * (lower.channels / l->groups) * l->window.height * l->window.width;
    return l->kind == ONNX_DENSE ? K * lower.channels * lower.height * lower.width : K;
}

double onnx_graph_products(const struct onnx_graph *graph, size_t layer)
{
    struct onnx_shape upper = graph->layers[layer].upper;

    return (double)onnx_graph_weight_floats(graph, layer) * (double)upper.height * (double)upper.width;
}
