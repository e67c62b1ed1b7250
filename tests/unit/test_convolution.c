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

static void plain_window(struct visit v, struct convolution s, enum output which, size_t k, size_t window)
{
    size_t depth = s.lower / s.groups, taps = s.down.taps * s.across.taps, group = k / (s.upper / s.groups);
    size_t top = window / s.across.count * s.down.stride, left = window % s.across.count * s.across.stride;

    for (size_t c = 0; c < depth; c++)
        for (size_t tap = 0; tap < taps; tap++) {
            size_t row = top + tap / s.across.taps, column = left + tap % s.across.taps; /* padding counted */
            if (row < s.down.before || row >= s.down.before + s.down.size || column < s.across.before ||
                column >= s.across.before + s.across.size)
                continue;
            size_t upper = k * s.down.count * s.across.count + window;
            size_t lower =
                ((group * depth + c) * s.down.size + row - s.down.before) * s.across.size + column - s.across.before;
            size_t weight = (k * depth + c) * taps + tap;
            size_t out = which == OUT_UPPER ? upper : which == OUT_LOWER ? lower : weight;
            size_t a = which == OUT_UPPER ? lower : upper, b = which == OUT_WEIGHT ? lower : weight;
            double product = (double)v.a[a] * (double)v.b[b];
            v.out[out] += product;
            v.bound[out] += fabs(product);
        }
}

static void plain(struct visit v, struct convolution s, enum output which)
{
    for (size_t k = 0; k < s.upper; k++)
        for (size_t window = 0; window < s.down.count * s.across.count; window++)
            plain_window(v, s, which, k, window);
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
    size_t windows = s.down.count * s.across.count, taps = s.down.taps * s.across.taps;
    size_t upper = s.upper * windows, lower = s.lower * s.down.size * s.across.size;
    size_t weights = s.upper * (s.lower / s.groups) * taps;
    size_t count[] = {[OUT_UPPER] = upper, [OUT_LOWER] = lower, [OUT_WEIGHT] = weights};
    size_t terms[] = {[OUT_UPPER] = taps * s.lower, [OUT_LOWER] = taps * s.upper, [OUT_WEIGHT] = windows};
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

/* 3 x 3 with stride 1 and padding 1. */
static struct convolution same3(size_t upper, size_t lower, size_t height, size_t width)
{
    return (struct convolution){.upper = upper,
                                .lower = lower,
                                .groups = 1,
                                .down = {height, height, 3, 1, 1, 1},
                                .across = {width, width, 3, 1, 1, 1}};
}

static void check_all(enum output which, const char *name)
{
    struct random random = random_seed(name);

    for (size_t i = 0; i < LENGTH(sizes); i++)
        for (size_t j = 0; j < LENGTH(channels); j++)
            check(same3(channels[j], channels[LENGTH(channels) - 1 - j], sizes[i], sizes[LENGTH(sizes) - 1 - i]), which,
                  &random);
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

/* Windows of every kind: a strided stem, one position with and without stride, padding on one side only, windows that
 * the map cuts off or that leave a rest, and groups. */
static const struct convolution windows[] = {
    {5, 3, 1, {21, 11, 7, 2, 3, 3}, {16, 8, 7, 2, 3, 3}}, {7, 6, 1, {5, 5, 1, 1, 0, 0}, {9, 9, 1, 1, 0, 0}},
    {7, 6, 1, {5, 3, 1, 2, 0, 0}, {8, 4, 1, 2, 0, 0}},    {4, 3, 1, {10, 5, 3, 2, 1, 1}, {7, 4, 3, 2, 1, 1}},
    {4, 3, 1, {6, 6, 4, 1, 0, 3}, {9, 5, 1, 2, 0, 0}},    {2, 3, 1, {8, 4, 3, 2, 0, 1}, {11, 4, 2, 3, 1, 0}},
    {6, 4, 2, {5, 5, 3, 1, 1, 1}, {7, 7, 3, 1, 1, 1}},    {6, 9, 3, {9, 5, 5, 2, 2, 2}, {6, 3, 5, 2, 2, 2}},
    {8, 8, 4, {4, 4, 1, 1, 0, 0}, {5, 5, 1, 1, 0, 0}},    {1, 1, 1, {3, 1, 3, 1, 0, 0}, {2, 1, 2, 1, 0, 0}},
    {3, 2, 1, {3, 5, 5, 1, 4, 2}, {2, 2, 4, 3, 3, 3}},
};

static void windows_of_any_kind_equal_plain_loops(void **state)
{
    struct random random = random_seed("windows");

    (void)state;
    for (size_t i = 0; i < LENGTH(windows); i++)
        for (size_t which = OUT_UPPER; which <= OUT_WEIGHT; which++)
            check(windows[i], (enum output)which, &random);
}

/* Large enough that columns are made in several bands. */
static void bands_do_not_show(void **state)
{
    const struct convolution large[] = {
        same3(3, 200, 40, 61),
        {4, 320, 2, {80, 40, 3, 2, 1, 1}, {99, 50, 5, 2, 2, 2}},
    };
    struct random random = random_seed("bands");

    (void)state;
    for (size_t i = 0; i < LENGTH(large); i++) {
        struct convolution s = large[i];
        assert_less(convolution_scratch(s),
                    s.lower / s.groups * s.down.taps * s.across.taps * s.down.count * s.across.count);
        check(s, OUT_UPPER, &random);
        check(s, OUT_LOWER, &random);
        check(s, OUT_WEIGHT, &random);
    }
}

static void forward_adds_when_asked(void **state)
{
    struct convolution s = same3(2, 3, 4, 5);
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
        cmocka_unit_test(gradient_equals_plain_loops), cmocka_unit_test(windows_of_any_kind_equal_plain_loops),
        cmocka_unit_test(bands_do_not_show),           cmocka_unit_test(forward_adds_when_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
