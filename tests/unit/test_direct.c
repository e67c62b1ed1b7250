/* Convolutions of few planes in every variant that this processor has, against plain double loops, at the edge of
 * forbidden pages. */
#include "kernels/base/layout.h"
#include "kernels/layer/direct.h"
#include "tests/support/assert.h"
#include "tests/support/guarded.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TAPS = 9 };

#define SHAPE(p, k, h, w)                                                                                              \
    {                                                                                                                  \
        .planes = (p), .channels = (k), .height = (h), .width = (w)                                                    \
    }

static const struct direct shapes[] = {SHAPE(1, 1, 1, 1),  SHAPE(3, 16, 2, 2), SHAPE(3, 20, 5, 13), SHAPE(4, 64, 7, 6),
                                       SHAPE(9, 35, 9, 7), SHAPE(2, 8, 3, 17), SHAPE(6, 48, 4, 11), SHAPE(12, 3, 8, 5)};

/* Planar arrays, and what the three maps make of them: values and sums of magnitudes. */
struct model {
    struct direct shape;
    float *x, *s, *factor, *w, *bias;
    double *value[3], *bound[3]; /* forward, back, gradient */
};

enum map { FORWARD, BACK, GRADIENT };

static float *floats(struct random *random, size_t n)
{
    float *p = malloc(n * sizeof *p);

    assert_non_null(p);
    random_fill(random, p, n);
    return p;
}

static void add(struct model *m, enum map map, size_t at, double product)
{
    m->value[map][at] += product;
    m->bound[map][at] += fabs(product);
}

static void add_pair(struct model *m, size_t k, size_t c, size_t tap)
{
    struct direct n = m->shape;
    size_t weight = (k * n.planes + c) * TAPS + tap;

    for (size_t y = 0; y < n.height; y++)
        for (size_t x = 0; x < n.width; x++) {
            size_t row = y + tap / 3, column = x + tap % 3, upper = (k * n.height + y) * n.width + x;
            if (row < 1 || row > n.height || column < 1 || column > n.width)
                continue;
            size_t lower = (c * n.height + row - 1) * n.width + column - 1;
            double s = (double)m->s[upper] * (double)m->factor[upper];
            add(m, FORWARD, upper, (double)m->w[weight] * (double)m->x[lower]);
            add(m, BACK, lower, (double)m->w[weight] * s);
            add(m, GRADIENT, weight, (double)m->x[lower] * s);
        }
}

static size_t outputs_of(struct direct n, enum map map)
{
    size_t area = n.height * n.width;

    return map == FORWARD ? n.channels * area : map == BACK ? n.planes * area : n.channels * n.planes * TAPS;
}

static struct model model_of(struct random *random, struct direct n)
{
    size_t upper = outputs_of(n, FORWARD);
    struct model m = {n,
                      floats(random, outputs_of(n, BACK)),
                      floats(random, upper),
                      floats(random, upper),
                      floats(random, outputs_of(n, GRADIENT)),
                      floats(random, n.channels),
                      {0},
                      {0}};

    for (enum map map = FORWARD; map <= GRADIENT; map++) {
        m.value[map] = calloc(outputs_of(n, map), sizeof(double));
        m.bound[map] = calloc(outputs_of(n, map), sizeof(double));
    }
    for (size_t i = 0; i < upper; i++)
        add(&m, FORWARD, i, (double)m.bias[i / (n.height * n.width)]);
    for (size_t k = 0; k < n.channels; k++)
        for (size_t c = 0; c < n.planes; c++)
            for (size_t tap = 0; tap < TAPS; tap++)
                add_pair(&m, k, c, tap);
    return m;
}

static void model_free(struct model *m)
{
    float *const inputs[] = {m->x, m->s, m->factor, m->w, m->bias};

    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
        free(inputs[i]);
    for (enum map map = FORWARD; map <= GRADIENT; map++) {
        free(m->value[map]);
        free(m->bound[map]);
    }
}

/* A float32 sum of n products, some of three factors, is within (n + 2) eps sum |product| of the exact one. */
static void assert_map(const float *got, const struct model *m, enum map map)
{
    struct direct n = m->shape;
    size_t terms[] = {[FORWARD] = TAPS * n.planes + 1, [BACK] = TAPS * n.channels, [GRADIENT] = n.height * n.width};

    for (size_t i = 0; i < outputs_of(n, map); i++) {
        double allowed = (double)(terms[map] + 2) * (double)FLT_EPSILON * m->bound[map][i];
        if (!(fabs((double)got[i] - m->value[map][i]) <= allowed))
            fail_msg("map %d: element %zu is %.9g, not %.9g within %.3g", (int)map, i, (double)got[i], m->value[map][i],
                     allowed);
    }
}

static struct guarded blocked(const float *planar, struct layout layout)
{
    struct guarded g = guarded_alloc(layout_floats(layout));

    layout_from_planar(g.values, planar, layout);
    return g;
}

static struct guarded copied(const float *values, size_t n, size_t floats)
{
    struct guarded g = guarded_alloc(floats);

    memset(g.values, 0, floats * sizeof(float));
    memcpy(g.values, values, n * sizeof(float));
    return g;
}

static void check_forward(const struct model *m, const struct ops *ops, const float *x, float *scratch)
{
    struct direct n = m->shape;
    struct layout layout = layout_blocked((struct shape){n.channels, n.height, n.width});
    struct guarded packed = guarded_alloc(direct_weights_floats(ops, n, false));
    struct guarded y = guarded_alloc(layout_floats(layout)), again = guarded_alloc(layout_floats(layout));
    struct guarded bias = copied(m->bias, n.channels, (n.channels + 15) / 16 * 16);
    struct guarded planar = guarded_alloc(outputs_of(n, FORWARD));

    direct_pack(packed.values, m->w, false, ops, n);
    direct_forward(y.values, x, packed.values, bias.values, ops, n, scratch);
    layout_to_planar(planar.values, y.values, layout);
    assert_map(planar.values, m, FORWARD);
    layout_from_planar(again.values, planar.values, layout);
    for (size_t i = 0; i < layout_floats(layout); i++)
        assert_same(again.values[i], y.values[i]); /* what is no neuron is zero */
    guarded_free(&packed);
    guarded_free(&y);
    guarded_free(&again);
    guarded_free(&bias);
    guarded_free(&planar);
}

/* Back and gradient of s * factor, with the factor apart or multiplied in. */
static void check_adjoint(const struct model *m, const struct ops *ops, const float *x, float *scratch, bool apart)
{
    struct direct n = m->shape;
    struct layout layout = layout_blocked((struct shape){n.channels, n.height, n.width});
    struct guarded s = blocked(m->s, layout), factor = blocked(m->factor, layout);
    struct guarded packed = guarded_alloc(direct_weights_floats(ops, n, true));
    struct guarded out = guarded_alloc(outputs_of(n, BACK)), g = guarded_alloc(outputs_of(n, GRADIENT));

    for (size_t i = 0; i < layout_floats(layout) && !apart; i++)
        s.values[i] *= factor.values[i];
    direct_pack(packed.values, m->w, true, ops, n);
    direct_backward(out.values, s.values, apart ? factor.values : NULL, packed.values, ops, n, scratch);
    assert_map(out.values, m, BACK);
    direct_gradient(g.values, s.values, apart ? factor.values : NULL, x, ops, n, scratch);
    assert_map(g.values, m, GRADIENT);
    guarded_free(&s);
    guarded_free(&factor);
    guarded_free(&packed);
    guarded_free(&out);
    guarded_free(&g);
}

static void check_variant(const struct ops *ops)
{
    struct random random = random_seed(ops->name);

    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct model m = model_of(&random, shapes[i]);
        struct guarded x = copied(m.x, outputs_of(m.shape, BACK), outputs_of(m.shape, BACK));
        struct guarded scratch = guarded_alloc(direct_scratch_floats(shapes[i]));
        check_forward(&m, ops, x.values, scratch.values);
        check_adjoint(&m, ops, x.values, scratch.values, true);
        check_adjoint(&m, ops, x.values, scratch.values, false);
        model_free(&m);
        guarded_free(&x);
        guarded_free(&scratch);
    }
}

static void every_variant_equals_plain_loops(void **state)
{
    (void)state;
    for (size_t i = 0; ops_name(i); i++) {
        const struct ops *ops = ops_select(ops_name(i));
        if (ops)
            check_variant(ops);
        else
            printf("variant %s skipped: not available on this processor\n", ops_name(i));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_variant_equals_plain_loops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
