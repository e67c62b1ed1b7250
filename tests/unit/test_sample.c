/* Sampled rows of flows: probabilities, draws, and that the estimates are unbiased with the errors that they claim. */
#include "kernels/layer/mask.h"
#include "kernels/measure/far.h"
#include "kernels/measure/sample.h"
#include "tests/support/assert.h"
#include "tests/support/random_image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LENGTHS = 200, MOST = 60, DRAWS = 2000 };

/* Sums of up to MOST doubles of any size. */
static const double ROUNDING = 1e-12;

/* ---- probabilities
 * ------------------------------------------------------------------------------------------------ */

/* Variations of very different size, some zero. Returns how many are not. */
static size_t random_variation(double *v, size_t n, struct random *random)
{
    size_t positive = 0;

    for (size_t d = 0; d < n; d++) {
        v[d] = random_below(random, 4) ? pow(10, 4 * random_uniform(random)) : 0;
        positive += v[d] > 0;
    }
    return positive;
}

static double random_budget(struct random *random, size_t n)
{
    double u = (random_uniform(random) + 1) / 2;

    return random_below(random, 2) ? u + 1e-3 : u * 1.2 * (double)n + 1e-3;
}

static void probabilities_sum_to_the_budget(void **state)
{
    struct random random = random_seed("budget");
    double v[MOST], pi[MOST];

    (void)state;
    for (size_t i = 0; i < LENGTHS; i++) {
        size_t n = 1 + random_below(&random, MOST), positive = random_variation(v, n, &random);
        double budget = random_budget(&random, n), sum = 0;
        sample_probabilities(pi, v, n, budget);
        for (size_t d = 0; d < n; d++)
            sum += pi[d];
        assert_near(sum, fmin(budget, (double)positive), ROUNDING * (double)n);
    }
}

/* pi_d = min(1, c v_d) for one c. */
static void probabilities_are_proportional_to_the_variation_below_one(void **state)
{
    struct random random = random_seed("proportional");
    double v[MOST], pi[MOST];

    (void)state;
    for (size_t i = 0; i < LENGTHS; i++) {
        size_t n = 1 + random_below(&random, MOST);
        double c = 0;
        random_variation(v, n, &random);
        sample_probabilities(pi, v, n, random_budget(&random, n));
        for (size_t d = 0; d < n; d++)
            c = pi[d] < 1 && v[d] > 0 ? pi[d] / v[d] : c;
        for (size_t d = 0; d < n; d++) {
            assert_at_least(pi[d], 0);
            assert_at_most(pi[d], 1);
            if (!(v[d] > 0))
                assert_same(pi[d], 0);
            if (c != 0)
                assert_near(pi[d], fmin(1, c * v[d]), ROUNDING);
        }
    }
}

static void budget_beyond_the_channels_makes_all_certain(void **state)
{
    const double v[] = {3, 0, 1e-30, 5};
    double pi[4];

    (void)state;
    sample_probabilities(pi, v, 4, 3);
    for (size_t d = 0; d < 4; d++)
        assert_same(pi[d], v[d] > 0 ? 1 : 0);
}

/* ---- draws
 * -------------------------------------------------------------------------------------------------------- */

/* The known answer of Philox4x32-10 for the counter and key of ones in Random123's kat_vectors:
 * 408f276d 41c83b0e a20bc7c6 6d5451fd. */
static void draws_are_philox(void **state)
{
    uint64_t first = (uint64_t)0x408f276d << 32 | 0x41c83b0e;

    (void)state;
    assert_same(sample_uniform(UINT64_MAX, UINT64_MAX, UINT32_MAX, UINT32_MAX), (double)(first >> 11) * 0x1p-53);
}

static void draws_are_uniform_and_independent_of_each_other(void **state)
{
    enum { N = 100 };

    double sum = 0, square = 0, product = 0, before = 0;

    (void)state;
    for (uint64_t image = 0; image < N; image++)
        for (uint32_t channel = 0; channel < N; channel++) {
            double u = sample_uniform(7, image, 3, channel) - 0.5;
            assert_at_least(u, -0.5);
            assert_less(u, 0.5);
            sum += u;
            square += u * u;
            product += u * before;
            before = u;
        }
    /* standard deviations of the means of u, u^2 and u u' over 10,000: 0.0029, 0.00075, 0.00083; five of each */
    assert_less(fabs(sum) / (N * N), 0.0145);
    assert_near(square / (N * N), 1.0 / 12, 0.0038);
    assert_less(fabs(product) / (N * N), 0.0042);
}

/* ---- rows
 * --------------------------------------------------------------------------------------------------------- */

/* Sums over many draws of one image's flow between a layer and one below. */
struct estimate {
    size_t lower, columns, rows;
    double *value, *error; /* [rows][columns] sums of J / pi and of J^2 (1 - pi) / pi^2 */
    double *pi;            /* [rows]; zero where never drawn */
    size_t *draws;         /* [rows] */
};

static void add_row(void *context, size_t lower, size_t channel, double pi, const double *row)
{
    struct estimate *e = context;

    assert_int_equal(lower, e->lower);
    for (size_t c = 0; c < e->columns; c++) {
        e->value[channel * e->columns + c] += row[c] / pi;
        e->error[channel * e->columns + c] += row[c] * row[c] * (1 - pi) / (pi * pi);
    }
    e->pi[channel] = pi;
    e->draws[channel]++;
}

static void *zeros(size_t n, size_t size)
{
    void *p = calloc(n, size);

    assert_non_null(p);
    return p;
}

static float *exact_joint(const struct random_image *s, struct far_pair pair, size_t rows, size_t columns)
{
    struct arena arena = arena_over(NULL, 0);
    struct far_work work;
    struct far_flow flow = {zeros(rows * columns, sizeof(float)), zeros(rows, sizeof(double)),
                            zeros(rows, sizeof(double)), zeros(columns, sizeof(double)), zeros(rows, sizeof(bool))};

    far_place(&work, &s->vgg->plan, pair, 1 << 20, &arena);
    float *memory = random_image_alloc(arena.peak / sizeof *memory);
    arena = arena_over(memory, arena.peak);
    far_place(&work, &s->vgg->plan, pair, 1 << 20, &arena);
    far_compute(&flow, &work, s->image);
    free(memory);
    free(flow.lost);
    free(flow.left_out);
    free(flow.around);
    free(flow.present);
    return flow.joint;
}

static size_t compared_rows; /* that are drawn by chance: many networks have dead layers */

/* Over many images with the same numbers: the mean of J / pi comes to J, within five of the deviations that it
 * claims, and what is always drawn is exact. */
static void compare_estimate(const struct random_image *s, const struct estimate *e, const float *joint)
{
    double largest = 0;

    for (size_t d = 0; d < e->rows; d++)
        compared_rows += e->draws[d] > 30 && e->pi[d] < 1;
    for (size_t i = 0; i < e->rows * e->columns; i++)
        largest = fmax(largest, fabs((double)joint[i]));
    for (size_t i = 0; i < e->rows * e->columns; i++) {
        double want = (double)joint[i], got = e->value[i] / DRAWS, pi = e->pi[i / e->columns];
        double deviation = pi > 0 ? fabs(want) * sqrt((1 - pi) / pi / DRAWS) : 0;
        if (e->draws[i / e->columns] == 0)
            continue; /* too weak a channel */
        if (!(fabs(got - want) <= 5 * deviation + 1e-5 * largest))
            fail_msg("%s: estimate %g, not %g within five times %g", s->vgg->text, got, want, deviation);
        /* the error's estimate is a sum of `draws` equal terms, its own deviation 1 / sqrt(draws) of it */
        double claimed = sqrt(e->error[i]) / DRAWS, few = 5 / sqrt((double)e->draws[i / e->columns]);
        if (!(fabs(claimed * claimed - deviation * deviation) <= few * claimed * claimed + 1e-12 * largest * largest))
            fail_msg("%s: error %g, not %g", s->vgg->text, claimed, deviation);
    }
}

static void check_rows(struct random_image *s)
{
    const struct network *net = &s->vgg->net;
    struct sample_work work;
    struct estimate e = {.lower = network_find(net, "conv4_2")};
    size_t upper = network_find(net, "conv5_2"), sweeps = 0, entries;
    bool wanted[NETWORK_MAX_VARIABLES] = {false};
    struct sample_options options = {20261124, 0.3 + 0.4 * (double)random_below(s->random, 4)};
    struct arena arena = arena_over(NULL, 0);

    sample_place(&work, &s->vgg->plan, upper, 1 << 16, &arena);
    float *memory = random_image_alloc(arena.peak / sizeof *memory);
    arena = arena_over(memory, arena.peak);
    sample_place(&work, &s->vgg->plan, upper, 1 << 16, &arena);
    wanted[e.lower] = true;
    e.rows = network_shape(net, upper).channels;
    e.columns = network_shape(net, e.lower).channels;
    entries = e.rows * e.columns;
    e.value = zeros(entries, sizeof *e.value);
    e.error = zeros(entries, sizeof *e.error);
    e.pi = zeros(e.rows, sizeof *e.pi);
    e.draws = zeros(e.rows, sizeof *e.draws);
    for (uint64_t image = 0; image < DRAWS; image++)
        sweeps += sample_layer(&work, s->image, image, upper, wanted, options, (struct sample_sink){&e, add_row});
    float *joint = exact_joint(s, (struct far_pair){e.lower, upper, 0}, e.rows, e.columns);
    compare_estimate(s, &e, joint);
    assert_at_most((double)sweeps, DRAWS * options.budget + 5 * sqrt(DRAWS * options.budget));
    free(joint);
    free(e.value);
    free(e.error);
    free(e.pi);
    free(e.draws);
    free(memory);
}

static void sampled_rows_are_unbiased_and_know_their_error(void **state)
{
    (void)state;
    random_image_check_all(check_rows, 40, "rows");
    assert_more(compared_rows, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities_sum_to_the_budget),
        cmocka_unit_test(probabilities_are_proportional_to_the_variation_below_one),
        cmocka_unit_test(budget_beyond_the_channels_makes_all_certain),
        cmocka_unit_test(draws_are_philox),
        cmocka_unit_test(draws_are_uniform_and_independent_of_each_other),
        cmocka_unit_test(sampled_rows_are_unbiased_and_know_their_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
