/* Max pools against plain formulas on odd shapes, with ties and dead windows, at the edge of forbidden pages. */
#include "kernels/layer/pool.h"
#include "kernels/layer/pool_window.h"
#include "tests/support/assert.h"
#include "tests/support/guarded.h"
#include "tests/support/isa_under_test.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const size_t sizes[] = {1, 2, 3, 5, 7};

static const enum pool_mode modes[] = {POOL_WINNER, POOL_WINNER_LIVE, POOL_FIRST, POOL_PROPORTIONAL};

#define LENGTH(a) (sizeof(a) / sizeof(a)[0])

enum { CHANNELS = 19 /* more than a block */ };

static const size_t UNPOOLED = SIZE_MAX;

/* A pool's arrays in the planar order, all at the edge of a forbidden page: a, v lower, r, h upper. */
struct sample {
    struct shape lower;
    size_t nlower, nupper;
    struct guarded a, r, v, back, forward;
};

static size_t upper_neurons(struct shape lower)
{
    return lower.channels * (lower.height / 2) * (lower.width / 2);
}

/* Window of a lower position, UNPOOLED in a last odd row or column. */
static size_t window_of(struct shape lower, size_t i)
{
    size_t x = i % lower.width, y = i / lower.width % lower.height, c = i / lower.width / lower.height;

    if (x / 2 >= lower.width / 2 || y / 2 >= lower.height / 2)
        return UNPOOLED;
    return (c * (lower.height / 2) + y / 2) * (lower.width / 2) + x / 2;
}

/* Random activations, of which some windows are dead, some hold one value four times, and some ties just within or
 * just outside the tolerance. */
static void fill_activations(struct sample *s, struct random *random)
{
    for (size_t i = 0; i < s->nlower; i++)
        s->a.values[i] = (float)fabs(random_uniform(random));
    for (size_t j = 0; j < s->nupper; j++) {
        size_t kind = random_below(random, 5);
        float top = (float)(0.5 + 0.4 * random_uniform(random));
        for (size_t i = 0; i < s->nlower && kind < 4; i++) {
            if (window_of(s->lower, i) != j)
                continue;
            bool lowered = random_below(random, 2);
            s->a.values[i] = kind == 0   ? (lowered ? 0 : -top)
                             : kind == 1 ? top
                             : kind == 2 ? top - (lowered ? 1e-5f : 0)
                                         : top - (lowered ? 4e-5f : 0);
        }
    }
    s->a.values[s->nlower - 1] = 1; /* the layer's maximum, so that the tolerance is 2e-5 */
}

static void sample_init(struct sample *s, struct shape lower, struct random *random)
{
    *s = (struct sample){.lower = lower, .nlower = shape_neurons(lower), .nupper = upper_neurons(lower)};
    s->a = guarded_alloc(s->nlower);
    s->v = guarded_alloc(s->nlower);
    s->back = guarded_alloc(s->nlower);
    s->r = guarded_alloc(s->nupper);
    s->forward = guarded_alloc(s->nupper);
    fill_activations(s, random);
    random_fill(random, s->v.values, s->nlower);
    random_fill(random, s->r.values, s->nupper);
}

static void sample_free(struct sample *s)
{
    guarded_free(&s->a);
    guarded_free(&s->v);
    guarded_free(&s->back);
    guarded_free(&s->r);
    guarded_free(&s->forward);
}

/* ---- the kernels on planar arrays
 * --------------------------------------------------------------------------------- */

/* The same arrays in a pool's layouts, at the edge of forbidden pages too. */
struct laid_out {
    struct layout lower, upper;
    struct guarded below, above, shares;
};

/* Upper layouts of both kinds, by turns. */
static struct laid_out lay_out(const float *a, struct shape lower, enum pool_mode mode)
{
    struct shape upper = {lower.channels, lower.height / 2, lower.width / 2};
    bool planar = (lower.height + lower.width + (size_t)mode) % 2;
    struct laid_out l = {.lower = layout_blocked(lower),
                         .upper = planar ? layout_planar(upper) : layout_blocked(upper)};

    l.below = guarded_alloc(layout_floats(l.lower));
    l.above = guarded_alloc(layout_floats(l.upper));
    l.shares = guarded_alloc(pool_shares_floats(l.lower, mode));
    layout_from_planar(l.below.values, a, l.lower);
    pool_forward(l.above.values, l.shares.values, l.below.values, pool_largest(l.below.values, l.lower), l.lower,
                 l.upper, mode, isa_under_test());
    return l;
}

static void laid_out_free(struct laid_out *l)
{
    guarded_free(&l->below);
    guarded_free(&l->above);
    guarded_free(&l->shares);
}

static void run_maximum(float *y, const float *a, struct shape lower, enum pool_mode mode)
{
    struct laid_out l = lay_out(a, lower, mode);

    layout_to_planar(y, l.above.values, l.upper);
    laid_out_free(&l);
}

static void run_backward(float *r_lower, double *absorbed, const float *r_upper, const float *a, struct shape lower,
                         enum pool_mode mode)
{
    struct laid_out l = lay_out(a, lower, mode);

    layout_from_planar(l.above.values, r_upper, l.upper);
    pool_backward(l.below.values, absorbed, l.above.values, l.shares.values, l.lower, l.upper, mode, isa_under_test());
    layout_to_planar(r_lower, l.below.values, l.lower);
    laid_out_free(&l);
}

static void run_lift(float *v_upper, const float *v_lower, const float *a, struct shape lower, enum pool_mode mode)
{
    struct laid_out l = lay_out(a, lower, mode);

    layout_from_planar(l.below.values, v_lower, l.lower);
    pool_lift(l.above.values, l.below.values, l.shares.values, l.lower, l.upper, mode, isa_under_test());
    layout_to_planar(v_upper, l.above.values, l.upper);
    laid_out_free(&l);
}

typedef void (*checker)(const struct sample *s, enum pool_mode mode);

static void check_all(checker check, const char *name)
{
    struct random random = random_seed(name);

    for (size_t i = 0; i < LENGTH(sizes); i++) {
        for (size_t j = 0; j < LENGTH(sizes); j++) {
            struct sample s;
            sample_init(&s, (struct shape){CHANNELS, sizes[i], sizes[j]}, &random);
            for (size_t m = 0; m < LENGTH(modes); m++)
                check(&s, modes[m]);
            sample_free(&s);
        }
    }
}

/* r(i|j), from the definition alone: looks at every lower neuron of window j. */
static double plain_share(const struct sample *s, size_t i, enum pool_mode mode)
{
    const float *a = s->a.values;
    size_t window = window_of(s->lower, i), first = SIZE_MAX, count = 0;
    double most = 0, top = -INFINITY, sum = 0;

    if (window == UNPOOLED)
        return 0;
    for (size_t q = 0; q < s->nlower; q++) {
        most = fmax(most, (double)a[q]);
        if (window_of(s->lower, q) != window)
            continue;
        sum += (double)a[q];
        if ((double)a[q] > top) {
            top = (double)a[q];
            first = q;
        }
    }
    if (mode == POOL_PROPORTIONAL)
        return (double)a[i] / (sum < 0 ? sum - 1e-6 : sum + 1e-6);
    if (mode == POOL_FIRST || top <= 0)
        return i == first ? 1 : 0;
    for (size_t q = 0; q < s->nlower; q++)
        count += window_of(s->lower, q) == window && (double)a[q] >= top - POOL_TIE * most;
    return (double)a[i] >= top - POOL_TIE * most ? 1 / (double)count : 0;
}

static void check_backward(const struct sample *s, enum pool_mode mode)
{
    run_backward(s->back.values, NULL, s->r.values, s->a.values, s->lower, mode);
    for (size_t i = 0; i < s->nlower; i++) {
        size_t window = window_of(s->lower, i);
        double want = window == UNPOOLED ? 0 : plain_share(s, i, mode) * (double)s->r.values[window];
        assert_near((double)s->back.values[i], want, 1e-6 * fabs(want));
    }
}

static void back_equals_plain_formula(void **state)
{
    (void)state;
    check_all(check_backward, "back");
}

/* sum_j R_j forward(v)_j = sum_i v_i back(R)_i */
static void check_adjoint(const struct sample *s, enum pool_mode mode)
{
    double up = 0, down = 0, bound = 0;

    run_backward(s->back.values, NULL, s->r.values, s->a.values, s->lower, mode);
    run_lift(s->forward.values, s->v.values, s->a.values, s->lower, mode);
    for (size_t j = 0; j < s->nupper; j++)
        up += (double)s->r.values[j] * (double)s->forward.values[j];
    for (size_t i = 0; i < s->nlower; i++) {
        down += (double)s->v.values[i] * (double)s->back.values[i];
        bound += fabs((double)s->v.values[i] * (double)s->back.values[i]);
    }
    assert_near(up, down, 8 * (double)FLT_EPSILON * bound);
}

static void forward_is_the_adjoint_of_back(void **state)
{
    (void)state;
    check_all(check_adjoint, "adjoint");
}

/* Every channel: sum R_lower + absorbed = sum R_upper. */
static void check_conservation(const struct sample *s, enum pool_mode mode)
{
    size_t lower = s->nlower / CHANNELS, upper = s->nupper / CHANNELS;
    double absorbed[CHANNELS];

    run_backward(s->back.values, absorbed, s->r.values, s->a.values, s->lower, mode);
    for (size_t c = 0; c < CHANNELS; c++) {
        double kept = absorbed[c], bound = fabs(absorbed[c]), arrived = 0;
        for (size_t i = c * lower; i < (c + 1) * lower; i++) {
            kept += (double)s->back.values[i];
            bound += fabs((double)s->back.values[i]);
        }
        for (size_t j = c * upper; j < (c + 1) * upper; j++)
            arrived += (double)s->r.values[j];
        assert_near(kept, arrived, 8 * (double)FLT_EPSILON * bound);
        if (mode != POOL_PROPORTIONAL)
            assert_same(absorbed[c], 0);
    }
}

static void relevance_is_kept_or_absorbed(void **state)
{
    (void)state;
    check_all(check_conservation, "conservation");
}

/* ---- pools of any window ----------------------------------------------------------------------------------------- */

static void assert_arrays(const struct guarded *got, struct layout layout, const float *want)
{
    float *planar = malloc((shape_neurons(layout.shape) + 1) * sizeof *planar);

    layout_to_planar(planar, got->values, layout);
    for (size_t i = 0; i < shape_neurons(layout.shape); i++)
        assert_near(planar[i], want[i], 1e-6f * fabsf(want[i]));
    free(planar);
}

/* pool_window.h does the same with windows of 2 x 2, in each layout. Links have at least one window. */
static void check_any_window(const struct sample *s, enum pool_mode mode)
{
    struct shape upper = {s->lower.channels, s->lower.height / 2, s->lower.width / 2};
    struct link link = {.kind = LINK_POOL, .lower = s->lower, .upper = upper, .window = WINDOW_HALVING};
    bool planar = (s->lower.height + (size_t)mode) % 2;
    struct pool_window pool = {&link, planar ? layout_planar(s->lower) : layout_blocked(s->lower),
                               s->lower.width % 2 ? layout_planar(upper) : layout_blocked(upper), mode};
    struct guarded below = guarded_alloc(layout_floats(pool.lower)), above = guarded_alloc(layout_floats(pool.upper));
    struct guarded shares = guarded_alloc(pool_window_shares(&link, mode));
    double absorbed[2][CHANNELS];

    if (s->nupper == 0)
        goto done;
    layout_from_planar(below.values, s->a.values, pool.lower);
    pool_window_forward(above.values, shares.values, below.values, pool_largest(below.values, pool.lower), &pool);
    run_maximum(s->forward.values, s->a.values, s->lower, mode);
    assert_arrays(&above, pool.upper, s->forward.values);

    layout_from_planar(above.values, s->r.values, pool.upper);
    pool_window_backward(below.values, absorbed[0], above.values, shares.values, &pool);
    run_backward(s->back.values, absorbed[1], s->r.values, s->a.values, s->lower, mode);
    assert_arrays(&below, pool.lower, s->back.values);
    for (size_t c = 0; c < CHANNELS; c++)
        assert_near(absorbed[0][c], absorbed[1][c], 1e-6 * fabs(absorbed[1][c]));

    layout_from_planar(below.values, s->v.values, pool.lower);
    pool_window_lift(above.values, below.values, shares.values, &pool);
    run_lift(s->forward.values, s->v.values, s->a.values, s->lower, mode);
    assert_arrays(&above, pool.upper, s->forward.values);
done:
    guarded_free(&below);
    guarded_free(&above);
    guarded_free(&shares);
}

static void any_window_of_two_by_two_equals_halving(void **state)
{
    (void)state;
    check_all(check_any_window, "window");
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static void check_maximum(const struct sample *s, enum pool_mode mode)
{
    run_maximum(s->forward.values, s->a.values, s->lower, mode);
    for (size_t j = 0; j < s->nupper; j++) {
        float top = -INFINITY;
        for (size_t i = 0; i < s->nlower; i++)
            if (window_of(s->lower, i) == j)
                top = fmaxf(top, s->a.values[i]);
        assert_same(s->forward.values[j], top);
    }
}

static void maximum_is_that_of_the_window(void **state)
{
    (void)state;
    check_all(check_maximum, "maximum");
}

static void maximum_of_nan_is_nan(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        float a[4] = {1, 2, 3, 4}, y;
        a[i] = NAN;
        run_maximum(&y, a, (struct shape){1, 2, 2}, POOL_WINNER);
        assert_nan(y);
    }
}

/* One window; its shares in the given mode. */
static void assert_shares(const float a[4], enum pool_mode mode, const double want[4])
{
    float r = 1, back[4];

    run_backward(back, NULL, &r, a, (struct shape){1, 2, 2}, mode);
    for (size_t i = 0; i < 4; i++)
        assert_near((double)back[i], want[i], 1e-6);
}

static void ties_within_the_tolerance_share(void **state)
{
    (void)state;
    assert_shares((const float[]){1, 0.99999f, 0.5f, 1}, POOL_WINNER, (const double[]){1. / 3, 1. / 3, 0, 1. / 3});
    assert_shares((const float[]){0.99997f, 0.5f, 1, 0}, POOL_WINNER, (const double[]){0, 0, 1, 0});
    assert_shares((const float[]){0.5f, 1, 1, 1}, POOL_FIRST, (const double[]){0, 1, 0, 0});
}

static void window_without_positive_values_gives_all_to_the_first(void **state)
{
    (void)state;
    for (size_t m = 0; m < 3; m++) {
        assert_shares((const float[]){0, 0, 0, 0}, modes[m], (const double[]){1, 0, 0, 0});
        assert_shares((const float[]){-2, -1, -3, -1}, modes[m], (const double[]){0, 1, 0, 0});
    }
    assert_shares((const float[]){0, 0, 0, 0}, POOL_PROPORTIONAL, (const double[]){0, 0, 0, 0});
}

/* The first window's maximum is within the tolerance, set by the second, of zero. */
static void only_living_positions_share_where_asked(void **state)
{
    const float a[] = {0, 1e-5f, 1, 0, 2e-6f, 0, 0, 0}, r[] = {1, 1};
    float back[8];

    (void)state;
    run_backward(back, NULL, r, a, (struct shape){1, 2, 4}, POOL_WINNER_LIVE);
    assert_same(back[0], 0);
    assert_same(back[1], 0.5f);
    assert_same(back[4], 0.5f);
    assert_same(back[5], 0);
    run_backward(back, NULL, r, a, (struct shape){1, 2, 4}, POOL_WINNER);
    assert_same(back[0], 0.25f);
    assert_same(back[1], 0.25f);
    assert_same(back[4], 0.25f);
    assert_same(back[5], 0.25f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(back_equals_plain_formula),
        cmocka_unit_test(forward_is_the_adjoint_of_back),
        cmocka_unit_test(relevance_is_kept_or_absorbed),
        cmocka_unit_test(any_window_of_two_by_two_equals_halving),
        cmocka_unit_test(maximum_is_that_of_the_window),
        cmocka_unit_test(maximum_of_nan_is_nan),
        cmocka_unit_test(ties_within_the_tolerance_share),
        cmocka_unit_test(window_without_positive_values_gives_all_to_the_first),
        cmocka_unit_test(only_living_positions_share_where_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
