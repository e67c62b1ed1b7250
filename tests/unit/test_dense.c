/* Dense layers' loops (ops.h) against plain double loops, on odd shapes, at the edge of forbidden pages. */
#include "tests/support/guarded.h"
#include "tests/support/isa_under_test.h"

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
    isa_under_test()->dense_backward(back.values, y.values, w.values, s.images, s.upper, s.lower);
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
            isa_under_test()->dense_flow(joint.values, s.values, x.values, w.values,
                                         &(struct ops_dense){1, upper, channels, positions}, twice);
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

static void check_neighbours(struct dense all, size_t channels, struct random *random)
{
    struct guarded x = guarded_alloc(all.images * all.lower), s = guarded_alloc(all.images * all.upper);
    struct guarded w = guarded_alloc(all.upper * all.lower), alone = guarded_alloc(all.upper * all.lower);
    struct guarded group = guarded_alloc(all.images * all.upper * all.lower);
    const struct ops *ops = isa_under_test();
    size_t upper = all.upper, lower = all.lower, positions = lower / channels;

    random_fill(random, x.values, all.images * lower);
    random_fill(random, s.values, all.images * upper);
    random_fill(random, w.values, upper * lower);
    for (size_t i = 0; i < all.images; i++) {
        const float *own_x = x.values + i * lower, *own_s = s.values + i * upper;
        ops->dense_forward(group.values, x.values, w.values, all.images, upper, lower, false);
        ops->dense_forward(alone.values, own_x, w.values, 1, upper, lower, false);
        assert_memory_equal(group.values + i * upper, alone.values, upper * sizeof(float));
        ops->dense_backward(group.values, s.values, w.values, all.images, upper, lower);
        ops->dense_backward(alone.values, own_s, w.values, 1, upper, lower);
        assert_memory_equal(group.values + i * lower, alone.values, lower * sizeof(float));
        for (size_t twice = 0; twice < 2; twice++) {
            ops->dense_flow(group.values, s.values, x.values, w.values,
                            &(struct ops_dense){all.images, upper, channels, positions}, twice);
            ops->dense_flow(alone.values, own_s, own_x, w.values, &(struct ops_dense){1, upper, channels, positions},
                            twice);
            assert_memory_equal(group.values + i * upper * channels, alone.values, upper * channels * sizeof(float));
        }
    }
    guarded_free(&x);
    guarded_free(&s);
    guarded_free(&w);
    guarded_free(&alone);
    guarded_free(&group);
}

/* Neither what the other images of a group hold nor how many there are changes an image's bits, whatever is left over
 * behind whole vectors and whole groups of rows. */
static void an_image_does_not_depend_on_its_neighbours(void **state)
{
    struct random random = random_seed("neighbours");

    (void)state;
    for (size_t positions = 1; positions < 50; positions++) {
        check_neighbours((struct dense){11, 5 * positions, 11}, 5, &random);
        check_neighbours((struct dense){11, positions, 11}, positions, &random);
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
