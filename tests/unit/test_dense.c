/* Dense layers' loops (ops.h) against plain double loops, on odd shapes, at the edge of forbidden pages. */
#include "guarded.h"
#include "isa_under_test.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const size_t sizes[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 129};
static const size_t groups[] = {1, 3, 8, 11};

/* Neurons above and below, and images. */
struct dense {
    size_t upper, lower, images;
};

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
    isa_under_test()->dense_forward(y.values, x.values, w.values, s.images, s.upper, s.lower, false);
    for (size_t i = 0; i < s.images * s.upper; i++) {
        double want = 0, bound = 0;
        for (size_t j = 0; j < s.lower; j++) {
            double p = (double)x.values[i / s.upper * s.lower + j] * (double)w.values[i % s.upper * s.lower + j];
            want += p;
            bound += fabs(p);
        }
        assert_sum(y.values[i], want, bound, s.lower);
    }
    isa_under_test()->dense_back(back.values, y.values, w.values, s.images, s.upper, s.lower);
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
    check_products((struct dense){5, 5003, 9}, &random); /* rows in several pieces */
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
        for (size_t twice = 0; twice < 2; twice++)
            isa_under_test()->dense_joint(joint.values, s.values, x.values, w.values, 1, upper, channels, positions,
                                          twice);
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

/* Neither what the other images of a group hold nor how many there are changes an image's bits. */
static void an_image_does_not_depend_on_its_neighbours(void **state)
{
    enum { IMAGES = 11, UPPER = 37, LOWER = 53, CHANNELS = 53 };

    struct random random = random_seed("neighbours");
    float x[IMAGES * LOWER], s[IMAGES * UPPER], w[UPPER * LOWER], group[IMAGES * UPPER * LOWER], alone[UPPER * LOWER];
    const struct ops *ops = isa_under_test();

    (void)state;
    random_fill(&random, x, LENGTH(x));
    random_fill(&random, s, LENGTH(s));
    random_fill(&random, w, LENGTH(w));
    for (size_t i = 0; i < IMAGES; i++) {
        ops->dense_forward(group, x, w, IMAGES, UPPER, LOWER, false);
        ops->dense_forward(alone, x + i * LOWER, w, 1, UPPER, LOWER, false);
        assert_memory_equal(group + i * UPPER, alone, UPPER * sizeof(float));
        ops->dense_back(group, s, w, IMAGES, UPPER, LOWER);
        ops->dense_back(alone, s + i * UPPER, w, 1, UPPER, LOWER);
        assert_memory_equal(group + i * LOWER, alone, LOWER * sizeof(float));
        ops->dense_joint(group, s, x, w, IMAGES, UPPER, CHANNELS, LOWER / CHANNELS, false);
        ops->dense_joint(alone, s + i * UPPER, x + i * LOWER, w, 1, UPPER, CHANNELS, LOWER / CHANNELS, false);
        assert_memory_equal(group + i * UPPER * CHANNELS, alone, UPPER * CHANNELS * sizeof(float));
    }
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
