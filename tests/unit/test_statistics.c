#include "pipeline/stats/statistics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BINS = 40, HALF = BINS / 2 };

/* ---- histograms -------------------------------------------------------------------------------------------------- */

static void assert_bin(double x, size_t bins, size_t expected)
{
    size_t bin = statistics_bin(x, bins);

    if (bin != expected)
        fail_msg("%.17g is in bin %zu of %zu, expected %zu", x, bin, bins, expected);
}

static void edges_grow_by_a_factor_and_mirror_at_zero(void **state)
{
    double edges[BINS + 1], factor;

    (void)state;
    statistics_edges(edges, BINS);
    factor = edges[HALF + 2] / edges[HALF + 1];
    if (edges[HALF] != 0 || fabs(edges[HALF + 1] - 1e-6) > 1e-20 || fabs(edges[BINS] - 10) > 1e-12)
        fail_msg("edges %g, %g ... %g", edges[HALF], edges[HALF + 1], edges[BINS]);
    for (size_t i = 1; i <= HALF; i++) {
        if (edges[HALF - i] != -edges[HALF + i])
            fail_msg("edges %zu: %.17g and %.17g", i, edges[HALF - i], edges[HALF + i]);
        if (i > 1 && fabs(edges[HALF + i] / edges[HALF + i - 1] / factor - 1) > 1e-12)
            fail_msg("edge %zu is %g of the one before, expected %g", i, edges[HALF + i] / edges[HALF + i - 1], factor);
    }
}

static void a_value_between_two_edges_is_in_their_bin(void **state)
{
    (void)state;
    for (size_t bins = 2; bins <= BINS; bins += 2) {
        double edges[BINS + 1];
        statistics_edges(edges, bins);
        for (size_t i = 0; i < bins; i++) {
            assert_bin((edges[i] + edges[i + 1]) / 2, bins, i);
            assert_bin(edges[i] + 0.01 * (edges[i + 1] - edges[i]), bins, i);
            assert_bin(edges[i] + 0.99 * (edges[i + 1] - edges[i]), bins, i);
        }
    }
}

static void values_beyond_the_edges_count_in_the_outermost_bins(void **state)
{
    (void)state;
    assert_bin(11, BINS, BINS - 1);
    assert_bin(INFINITY, BINS, BINS - 1);
    assert_bin(-11, BINS, 0);
    assert_bin(0, BINS, HALF);
    assert_bin(-0.0, BINS, HALF);
    assert_bin(1e-9, BINS, HALF);
    assert_bin(-1e-9, BINS, HALF - 1);
}

/* ---- classes ----------------------------------------------------------------------------------------------------- */

static void a_class_has_the_row_of_its_place(void **state)
{
    const size_t items[] = {2, 3, 7, 90};
    struct statistics_classes some = {4, items}, all = {5, NULL};

    (void)state;
    for (size_t class = 0; class < 100; class ++) {
        size_t expected = 4, row = statistics_class_row(&some, class);
        for (size_t i = 0; i < 4; i++)
            expected = items[i] == class ? i : expected;
        if (row != expected || (row < 4 && statistics_class_at(&some, row) != class))
            fail_msg("class %zu has row %zu, expected %zu", class, row, expected);
    }
    assert_int_equal(statistics_class_row(&all, 3), 3);
    assert_int_equal(statistics_class_row(&all, 70), 5);
    assert_int_equal(statistics_class_row(&some, SIZE_MAX), 4);
}

/* ---- the plan ---------------------------------------------------------------------------------------------------- */

/* 2 -> 3 -> 5 channels, a flow into the last, one exact far pair with chosen rows and one sampled. */
struct fixture {
    struct network net;
    struct measure_plan measure;
    struct flows flows;
    struct statistics statistics;
};

static void init(struct fixture *f, enum measure_given given)
{
    struct statistics_options options = {.blocks = 2, .block = 16, .classes = 4, .top = 3, .bins = 8};
    struct error err = {0};

    *f = (struct fixture){.net = {.input = {2, 4, 4},
                                  .nlinks = 2,
                                  .nedges = 2,
                                  .links = {{.lower = {2, 4, 4}, .upper = {3, 4, 4}, .nedges = 1},
                                            {.lower = {3, 4, 4}, .upper = {5, 4, 4}, .first_edge = 1, .nedges = 1}},
                                  .edges = {{0, 0, {0}}, {1, 1, {0}}},
                                  .cut = {true, true, true}}};
    f->measure =
        (struct measure_plan){.net = &f->net,
                              .options = {.given = given, .variation_limit = 100, .flows = {false, true}, .group = 2},
                              .channel = {0, 2, 5, 10}};
    f->flows = (struct flows){.nadjacent = 1,
                              .adjacent = {{.link = 1, .lower = 1}},
                              .count = 2,
                              .pairs = {{{0, 2, 2}, false}, {{0, 1, 0}, true}},
                              .sampled = true,
                              .sweeps = 2};
    options.maps[1] = true;
    options.flows = &f->flows;
    options.most_in_block = SIZE_MAX;
    options.class_means = (struct statistics_classes){4, NULL};
    options.class_flows = (struct statistics_classes){2, (const size_t[]){1, 3}};
    assert_int_equal(statistics_init(&f->statistics, &f->measure, &options, &err), OK);
}

/* The sums of unfinished stores lie in this order: a new program can continue an old one's, but for "activation", which
 * is new since version 0.2. Products of channels are kept in every run. */
static const struct {
    const char *text; /* name and count */
    bool conditional; /* kept under a condition only */
} sections[] = {
    {"images 1", false},
    {"given 1", false},
    {"given square 1", false},
    {"x 10", false},
    {"x square 10", false},
    {"x product 10", false},
    {"mean_positive 10", false},
    {"mean_negative 10", false},
    {"activation 10", false},
    {"histogram 80", false},
    {"highest 10", false},
    {"lowest 10", false},
    {"top 10", false},
    {"active 10", false},
    {"map 48", false},
    {"flow 15", false},
    {"flow square 15", false},
    {"flow product 15", true},
    {"to_bias 5", false},
    {"absorbed 5", false},
    {"far flow 10", false},
    {"far flow square 10", false},
    {"far flow product 10", true},
    {"lost 5", false},
    {"left out 5", false},
    {"draws 5", false},
    {"class images 4", false},
    {"class given 4", false},
    {"class given square 4", false},
    {"class x 40", false},
    {"class x square 40", false},
    {"class x product 40", true},
    {"class flow 30", false},
    {"class flow square 30", false},
    {"class flow product 30", true},
    {"class far flow 20", false},
    {"class far flow square 20", false},
    {"class far flow product 20", true},
    {"sampled flow 6", false},
    {"sampled flow square 6", false},
    {"sampled flow product 6", true},
    {"sampling error 6", false},
    {"draws 3", false},
    {"chances 3", false},
};

static void assert_sections(const struct statistics *s, bool conditioned)
{
    size_t at = 0;

    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        if (sections[i].conditional && !conditioned)
            continue;
        char text[SUMS_NAME + 32] = "the end";
        if (at < s->plan.nsections)
            snprintf(text, sizeof text, "%s %zu", s->plan.sections[at].name, s->plan.sections[at].count);
        assert_string_equal(text, sections[i].text);
        at++;
    }
    assert_int_equal(at, s->plan.nsections);
}

static void sections_lie_in_the_order_of_the_format(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, GIVEN_INPUT);
    assert_sections(&f.statistics, true);
    statistics_free(&f.statistics);
}

static void products_are_left_out_without_a_condition(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, GIVEN_NONE);
    assert_sections(&f.statistics, false);
    statistics_free(&f.statistics);
}

/* What single images add to may take smaller values than what blocks add to. */
static void only_blocks_add_to_what_has_sums_of_a_block(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, GIVEN_INPUT);
    const struct statistics *s = &f.statistics;
    for (size_t i = 0; i < s->first[STATISTICS_CHANCES]; i++) {
        size_t additions = s->plan.sections[s->moments[i].first].additions;
        size_t expected = statistics_in_block(s, i) ? 2 : 32;
        if (s->moments[i].kept != MOMENTS_NONE && additions != expected)
            fail_msg("%s takes %zu additions, expected %zu", s->plan.sections[s->moments[i].first].name, additions,
                     expected);
    }
    statistics_free(&f.statistics);
}

static void the_first_moments_of_a_kind_have_its_scope(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, GIVEN_INPUT);
    const struct statistics *s = &f.statistics;
    for (size_t id = 0; id < STATISTICS_KINDS; id++) {
        bool in_block = statistics_kind((enum statistics_id)id)->scope < STATISTICS_AT_ONCE;
        bool any = s->first[id] < (id + 1 < STATISTICS_KINDS ? s->first[id + 1] : s->first[id] + 1);
        if (any && statistics_in_block(s, s->first[id]) != in_block)
            fail_msg("%s: %d, expected %d", statistics_kind((enum statistics_id)id)->section, !in_block, in_block);
    }
    statistics_free(&f.statistics);
}

static void what_a_run_leaves_out_keeps_nothing(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, GIVEN_INPUT);
    assert_int_equal(statistics_moments(&f.statistics, STATISTICS_AROUND, 0)->kept, MOMENTS_NONE);
    assert_int_equal(statistics_moments(&f.statistics, STATISTICS_MAP, 0)->kept, MOMENTS_NONE);
    assert_int_equal(statistics_moments(&f.statistics, STATISTICS_FAR, 1)->kept, MOMENTS_NONE);
    assert_int_equal(statistics_moments(&f.statistics, STATISTICS_SAMPLED, 0)->kept, MOMENTS_NONE);
    assert_int_equal(statistics_moments(&f.statistics, STATISTICS_SAMPLED, 1)->kept, MOMENTS_PRODUCT);
    assert_int_equal(statistics_moments(&f.statistics, STATISTICS_ACTIVATION, 0)->kept, MOMENTS_X);
    statistics_forget(&f.statistics, STATISTICS_ACTIVATION);
    assert_int_equal(statistics_moments(&f.statistics, STATISTICS_ACTIVATION, 0)->kept, MOMENTS_NONE);
    assert_int_equal(statistics_moments(&f.statistics, STATISTICS_FUNCTION, 1)->kept, MOMENTS_X);
    statistics_free(&f.statistics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_grow_by_a_factor_and_mirror_at_zero),
        cmocka_unit_test(a_value_between_two_edges_is_in_their_bin),
        cmocka_unit_test(values_beyond_the_edges_count_in_the_outermost_bins),
        cmocka_unit_test(a_class_has_the_row_of_its_place),
        cmocka_unit_test(sections_lie_in_the_order_of_the_format),
        cmocka_unit_test(products_are_left_out_without_a_condition),
        cmocka_unit_test(only_blocks_add_to_what_has_sums_of_a_block),
        cmocka_unit_test(the_first_moments_of_a_kind_have_its_scope),
        cmocka_unit_test(what_a_run_leaves_out_keeps_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
