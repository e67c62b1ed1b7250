/* Orders, curves, similarities and permutations of an evaluation against their definitions. */
#include "kernels/ablation/curve.h"
#include "kernels/ablation/permutation.h"
#include "kernels/ablation/ranking.h"
#include "kernels/ablation/similarity.h"
#include "kernels/measure/sample.h"
#include "tests/support/assert.h"
#include "tests/support/guarded.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 200, TRIES = 100 };

/* Sums of up to MOST doubles near one. */
static const double ROUNDING = 1e-13;

/* ---- orders ------------------------------------------------------------------------------------------------------ */

/* n scores of few different values, so that many are equal. */
static void random_scores(double *score, size_t n, struct random *random)
{
    for (size_t i = 0; i < n; i++)
        score[i] = (double)random_below(random, 12) - 6;
}

static void an_order_falls_and_breaks_ties_by_number(void **state)
{
    struct random random = random_seed("order");
    double score[MOST];
    size_t order[MOST], scratch[MOST];

    (void)state;
    for (size_t t = 0; t < TRIES; t++) {
        size_t n = 1 + random_below(&random, MOST), seen[MOST] = {0};
        random_scores(score, n, &random);
        ranking_order(order, scratch, score, n);
        for (size_t i = 0; i < n; i++)
            seen[order[i]]++;
        for (size_t i = 0; i < n; i++)
            assert_int_equal(seen[i], 1);
        for (size_t i = 1; i < n; i++) {
            double before = score[order[i - 1]], after = score[order[i]];
            assert_that(before > after || (before == after && order[i - 1] < order[i]), "%g of %zu, then %g of %zu",
                        before, order[i - 1], after, order[i]);
        }
    }
}

static void scores_that_are_no_numbers_come_last(void **state)
{
    double score[] = {NAN, -INFINITY, 3, NAN, INFINITY}, rank[5];
    size_t order[5], scratch[5], want[] = {4, 2, 1, 0, 3};

    (void)state;
    ranking_order(order, scratch, score, 5);
    assert_memory_equal(order, want, sizeof want);
    ranking_ranks(rank, order, scratch, score, 5);
    assert_same(rank[0], 0.5);
    assert_same(rank[1], 2);
}

/* The rank of a score is the number of lower ones and half of the other equal ones. */
static void equal_scores_share_the_mean_of_their_ranks(void **state)
{
    struct random random = random_seed("ranks");
    double score[MOST], rank[MOST];
    size_t order[MOST], scratch[MOST];

    (void)state;
    for (size_t t = 0; t < TRIES; t++) {
        size_t n = 1 + random_below(&random, MOST);
        random_scores(score, n, &random);
        ranking_ranks(rank, order, scratch, score, n);
        for (size_t i = 0; i < n; i++) {
            double want = -0.5;
            for (size_t j = 0; j < n; j++)
                want += score[j] < score[i] ? 1 : score[j] == score[i] ? 0.5 : 0;
            assert_same(rank[i], want);
        }
    }
}

/* ---- curves ------------------------------------------------------------------------------------------------------ */

static void outcomes_are_softmax_logit_and_margin(void **state)
{
    float z[] = {1, -2, 4, 3}, large[] = {1000, -1000, 999}, unknown[] = {1, NAN, 0};
    double outcome[CURVE_OUTCOMES];

    (void)state;
    curve_outcome(outcome, z, 4, 3);
    assert_near(outcome[CURVE_P], exp(3) / (exp(1) + exp(-2) + exp(4) + exp(3)), ROUNDING);
    assert_same(outcome[CURVE_LOGIT], 3);
    assert_same(outcome[CURVE_MARGIN], -1);
    curve_outcome(outcome, large, 3, 0);
    assert_near(outcome[CURVE_P], 1 / (1 + exp(-1)), ROUNDING);
    assert_same(outcome[CURVE_MARGIN], 1);
    curve_outcome(outcome, unknown, 3, 0);
    assert_nan(outcome[CURVE_P]);
    assert_nan(outcome[CURVE_MARGIN]);
}

static void a_count_is_the_fraction_of_units_rounded_half_up(void **state)
{
    (void)state;
    assert_int_equal(curve_count(0, 7), 0);
    assert_int_equal(curve_count(0.5, 7), 4);
    assert_int_equal(curve_count(1. / 16, 64), 4);
    assert_int_equal(curve_count(1. / 256, 64), 0);
    assert_int_equal(curve_count(1. / 256, 128), 1);
    assert_int_equal(curve_count(1, 7), 7);
}

static void the_first_and_the_last_units_are_complements(void **state)
{
    struct random random = random_seed("complements");
    double score[MOST];
    float morf[MOST], lerf[MOST];
    size_t order[MOST], scratch[MOST];

    (void)state;
    for (size_t t = 0; t < TRIES; t++) {
        size_t n = 1 + random_below(&random, MOST), k = random_below(&random, n + 1), kept = 0;
        random_scores(score, n, &random);
        ranking_order(order, scratch, score, n);
        curve_keep(morf, order, n, k, CURVE_MORF);
        curve_keep(lerf, order, n, n - k, CURVE_LERF);
        for (size_t i = 0; i < n; i++) {
            assert_same(morf[i] + lerf[i], 1);
            kept += morf[i] != 0;
        }
        assert_int_equal(kept, n - k);
        assert_true(k == n || morf[order[k]] == 1);
        assert_true(k == 0 || morf[order[k - 1]] == 0);
    }
}

static void fractions_of_edges_are_their_own_complements(void **state)
{
    (void)state;
    for (size_t i = 0; i < CURVE_EDGE_STEPS; i++)
        assert_same(curve_edge_fractions[i], 1 - curve_edge_fractions[CURVE_EDGE_STEPS - 1 - i]);
}

/* Trapezoids are exact for straight lines, however they are cut; the gain of a curve over itself is zero, and grows
 * with LeRF. */
static void areas_are_those_of_trapezoids(void **state)
{
    double fraction[5], line[5], lerf[5][CURVE_OUTCOMES], morf[5][CURVE_OUTCOMES], gain[CURVE_OUTCOMES];

    (void)state;
    curve_even_fractions(fraction, 4);
    for (size_t i = 0; i < 5; i++) {
        line[i] = 3 - 2 * fraction[i];
        for (size_t o = 0; o < CURVE_OUTCOMES; o++) {
            morf[i][o] = line[i];
            lerf[i][o] = line[i] + (double)o;
        }
    }
    assert_near(curve_area(line, fraction, 5), 2, ROUNDING);
    curve_gain(gain, *morf, *lerf, fraction, 5);
    for (size_t o = 0; o < CURVE_OUTCOMES; o++)
        assert_near(gain[o], (double)o, ROUNDING);
    for (size_t i = 0; i < CURVE_EDGE_STEPS; i++)
        assert_within(curve_edge_fractions[i], 0, 1, "fractions");
    assert_near(curve_area(curve_edge_fractions, curve_edge_fractions, CURVE_EDGE_STEPS), 0.5, ROUNDING);
}

/* ---- similarities ------------------------------------------------------------------------------------------------ */

struct similarities {
    struct similarity_work work;
    void *memory;
};

static void start(struct similarities *s)
{
    struct arena arena = arena_over(NULL, 0);

    similarity_place(&s->work, MOST, &arena);
    s->memory = aligned_alloc(ARENA_ALIGNMENT, arena.peak);
    assert_non_null(s->memory);
    arena = arena_over(s->memory, arena.peak);
    similarity_place(&s->work, MOST, &arena);
}

/* By hand: u = (1, 2, 2, 5), v = (3, 0, 1, 2); ranks (0, 1.5, 1.5, 3) and (3, 0, 1, 2). */
static void similarities_are_cosine_pearson_and_spearman(void **state)
{
    double u[] = {1, 2, 2, 5}, v[] = {3, 0, 1, 2};
    struct similarities s;

    (void)state;
    start(&s);
    struct similarity got = similarity_of(u, v, 4, &s.work);
    assert_near(got.cosine, 15 / sqrt(34. * 14), ROUNDING);
    assert_near(got.pearson, 0, ROUNDING);
    assert_near(got.spearman, -1.5 / sqrt(4.5 * 5), ROUNDING);
    free(s.memory);
}

static void similarities_do_not_depend_on_the_scale(void **state)
{
    struct random random = random_seed("scale");
    double u[MOST], v[MOST], scaled[MOST];
    struct similarities s;

    (void)state;
    start(&s);
    for (size_t i = 0; i < MOST; i++) {
        u[i] = random_uniform(&random);
        v[i] = random_uniform(&random) + u[i];
        scaled[i] = exp(3 * v[i]);
    }
    struct similarity plain = similarity_of(u, v, MOST, &s.work), own = similarity_of(u, u, MOST, &s.work);
    assert_near(similarity_of(u, scaled, MOST, &s.work).spearman, plain.spearman, ROUNDING);
    for (size_t i = 0; i < MOST; i++)
        scaled[i] = 7 - 4 * v[i];
    assert_near(similarity_of(u, scaled, MOST, &s.work).pearson, -plain.pearson, ROUNDING);
    for (size_t i = 0; i < MOST; i++)
        scaled[i] = 1e-200 * v[i];
    assert_near(similarity_of(u, scaled, MOST, &s.work).spearman, plain.spearman, ROUNDING);
    assert_near(own.cosine, 1, ROUNDING);
    assert_near(own.pearson, 1, ROUNDING);
    assert_near(own.spearman, 1, ROUNDING);
    free(s.memory);
}

static void nothing_is_similar_to_a_constant(void **state)
{
    double u[] = {1, 2, 3}, constant[] = {2, 2, 2}, zero[] = {0, 0, 0};
    struct similarities s;

    (void)state;
    start(&s);
    assert_nan(similarity_of(u, constant, 3, &s.work).pearson);
    assert_nan(similarity_of(u, constant, 3, &s.work).spearman);
    assert_nan(similarity_of(zero, u, 3, &s.work).cosine);
    free(s.memory);
}

/* ---- permutations ------------------------------------------------------------------------------------------------ */

enum { SIDE = 6, LOWER = 2, UPPER = 3, TAPS = 9, CLASSES = 4 };

/* A convolution, a pool and a dense link; returns the number of weights. */
static size_t small_network(struct network *net)
{
    const struct window same = WINDOW_SAME3, halving = WINDOW_HALVING;
    size_t weights = UPPER * LOWER * TAPS, dense = CLASSES * UPPER * SIDE * SIDE / 4;
    struct link links[] = {
        {.kind = LINK_CONVOLUTION, .name = "conv", .window = same, .groups = 1, .upper = {UPPER, SIDE, SIDE}},
        {.kind = LINK_POOL, .name = "pool", .window = halving},
        {.kind = LINK_DENSE, .name = "dense", .upper = {CLASSES, 1, 1}}};
    char message[256] = "";

    links[0].bias = weights;
    links[2].weight = weights + UPPER;
    links[2].bias = links[2].weight + dense;
    network_start(net, "small", (struct shape){LOWER, SIDE, SIDE});
    for (size_t k = 0; k < 3; k++)
        if (!network_push(net, &links[k], &k, 1, NULL, message, sizeof message))
            fail_msg("%s", message);
    if (!network_finish(net, message, sizeof message))
        fail_msg("%s", message);
    return links[2].bias + CLASSES;
}

/* Where a number lies that was put in place i before. */
static void assert_sorted(const float *w, size_t n, uint32_t link, uint32_t channel)
{
    double last = -1;

    for (size_t i = 0; i < n; i++) {
        double u = sample_uniform(5, (uint64_t)w[i], link, channel);
        assert_at_least(u, last);
        last = u;
    }
}

static void weights_and_biases_are_sorted_by_their_draws(void **state)
{
    struct network *net = malloc(sizeof *net);
    struct arena arena = arena_over(NULL, 0);
    struct permutation_work work;

    (void)state;
    assert_non_null(net);
    size_t n = small_network(net), weights = UPPER * LOWER * TAPS;
    const struct link *dense = &net->links[2];
    float *model = calloc(n, sizeof *model);
    permutation_place(&work, net, &arena);
    void *memory = aligned_alloc(ARENA_ALIGNMENT, arena.peak);
    assert_non_null(model);
    assert_non_null(memory);
    arena = arena_over(memory, arena.peak);
    permutation_place(&work, net, &arena);
    for (size_t i = 0; i < n; i++) /* numbers within their own array */
        model[i] = (float)(i < weights         ? i
                           : i < dense->weight ? i - weights
                           : i < dense->bias   ? i - dense->weight
                                               : i - dense->bias);
    permutation_apply(model, net, 2, 5, &work);
    assert_same(model[1], 1);
    permutation_apply(model, net, 1, 5, &work);
    permutation_apply(model, net, 0, 5, &work);
    assert_sorted(model, weights, 0, UINT32_MAX);
    assert_sorted(model + weights, UPPER, 0, UINT32_MAX - 1);
    assert_sorted(model + dense->weight, dense->bias - dense->weight, 2, UINT32_MAX);
    assert_sorted(model + dense->bias, CLASSES, 2, UINT32_MAX - 1);
    free(memory);
    free(model);
    free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_falls_and_breaks_ties_by_number),
        cmocka_unit_test(scores_that_are_no_numbers_come_last),
        cmocka_unit_test(equal_scores_share_the_mean_of_their_ranks),
        cmocka_unit_test(outcomes_are_softmax_logit_and_margin),
        cmocka_unit_test(a_count_is_the_fraction_of_units_rounded_half_up),
        cmocka_unit_test(the_first_and_the_last_units_are_complements),
        cmocka_unit_test(fractions_of_edges_are_their_own_complements),
        cmocka_unit_test(areas_are_those_of_trapezoids),
        cmocka_unit_test(similarities_are_cosine_pearson_and_spearman),
        cmocka_unit_test(similarities_do_not_depend_on_the_scale),
        cmocka_unit_test(nothing_is_similar_to_a_constant),
        cmocka_unit_test(weights_and_biases_are_sorted_by_their_draws),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
