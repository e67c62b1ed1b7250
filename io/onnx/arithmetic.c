#include "io/onnx/operation.h"

#include <math.h>
#include <stdlib.h>

/* ---- with a constant ------------------------------------------------------------------------------------------- */

/* z = scale a + shift for a constant c; `swapped`: c comes first. False if there is no such scale. */
typedef bool affine_of(double *scale, double *shift, double c, bool swapped);

static bool of_sum(double *scale, double *shift, double c, bool swapped)
{
    (void)swapped;
    *scale = 1.0;
    *shift = c;
    return true;
}

static bool of_difference(double *scale, double *shift, double c, bool swapped)
{
    *scale = swapped ? -1.0 : 1.0;
    *shift = swapped ? c : -c;
    return true;
}

static bool of_product(double *scale, double *shift, double c, bool swapped)
{
    (void)swapped;
    *scale = c;
    *shift = 0.0;
    return true;
}

static bool of_quotient(double *scale, double *shift, double c, bool swapped)
{
    *scale = 1.0 / c;
    *shift = 0.0;
    return !swapped && isfinite((float)*scale);
}

static enum status with_constant(struct onnx_build *b, const struct onnx_node *node, size_t constant, affine_of *affine)
{
    const struct onnx_value *from = onnx_build_value(b, node, 1 - constant);
    double *scale = NULL, *shift = NULL;
    bool usable = true;
    enum status rc;

    if (from->view.padded || from->view.shuffled)
        return onnx_build_refuse(b, node, "it reads what Pad or Transpose made of a map");
    size_t K = onnx_build_shape(b, &from->view).channels;
    TRY(onnx_affine_constants(&scale, b, &from->view, onnx_build_constant(b, node, constant),
                              constant == 1 ? onnx_model_integer(node, "axis", -1) : -1));
    if (!scale)
        return onnx_build_refuse(b, node, "its constant does not have one value for each channel");
    shift = malloc(K * sizeof *shift + 1);
    if (!shift) {
        rc = onnx_build_memory(b);
        goto done;
    }
    for (size_t k = 0; k < K; k++)
        usable = affine(&scale[k], &shift[k], scale[k], constant == 0) && usable;
    rc = usable ? onnx_affine_apply(b, node, from, scale, shift)
                : onnx_build_refuse(b, node, "it divides by a variable or by zero");
done:
    free(shift);
    free(scale);
    return rc;
}

/* scale a + shift, the same for all channels of a value. */
static enum status with_number(struct onnx_build *b, const struct onnx_node *node, const struct onnx_value *from,
                               double number)
{
    size_t K = onnx_build_shape(b, &from->view).channels;
    double *scale = malloc(K * sizeof *scale + 1), *shift = calloc(K + 1, sizeof *shift);
    enum status rc;

    for (size_t k = 0; k < K && scale; k++)
        scale[k] = number;
    rc = scale && shift ? onnx_affine_apply(b, node, from, scale, shift) : onnx_build_memory(b);
    free(shift);
    free(scale);
    return rc;
}

enum status onnx_arithmetic_negate(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *from = onnx_build_value(b, node, 0);

    if (from->view.padded || from->view.shuffled)
        return onnx_build_refuse(b, node, "it reads what Pad or Transpose made of a map");
    return with_number(b, node, from, -1.0);
}

/* The place of the constant of two operands; 2 if both are variables. */
static size_t constant_place(const struct onnx_build *b, const struct onnx_node *node)
{
    return onnx_build_constant(b, node, 0) ? 0 : onnx_build_constant(b, node, 1) ? 1 : 2;
}

static bool has_two(const struct onnx_build *b, const struct onnx_node *node)
{
    return node->ninputs == 2 && onnx_build_value(b, node, 0) && onnx_build_value(b, node, 1);
}

/* ---- sums ------------------------------------------------------------------------------------------------------ */

/* Whether all inputs are variables of one shape that are seen in the same way. */
static bool are_alike(const struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *first = onnx_build_value(b, node, 0);

    for (size_t i = 0; i < node->ninputs; i++) {
        const struct onnx_value *value = onnx_build_value(b, node, i);
        if (!value || value->state != ONNX_VARIABLE || value->view.padded || value->view.shuffled ||
            !onnx_dims_equal(&value->view.dims, &first->view.dims))
            return false;
        struct onnx_shape s = onnx_build_shape(b, &value->view), t = onnx_build_shape(b, &first->view);
        if (s.channels != t.channels || s.height != t.height || s.width != t.width)
            return false;
    }
    return node->ninputs > 0;
}

static enum status sum_of_variables(struct onnx_build *b, const struct onnx_node *node)
{
    struct onnx_layer add = {.kind = ONNX_ADD}, *layer;
    const struct onnx_value *first = onnx_build_value(b, node, 0);
    enum status rc;

    if (!are_alike(b, node))
        return onnx_build_refuse(b, node, "it adds maps of different shape");
    if (node->ninputs == 1)
        return onnx_build_set_view(b, node, first, first->view);
    add.upper = onnx_build_shape(b, &first->view);
    TRY(onnx_build_layer(&layer, b, node, &add, &first->view.dims, 0));
    for (size_t i = 0; i < node->ninputs; i++)
        TRY(onnx_build_input(b, (struct onnx_input){.variable = onnx_build_value(b, node, i)->view.variable}));
done:
    return rc;
}

enum status onnx_arithmetic_add(struct onnx_build *b, const struct onnx_node *node)
{
    size_t constant = has_two(b, node) ? constant_place(b, node) : 2;

    return constant < 2 ? with_constant(b, node, constant, of_sum) : sum_of_variables(b, node);
}

/* The sum, divided by the number of operands. */
enum status onnx_arithmetic_mean(struct onnx_build *b, const struct onnx_node *node)
{
    enum status rc = sum_of_variables(b, node);
    const struct onnx_value *sum = &b->values[node->outputs[0]];

    if (rc != OK || sum->state != ONNX_VARIABLE || node->ninputs == 1)
        return rc;
    struct onnx_value alone = *sum; /* only this node reads it */
    alone.readers = 1;
    return with_number(b, node, &alone, 1.0 / (double)node->ninputs);
}

/* Add the second, negative, to the first. */
static enum status difference_of_variables(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *first = onnx_build_value(b, node, 0), *second = onnx_build_value(b, node, 1);
    struct onnx_layer add = {.kind = ONNX_ADD}, *layer;
    enum status rc;

    if (!are_alike(b, node))
        return onnx_build_refuse(b, node, "it subtracts maps of different shape");
    struct onnx_dims dims = first->view.dims;
    size_t variable = first->view.variable;
    add.upper = onnx_build_shape(b, &first->view);
    TRY(onnx_build_pass(&layer, b, node, second, true));
    for (size_t k = 0; k < add.upper.channels; k++)
        layer->scale[k] = -1.0;
    size_t negative = b->graph->nlayers;
    TRY(onnx_build_layer(&layer, b, node, &add, &dims, 0));
    TRY(onnx_build_input(b, (struct onnx_input){.variable = variable}));
    TRY(onnx_build_input(b, (struct onnx_input){.variable = negative}));
done:
    return rc;
}

enum status onnx_arithmetic_subtract(struct onnx_build *b, const struct onnx_node *node)
{
    size_t constant = has_two(b, node) ? constant_place(b, node) : 2;

    return constant < 2 ? with_constant(b, node, constant, of_difference) : difference_of_variables(b, node);
}

enum status onnx_arithmetic_divide(struct onnx_build *b, const struct onnx_node *node)
{
    size_t constant = has_two(b, node) ? constant_place(b, node) : 2;

    return constant < 2 ? with_constant(b, node, constant, of_quotient)
                        : onnx_build_refuse(b, node, "it divides two variables");
}

/* ---- gates ----------------------------------------------------------------------------------------------------- */

/* Whether a variable is between 0 and 1 by its activation, so that it is the gate of two that could be. */
static bool is_bounded(const struct onnx_build *b, const struct onnx_view *view)
{
    if (view->variable == 0)
        return false;
    enum onnx_activation_kind kind = b->graph->layers[view->variable - 1].activation.kind;
    return kind == ONNX_SIGMOID || kind == ONNX_HARD_SIGMOID;
}

/* Whether `gate` has one position for many of `signal`. */
static bool has_one_position(const struct onnx_build *b, const struct onnx_view *gate, const struct onnx_view *signal)
{
    struct onnx_shape g = onnx_build_shape(b, gate), s = onnx_build_shape(b, signal);

    if (g.height * g.width != 1 || s.height * s.width == 1 || gate->dims.n != signal->dims.n)
        return false;
    for (size_t d = 2; d < gate->dims.n; d++)
        if (gate->dims.size[d] != 1)
            return false;
    return g.channels == s.channels && onnx_build_has_channels(b, gate) && onnx_build_has_channels(b, signal);
}

static enum status push_gate(struct onnx_build *b, const struct onnx_node *node, const struct onnx_view *signal,
                             const struct onnx_view *gate)
{
    struct onnx_layer layer = {.kind = ONNX_GATE, .upper = onnx_build_shape(b, signal), .gate = gate->variable}, *out;
    size_t variable = signal->variable;
    enum status rc;

    TRY(onnx_build_layer(&out, b, node, &layer, &signal->dims, 0));
    TRY(onnx_build_input(b, (struct onnx_input){.variable = variable}));
done:
    return rc;
}

static enum status product_of_variables(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *values[2] = {onnx_build_value(b, node, 0), onnx_build_value(b, node, 1)};

    for (size_t i = 0; i < 2; i++)
        if (values[i]->view.padded || values[i]->view.shuffled)
            return onnx_build_refuse(b, node, "it reads what Pad or Transpose made of a map");
    const struct onnx_view *x = &values[0]->view, *y = &values[1]->view;
    if (has_one_position(b, y, x))
        return push_gate(b, node, x, y);
    if (has_one_position(b, x, y))
        return push_gate(b, node, y, x);
    if (!are_alike(b, node))
        return onnx_build_refuse(b, node, "it multiplies maps of different shape");
    if (is_bounded(b, x) == is_bounded(b, y))
        return onnx_build_refuse(b, node, "it multiplies two variables, and not one of them is a gate (a sigmoid)");
    return is_bounded(b, y) ? push_gate(b, node, x, y) : push_gate(b, node, y, x);
}

enum status onnx_arithmetic_multiply(struct onnx_build *b, const struct onnx_node *node)
{
    if (!has_two(b, node))
        return onnx_build_refuse(b, node, "it does not have two operands");
    size_t constant = constant_place(b, node);
    return constant < 2 ? with_constant(b, node, constant, of_product) : product_of_variables(b, node);
}
