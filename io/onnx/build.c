#include "io/onnx/build.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_REFUSALS = 32,
    MAX_INPUTS = 1 << 16,
    MAX_SIDE = 1 << 24,
    MAX_CHANNELS = 1 << 24, /* of all weighted layers together */
    MAX_NEURONS = 1 << 30,
    REASON = 256
};

/* ---- refusals -------------------------------------------------------------------------------------------------- */

void onnx_build_break(struct onnx_build *b, const struct onnx_node *node)
{
    for (size_t i = 0; i < node->noutputs; i++)
        b->values[node->outputs[i]].state = ONNX_BROKEN;
}

enum status onnx_build_memory(struct onnx_build *b)
{
    error_system(b->err, "%s", b->model->file.path);
    return FAIL_SYSTEM;
}

enum status onnx_build_refuse(struct onnx_build *b, const struct onnx_node *node, const char *format, ...)
{
    char reason[REASON];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    onnx_build_break(b, node);
    b->nrefused++;
    for (size_t i = 0; i < b->nrefusals; i++)
        if (strcmp(b->refusals[i].op, node->op) == 0 && strcmp(b->refusals[i].reason, reason) == 0) {
            b->refusals[i].count++;
            return OK;
        }
    if (b->nrefusals == MAX_REFUSALS)
        return OK;
    struct onnx_refusal *refusals =
        onnx_memory_grow(&b->model->memory, b->refusals, &b->refusals_capacity, b->nrefusals, sizeof *b->refusals);
    char *copy = onnx_memory_take(&b->model->memory, sizeof reason, 1);
    if (!refusals || !copy)
        return onnx_build_memory(b);
    memcpy(copy, reason, sizeof reason);
    b->refusals = refusals;
    b->refusals[b->nrefusals++] = (struct onnx_refusal){onnx_model_called(b->model, node), node->op, copy, 1};
    return OK;
}

/* ---- what a node reads ----------------------------------------------------------------------------------------- */

const struct onnx_value *onnx_build_value(const struct onnx_build *b, const struct onnx_node *node, size_t place)
{
    size_t value = onnx_model_input(node, place);

    return value ? &b->values[value] : NULL;
}

const struct onnx_tensor *onnx_build_constant(const struct onnx_build *b, const struct onnx_node *node, size_t place)
{
    const struct onnx_value *value = onnx_build_value(b, node, place);

    return value && value->state == ONNX_CONSTANT ? value->tensor : NULL;
}

struct onnx_dims onnx_build_dims(const struct onnx_tensor *t)
{
    struct onnx_dims dims = {.n = t->ndim};

    memcpy(dims.size, t->dims, sizeof dims.size);
    return dims;
}

enum status onnx_build_integers(struct onnx_integers *out, bool *given, struct onnx_build *b,
                                const struct onnx_node *node, const char *attribute, size_t place)
{
    const struct onnx_attribute *a = onnx_model_attribute(node, attribute);
    const struct onnx_value *value = onnx_build_value(b, node, place);
    size_t most = sizeof out->values / sizeof out->values[0];

    *out = (struct onnx_integers){.n = 0};
    *given = a || value;
    if (a) {
        if (a->nintegers > most)
            return FAIL_UNSUPPORTED;
        out->n = a->nintegers;
        if (a->nintegers)
            memcpy(out->values, a->integers, a->nintegers * sizeof out->values[0]);
        return OK;
    }
    if (!value)
        return OK;
    if (value->state != ONNX_CONSTANT || !onnx_tensor_is_integer(value->tensor) || value->tensor->elements > most)
        return FAIL_UNSUPPORTED;
    out->n = value->tensor->elements;
    return onnx_tensor_integers(out->values, &b->model->file, value->tensor, b->err);
}

enum status onnx_build_reals(double **out, struct onnx_build *b, const struct onnx_tensor *t)
{
    unsigned char *scratch = malloc(t->elements * t->dtype->nbytes + 1);
    enum status rc;

    *out = malloc(t->elements * sizeof **out + 1);
    if (!*out || !scratch)
        rc = onnx_build_memory(b);
    else
        rc = onnx_tensor_values(*out, scratch, &b->model->file, t, b->err);
    if (rc != OK) {
        free(*out);
        *out = NULL;
    }
    free(scratch);
    return rc;
}

bool onnx_build_scalar(double *out, struct onnx_build *b, const struct onnx_tensor *t)
{
    unsigned char bytes[sizeof(double)];
    int64_t whole;

    if (!t || t->elements != 1 || !t->dtype)
        return false;
    if (onnx_tensor_is_real(t)) {
        if (onnx_tensor_fetch(bytes, &b->model->file, t, 0, 1, NULL) != OK)
            return false;
        t->dtype->decode(out, bytes, 1);
        return true;
    }
    if (onnx_tensor_integers(&whole, &b->model->file, t, NULL) != OK)
        return false;
    *out = (double)whole;
    return true;
}

/* ---- what a node writes ---------------------------------------------------------------------------------------- */

enum status onnx_build_set_constant(struct onnx_build *b, const struct onnx_node *node, size_t place,
                                    const struct onnx_tensor *t)
{
    if (!t)
        return onnx_build_memory(b);
    struct onnx_value *value = &b->values[node->outputs[place]];
    value->state = ONNX_CONSTANT;
    value->tensor = t;
    return OK;
}

enum status onnx_build_set_view(struct onnx_build *b, const struct onnx_node *node, const struct onnx_value *from,
                                struct onnx_view view)
{
    struct onnx_value *value = &b->values[node->outputs[0]];

    view.shared = from->view.shared || from->readers != 1;
    value->state = ONNX_VARIABLE;
    value->view = view;
    return OK;
}

static bool shape_is_fine(struct onnx_shape s)
{
    return s.channels > 0 && s.height > 0 && s.width > 0 && s.channels <= MAX_CHANNELS && s.height <= MAX_SIDE &&
           s.width <= MAX_SIDE && s.height * s.width <= MAX_NEURONS && s.channels <= MAX_NEURONS / (s.height * s.width);
}

/* Scale 1 and shift 0. */
static enum status take_weights(struct onnx_build *b, struct onnx_layer *layer)
{
    size_t K = layer->upper.channels;

    b->nchannels += K;
    if (b->nchannels > MAX_CHANNELS)
        return error_set(b->err, FAIL_LIMIT, "%s: the layers have more than %d channels together", b->model->file.path,
                         MAX_CHANNELS);
    layer->scale = onnx_memory_take(&b->model->memory, K, sizeof(double));
    layer->shift = onnx_memory_take(&b->model->memory, K, sizeof(double));
    if (!layer->scale || !layer->shift)
        return onnx_build_memory(b);
    for (size_t k = 0; k < K; k++)
        layer->scale[k] = 1.0;
    return OK;
}

enum status onnx_build_layer(struct onnx_layer **out, struct onnx_build *b, const struct onnx_node *node,
                             const struct onnx_layer *layer, const struct onnx_dims *dims, size_t place)
{
    struct onnx_graph *g = b->graph;
    enum status rc = OK;

    if (g->nlayers == ONNX_MAX_LAYERS)
        return error_set(b->err, FAIL_LIMIT, "%s: more than %d layers", b->model->file.path, ONNX_MAX_LAYERS);
    if (!shape_is_fine(layer->upper))
        return error_set(b->err, FAIL_LIMIT,
                         "%s: node '%.200s' (%s) writes a map of %zu x %zu x %zu, which is empty "
                         "or too large",
                         b->model->file.path, onnx_model_called(b->model, node), node->op, layer->upper.channels,
                         layer->upper.height, layer->upper.width);
    struct onnx_layer *layers =
        onnx_memory_grow(&b->model->memory, g->layers, &b->layers_capacity, g->nlayers, sizeof *g->layers);
    if (!layers)
        return onnx_build_memory(b);
    g->layers = layers;
    struct onnx_layer *own = &g->layers[g->nlayers];
    *own = *layer;
    own->node = onnx_model_called(b->model, node);
    own->first_input = g->ninputs;
    own->ninputs = 0;
    if (!onnx_label_make(own->name, &b->labels, &b->model->memory, node, (size_t)(node - b->model->nodes)))
        return onnx_build_memory(b);
    if (own->weighted)
        TRY(take_weights(b, own));
    g->nlayers++;
    struct onnx_value *value = &b->values[node->outputs[place]];
    value->state = ONNX_VARIABLE;
    value->view = (struct onnx_view){.variable = g->nlayers, .dims = *dims};
    *out = own;
done:
    return rc;
}

enum status onnx_build_input(struct onnx_build *b, struct onnx_input input)
{
    struct onnx_graph *g = b->graph;

    if (g->ninputs == MAX_INPUTS)
        return error_set(b->err, FAIL_LIMIT, "%s: the layers read more than %d variables", b->model->file.path,
                         MAX_INPUTS);
    struct onnx_input *inputs =
        onnx_memory_grow(&b->model->memory, g->inputs, &b->inputs_capacity, g->ninputs, sizeof *g->inputs);
    if (!inputs)
        return onnx_build_memory(b);
    g->inputs = inputs;
    g->inputs[g->ninputs++] = input;
    g->layers[g->nlayers - 1].ninputs++;
    return OK;
}

enum status onnx_build_pass(struct onnx_layer **out, struct onnx_build *b, const struct onnx_node *node,
                            const struct onnx_value *from, bool weighted)
{
    struct onnx_layer pass = {.kind = ONNX_PASS, .weighted = weighted, .upper = onnx_build_shape(b, &from->view)};
    struct onnx_dims dims = from->view.dims;
    size_t variable = from->view.variable;
    enum status rc;

    TRY(onnx_build_layer(out, b, node, &pass, &dims, 0));
    TRY(onnx_build_input(b, (struct onnx_input){.variable = variable}));
done:
    return rc;
}

/* ---- variables ------------------------------------------------------------------------------------------------- */

struct onnx_layer *onnx_build_open_layer(const struct onnx_build *b, const struct onnx_value *value)
{
    if (value->view.variable == 0 || value->view.shared || value->readers != 1)
        return NULL;
    struct onnx_layer *layer = &b->graph->layers[value->view.variable - 1];
    return layer->activation.kind == ONNX_NONE ? layer : NULL;
}

struct onnx_shape onnx_build_shape(const struct onnx_build *b, const struct onnx_view *view)
{
    return onnx_graph_shape(b->graph, view->variable);
}

bool onnx_build_is_map(const struct onnx_build *b, const struct onnx_view *view)
{
    struct onnx_shape s = onnx_build_shape(b, view);
    size_t height = s.height + view->pad[ONNX_TOP] + view->pad[ONNX_BOTTOM];
    size_t width = s.width + view->pad[ONNX_LEFT] + view->pad[ONNX_RIGHT], sizes[] = {s.channels, height, width};

    if (view->dims.n < 1 || view->dims.n > 4)
        return false;
    for (size_t d = 1; d < 4; d++)
        if ((d < view->dims.n ? view->dims.size[d] : 1) != sizes[d - 1])
            return false;
    return true;
}

bool onnx_build_has_channels(const struct onnx_build *b, const struct onnx_view *view)
{
    struct onnx_shape s = onnx_build_shape(b, view);

    if (view->padded || view->shuffled)
        return false;
    if (view->dims.n < 2)
        return s.channels * s.height * s.width == 1;
    return view->dims.size[1] == s.channels && onnx_dims_product(&view->dims, 2) == s.height * s.width;
}

static bool keeps_sign(const struct onnx_build *b, const struct onnx_layer *layer)
{
    if (layer->weighted)
        return false;
    for (size_t i = 0; i < layer->ninputs; i++)
        if (!b->nonnegative[b->graph->inputs[layer->first_input + i].variable])
            return false;
    return layer->kind != ONNX_GATE || b->nonnegative[layer->gate];
}

bool onnx_build_is_nonnegative(struct onnx_build *b, size_t variable)
{
    b->nonnegative[0] = false;
    for (size_t v = 1; v <= variable; v++) {
        const struct onnx_layer *layer = &b->graph->layers[v - 1];
        enum onnx_activation_kind kind = layer->activation.kind;
        b->nonnegative[v] = kind == ONNX_RELU || kind == ONNX_SIGMOID || kind == ONNX_HARD_SIGMOID ||
                            kind == ONNX_SOFTPLUS ||
                            (kind == ONNX_CLIP ? layer->activation.a >= 0 : keeps_sign(b, layer));
    }
    return b->nonnegative[variable];
}
