/* The search for channel walks against all walks of random matrices. */
#include "pipeline/results/walk_search.h"
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

enum { MAX_PAIRS = 4, WIDTH = 5, ALL = 3125, CASES = 60 };

struct chain {
    size_t npairs;
    struct walk_pair pairs[MAX_PAIRS];
    double joint[MAX_PAIRS][WIDTH * WIDTH], relevance[MAX_PAIRS][WIDTH];
};

/* Matrices with zeros, equal values and both signs, or none that is negative and rows that sum to the relevance. */
static void make_chain(struct chain *c, struct random *random, bool nonnegative)
{
    size_t upper = 1 + random_below(random, WIDTH);

    c->npairs = 1 + random_below(random, MAX_PAIRS);
    for (size_t k = 0; k < c->npairs; k++) {
        size_t lower = 1 + random_below(random, WIDTH);
        for (size_t i = 0; i < upper; i++) {
            c->relevance[k][i] = 0.1 * random_uniform(random);
            double sum = 0;
            for (size_t j = 0; j < lower; j++) {
                double v = random_below(random, 4) ? (double)random_below(random, 9) / 8 * random_uniform(random) : 0;
                c->joint[k][i * lower + j] = nonnegative ? fabs(v) : v;
                sum += fabs(v);
            }
            c->relevance[k][i] = nonnegative ? sum : c->relevance[k][i];
        }
        c->pairs[k] = (struct walk_pair){upper, lower, c->joint[k], c->relevance[k]};
        upper = lower;
    }
}

static double score_of(const struct walk *walk, enum walk_score score)
{
    return score == WALK_PRODUCT ? fabs(walk->product) : walk->bottleneck;
}

static int descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x > y ? -1 : x < y;
}

/* Scores of all walks, largest first; zeros left out. */
static size_t all_scores(double *scores, const struct chain *c, enum walk_score score)
{
    struct walk walk = {.channels = {0}};
    size_t count = 0, k = 0;

    while (k <= c->npairs) {
        walk_search_score(&walk, c->pairs, c->npairs);
        if (score_of(&walk, score) > 0)
            scores[count++] = score_of(&walk, score);
        for (k = 0; k <= c->npairs; k++) {
            size_t width = k < c->npairs ? c->pairs[k].upper : c->pairs[k - 1].lower;
            if (++walk.channels[k] < width)
                break;
            walk.channels[k] = 0;
        }
    }
    qsort(scores, count, sizeof *scores, descending);
    return count;
}

static void check_search(const struct chain *c, enum walk_score score, size_t most)
{
    double scores[ALL];
    struct walk_found found = {.walks = calloc(most, sizeof *found.walks)};
    size_t all = all_scores(scores, c, score);
    struct error err = {0};

    assert_int_equal(walk_search(&found, c->pairs, c->npairs, score, most, &err), OK);
    assert_int_equal(found.count, all < most ? all : most);
    for (size_t i = 0; i < found.count; i++) {
        assert_near(score_of(&found.walks[i], score), scores[i], 1e-14 * scores[i]);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(found.walks[i].channels, found.walks[j].channels, (c->npairs + 1) * sizeof(size_t));
    }
    double want = most < ALL && all > most ? scores[most] : 0;
    assert_near(found.others, want, 1e-14 * want);
    free(found.walks);
}

static void best_walks_of_both_scores_are_found(void **state)
{
    struct random random = random_seed("search");

    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct chain c;
        make_chain(&c, &random, i % 2);
        check_search(&c, WALK_PRODUCT, 1 + random_below(&random, 40));
        check_search(&c, WALK_BOTTLENECK, 1 + random_below(&random, 40));
        check_search(&c, i % 4 ? WALK_PRODUCT : WALK_BOTTLENECK, ALL);
    }
}

/* Without memory of where a walk came from the product is the joint relevance, and all walks sum to the flow's own
 * sum. */
static void products_of_a_chain_without_memory_sum_to_its_mass(void **state)
{
    struct random random = random_seed("chain");

    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct chain c;
        make_chain(&c, &random, true);
        for (size_t k = 1; k < c.npairs; k++) /* rows sum to what arrives from above */
            for (size_t u = 0; u < c.pairs[k].upper; u++) {
                double arrives = 0, leaves = 0;
                for (size_t t = 0; t < c.pairs[k - 1].upper; t++)
                    arrives += c.joint[k - 1][t * c.pairs[k].upper + u];
                for (size_t d = 0; d < c.pairs[k].lower; d++)
                    leaves += c.joint[k][u * c.pairs[k].lower + d];
                c.relevance[k][u] = arrives;
                for (size_t d = 0; d < c.pairs[k].lower; d++)
                    c.joint[k][u * c.pairs[k].lower + d] = leaves > 0
                                                               ? c.joint[k][u * c.pairs[k].lower + d] / leaves * arrives
                                                               : arrives / (double)c.pairs[k].lower;
            }
        double scores[ALL], sum = 0, mass = 0;
        size_t n = all_scores(scores, &c, WALK_PRODUCT);
        for (size_t j = 0; j < n; j++)
            sum += scores[j];
        for (size_t j = 0; j < c.pairs[0].upper * c.pairs[0].lower; j++)
            mass += c.joint[0][j];
        assert_near(sum, mass, 1e-12 * mass);
    }
}

static void values_that_are_not_finite_count_as_zero(void **state)
{
    const double joint[] = {NAN, 1, INFINITY, 0.5}, relevance[] = {NAN, 1};
    const struct walk_pair pair = {2, 2, joint, relevance};
    struct walk walks[4];
    struct walk_found found = {.walks = walks};
    struct error err = {0};

    (void)state;
    assert_int_equal(walk_search(&found, &pair, 1, WALK_PRODUCT, 4, &err), OK);
    assert_int_equal(found.count, 2);
    assert_same(walks[0].product, 1);
    assert_same(walks[1].product, 0.5);
    assert_same(found.others, 0);
    assert_same(walks[0].channels[0], 0);
    assert_same(walks[0].channels[1], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(best_walks_of_both_scores_are_found),
        cmocka_unit_test(products_of_a_chain_without_memory_sum_to_its_mass),
        cmocka_unit_test(values_that_are_not_finite_count_as_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
