/* Activations against their formulas, written here with other functions, and what they must keep: NaN and zeros around
 * maps. */
#include "kernels/layer/activation.h"
#include "kernels/layer/reference.h"
#include "tests/support/assert.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(a) (sizeof(a) / sizeof(a)[0])

/* tanh(z / 2) is 2 sigmoid(z) - 1. */
static double logistic(double z)
{
    return z > -30 ? (1 + tanh(z / 2)) / 2 : exp(z);
}

static double between(double low, double v, double high)
{
    return v < low ? low : v > high ? high : v;
}

static double none(double z)
{
    return z;
}

static double relu(double z)
{
    return (z + fabs(z)) / 2;
}

static double relu6(double z)
{
    return between(0, z, 6);
}

static double clip(double z)
{
    return between(-0.5, z, 1.5);
}

static double clip_above(double z)
{
    return between(0.5, z, 2);
}

static double leaky(double z)
{
    return relu(z) - 0.25 * relu(-z);
}

static double hard_sigmoid(double z)
{
    return between(0, 0.25 * z + 0.5, 1);
}

static double silu(double z)
{
    return z * logistic(z);
}

static double hard_swish(double z)
{
    return z <= -3 ? 0 : z >= 3 ? z : z * (z + 3) / 6;
}

/* The normal distribution's integral by Simpson's rule: erf and erfc are what is tested. */
static double gelu(double z)
{
    enum { STEPS = 20000 };

    double low = -14, step = (z - low) / STEPS, sum = 0;

    for (int i = 0; i <= STEPS; i++) {
        double at = low + i * step, weight = i == 0 || i == STEPS ? 1 : i % 2 ? 4 : 2;
        sum += weight * exp(-at * at / 2);
    }
    return z * sum * step / 3 / sqrt(2 * acos(-1));
}

/* Scaled Selu, whose two numbers differ. */
static double elu(double z)
{
    return z > 0 ? 1.25 * z : 1.75 * (exp(z) - 1);
}

static double hyperbolic_tangent(double z)
{
    return 2 * logistic(2 * z) - 1;
}

static double softplus(double z)
{
    return log(1 + exp(z));
}

/* tanh(log u) is (u^2 - 1) / (u^2 + 1). */
static double mish(double z)
{
    double u = 1 + exp(z);

    return z * (u * u - 1) / (u * u + 1);
}

static const struct {
    struct activation activation;
    double (*formula)(double z);
} kinds[] = {
    {{ACTIVATION_NONE, 0, 0}, none},
    {{ACTIVATION_RELU, 0, 0}, relu},
    {{ACTIVATION_CLIP, 0, 6}, relu6},
    {{ACTIVATION_CLIP, -0.5f, 1.5f}, clip},
    {{ACTIVATION_CLIP, 0.5f, 2}, clip_above},
    {{ACTIVATION_LEAKY, 0.25f, 0}, leaky},
    {{ACTIVATION_SIGMOID, 0, 0}, logistic},
    {{ACTIVATION_HARD_SIGMOID, 0.25f, 0.5f}, hard_sigmoid},
    {{ACTIVATION_SILU, 0, 0}, silu},
    {{ACTIVATION_HARD_SWISH, 0, 0}, hard_swish},
    {{ACTIVATION_GELU, 0, 0}, gelu},
    {{ACTIVATION_ELU, 1.75f, 1.25f}, elu},
    {{ACTIVATION_TANH, 0, 0}, hyperbolic_tangent},
    {{ACTIVATION_SOFTPLUS, 0, 0}, softplus},
    {{ACTIVATION_MISH, 0, 0}, mish},
};

static const float values[] = {-8,    -6,   -4.5f, -3.25f, -3, -2.5f, -1, -0.75f, -0.5f, -1e-3f, 0, 1e-3f,
                               0.25f, 0.5f, 1,     1.5f,   2,  2.75f, 3,  3.5f,   5.75f, 6,      7, 11};

static float apply(struct activation activation, float z)
{
    activation_apply(&z, activation, layout_planar((struct shape){1, 1, 1}), 1);
    return z;
}

static void every_kind_equals_its_formula(void **state)
{
    (void)state;
    for (size_t k = 0; k < LENGTH(kinds); k++)
        for (size_t i = 0; i < LENGTH(values); i++) {
            double want = kinds[k].formula((double)values[i]);
            double got = (double)apply(kinds[k].activation, values[i]);
            double reference = reference_activation(kinds[k].activation, (double)values[i]);
            if (!(fabs(got - want) <= 16 * (double)FLT_EPSILON * fabs(want) + 1e-10))
                fail_msg("kind %d of %g is %.9g, not %.9g", (int)kinds[k].activation.kind, (double)values[i], got,
                         want);
            if (!(fabs(reference - want) <= 1e-12 * fabs(want) + 1e-13))
                fail_msg("reference of kind %d of %g is %.17g, not %.17g", (int)kinds[k].activation.kind,
                         (double)values[i], reference, want);
        }
}

static void nan_stays_nan(void **state)
{
    (void)state;
    for (size_t k = 0; k < LENGTH(kinds); k++)
        assert_nan(apply(kinds[k].activation, NAN));
}

/* Also where the activation of zero is not zero. */
static void floats_that_belong_to_no_neuron_stay_zero(void **state)
{
    struct shape shape = {18, 3, 5};
    struct layout layout = layout_blocked(shape);
    size_t images = 2, floats = layout_floats(layout), neurons = shape_neurons(shape);
    float *planar = malloc(neurons * sizeof *planar), *x = malloc(images * floats * sizeof *x);
    float *again = malloc(floats * sizeof *again);

    (void)state;
    for (size_t k = 0; k < LENGTH(kinds); k++) {
        for (size_t i = 0; i < neurons; i++)
            planar[i] = values[i % LENGTH(values)];
        for (size_t i = 0; i < images; i++)
            layout_from_planar(x + i * floats, planar, layout);
        activation_apply(x, kinds[k].activation, layout, images);
        for (size_t i = 0; i < images; i++) {
            layout_to_planar(planar, x + i * floats, layout);
            layout_from_planar(again, planar, layout);
            assert_memory_equal(again, x + i * floats, floats * sizeof *again);
            assert_same(planar[neurons - 1], apply(kinds[k].activation, values[(neurons - 1) % LENGTH(values)]));
        }
    }
    free(planar);
    free(x);
    free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_equals_its_formula),
        cmocka_unit_test(nan_stays_nan),
        cmocka_unit_test(floats_that_belong_to_no_neuron_stay_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
