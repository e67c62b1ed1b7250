#include "pipeline/run/model_file.h"

#include "io/onnx/graph.h"
#include "io/weights/weights.h"
#include "kernels/base/network_vgg.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE = 256, ALIGN = WEIGHTS_ALIGN_FLOATS, MOST_FLOATS = 1 << 30 };

/* ---- VGG --------------------------------------------------------------------------------------------------------- */

static enum status describe_vgg(struct model_description *d, const struct weights *w, const char *path,
                                struct error *err)
{
    struct network_layer layers[WEIGHTS_MAX_LAYERS];
    char message[MESSAGE];

    for (size_t i = 0; i < weights_nlayers(w); i++) {
        const struct weights_layer *l = &weights_layers(w)[i];
        layers[i] = (struct network_layer){l->convolution, l->out, l->in, l->weight, l->bias};
    }
    if (!network_vgg_init(&d->net, message, sizeof message, layers, weights_nlayers(w)))
        return error_set(err, FAIL_FORMAT, "%s: %s", path, message);
    d->nfloats = weights_floats(w);
    d->keras = weights_keras_preprocessing(w);
    return weights_sha256(d->sha256, w, err);
}

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

static const enum link_kind kinds[ONNX_KINDS] = {
    [ONNX_CONVOLUTION] = LINK_CONVOLUTION,
    [ONNX_DENSE] = LINK_DENSE,
    [ONNX_POOL] = LINK_POOL,
    [ONNX_AVERAGE] = LINK_AVERAGE,
    [ONNX_ADD] = LINK_ADD,
    [ONNX_CHANNELS] = LINK_CHANNELS,
    [ONNX_GATE] = LINK_GATE,
    [ONNX_PASS] = LINK_PASS,
};

static const enum activation_kind activations[ONNX_ACTIVATIONS] = {
    [ONNX_NONE] = ACTIVATION_NONE,       [ONNX_RELU] = ACTIVATION_RELU,
    [ONNX_CLIP] = ACTIVATION_CLIP,       [ONNX_LEAKY] = ACTIVATION_LEAKY,
    [ONNX_SIGMOID] = ACTIVATION_SIGMOID, [ONNX_HARD_SIGMOID] = ACTIVATION_HARD_SIGMOID,
    [ONNX_SILU] = ACTIVATION_SILU,       [ONNX_HARD_SWISH] = ACTIVATION_HARD_SWISH,
    [ONNX_GELU] = ACTIVATION_GELU,       [ONNX_ELU] = ACTIVATION_ELU,
    [ONNX_TANH] = ACTIVATION_TANH,       [ONNX_SOFTPLUS] = ACTIVATION_SOFTPLUS,
    [ONNX_MISH] = ACTIVATION_MISH,
};

static struct link link_of(const struct onnx_layer *layer)
{
    const struct onnx_window *w = &layer->window;
    struct link link = {
        .kind = kinds[layer->kind],
        .upper = {layer->upper.channels, layer->upper.height, layer->upper.width},
        .activation = {activations[layer->activation.kind], layer->activation.a, layer->activation.b},
        .window = {w->height, w->width, w->down, w->across, w->top, w->left, w->bottom, w->right},
        .groups = layer->groups,
        .count_padding = layer->count_padding,
        .gate = layer->gate,
        .weighted = layer->kind == ONNX_PASS && layer->weighted,
    };

    snprintf(link.name, sizeof link.name, "%s", layer->name);
    return link;
}

static size_t aligned(size_t floats)
{
    return (floats + ALIGN - 1) / ALIGN * ALIGN;
}

/* Append a layer; its weights and bias follow those before. */
static bool push_layer(struct model_description *d, const struct onnx_graph *graph, size_t i, char message[MESSAGE])
{
    const struct onnx_layer *layer = &graph->layers[i];
    const struct onnx_input *inputs = graph->inputs + layer->first_input;
    size_t lower[NETWORK_MAX_EDGES];
    struct edge_channels pieces[NETWORK_MAX_EDGES];
    struct link link = link_of(layer);

    if (layer->ninputs > NETWORK_MAX_EDGES) {
        snprintf(message, MESSAGE, "%s reads %zu layers", layer->name, layer->ninputs);
        return false;
    }
    for (size_t e = 0; e < layer->ninputs; e++) {
        lower[e] = inputs[e].variable;
        pieces[e] = (struct edge_channels){inputs[e].lower, inputs[e].upper, inputs[e].step, inputs[e].count};
    }
    if (layer->weighted) {
        size_t floats = onnx_graph_weight_floats(graph, i);
        link.weight = d->nfloats;
        link.bias = link.weight + aligned(floats);
        d->nfloats = link.bias + aligned(layer->upper.channels);
    }
    if (d->nfloats > MOST_FLOATS) {
        snprintf(message, MESSAGE, "more than %d weights", MOST_FLOATS);
        return false;
    }
    return network_push(&d->net, &link, lower, layer->ninputs, layer->kind == ONNX_CHANNELS ? pieces : NULL, message,
                        MESSAGE) != 0;
}

/* The file's name without folder and ending. */
static void name_of(char name[NETWORK_NAME], const char *path)
{
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path, *dot = strrchr(file, '.');
    size_t length = dot && dot != file ? (size_t)(dot - file) : strlen(file);

    snprintf(name, NETWORK_NAME, "%.*s", (int)(length < NETWORK_NAME ? length : NETWORK_NAME - 1), file);
}

static enum status describe_graph(struct model_description *d, const struct onnx_graph *graph, const char *path,
                                  struct error *err)
{
    char name[NETWORK_NAME], message[MESSAGE];

    name_of(name, path);
    network_start(&d->net, name, (struct shape){graph->input.channels, graph->input.height, graph->input.width});
    for (size_t i = 0; i < graph->nlayers; i++)
        if (!push_layer(d, graph, i, message))
            return error_set(err, FAIL_UNSUPPORTED, "%s: %s", path, message);
    if (!network_finish(&d->net, message, sizeof message))
        return error_set(err, FAIL_UNSUPPORTED, "%s: %s", path, message);
    return onnx_graph_sha256(d->sha256, graph, err);
}

static enum status load_graph(float *memory, const struct onnx_graph *graph, const struct network *net,
                              struct error *err)
{
    enum status rc = OK;

    for (size_t k = 0; k < net->nlinks; k++) {
        const struct link *link = &net->links[k];
        if (graph->layers[k].weighted)
            TRY(onnx_graph_load(memory + link->weight, memory + link->bias, graph, k, err));
    }
done:
    return rc;
}

/* Whether images can be the network's input. */
static enum status check_input(const struct network *net, const char *path, struct error *err)
{
    struct shape input = network_shape(net, 0);

    if (input.channels != 1 && input.channels != 3)
        return error_set(err, FAIL_UNSUPPORTED, "%s: the network's input has %zu channels; images have 1 or 3", path,
                         input.channels);
    if (input.height != input.width)
        return error_set(err, FAIL_UNSUPPORTED, "%s: the network's input is %zu x %zu; images are cropped to squares",
                         path, input.height, input.width);
    return OK;
}

/* ---- both -------------------------------------------------------------------------------------------------------- */

enum status model_file_open(struct model_file *file, struct model_description *description, const char *path,
                            size_t side, struct error *err)
{
    enum status rc = OK;

    *file = (struct model_file){NULL, NULL};
    memset(description, 0, sizeof *description);
    if (onnx_graph_recognise(path)) {
        TRY(onnx_graph_open(&file->onnx, path, side, side, err));
        TRY(describe_graph(description, file->onnx, path, err));
    } else {
        TRY(weights_open(&file->weights, path, err));
        TRY(describe_vgg(description, file->weights, path, err));
    }
    TRY(check_input(&description->net, path, err));
done:
    return rc;
}

bool model_file_set_epsilon(struct model_file *file, double epsilon)
{
    if (!file->weights || !weights_batchnorm(file->weights))
        return false;
    weights_set_epsilon(file->weights, epsilon);
    return true;
}

enum status model_file_load(float *memory, const struct model_file *file, const struct network *net, struct error *err)
{
    return file->onnx ? load_graph(memory, file->onnx, net, err) : weights_load(memory, file->weights, err);
}

void model_file_close(struct model_file *file)
{
    weights_close(file->weights);
    onnx_graph_close(file->onnx);
}
