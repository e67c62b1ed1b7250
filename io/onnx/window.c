#include "io/onnx/window.h"

#include <string.h>

enum { AXES = 2, MOST = 1 << 24, MOST_DILATION = 64 };

static const char bad_attributes[] = "its kernel_shape, strides, pads or dilations do not fit";

/* One axis of a window. */
struct axis {
    size_t size; /* of the map, with what Pad added */
    size_t kernel, stride, begin, end, count, dilation;
};

/* The values of an attribute with `per_axis` values for each of `naxes` axes; `otherwise` where it is missing. */
static bool read_list(size_t *out, struct onnx_build *b, const struct onnx_node *node, const char *name, size_t n,
                      size_t otherwise)
{
    const struct onnx_attribute *a = onnx_model_attribute(node, name);

    (void)b;
    if (a && a->nintegers != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int64_t value = a ? a->integers[i] : (int64_t)otherwise;
        if (value < 0 || value > MOST)
            return false;
        out[i] = (size_t)value;
    }
    return true;
}

/* Distribute SAME padding; `lower`: the odd one comes first. */
static void pad_same(struct axis *axis, bool lower)
{
    size_t count = (axis->size + axis->stride - 1) / axis->stride, covered = (count - 1) * axis->stride + axis->kernel;
    size_t total = covered > axis->size ? covered - axis->size : 0;

    axis->begin = lower ? total - total / 2 : total / 2;
    axis->end = total - axis->begin;
}

static bool count_windows(struct axis *axis, bool ceiling)
{
    size_t padded = axis->size + axis->begin + axis->end;

    if (axis->kernel == 0 || axis->stride == 0 || padded < axis->kernel)
        return false;
    size_t left = padded - axis->kernel;
    axis->count = (ceiling ? (left + axis->stride - 1) / axis->stride : left / axis->stride) + 1;
    if (ceiling && (axis->count - 1) * axis->stride >= axis->size + axis->begin)
        axis->count--;
    return true;
}

static const char *read_axes(struct axis *axes, size_t n, struct onnx_build *b, const struct onnx_node *node,
                             const size_t *kernel)
{
    size_t kernels[AXES], strides[AXES], pads[2 * AXES], dilations[AXES];
    const char *automatic = onnx_model_text(node, "auto_pad");
    bool same = strncmp(automatic, "SAME_", strlen("SAME_")) == 0;

    if (!read_list(kernels, b, node, "kernel_shape", n, 0) || !read_list(strides, b, node, "strides", n, 1) ||
        !read_list(pads, b, node, "pads", 2 * n, 0) || !read_list(dilations, b, node, "dilations", n, 1))
        return bad_attributes;
    for (size_t i = 0; i < n; i++) {
        if (dilations[i] != 1 && (!kernel || dilations[i] > MOST_DILATION))
            return kernel ? "it is dilated too much" : "its window is dilated";
        if (kernel && kernels[i] != 0 && kernels[i] != kernel[i])
            return bad_attributes;
        if (dilations[i] == 0 || (kernel && kernel[i] > MOST))
            return bad_attributes;
        axes[i] = (struct axis){.size = axes[i].size,
                                .kernel = kernel ? kernel[i] : kernels[i],
                                .stride = strides[i],
                                .begin = pads[i],
                                .end = pads[n + i],
                                .dilation = dilations[i]};
        if (axes[i].stride == 0 || axes[i].kernel == 0 || axes[i].size == 0)
            return bad_attributes;
        axes[i].kernel = (axes[i].kernel - 1) * axes[i].dilation + 1;
        if (strcmp(automatic, "VALID") == 0)
            axes[i].begin = axes[i].end = 0;
        else if (same)
            pad_same(&axes[i], strcmp(automatic, "SAME_LOWER") == 0);
        if (!count_windows(&axes[i], onnx_model_integer(node, "ceil_mode", 0) != 0))
            return "its window is larger than the map";
    }
    return NULL;
}

enum status onnx_window_read(struct onnx_windows *out, const char **reason, struct onnx_build *b,
                             const struct onnx_node *node, const struct onnx_view *view, const size_t *kernel)
{
    size_t n = view->dims.n < 3 ? 0 : view->dims.n - 2;
    struct axis axes[AXES] = {{.kernel = 1, .stride = 1, .count = 1, .dilation = 1},
                              {.kernel = 1, .stride = 1, .count = 1, .dilation = 1}};

    *reason = NULL;
    if (!onnx_build_is_map(b, view) || n == 0) {
        *reason = "it reads something else than a map of one or two dimensions";
        return OK;
    }
    for (size_t i = 0; i < n; i++)
        axes[i].size = view->dims.size[2 + i];
    *reason = read_axes(axes, n, b, node, kernel);
    if (*reason)
        return OK;
    *out = (struct onnx_windows){.window = {axes[0].kernel, axes[1].kernel, axes[0].stride, axes[1].stride,
                                            axes[0].begin + view->pad[ONNX_TOP], axes[1].begin + view->pad[ONNX_LEFT],
                                            axes[0].end + view->pad[ONNX_BOTTOM], axes[1].end + view->pad[ONNX_RIGHT]},
                                 .upper = {onnx_build_shape(b, view).channels, axes[0].count, axes[1].count},
                                 .dims = view->dims,
                                 .spread = {axes[0].dilation, axes[1].dilation},
                                 .padded_by_node = axes[0].begin || axes[0].end || axes[1].begin || axes[1].end};
    for (size_t i = 0; i < n; i++)
        out->dims.size[2 + i] = axes[i].count;
    return OK;
}

void onnx_window_whole(struct onnx_windows *out, const struct onnx_build *b, const struct onnx_view *view)
{
    struct onnx_shape s = onnx_build_shape(b, view);

    *out = (struct onnx_windows){
        .window = {s.height, s.width, s.height, s.width, 0, 0, 0, 0}, .upper = {s.channels, 1, 1}, .dims = view->dims};
    for (size_t d = 2; d < out->dims.n; d++)
        out->dims.size[d] = 1;
}

bool onnx_window_is_identity(const struct onnx_windows *w)
{
    const struct onnx_window *v = &w->window;

    return v->height == 1 && v->width == 1 && v->down == 1 && v->across == 1 && !v->top && !v->left && !v->bottom &&
           !v->right;
}

bool onnx_window_all_meet(const struct onnx_windows *w, const struct onnx_build *b, const struct onnx_view *view)
{
    struct onnx_shape s = onnx_build_shape(b, view);
    const struct onnx_window *v = &w->window;

    return v->top < v->height && v->left < v->width && (w->upper.height - 1) * v->down < s.height + v->top &&
           (w->upper.width - 1) * v->across < s.width + v->left;
}
