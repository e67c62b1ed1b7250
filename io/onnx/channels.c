#include "io/onnx/operation.h"

static const char no_map[] = "it reads something else than maps";

/* ---- concatenation --------------------------------------------------------------------------------------------- */

/* Whether all inputs are variables with channels in dimension 1 and equal sizes in the others. */
static bool can_join(const struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *first = onnx_build_value(b, node, 0);

    for (size_t i = 0; i < node->ninputs; i++) {
        const struct onnx_value *value = onnx_build_value(b, node, i);
        if (!value || value->state != ONNX_VARIABLE || value->view.dims.n != first->view.dims.n ||
            value->view.dims.n < 2 || !onnx_build_has_channels(b, &value->view))
            return false;
        struct onnx_shape s = onnx_build_shape(b, &value->view), t = onnx_build_shape(b, &first->view);
        if (s.height != t.height || s.width != t.width)
            return false;
        for (size_t d = 2; d < value->view.dims.n; d++)
            if (value->view.dims.size[d] != first->view.dims.size[d])
                return false;
    }
    return node->ninputs > 0;
}

enum status onnx_channels_concat(struct onnx_build *b, const struct onnx_node *node)
{
    struct onnx_layer concat = {.kind = ONNX_CHANNELS}, *layer;
    const struct onnx_value *first = onnx_build_value(b, node, 0);
    size_t at = 0;
    enum status rc;

    if (!can_join(b, node))
        return onnx_build_refuse(b, node, no_map);
    if (onnx_dims_axis(onnx_model_integer(node, "axis", 1), first->view.dims.n) != 1)
        return onnx_build_refuse(b, node, "it joins something else than channels");
    if (node->ninputs == 1)
        return onnx_build_set_view(b, node, first, first->view);
    struct onnx_dims dims = first->view.dims;
    concat.upper = onnx_build_shape(b, &first->view);
    concat.upper.channels = 0;
    for (size_t i = 0; i < node->ninputs; i++)
        concat.upper.channels += onnx_build_shape(b, &onnx_build_value(b, node, i)->view).channels;
    dims.size[1] = concat.upper.channels;
    TRY(onnx_build_layer(&layer, b, node, &concat, &dims, 0));
    for (size_t i = 0; i < node->ninputs; i++) {
        const struct onnx_view *view = &onnx_build_value(b, node, i)->view;
        size_t count = onnx_build_shape(b, view).channels;
        TRY(onnx_build_input(b,
                             (struct onnx_input){.variable = view->variable, .upper = at, .step = 1, .count = count}));
        at += count;
    }
done:
    return rc;
}

/* ---- slices ---------------------------------------------------------------------------------------------------- */

/* Write channels first .. first + count of a view at a place. */
static enum status push_slice(struct onnx_build *b, const struct onnx_node *node, const struct onnx_view *view,
                              size_t first, size_t count, size_t place)
{
    struct onnx_layer slice = {.kind = ONNX_CHANNELS, .upper = onnx_build_shape(b, view)}, *layer;
    struct onnx_dims dims = view->dims;
    size_t variable = view->variable;
    enum status rc;

    slice.upper.channels = dims.size[1] = count;
    TRY(onnx_build_layer(&layer, b, node, &slice, &dims, place));
    TRY(onnx_build_input(b, (struct onnx_input){.variable = variable, .lower = first, .step = 1, .count = count}));
done:
    return rc;
}

/* A bound of a slice of n, which may count from the end or lie outside. */
static size_t clamp(int64_t bound, size_t n)
{
    if (bound < 0)
        bound = bound < -(int64_t)n ? 0 : bound + (int64_t)n;
    return bound > (int64_t)n ? n : (size_t)bound;
}

/* Read the ranges of a slice in `begin` and `end` by dimension; *reason says why they cannot be used. */
static enum status read_ranges(struct onnx_dims *begin, struct onnx_dims *end, const char **reason,
                               struct onnx_build *b, const struct onnx_node *node, const struct onnx_dims *dims)
{
    struct onnx_integers starts, ends, axes, steps;
    bool given, axes_given, steps_given;
    enum status rc;

    TRY(onnx_build_integers(&starts, &given, b, node, "starts", 1));
    TRY(onnx_build_integers(&ends, &given, b, node, "ends", 2));
    TRY(onnx_build_integers(&axes, &axes_given, b, node, "axes", 3));
    TRY(onnx_build_integers(&steps, &steps_given, b, node, "steps", 4));
    *end = *dims;
    *begin = (struct onnx_dims){.n = dims->n};
    *reason = "its ranges do not fit to what it reads";
    if (ends.n != starts.n || (axes_given && axes.n != starts.n) || (steps_given && steps.n != starts.n))
        return OK;
    for (size_t i = 0; i < starts.n; i++) {
        size_t d = onnx_dims_axis(axes_given ? axes.values[i] : (int64_t)i, dims->n);
        if (d == dims->n)
            return OK;
        if (steps_given && steps.values[i] != 1) {
            *reason = "its steps are not 1";
            return OK;
        }
        begin->size[d] = clamp(starts.values[i], dims->size[d]);
        end->size[d] = clamp(ends.values[i], dims->size[d]);
    }
    *reason = NULL;
done:
    return rc;
}

enum status onnx_channels_slice(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *from = onnx_build_value(b, node, 0);
    struct onnx_dims begin, end, all = {.n = 0};
    const char *reason;
    enum status rc;

    if (from->state != ONNX_VARIABLE || !onnx_build_has_channels(b, &from->view) || from->view.dims.n < 2)
        return onnx_build_refuse(b, node, no_map);
    TRY(read_ranges(&begin, &end, &reason, b, node, &from->view.dims));
    if (reason)
        return onnx_build_refuse(b, node, "%s", reason);
    all.n = from->view.dims.n;
    for (size_t d = 0; d < all.n; d++)
        if (d != 1 && (begin.size[d] != 0 || end.size[d] != from->view.dims.size[d]))
            return onnx_build_refuse(b, node, "it takes a part of something else than channels");
    if (begin.size[1] >= end.size[1])
        return onnx_build_refuse(b, node, "it takes no channels");
    if (end.size[1] - begin.size[1] == from->view.dims.size[1])
        return onnx_build_set_view(b, node, from, from->view);
    return push_slice(b, node, &from->view, begin.size[1], end.size[1] - begin.size[1], 0);
done:
    return rc == FAIL_UNSUPPORTED ? onnx_build_refuse(b, node, "its ranges are no constants") : rc;
}

/* The sizes of the pieces of C channels; false if they do not fit. */
static bool piece_size(size_t *size, const struct onnx_integers *split, bool given, size_t place, size_t n, size_t C)
{
    size_t each = (C + n - 1) / n, before = place * each, sum = 0;

    if (!given) {
        *size = before >= C ? 0 : C - before < each ? C - before : each;
        return *size > 0;
    }
    if (split->n != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (split->values[i] <= 0 || (uint64_t)split->values[i] > C - sum)
            return false;
        sum += (size_t)split->values[i];
    }
    *size = (size_t)split->values[place];
    return sum == C;
}

enum status onnx_channels_split(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *from = onnx_build_value(b, node, 0);
    struct onnx_integers split;
    size_t at = 0, size;
    bool given;
    enum status rc;

    TRY(onnx_build_integers(&split, &given, b, node, "split", 1));
    if (from->state != ONNX_VARIABLE || from->view.dims.n < 2 || !onnx_build_has_channels(b, &from->view) ||
        onnx_dims_axis(onnx_model_integer(node, "axis", 0), from->view.dims.n) != 1)
        return onnx_build_refuse(b, node, "it splits something else than the channels of a map");
    for (size_t i = 0; i < node->noutputs; i++) {
        if (!piece_size(&size, &split, given, i, node->noutputs, from->view.dims.size[1]))
            return onnx_build_refuse(b, node, "its pieces do not fit to what it reads");
        if (node->outputs[i] && b->values[node->outputs[i]].readers > 0)
            TRY(push_slice(b, node, &from->view, at, size, i));
        at += size;
    }
done:
    return rc == FAIL_UNSUPPORTED ? onnx_build_refuse(b, node, "its pieces are no constants") : rc;
}

/* ---- gather ------------------------------------------------------------------------------------------------------ */

/* Append the inputs that pick these channels of a variable, one for each run of neighbours. */
static enum status pick(struct onnx_build *b, size_t variable, const size_t *channels, size_t n)
{
    enum status rc = OK;

    for (size_t i = 0, count; i < n; i += count) {
        count = 1;
        while (i + count < n && channels[i + count] == channels[i] + count)
            count++;
        TRY(onnx_build_input(
            b, (struct onnx_input){.variable = variable, .lower = channels[i], .upper = i, .step = 1, .count = count}));
    }
done:
    return rc;
}

/* The dimensions of what a Gather of n channels writes: a scalar index removes the dimension. */
static struct onnx_dims picked_dims(const struct onnx_dims *dims, size_t n, bool scalar)
{
    struct onnx_dims out = *dims;

    out.size[1] = n;
    if (!scalar)
        return out;
    out.n--;
    for (size_t d = 1; d < out.n; d++)
        out.size[d] = dims->size[d + 1];
    return out;
}

enum status onnx_channels_gather(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *from = onnx_build_value(b, node, 0);
    const struct onnx_tensor *places = onnx_build_constant(b, node, 1);
    size_t channels[ONNX_MAX_INTEGERS];
    int64_t values[ONNX_MAX_INTEGERS];
    struct onnx_layer layer = {.kind = ONNX_CHANNELS}, *out;
    enum status rc;

    if (from->state != ONNX_VARIABLE || from->view.dims.n < 2 || !onnx_build_has_channels(b, &from->view) ||
        onnx_dims_axis(onnx_model_integer(node, "axis", 0), from->view.dims.n) != 1)
        return onnx_build_refuse(b, node, "it takes something else than channels of a map");
    if (!places || places->ndim > 1 || places->elements == 0 || !onnx_tensor_is_integer(places))
        return onnx_build_refuse(b, node, "its channels are no constants");
    layer.upper = onnx_build_shape(b, &from->view);
    TRY(onnx_tensor_integers(values, &b->model->file, places, b->err));
    for (size_t i = 0; i < places->elements; i++) {
        channels[i] = onnx_dims_axis(values[i], layer.upper.channels);
        if (channels[i] == layer.upper.channels)
            return onnx_build_refuse(b, node, "it takes a channel that is not there");
    }
    layer.upper.channels = places->elements;
    struct onnx_dims dims = picked_dims(&from->view.dims, places->elements, places->ndim == 0);
    size_t variable = from->view.variable;
    TRY(onnx_build_layer(&out, b, node, &layer, &dims, 0));
    TRY(pick(b, variable, channels, places->elements));
done:
    return rc;
}

/* ---- shuffle --------------------------------------------------------------------------------------------------- */

enum status onnx_channels_shuffle(struct onnx_build *b, const struct onnx_node *node, const struct onnx_value *from,
                                  const struct onnx_dims *dims)
{
    struct onnx_layer shuffle = {.kind = ONNX_CHANNELS, .upper = onnx_build_shape(b, &from->view)}, *layer;
    size_t groups = from->view.shuffled, each = shuffle.upper.channels / groups, variable = from->view.variable;
    struct onnx_view after = {.variable = variable, .dims = *dims};
    enum status rc;

    if (dims->n < 1 || dims->size[0] != from->view.dims.size[0] || !onnx_build_has_channels(b, &after))
        return onnx_build_refuse(b, node, "it does not end a channel shuffle");
    TRY(onnx_build_layer(&layer, b, node, &shuffle, dims, 0));
    for (size_t g = 0; g < groups; g++)
        TRY(onnx_build_input(
            b,
            (struct onnx_input){.variable = variable, .lower = g * each, .upper = g, .step = groups, .count = each}));
done:
    return rc;
}
