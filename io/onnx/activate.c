#include "io/onnx/operation.h"
#include "io/onnx/pattern.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Join an activation to the layer that writes what the node reads, or append a pass. */
static enum status activate_value(struct onnx_build *b, const struct onnx_node *node, size_t place,
                                  struct onnx_activation activation)
{
    const struct onnx_value *from = onnx_build_value(b, node, place);
    enum status rc;

    if (!from || from->state != ONNX_VARIABLE || from->view.padded || from->view.shuffled)
        return onnx_build_refuse(b, node, "it reads something else than a map");
    struct onnx_layer *layer = onnx_build_open_layer(b, from);
    if (layer)
        TRY(onnx_build_set_view(b, node, from, from->view));
    else
        TRY(onnx_build_pass(&layer, b, node, from, false));
    layer->activation = activation;
done:
    return rc;
}

static enum status activate(struct onnx_build *b, const struct onnx_node *node, struct onnx_activation activation)
{
    return activate_value(b, node, 0, activation);
}

enum status onnx_activate_simple(struct onnx_build *b, const struct onnx_node *node)
{
    static const struct {
        const char *op;
        struct onnx_activation activation;
    } kinds[] = {
        {"Relu", {ONNX_RELU, 0, 0}},
        {"Sigmoid", {ONNX_SIGMOID, 0, 0}},
        {"HardSwish", {ONNX_HARD_SWISH, 0, 0}},
        {"Tanh", {ONNX_TANH, 0, 0}},
        {"Softplus", {ONNX_SOFTPLUS, 0, 0}},
        {"Mish", {ONNX_MISH, 0, 0}},
        {ONNX_PATTERN_SILU, {ONNX_SILU, 0, 0}},
        {ONNX_PATTERN_HARD_SIGMOID, {ONNX_HARD_SIGMOID, 1.0F / 6.0F, 0.5F}},
    };

    size_t i = 0;

    while (strcmp(kinds[i].op, node->op) != 0 && i + 1 < sizeof kinds / sizeof kinds[0])
        i++;
    return activate(b, node, kinds[i].activation);
}

enum status onnx_activate_hard_sigmoid(struct onnx_build *b, const struct onnx_node *node)
{
    return activate(b, node,
                    (struct onnx_activation){ONNX_HARD_SIGMOID, (float)onnx_model_real(node, "alpha", 0.2),
                                             (float)onnx_model_real(node, "beta", 0.5)});
}

enum status onnx_activate_leaky(struct onnx_build *b, const struct onnx_node *node)
{
    return activate(b, node, (struct onnx_activation){ONNX_LEAKY, (float)onnx_model_real(node, "alpha", 0.01), 0.0F});
}

/* Elu, and Selu, which scales both sides of it. */
enum status onnx_activate_elu(struct onnx_build *b, const struct onnx_node *node)
{
    bool scaled = strcmp(node->op, "Selu") == 0;
    double alpha = onnx_model_real(node, "alpha", scaled ? 1.67326319217681884765625 : 1.0);
    double scale = scaled ? onnx_model_real(node, "gamma", 1.05070102214813232421875) : 1.0;

    return activate(b, node, (struct onnx_activation){ONNX_ELU, (float)(scale * alpha), (float)scale});
}

enum status onnx_activate_prelu(struct onnx_build *b, const struct onnx_node *node)
{
    double slope;

    if (!onnx_build_scalar(&slope, b, onnx_build_constant(b, node, 1)))
        return onnx_build_refuse(b, node, "its slope is not one constant for all channels");
    return activate(b, node, (struct onnx_activation){ONNX_LEAKY, (float)slope, 0.0F});
}

enum status onnx_activate_gelu(struct onnx_build *b, const struct onnx_node *node)
{
    if (strcmp(onnx_model_text(node, "approximate"), "tanh") == 0)
        return onnx_build_refuse(b, node, "it is approximated by tanh; only the exact form is supported");
    return activate(b, node, (struct onnx_activation){.kind = ONNX_GELU});
}

/* A bound of Clip: an input, in early versions an attribute. False if it is no constant. */
static bool read_bound(double *bound, struct onnx_build *b, const struct onnx_node *node, const char *name,
                       size_t place)
{
    if (onnx_build_value(b, node, place))
        return onnx_build_scalar(bound, b, onnx_build_constant(b, node, place));
    *bound = onnx_model_real(node, name, *bound);
    return true;
}

/* A double as float, the largest ones for those that are out of range. */
static float bounded(double value)
{
    return value > (double)FLT_MAX ? FLT_MAX : value < -(double)FLT_MAX ? -FLT_MAX : (float)value;
}

enum status onnx_activate_clip(struct onnx_build *b, const struct onnx_node *node)
{
    double low = -(double)FLT_MAX, high = (double)FLT_MAX;
    const struct onnx_value *from = onnx_build_value(b, node, 0);

    if (!read_bound(&low, b, node, "min", 1) || !read_bound(&high, b, node, "max", 2) || isnan(low) || isnan(high))
        return onnx_build_refuse(b, node, "its bounds are no constants");
    if (low <= -(double)FLT_MAX && high >= (double)FLT_MAX)
        return onnx_build_set_view(b, node, from, from->view);
    if (low == 0.0 && high >= (double)FLT_MAX)
        return activate(b, node, (struct onnx_activation){.kind = ONNX_RELU});
    return activate(b, node, (struct onnx_activation){ONNX_CLIP, bounded(low), bounded(high)});
}

/* Max and Min of a variable and one constant for all of it. */
enum status onnx_activate_bound(struct onnx_build *b, const struct onnx_node *node)
{
    bool below = strcmp(node->op, "Max") == 0;
    size_t variable = onnx_build_constant(b, node, 0) ? 1 : 0;
    double bound;

    if (node->ninputs != 2 || !onnx_build_scalar(&bound, b, onnx_build_constant(b, node, 1 - variable)) || isnan(bound))
        return onnx_build_refuse(b, node, "only that of a variable and one constant for all of it is supported");
    if (below && bound == 0.0)
        return activate_value(b, node, variable, (struct onnx_activation){.kind = ONNX_RELU});
    return activate_value(
        b, node, variable,
        (struct onnx_activation){ONNX_CLIP, below ? bounded(bound) : -FLT_MAX, below ? FLT_MAX : bounded(bound)});
}

/* ---- softmax --------------------------------------------------------------------------------------------------- */

/* Whether a value is the graph's output, or only renamed on its way there. */
static bool ends(const struct onnx_build *b, size_t value)
{
    static const char *const names[] = {"Identity", "Flatten", "Reshape", "Squeeze", "Dropout"};
    const struct onnx_model *m = b->model;

    for (size_t n = 0; n < m->nnodes && value != m->outputs[0].value; n++) {
        const struct onnx_node *node = &m->nodes[n];
        bool renames = false;
        if (onnx_model_input(node, 0) != value || node->noutputs == 0)
            continue;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            renames = renames || strcmp(node->op, names[i]) == 0;
        if (!renames)
            return false;
        value = node->outputs[0];
    }
    return value == m->outputs[0].value;
}

enum status onnx_activate_softmax(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *from = onnx_build_value(b, node, 0);
    int64_t axis = onnx_model_integer(node, "axis", b->model->opset < 13 ? 1 : -1);

    if (!ends(b, node->outputs[0]) || b->values[node->outputs[0]].readers != 1)
        return onnx_build_refuse(b, node, "it is not at the end of the network");
    if (from->view.padded || from->view.shuffled || from->view.dims.n < 2 ||
        onnx_dims_axis(axis, from->view.dims.n) != 1)
        return onnx_build_refuse(b, node, "it is not over the classes");
    b->graph->softmax = true;
    return onnx_build_set_view(b, node, from, from->view);
}
