#include "io/onnx/operation.h"

#include <stdlib.h>

/* Whether the elements of t belong to channels, one each: dimensions d of t are those of the view from `first` on, and
 * of the view only dimension 1 has more than one element of t. */
static bool is_per_channel(const struct onnx_view *view, const struct onnx_tensor *t, size_t first)
{
    if (first + t->ndim > view->dims.n)
        return false;
    for (size_t d = 0; d < t->ndim; d++)
        if (t->dims[d] != 1 && (first + d != 1 || t->dims[d] != view->dims.size[1]))
            return false;
    return true;
}

enum status onnx_affine_constants(double **out, struct onnx_build *b, const struct onnx_view *view,
                                  const struct onnx_tensor *t, int64_t axis)
{
    size_t K = onnx_build_shape(b, view).channels, first = axis < 0 ? view->dims.n - t->ndim : (size_t)axis;
    double *constants = NULL, *read = NULL;
    enum status rc = OK;

    *out = NULL;
    if ((axis < 0 && t->ndim > view->dims.n) || first > view->dims.n || !onnx_tensor_is_real(t) ||
        !is_per_channel(view, t, first) ||
        !(t->elements == 1 || (t->elements == K && onnx_build_has_channels(b, view))))
        return OK;
    constants = malloc(K * sizeof *constants + 1);
    if (!constants)
        return onnx_build_memory(b);
    TRY(onnx_build_reals(&read, b, t));
    for (size_t k = 0; k < K; k++)
        constants[k] = read[t->elements == 1 ? 0 : k];
    *out = constants;
    constants = NULL;
done:
    free(read);
    free(constants);
    return rc;
}

enum status onnx_affine_apply(struct onnx_build *b, const struct onnx_node *node, const struct onnx_value *from,
                              const double *scale, const double *shift)
{
    struct onnx_layer *layer = onnx_build_open_layer(b, from);
    size_t K = onnx_build_shape(b, &from->view).channels;
    enum status rc = OK;

    if (layer && layer->weighted)
        TRY(onnx_build_set_view(b, node, from, from->view));
    else
        TRY(onnx_build_pass(&layer, b, node, from, true));
    for (size_t k = 0; k < K; k++) {
        layer->scale[k] *= scale[k];
        layer->shift[k] = layer->shift[k] * scale[k] + shift[k];
    }
done:
    return rc;
}
