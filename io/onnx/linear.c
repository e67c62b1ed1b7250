#include "io/onnx/operation.h"
#include "io/onnx/window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DILATED = 1 << 26 };

static const char needs_constants[] = "its weights are no constants";

/* Add a bias of one value for every channel, or one for all, times `factor` to the newest layer. *fits tells whether it
 * has as many. */
static enum status add_bias(bool *fits, struct onnx_build *b, struct onnx_layer *layer, const struct onnx_tensor *bias,
                            double factor)
{
    size_t K = layer->upper.channels;
    double *values = NULL;
    enum status rc;

    *fits = onnx_tensor_is_real(bias) && (bias->elements == K || bias->elements == 1);
    if (!*fits)
        return OK;
    TRY(onnx_build_reals(&values, b, bias));
    for (size_t k = 0; k < K; k++)
        layer->shift[k] += factor * values[bias->elements == 1 ? 0 : k];
done:
    free(values);
    return rc;
}

/* ---- convolution ----------------------------------------------------------------------------------------------- */

static enum status push_convolution(struct onnx_build *b, const struct onnx_node *node, const struct onnx_value *from,
                                    const struct onnx_tensor *weight, struct onnx_windows *w)
{
    const struct onnx_tensor *bias = onnx_build_constant(b, node, 2);
    struct onnx_layer conv = {.kind = ONNX_CONVOLUTION,
                              .weighted = true,
                              .weight = weight,
                              .window = w->window,
                              .spread_down = w->spread[0],
                              .spread_across = w->spread[1],
                              .groups = (size_t)onnx_model_integer(node, "group", 1)};
    size_t lower = from->view.variable;
    struct onnx_layer *layer;
    bool fits = true;
    enum status rc;

    conv.upper = w->upper;
    conv.upper.channels = w->dims.size[1] = weight->dims[0];
    if (bias && !(bias->ndim == 1 && bias->dims[0] == weight->dims[0]))
        return onnx_build_refuse(b, node, "its bias does not have one value for each channel");
    TRY(onnx_build_layer(&layer, b, node, &conv, &w->dims, 0));
    TRY(onnx_build_input(b, (struct onnx_input){.variable = lower}));
    if (bias)
        TRY(add_bias(&fits, b, layer, bias, 1.0));
    if (!fits)
        return onnx_build_refuse(b, node, "its bias is not of real numbers");
done:
    return rc;
}

enum status onnx_linear_convolution(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *from = onnx_build_value(b, node, 0);
    const struct onnx_tensor *weight = onnx_build_constant(b, node, 1);
    int64_t groups = onnx_model_integer(node, "group", 1);
    struct onnx_windows w;
    const char *reason;
    enum status rc;

    if (!weight || !onnx_tensor_is_real(weight) || (onnx_build_value(b, node, 2) && !onnx_build_constant(b, node, 2)))
        return onnx_build_refuse(b, node, needs_constants);
    if (!from || from->state != ONNX_VARIABLE || from->view.shuffled || (from->view.padded && from->view.pad_lowest))
        return onnx_build_refuse(b, node, "it reads something else than a map");
    size_t C = onnx_build_shape(b, &from->view).channels;
    if (weight->ndim != from->view.dims.n || weight->ndim < 3 || groups < 1 || C % (size_t)groups != 0 ||
        weight->dims[0] == 0 || weight->dims[0] % (size_t)groups != 0 || weight->dims[1] != C / (size_t)groups)
        return onnx_build_refuse(b, node, "its weights do not fit to what it reads");
    TRY(onnx_window_read(&w, &reason, b, node, &from->view, weight->dims + 2));
    if (!reason && w.spread[0] * w.spread[1] > 1 && weight->elements > MOST_DILATED)
        reason = "it is dilated, and has too many weights";
    if (reason)
        return onnx_build_refuse(b, node, "%s", reason);
    return push_convolution(b, node, from, weight, &w);
done:
    return rc;
}

/* ---- dense ----------------------------------------------------------------------------------------------------- */

/* Append a dense layer that multiplies by `weight`: [K][N], or [N][K] if it is transposed. NULL in *out if it is
 * refused. */
static enum status push_dense(struct onnx_layer **out, struct onnx_build *b, const struct onnx_node *node,
                              const struct onnx_tensor *weight, bool transposed)
{
    const struct onnx_value *from = onnx_build_value(b, node, 0);
    enum status rc;

    *out = NULL;
    if (!weight || !onnx_tensor_is_real_type(weight) || weight->ndim != 2)
        return onnx_build_refuse(b, node, weight ? "its weights are no matrix" : needs_constants);
    if (from->state != ONNX_VARIABLE || from->view.padded || from->view.shuffled || from->view.dims.n != 2)
        return onnx_build_refuse(b, node, "it reads something else than a vector for each image");
    size_t N = weight->dims[transposed ? 0 : 1], K = weight->dims[transposed ? 1 : 0], lower = from->view.variable;
    struct onnx_shape s = onnx_build_shape(b, &from->view);
    if (K == 0 || from->view.dims.size[1] != N || s.channels * s.height * s.width != N)
        return onnx_build_refuse(b, node, "its weights do not fit to what it reads");
    struct onnx_dims dims = {2, {from->view.dims.size[0], K}};
    struct onnx_layer dense = {.kind = ONNX_DENSE,
                               .weighted = true,
                               .weight = weight,
                               .transposed = transposed != weight->transposed,
                               .upper = {K, 1, 1}};
    TRY(onnx_build_layer(out, b, node, &dense, &dims, 0));
    TRY(onnx_build_input(b, (struct onnx_input){.variable = lower}));
done:
    return rc;
}

/* Whether a Gemm's third operand has the same values for every image: dimensions but the last are one. */
static bool is_row(const struct onnx_tensor *t)
{
    return t->ndim <= 2 && (t->ndim < 2 || t->dims[0] == 1);
}

enum status onnx_linear_gemm(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_tensor *bias = onnx_build_constant(b, node, 2);
    double alpha = onnx_model_real(node, "alpha", 1.0), beta = onnx_model_real(node, "beta", 1.0);
    struct onnx_layer *layer = NULL;
    bool fits = true;
    enum status rc;

    if (onnx_model_integer(node, "transA", 0) != 0)
        return onnx_build_refuse(b, node, "transA mixes images");
    if (onnx_build_value(b, node, 2) && (!bias || !is_row(bias)))
        return onnx_build_refuse(b, node, "its bias is no constant vector");
    TRY(push_dense(&layer, b, node, onnx_build_constant(b, node, 1), onnx_model_integer(node, "transB", 0) == 0));
    if (!layer)
        return OK;
    for (size_t k = 0; k < layer->upper.channels; k++)
        layer->scale[k] = alpha;
    if (bias)
        TRY(add_bias(&fits, b, layer, bias, beta));
    if (!fits)
        return onnx_build_refuse(b, node, "its bias does not have one value for each output");
done:
    return rc;
}

enum status onnx_linear_matmul(struct onnx_build *b, const struct onnx_node *node)
{
    struct onnx_layer *layer;

    return push_dense(&layer, b, node, onnx_build_constant(b, node, 1), true);
}

/* ---- batch normalization --------------------------------------------------------------------------------------- */

enum { GAMMA, BETA, MEAN, VARIANCE, PARTS };

/* scale = gamma / sqrt(variance + epsilon), shift = beta - mean scale; in place of gamma and beta. False if a variance
 * is negative. */
static bool fold(double *const parts[PARTS], size_t n, double epsilon)
{
    for (size_t k = 0; k < n; k++) {
        if (!(parts[VARIANCE][k] + epsilon > 0.0))
            return false;
        parts[GAMMA][k] /= sqrt(parts[VARIANCE][k] + epsilon);
        parts[BETA][k] -= parts[MEAN][k] * parts[GAMMA][k];
    }
    return true;
}

/* Before opset 14, more than one output says so. */
static bool is_training(const struct onnx_node *node)
{
    for (size_t i = 1; i < node->noutputs; i++)
        if (node->outputs[i] != 0)
            return true;
    return onnx_model_integer(node, "training_mode", 0) != 0;
}

enum status onnx_linear_batchnorm(struct onnx_build *b, const struct onnx_node *node)
{
    const struct onnx_value *from = onnx_build_value(b, node, 0);
    double *parts[PARTS] = {NULL};
    enum status rc = OK;

    if (from->state != ONNX_VARIABLE || !onnx_build_has_channels(b, &from->view))
        return onnx_build_refuse(b, node, "it reads something else than a map");
    if (is_training(node))
        return onnx_build_refuse(b, node, "it is in training mode; export the network after model.eval()");
    if (onnx_model_integer(node, "spatial", 1) != 1 && from->view.dims.n > 2)
        return onnx_build_refuse(b, node, "it has a scale for every position");
    size_t K = onnx_build_shape(b, &from->view).channels;
    for (size_t i = 0; i < PARTS; i++) {
        const struct onnx_tensor *t = onnx_build_constant(b, node, 1 + i);
        if (!t || !onnx_tensor_is_real(t) || t->elements != K) {
            rc = onnx_build_refuse(b, node, "its parameters are no constants, one for every channel");
            goto done;
        }
        TRY(onnx_build_reals(&parts[i], b, t));
    }
    if (fold(parts, K, onnx_model_real(node, "epsilon", 1e-5)))
        rc = onnx_affine_apply(b, node, from, parts[GAMMA], parts[BETA]);
    else
        rc = onnx_build_refuse(b, node, "it has a negative variance");
done:
    for (size_t i = 0; i < PARTS; i++)
        free(parts[i]);
    return rc;
}
