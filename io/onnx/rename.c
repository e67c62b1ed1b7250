#include "io/onnx/operation.h"

static const char not_constant[] = "its shape or axes are no constants";
static const char no_view[] = "it reads something else than a map";

/* The variable that a node reads, without padding or a shuffle; NULL if there is none. */
static const struct onnx_value *plain(const struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *from = onnx_build_value(b, node, 0);

    return from && from->state == ONNX_VARIABLE && !from->view.padded && !from->view.shuffled ? from : NULL;
}

/* Say that the node writes its input with other dimensions, if images stay apart. */
static enum status see_as(struct onnx_build *b, const struct onnx_node *node, const struct onnx_value *from,
                          const struct onnx_dims *dims)
{
    struct onnx_view view = from->view;

    if (dims->n == 0 || view.dims.n == 0 || dims->size[0] != view.dims.size[0])
        return onnx_build_refuse(b, node, "it mixes images with the other dimensions");
    view.dims = *dims;
    return onnx_build_set_view(b, node, from, view);
}

enum status onnx_rename_identity(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *from = onnx_build_value(b, node, 0);

    return onnx_build_set_view(b, node, from, from->view);
}

enum status onnx_rename_cast(struct onnx_build *b, const struct onnx_node *node)
{
    enum { FLOAT = 1, HALF = 10, DOUBLE = 11, BFLOAT16 = 16 };

    int64_t to = onnx_model_integer(node, "to", 0);

    if (to != FLOAT && to != HALF && to != DOUBLE && to != BFLOAT16)
        return onnx_build_refuse(b, node, "it makes integers of a map");
    return onnx_rename_identity(b, node);
}

/* The type of the image is real, whatever it is. */
enum status onnx_rename_cast_like(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *like = onnx_build_value(b, node, 1);

    if (onnx_build_value(b, node, 0)->state != ONNX_VARIABLE ||
        (like->state == ONNX_CONSTANT && !onnx_tensor_is_real_type(like->tensor)))
        return onnx_build_refuse(b, node, "it makes integers of a map, or a map of constants");
    return onnx_rename_identity(b, node);
}

enum status onnx_rename_dropout(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_tensor *training = onnx_build_constant(b, node, 2);
    double yes = 0.0;

    if (onnx_build_value(b, node, 2) && (!onnx_build_scalar(&yes, b, training) || yes != 0.0))
        return onnx_build_refuse(b, node, "it is in training mode; export the network after model.eval()");
    for (size_t i = 1; i < node->noutputs; i++)
        if (node->outputs[i] && b->values[node->outputs[i]].readers > 0)
            return onnx_build_refuse(b, node, "its mask is read");
    return onnx_rename_identity(b, node);
}

enum status onnx_rename_flatten(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *from = plain(b, node);
    struct onnx_dims dims;

    if (!from || !onnx_dims_flatten(&dims, &from->view.dims, onnx_model_integer(node, "axis", 1)))
        return onnx_build_refuse(b, node, no_view);
    return see_as(b, node, from, &dims);
}

enum status onnx_rename_reshape(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *from = onnx_build_value(b, node, 0);
    struct onnx_integers shape;
    struct onnx_dims dims;
    bool given;
    enum status rc;

    TRY(onnx_build_integers(&shape, &given, b, node, "shape", 1));
    if (from->state != ONNX_VARIABLE || from->view.padded)
        return onnx_build_refuse(b, node, no_view);
    if (!given || !onnx_dims_reshape(&dims, &from->view.dims, &shape, onnx_model_integer(node, "allowzero", 0) != 0))
        return onnx_build_refuse(b, node, "its shape does not fit to what it reads");
    if (from->view.shuffled)
        return onnx_channels_shuffle(b, node, from, &dims);
    return see_as(b, node, from, &dims);
done:
    return rc == FAIL_UNSUPPORTED ? onnx_build_refuse(b, node, not_constant) : rc;
}

enum status onnx_rename_squeeze(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *from = plain(b, node);
    struct onnx_integers axes;
    struct onnx_dims dims;
    bool given;
    enum status rc;

    TRY(onnx_build_integers(&axes, &given, b, node, "axes", 1));
    if (!from)
        return onnx_build_refuse(b, node, no_view);
    if (!onnx_dims_squeeze(&dims, &from->view.dims, given ? &axes : NULL))
        return onnx_build_refuse(b, node, "its axes do not fit to what it reads");
    return see_as(b, node, from, &dims);
done:
    return rc == FAIL_UNSUPPORTED ? onnx_build_refuse(b, node, not_constant) : rc;
}

enum status onnx_rename_unsqueeze(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *from = plain(b, node);
    struct onnx_integers axes;
    struct onnx_dims dims;
    bool given;
    enum status rc;

    TRY(onnx_build_integers(&axes, &given, b, node, "axes", 1));
    if (!from)
        return onnx_build_refuse(b, node, no_view);
    if (!given || !onnx_dims_unsqueeze(&dims, &from->view.dims, &axes))
        return onnx_build_refuse(b, node, "its axes do not fit to what it reads");
    return see_as(b, node, from, &dims);
done:
    return rc == FAIL_UNSUPPORTED ? onnx_build_refuse(b, node, not_constant) : rc;
}

/* The middle of a channel shuffle: [N][groups][C / groups][H][W] with dimensions 1 and 2 exchanged. */
static bool is_shuffle(const struct onnx_build *b, const struct onnx_view *view, const struct onnx_integers *order)
{
    struct onnx_shape s = onnx_build_shape(b, view);
    const size_t *size = view->dims.size;
    static const int64_t exchanged[] = {0, 2, 1};

    if (view->dims.n < 3 || order->n != view->dims.n || size[1] * size[2] != s.channels ||
        onnx_dims_product(&view->dims, 3) != s.height * s.width)
        return false;
    for (size_t d = 0; d < order->n; d++)
        if (order->values[d] != (d < 3 ? exchanged[d] : (int64_t)d))
            return false;
    return true;
}

enum status onnx_rename_transpose(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *from = plain(b, node);
    struct onnx_integers order;
    struct onnx_dims dims;
    bool given;
    enum status rc;

    TRY(onnx_build_integers(&order, &given, b, node, "perm", SIZE_MAX));
    if (!from || !onnx_dims_transpose(&dims, &from->view.dims, &order))
        return onnx_build_refuse(b, node, no_view);
    if (onnx_dims_order_is_kept(&from->view.dims, &order))
        return see_as(b, node, from, &dims);
    if (!is_shuffle(b, &from->view, &order))
        return onnx_build_refuse(b, node, "it moves more than the two dimensions of a channel shuffle");
    struct onnx_view view = from->view;
    view.shuffled = view.dims.size[1];
    view.dims = dims;
    return onnx_build_set_view(b, node, from, view);
done:
    return rc == FAIL_UNSUPPORTED ? onnx_build_refuse(b, node, not_constant) : rc;
}
