/* The three convolution operations against plain double loops, on odd shapes, at the edge of forbidden pages. */
#include "kernels/layer/convolution.h"
#include "tests/support/assert.h"
#include "tests/support/guarded.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Heights and widths: tiny, prime, and around the vector widths 4, 8 and 16. */
static const size_t sizes[] = {1, 2, 3, 5, 7, 8, 15, 16, 17};
static const size_t channels[] = {1, 2, 3, 13, 16, 17};

#define LENGTH(a) (sizeof(a) / sizeof(a)[0])

/* sum over taps of what `visit` needs: index of w, of the upper and of the lower position. */
struct visit {
    double *out, *bound;
    const float *a, *b;
};

/* out[io] += a[ia] b[ib] over all taps; `which` says which of upper, lower and weight is the output. */
enum output { OUT_UPPER, OUT_LOWER, OUT_WEIGHT };

static void plain(struct visit v, struct convolution s, enum output which)
{
    for (size_t k = 0; k < s.upper; k++)
        for (size_t c = 0; c < s.lower; c++)
            for (size_t tap = 0; tap < 9; tap++)
                for (size_t y = 0; y < s.height; y++)
                    for (size_t x = 0; x < s.width; x++) {
                        size_t row = y + tap / 3, column = x + tap % 3;
                        if (row < 1 || row > s.height || column < 1 || column > s.width)
                            continue;
                        size_t upper = (k * s.height + y) * s.width + x;
                        size_t lower = (c * s.height + row - 1) * s.width + column - 1;
                        size_t weight = (k * s.lower + c) * 9 + tap;
                        size_t out = which == OUT_UPPER ? upper : which == OUT_LOWER ? lower : weight;
                        size_t a = which == OUT_UPPER ? lower : upper, b = which == OUT_WEIGHT ? lower : weight;
                        double product = (double)v.a[a] * (double)v.b[b];
                        v.out[out] += product;
                        v.bound[out] += fabs(product);
                    }
}

/* A float32 sum of n products is within n eps sum |product| of the exact one. */
static void assert_sums(const float *got, const struct visit *want, size_t n, size_t terms)
{
    for (size_t i = 0; i < n; i++) {
        double allowed = (double)(terms + 2) * (double)FLT_EPSILON * want->bound[i];
        if (!(fabs((double)got[i] - want->out[i]) <= allowed))
            fail_msg("element %zu is %.9g, not %.9g within %.3g", i, (double)got[i], want->out[i], allowed);
    }
}

static void check(struct convolution s, enum output which, struct random *random)
{
    size_t upper = s.upper * s.height * s.width, lower = s.lower * s.height * s.width, weights = s.upper * s.lower * 9;
    size_t count[] = {[OUT_UPPER] = upper, [OUT_LOWER] = lower, [OUT_WEIGHT] = weights};
    size_t terms[] = {[OUT_UPPER] = 9 * s.lower, [OUT_LOWER] = 9 * s.upper, [OUT_WEIGHT] = s.height * s.width};
    enum output first = which == OUT_UPPER ? OUT_LOWER : OUT_UPPER;
    enum output second = which == OUT_WEIGHT ? OUT_LOWER : OUT_WEIGHT;
    struct guarded a = guarded_alloc(count[first]), b = guarded_alloc(count[second]), out = guarded_alloc(count[which]);
    struct guarded scratch = guarded_alloc(convolution_scratch(s));
    struct visit want = {calloc(count[which], sizeof(double)), calloc(count[which], sizeof(double)), a.values,
                         b.values};

    random_fill(random, a.values, count[first]);
    random_fill(random, b.values, count[second]);
    plain(want, s, which);
    if (which == OUT_UPPER)
        convolution_forward(out.values, a.values, b.values, s, false, scratch.values);
    else if (which == OUT_LOWER)
        convolution_backward(out.values, a.values, b.values, s, scratch.values);
    else
        convolution_gradient(out.values, a.values, b.values, s, scratch.values);
    assert_sums(out.values, &want, count[which], terms[which]);
    free(want.out);
    free(want.bound);
    guarded_free(&a);
    guarded_free(&b);
    guarded_free(&out);
    guarded_free(&scratch);
}

static void check_all(enum output which, const char *name)
{
    struct random random = random_seed(name);

    for (size_t i = 0; i < LENGTH(sizes); i++)
        for (size_t j = 0; j < LENGTH(channels); j++)
            check((struct convolution){channels[j], channels[LENGTH(channels) - 1 - j], sizes[i],
                                       sizes[LENGTH(sizes) - 1 - i]},
                  which, &random);
}

static void forward_equals_plain_loops(void **state)
{
    (void)state;
    check_all(OUT_UPPER, "forward");
}

static void back_equals_plain_loops(void **state)
{
    (void)state;
    check_all(OUT_LOWER, "back");
}

static void gradient_equals_plain_loops(void **state)
{
    (void)state;
    check_all(OUT_WEIGHT, "gradient");
}

/* Large enough that columns are made in several bands. */
static void bands_do_not_show(void **state)
{
    struct convolution s = {3, 200, 40, 61};
    struct random random = random_seed("bands");

    (void)state;
    assert_less(convolution_scratch(s), s.lower * 9 * s.height * s.width);
    check(s, OUT_UPPER, &random);
    check(s, OUT_LOWER, &random);
    check(s, OUT_WEIGHT, &random);
}

static void forward_adds_when_asked(void **state)
{
    struct convolution s = {2, 3, 4, 5};
    struct random random = random_seed("accumulate");
    float x[60], w[54], once[40], twice[40], scratch[1024];

    (void)state;
    assert_at_most(convolution_scratch(s), LENGTH(scratch));
    random_fill(&random, x, LENGTH(x));
    random_fill(&random, w, LENGTH(w));
    convolution_forward(once, x, w, s, false, scratch);
    convolution_forward(twice, x, w, s, false, scratch);
    convolution_forward(twice, x, w, s, true, scratch);
    for (size_t i = 0; i < LENGTH(once); i++)
        assert_near(twice[i], 2 * once[i], 4 * FLT_EPSILON * fabsf(once[i]) + 1e-6f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_equals_plain_loops),  cmocka_unit_test(back_equals_plain_loops),
        cmocka_unit_test(gradient_equals_plain_loops), cmocka_unit_test(bands_do_not_show),
        cmocka_unit_test(forward_adds_when_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
