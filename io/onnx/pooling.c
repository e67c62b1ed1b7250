#include "io/onnx/operation.h"
#include "io/onnx/window.h"

#include <float.h>
#include <string.h>

static const char no_map[] = "it reads something else than a map";

static enum status push(struct onnx_build *b, const struct onnx_node *node, const struct onnx_value *from,
                        const struct onnx_windows *w, const struct onnx_layer *kind)
{
    size_t variable = from->view.variable;
    struct onnx_layer pool = *kind, *layer;
    enum status rc;

    if (onnx_window_is_identity(w))
        return onnx_build_set_view(b, node, from, from->view);
    pool.window = w->window;
    pool.upper = w->upper;
    TRY(onnx_build_layer(&layer, b, node, &pool, &w->dims, 0));
    TRY(onnx_build_input(b, (struct onnx_input){.variable = variable}));
done:
    return rc;
}

/* Whether an output besides the first is read. */
static bool has_second_output(const struct onnx_build *b, const struct onnx_node *node)
{
    for (size_t i = 1; i < node->noutputs; i++)
        if (node->outputs[i] && b->values[node->outputs[i]].readers > 0)
            return true;
    return false;
}

enum status onnx_pooling_maximum(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *from = onnx_build_value(b, node, 0);
    struct onnx_windows w;
    const char *reason;
    enum status rc;

    if (from->view.shuffled)
        return onnx_build_refuse(b, node, no_map);
    if (has_second_output(b, node))
        return onnx_build_refuse(b, node, "its second output is read");
    if (from->view.padded && !from->view.pad_lowest && !onnx_build_is_nonnegative(b, from->view.variable))
        return onnx_build_refuse(b, node, "a Pad with zeros is before it");
    TRY(onnx_window_read(&w, &reason, b, node, &from->view, NULL));
    if (!reason && !onnx_window_all_meet(&w, b, &from->view))
        reason = "a window is all padding";
    if (reason)
        return onnx_build_refuse(b, node, "%s", reason);
    return push(b, node, from, &w, &(struct onnx_layer){.kind = ONNX_POOL});
done:
    return rc;
}

enum status onnx_pooling_average(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *from = onnx_build_value(b, node, 0);
    bool count = onnx_model_integer(node, "count_include_pad", 0) != 0;
    struct onnx_windows w;
    const char *reason;
    enum status rc;

    if (from->view.shuffled || (from->view.padded && from->view.pad_lowest))
        return onnx_build_refuse(b, node, no_map);
    TRY(onnx_window_read(&w, &reason, b, node, &from->view, NULL));
    if (!reason && !onnx_window_all_meet(&w, b, &from->view))
        reason = "a window is all padding";
    if (!reason && from->view.padded && w.padded_by_node && !count)
        reason = "only a part of its padding counts";
    if (reason)
        return onnx_build_refuse(b, node, "%s", reason);
    return push(b, node, from, &w,
                &(struct onnx_layer){.kind = ONNX_AVERAGE, .count_padding = count || from->view.padded});
done:
    return rc;
}

static enum status whole(struct onnx_build *b, const struct onnx_node *node, enum onnx_kind kind)
{
    const struct onnx_value *from = onnx_build_value(b, node, 0);
    struct onnx_windows w;

    if (from->view.dims.n < 2 || !onnx_build_has_channels(b, &from->view))
        return onnx_build_refuse(b, node, no_map);
    onnx_window_whole(&w, b, &from->view);
    return push(b, node, from, &w, &(struct onnx_layer){.kind = kind});
}

enum status onnx_pooling_whole_maximum(struct onnx_build *b, const struct onnx_node *node)
{
    return whole(b, node, ONNX_POOL);
}

enum status onnx_pooling_whole_average(struct onnx_build *b, const struct onnx_node *node)
{
    return whole(b, node, ONNX_AVERAGE);
}

/* ---- ReduceMean, ReduceMax ------------------------------------------------------------------------------------- */

/* Whether the axes are all those of positions that have more than one. */
static bool reduces_positions(bool *gone, const struct onnx_dims *dims, const struct onnx_integers *axes)
{
    for (size_t i = 0; i < axes->n; i++) {
        size_t axis = onnx_dims_axis(axes->values[i], dims->n);
        if (axis < 2 || axis == dims->n)
            return false;
        gone[axis] = true;
    }
    for (size_t d = 2; d < dims->n; d++)
        if (!gone[d] && dims->size[d] != 1)
            return false;
    return true;
}

enum status onnx_pooling_reduce(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *from = onnx_build_value(b, node, 0);
    bool given, gone[ONNX_MAX_DIMS] = {false};
    struct onnx_integers axes;
    struct onnx_windows w;
    enum status rc;

    TRY(onnx_build_integers(&axes, &given, b, node, "axes", 1));
    if (from->state != ONNX_VARIABLE || from->view.dims.n < 2 || !onnx_build_has_channels(b, &from->view) ||
        axes.n == 0 || !reduces_positions(gone, &from->view.dims, &axes))
        return onnx_build_refuse(b, node, "it is not over height and width");
    onnx_window_whole(&w, b, &from->view);
    if (onnx_model_integer(node, "keepdims", 1) == 0) {
        w.dims.n = 0;
        for (size_t d = 0; d < from->view.dims.n; d++)
            if (!gone[d])
                w.dims.size[w.dims.n++] = d < 2 ? from->view.dims.size[d] : 1;
    }
    if (onnx_window_is_identity(&w)) {
        struct onnx_view view = from->view;
        view.dims = w.dims;
        return onnx_build_set_view(b, node, from, view);
    }
    bool most = strcmp(node->op, "ReduceMax") == 0;
    return push(b, node, from, &w, &(struct onnx_layer){.kind = most ? ONNX_POOL : ONNX_AVERAGE});
done:
    return rc == FAIL_UNSUPPORTED ? onnx_build_refuse(b, node, "its axes are no constants") : rc;
}

/* ---- Pad ------------------------------------------------------------------------------------------------------- */

/* Read the padding's value; false if it is neither zero nor the lowest number. */
static bool read_value(bool *lowest, struct onnx_build *b, const struct onnx_node *node)
{
    double value = onnx_model_real(node, "value", 0.0);

    if (onnx_build_value(b, node, 2) && !onnx_build_scalar(&value, b, onnx_build_constant(b, node, 2)))
        return false;
    *lowest = value <= -(double)FLT_MAX;
    return *lowest || value == 0.0;
}

/* Add pads [2 n] to a view of n dimensions; false if they are not of height and width. */
static bool add_pads(struct onnx_view *view, const int64_t *pads)
{
    enum { MOST = 1 << 24 };

    size_t n = view->dims.n;

    for (size_t d = 0; d < n; d++) {
        int64_t begin = pads[d], end = pads[n + d];
        if (begin < 0 || end < 0 || begin > MOST || end > MOST || (d < 2 && (begin || end)) ||
            (d > 3 && (begin || end)))
            return false;
        if (d < 2 || d > 3)
            continue;
        view->pad[d == 2 ? ONNX_TOP : ONNX_LEFT] += (size_t)begin;
        view->pad[d == 2 ? ONNX_BOTTOM : ONNX_RIGHT] += (size_t)end;
        view->dims.size[d] += (size_t)begin + (size_t)end;
        view->padded = view->padded || begin || end;
    }
    return true;
}

enum status onnx_pooling_pad(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *from = onnx_build_value(b, node, 0);
    const char *mode = onnx_model_text(node, "mode");
    struct onnx_view view = from->view;
    struct onnx_integers pads;
    bool given, lowest;
    enum status rc;

    TRY(onnx_build_integers(&pads, &given, b, node, onnx_model_attribute(node, "paddings") ? "paddings" : "pads", 1));
    if (from->state != ONNX_VARIABLE || view.padded || view.shuffled || (mode[0] && strcmp(mode, "constant") != 0) ||
        onnx_build_value(b, node, 3) || pads.n != 2 * view.dims.n)
        return onnx_build_refuse(b, node, "only padding of a map with a constant is supported");
    for (size_t i = 0; i < pads.n; i++)
        view.padded = view.padded || pads.values[i] != 0;
    if (!view.padded)
        return onnx_build_set_view(b, node, from, view);
    if (!read_value(&lowest, b, node) || !onnx_build_is_map(b, &view) || !add_pads(&view, pads.values))
        return onnx_build_refuse(b, node, "only padding of height and width with zeros is supported");
    view.pad_lowest = lowest;
    return onnx_build_set_view(b, node, from, view);
done:
    return rc == FAIL_UNSUPPORTED ? onnx_build_refuse(b, node, "its pads are no constants") : rc;
}
