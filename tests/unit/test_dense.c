/* Dense operations against plain double loops, on odd shapes, at the edge of forbidden pages. */
#include "dense.h"
#include "guarded.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const size_t sizes[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 129};
static const size_t groups[] = {1, 2, 3, 4};

#define LENGTH(a) (sizeof(a) / sizeof(a)[0])

/* A float32 sum of n products is within n eps sum |product| of the exact one. */
static void assert_sum(float got, double want, double bound, size_t terms)
{
    double allowed = (double)(terms + 2) * (double)FLT_EPSILON * bound;

    if (!(fabs((double)got - want) <= allowed))
        fail_msg("%.9g is not %.9g within %.3g", (double)got, want, allowed);
}

static void check_products(struct dense s, struct random *random)
{
    struct guarded x = guarded_alloc(s.images * s.lower), w = guarded_alloc(s.upper * s.lower);
    struct guarded y = guarded_alloc(s.images * s.upper), back = guarded_alloc(s.images * s.lower);

    random_fill(random, x.values, s.images * s.lower);
    random_fill(random, w.values, s.upper * s.lower);
    dense_forward(y.values, x.values, w.values, s, false);
    for (size_t i = 0; i < s.images * s.upper; i++) {
        double want = 0, bound = 0;
        for (size_t j = 0; j < s.lower; j++) {
            double p = (double)x.values[i / s.upper * s.lower + j] * (double)w.values[i % s.upper * s.lower + j];
            want += p;
            bound += fabs(p);
        }
        assert_sum(y.values[i], want, bound, s.lower);
    }
    dense_back(back.values, y.values, w.values, s);
    for (size_t i = 0; i < s.images * s.lower; i++) {
        double want = 0, bound = 0;
        for (size_t k = 0; k < s.upper; k++) {
            double p = (double)y.values[i / s.lower * s.upper + k] * (double)w.values[k * s.lower + i % s.lower];
            want += p;
            bound += fabs(p);
        }
        assert_sum(back.values[i], want, bound, s.upper);
    }
    guarded_free(&x);
    guarded_free(&w);
    guarded_free(&y);
    guarded_free(&back);
}

static void products_equal_plain_loops(void **state)
{
    struct random random = random_seed("dense");

    (void)state;
    for (size_t i = 0; i < LENGTH(sizes); i++)
        for (size_t g = 0; g < LENGTH(groups); g++)
            check_products((struct dense){sizes[i], sizes[LENGTH(sizes) - 1 - i], groups[g]}, &random);
}

static void joint_equals_plain_loops(void **state)
{
    struct random random = random_seed("joint");

    (void)state;
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        size_t upper = sizes[i], channels = 5, positions = sizes[LENGTH(sizes) - 1 - i], lower = channels * positions;
        struct guarded s = guarded_alloc(upper), x = guarded_alloc(lower), w = guarded_alloc(upper * lower);
        struct guarded joint = guarded_alloc(upper * channels);
        random_fill(&random, s.values, upper);
        random_fill(&random, x.values, lower);
        random_fill(&random, w.values, upper * lower);
        dense_joint(joint.values, s.values, x.values, w.values, upper, channels, positions, false);
        dense_joint(joint.values, s.values, x.values, w.values, upper, channels, positions, true);
        for (size_t e = 0; e < upper * channels; e++) {
            double want = 0, bound = 0;
            for (size_t p = 0; p < positions; p++) {
                double product = (double)s.values[e / channels] * (double)x.values[e % channels * positions + p] *
                                 (double)w.values[e * positions + p];
                want += product;
                bound += fabs(product);
            }
            assert_sum(joint.values[e], 2 * want, 2 * bound, positions + 2);
        }
        guarded_free(&s);
        guarded_free(&x);
        guarded_free(&w);
        guarded_free(&joint);
    }
}

/* What the other images of a group hold must not change an image's bits. */
static void an_image_does_not_depend_on_its_neighbours(void **state)
{
    struct random random = random_seed("neighbours");
    struct dense s = {37, 53, 4};
    float x[4 * 53], w[37 * 53], full[4 * 37], alone[4 * 37];

    (void)state;
    random_fill(&random, x, LENGTH(x));
    random_fill(&random, w, LENGTH(w));
    dense_forward(full, x, w, s, false);
    for (size_t i = 0; i < 4 * 53; i++)
        x[i] = i / 53 == 2 ? x[i] : 0;
    dense_forward(alone, x, w, s, false);
    assert_memory_equal(full + 2 * 37, alone + 2 * 37, 37 * sizeof(float));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_equal_plain_loops),
        cmocka_unit_test(joint_equals_plain_loops),
        cmocka_unit_test(an_image_does_not_depend_on_its_neighbours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
