#include "kernels/layer/activation.h"

#include "kernels/base/number.h"

#include <math.h>

static float sigmoid(float z)
{
    return 1 / (1 + expf(-z));
}

static void rectify(float *x, size_t n, struct activation f)
{
    (void)f;
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] < 0 ? 0 : x[i];
}

static void clip(float *x, size_t n, struct activation f)
{
    for (size_t i = 0; i < n; i++)
        x[i] = clamp(x[i], f.a, f.b);
}

static void leak(float *x, size_t n, struct activation f)
{
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] > 0 ? x[i] : f.a * x[i];
}

static void apply_sigmoid(float *x, size_t n, struct activation f)
{
    (void)f;
    for (size_t i = 0; i < n; i++)
        x[i] = sigmoid(x[i]);
}

static void apply_hard_sigmoid(float *x, size_t n, struct activation f)
{
    for (size_t i = 0; i < n; i++)
        x[i] = clamp(f.a * x[i] + f.b, 0, 1);
}

static void apply_silu(float *x, size_t n, struct activation f)
{
    (void)f;
    for (size_t i = 0; i < n; i++)
        x[i] *= sigmoid(x[i]);
}

static void apply_hard_swish(float *x, size_t n, struct activation f)
{
    (void)f;
    for (size_t i = 0; i < n; i++)
        x[i] *= clamp(x[i] + 3, 0, 6) / 6;
}

/* 1 + erf(z / sqrt 2) = erfc(-z / sqrt 2), which does not cancel. */
static void apply_gelu(float *x, size_t n, struct activation f)
{
    (void)f;
    for (size_t i = 0; i < n; i++)
        x[i] *= erfcf(-x[i] * (float)M_SQRT1_2) / 2;
}

static void apply_elu(float *x, size_t n, struct activation f)
{
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] > 0 ? f.b * x[i] : f.a * expm1f(x[i]);
}

static void apply_tanh(float *x, size_t n, struct activation f)
{
    (void)f;
    for (size_t i = 0; i < n; i++)
        x[i] = tanhf(x[i]);
}

/* max(z, 0) + log(1 + exp(-|z|)), which does not overflow. */
static float softplus(float z)
{
    return (z > 0 ? z : 0) + log1pf(expf(-fabsf(z)));
}

static void apply_softplus(float *x, size_t n, struct activation f)
{
    (void)f;
    for (size_t i = 0; i < n; i++)
        x[i] = softplus(x[i]);
}

static void apply_mish(float *x, size_t n, struct activation f)
{
    (void)f;
    for (size_t i = 0; i < n; i++)
        x[i] *= tanhf(softplus(x[i]));
}

/* The loop of every kind, and whether zero may become something else. */
static const struct {
    void (*apply)(float *x, size_t n, struct activation f);
    bool moves_zero;
} kinds[] = {
    [ACTIVATION_NONE] = {NULL, false},
    [ACTIVATION_RELU] = {rectify, false},
    [ACTIVATION_CLIP] = {clip, true},
    [ACTIVATION_LEAKY] = {leak, false},
    [ACTIVATION_SIGMOID] = {apply_sigmoid, true},
    [ACTIVATION_HARD_SIGMOID] = {apply_hard_sigmoid, true},
    [ACTIVATION_SILU] = {apply_silu, false},
    [ACTIVATION_HARD_SWISH] = {apply_hard_swish, false},
    [ACTIVATION_GELU] = {apply_gelu, false},
    [ACTIVATION_ELU] = {apply_elu, false},
    [ACTIVATION_TANH] = {apply_tanh, false},
    [ACTIVATION_SOFTPLUS] = {apply_softplus, true},
    [ACTIVATION_MISH] = {apply_mish, false},
};

void activation_apply(float *x, struct activation activation, struct layout layout, size_t n)
{
    size_t floats = layout_floats(layout);

    if (kinds[activation.kind].apply)
        kinds[activation.kind].apply(x, n * floats, activation);
    for (size_t i = 0; i < n && kinds[activation.kind].moves_zero; i++)
        layout_clear_border(x + i * floats, layout);
}

bool activation_bounds(float *low, float *high, struct activation activation)
{
    bool clips = activation.kind == ACTIVATION_CLIP && activation.a <= 0 && activation.b >= 0;

    *low = clips ? activation.a : activation.kind == ACTIVATION_RELU ? 0 : -INFINITY;
    *high = clips ? activation.b : INFINITY;
    return clips || activation.kind == ACTIVATION_RELU || activation.kind == ACTIVATION_NONE;
}
