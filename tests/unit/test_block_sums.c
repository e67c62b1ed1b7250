#include "io/store/store.h"
#include "pipeline/stats/block_sums.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* 2 -> 3 channels, with everything that is kept of channels, maps, flows and classes. */
enum { CHANNELS = 5, NEURONS = 12, ENTRIES = 6, IMAGES = 4, CLASSES = 3 };

struct fixture {
    struct network net;
    struct measure_plan measure;
    struct flows flows;
    struct statistics statistics;
    struct sums sums;
    struct block_sums block_sums;
    void *sums_memory, *memory;
};

static int setup_with(void **state, size_t most_in_block, bool only_the_upper)
{
    static struct fixture f;
    static const size_t flow_classes[] = {0, 1};
    struct statistics_options options = {.blocks = 2, .block = 16, .classes = CLASSES, .top = 2, .bins = 2};
    struct arena arena = arena_over(NULL, 0);
    struct error err = {0};

    f = (struct fixture){.net = {.input = {2, 1, 1},
                                 .nlinks = 1,
                                 .nedges = 1,
                                 .links = {{.kind = LINK_DENSE, .lower = {2, 1, 1}, .upper = {3, 2, 2}, .nedges = 1}}},
                         .flows = {.nadjacent = 1, .adjacent = {{.link = 0, .lower = 0}}}};
    f.measure =
        (struct measure_plan){.net = &f.net,
                              .options = {.given = GIVEN_INPUT, .variation_limit = 100, .flows = {true}, .group = 2},
                              .channel = {0, 2, CHANNELS}};
    options.maps[1] = true;
    options.flows = &f.flows;
    options.most_in_block = most_in_block;
    options.left_out[0] = only_the_upper;
    options.class_means = (struct statistics_classes){CLASSES, NULL};
    options.class_flows = (struct statistics_classes){2, flow_classes};
    if (statistics_init(&f.statistics, &f.measure, &options, &err) != OK)
        return -1;
    f.sums_memory = aligned_alloc(SUMS_ALIGNMENT, sums_bytes(&f.statistics.plan));
    sums_attach(&f.sums, &f.statistics.plan, f.sums_memory);
    sums_reset(&f.sums);
    block_sums_place(&f.block_sums, &f.statistics, &arena);
    f.memory = aligned_alloc(ARENA_ALIGNMENT, arena.peak);
    arena = arena_over(f.memory, arena.peak);
    block_sums_place(&f.block_sums, &f.statistics, &arena);
    *state = &f;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, SIZE_MAX, false);
}

static int setup_by_rows(void **state)
{
    return setup_with(state, ENTRIES - 1, false);
}

static int setup_upper(void **state)
{
    return setup_with(state, SIZE_MAX, true);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    statistics_free(&f->statistics);
    free(f->sums_memory);
    free(f->memory);
    return 0;
}

/* Image `image` with class image % 3: its relevance is x times 1, -2, 3, -4, 5, at position `image`, its condition
 * 1 + image / 8; activations are as large, at position 10 + `image`. */
static void add_image(struct fixture *f, size_t image, double x)
{
    double relevance[CHANNELS], mean[CHANNELS], to_bias[3], absorbed[3];
    uint32_t positions[CHANNELS], active[CHANNELS];
    float activation[CHANNELS], joint[ENTRIES], neurons[NEURONS];
    struct measure_result result = {.given_mass = 1 + (double)image / 8,
                                    .relevance = relevance,
                                    .relevance_position = positions,
                                    .activation = activation,
                                    .activation_position = active,
                                    .activation_mean = mean};
    size_t class = image % CLASSES;

    for (size_t c = 0; c < CHANNELS; c++) {
        relevance[c] = x * (double)(c + 1) * (c % 2 ? -1 : 1);
        activation[c] = (float)relevance[c];
        positions[c] = (uint32_t)image;
        active[c] = (uint32_t)(10 + image);
        mean[c] = (double)c + x;
    }
    for (size_t i = 0; i < ENTRIES; i++)
        joint[i] = (float)(x * (double)(i + 1));
    for (size_t i = 0; i < NEURONS; i++)
        neurons[i] = (float)(x + (double)i);
    for (size_t i = 0; i < 3; i++) {
        to_bias[i] = x + (double)i;
        absorbed[i] = x - (double)i;
    }
    block_sums_neurons(&f->block_sums, image % 2, 1, neurons, NULL);
    block_sums_flow(&f->block_sums, 0, joint, to_bias, absorbed, (struct block_sums_case){result.given_mass, class});
    block_sums_image(&f->block_sums, image % 2, &result, image, class);
}

static void add_block(struct fixture *f, const double x[IMAGES])
{
    struct error err = {0};

    block_sums_reset(&f->block_sums, &f->sums);
    for (size_t image = 0; image < IMAGES; image++)
        add_image(f, image, x[image]);
    if (block_sums_commit(&f->block_sums, &err) != OK)
        fail_msg("commit: %s", err.message);
}

/* Sum number `sum` (x, x^2, x y) of entry i; maps are of variable 1. */
static void assert_sum(const struct fixture *f, enum statistics_id id, size_t sum, size_t i, double expected)
{
    double value = sums_value(&f->sums, statistics_moments(&f->statistics, id, id == STATISTICS_MAP)->first + sum, i);

    if (value != expected)
        fail_msg("%s: sum %zu of entry %zu is %.17g, expected %.17g", statistics_kind(id)->section, sum, i, value,
                 expected);
}

/* The same of the function of a dataset. */
static void assert_function(const struct fixture *f, const char *dataset, size_t i, double expected)
{
    size_t number = 0, functions;

    while (strcmp(store_functions(&functions)[number].name, dataset) != 0)
        number++;
    double value = sums_value(&f->sums, statistics_moments(&f->statistics, STATISTICS_FUNCTION, number)->first, i);
    if (value != expected)
        fail_msg("%s: the sum of entry %zu is %.17g, expected %.17g", dataset, i, value, expected);
}

/* 1 + 2^-53 is 1 in double precision, but 2^-53 + 2^-53 + 1 is not; the exact sums would keep both. */
static void images_add_in_double_precision_and_in_their_order(void **state)
{
    struct fixture *f = *state;
    const double e = ldexp(1, -53), falling[IMAGES] = {1, e, e, 0}, rising[IMAGES] = {e, e, 1, 0};

    add_block(f, falling);
    assert_sum(f, STATISTICS_RELEVANCE, 0, 0, 1);
    assert_function(f, "mean_positive", 0, 1);
    assert_sum(f, STATISTICS_FLOW, 0, 0, 1);
    sums_reset(&f->sums);
    add_block(f, rising);
    assert_sum(f, STATISTICS_RELEVANCE, 0, 0, 1 + 2 * e);
    assert_function(f, "mean_positive", 0, 1 + 2 * e);
    assert_sum(f, STATISTICS_FLOW, 0, 0, 1 + 2 * e);
}

/* Flows too large for sums of a block add image by image, in any order, and the rest as always. */
static void large_flows_add_exactly_whatever_the_order(void **state)
{
    struct fixture *f = *state;
    const double e = ldexp(1, -53), x[IMAGES] = {1, e, e, 0};
    size_t section = statistics_moments(&f->statistics, STATISTICS_FLOW, 0)->first;

    assert_null(f->block_sums.book.block[section]);
    add_block(f, x);
    exact_int want = exact_from_double(1, EXACT_VALUE) + 2 * exact_from_double(e, EXACT_VALUE);
    if (sums_exact_data(&f->sums, section)[0] != want)
        fail_msg(
            "the sum is %.17g + %.17g", 1.0,
            exact_to_double(sums_exact_data(&f->sums, section)[0] - exact_from_double(1, EXACT_VALUE), EXACT_VALUE));
    assert_sum(f, STATISTICS_RELEVANCE, 0, 0, 1);
    assert_sum(f, STATISTICS_FLOW, 2, 0, 1 + e * (1.125 + 1.25));
}

/* The upper variable's channels are 2, 3 and 4 of all. */
static void variables_that_are_left_out_have_no_channels(void **state)
{
    struct fixture *f = *state;
    const double x[IMAGES] = {1, 0.5, -0.25, 2};

    assert_int_equal(statistics_channels(&f->statistics), 3);
    add_block(f, x);
    assert_sum(f, STATISTICS_RELEVANCE, 0, 0, 3 * 3.25);
    assert_sum(f, STATISTICS_RELEVANCE, 0, 2, 5 * 3.25);
    assert_sum(f, STATISTICS_ACTIVATION, 0, 2, 3.25 + IMAGES * 4);
    assert_sum(f, STATISTICS_CLASS_RELEVANCE, 0, 3, 3 * 0.5); /* of class 1, image 1 */
    if (sums_top_data(&f->sums, f->statistics.active)[0].value != 6)
        fail_msg("the highest activation is not 3 x 2");
}

/* By class the sums are exact: every image for itself. */
static void classes_add_exactly_whatever_the_order(void **state)
{
    struct fixture *f = *state;
    const double e = ldexp(1, -53), x[IMAGES] = {1, e, 0.5, e}; /* classes 0, 1, 2, 0 */
    size_t section = statistics_moments(&f->statistics, STATISTICS_CLASS_RELEVANCE, 0)->first;

    add_block(f, x);
    exact_int sum = sums_exact_data(&f->sums, section)[0];
    if (sum != exact_from_double(1, EXACT_VALUE) + exact_from_double(e, EXACT_VALUE))
        fail_msg("the sum of class 0 is %.17g + %.17g", 1.0,
                 exact_to_double(sum - exact_from_double(1, EXACT_VALUE), EXACT_VALUE));
    assert_sum(f, STATISTICS_CLASS_IMAGES, 0, 0, 2);
    assert_sum(f, STATISTICS_CLASS_GIVEN, 0, 0, 1 + 1.375);
    assert_sum(f, STATISTICS_CLASS_GIVEN, 1, 0, 1 + 1.375 * 1.375);
    assert_sum(f, STATISTICS_CLASS_RELEVANCE, 2, 2 * CHANNELS + 1, -1 * 1.25);
    assert_sum(f, STATISTICS_CLASS_FLOW, 0, ENTRIES + 1, 2 * e);
}

/* Multiples of an eighth, whose sums are exact in any arithmetic. */
static void every_statistic_gets_its_own_sums(void **state)
{
    struct fixture *f = *state;
    const double x[IMAGES] = {1, 0.5, -0.25, 2};
    double sum = 0, square = 0, product = 0, given = 0, given_square = 0;

    for (size_t image = 0; image < IMAGES; image++) {
        double y = 1 + (double)image / 8;
        sum += x[image];
        square += x[image] * x[image];
        product += x[image] * y;
        given += y;
        given_square += y * y;
    }
    add_block(f, x);
    assert_sum(f, STATISTICS_IMAGES, 0, 0, IMAGES);
    assert_sum(f, STATISTICS_GIVEN, 0, 0, given);
    assert_sum(f, STATISTICS_GIVEN, 1, 0, given_square);
    assert_sum(f, STATISTICS_RELEVANCE, 0, 1, -2 * sum);
    assert_sum(f, STATISTICS_RELEVANCE, 1, 1, 4 * square);
    assert_sum(f, STATISTICS_RELEVANCE, 2, 1, -2 * product);
    assert_function(f, "mean_positive", 0, 3.5);
    assert_function(f, "mean_negative", 0, -0.25);
    assert_sum(f, STATISTICS_ACTIVATION, 0, 4, sum + IMAGES * 4);
    assert_sum(f, STATISTICS_MAP, 0, 5, sum + IMAGES * 5);
    assert_sum(f, STATISTICS_FLOW, 0, 3, 4 * sum);
    assert_sum(f, STATISTICS_FLOW, 1, 3, 16 * square);
    assert_sum(f, STATISTICS_FLOW, 2, 3, 4 * product);
    assert_sum(f, STATISTICS_TO_BIAS, 0, 2, sum + 2 * IMAGES);
    assert_sum(f, STATISTICS_ABSORBED, 0, 2, sum - 2 * IMAGES);
}

/* The first entry of a list. */
static void assert_first(const struct fixture *f, size_t section, double value, size_t image, size_t position)
{
    struct toplist_entry e = sums_top_data(&f->sums, section)[0];

    if (e.value != value || e.image != (int64_t)image || e.position != (int64_t)position)
        fail_msg("%g of image %lld at %lld, expected %g of %zu at %zu", e.value, (long long)e.image,
                 (long long)e.position, value, image, position);
}

static void highest_lowest_and_lists_are_of_all_blocks(void **state)
{
    struct fixture *f = *state;
    const double first[IMAGES] = {1, 0.5, -0.25, 2}, second[IMAGES] = {-1, 0.5, 3, 1};
    const struct statistics *s = &f->statistics;

    add_block(f, first);
    add_block(f, second);
    double highest = sums_max_data(&f->sums, s->highest)[0], lowest = sums_max_data(&f->sums, s->lowest)[0];
    const struct toplist_entry *top = sums_top_data(&f->sums, s->top);
    if (highest != 3 || lowest != 1)
        fail_msg("highest %g, lowest -%g, expected 3 and -1", highest, lowest);
    if (top[1].value != 2 || top[1].image != 3)
        fail_msg("second of the list: %g of image %lld", top[1].value, (long long)top[1].image);
    assert_first(f, s->top, 3, 2, 2);
    assert_first(f, s->active, 3, 2, 12);
    double negative = sums_value(&f->sums, s->histogram, 0), others = sums_value(&f->sums, s->histogram, 1);
    if (negative != 2 || others != 6)
        fail_msg("histogram %g, %g, expected 2, 6", negative, others);
}

static void a_value_out_of_range_fails_the_block(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    block_sums_reset(&f->block_sums, &f->sums);
    add_image(f, 1, NAN);
    add_image(f, 2, 1);
    enum status rc = block_sums_commit(&f->block_sums, &err);
    if (rc != FAIL_LIMIT || !strstr(err.message, "class flow[6]"))
        fail_msg("status %s: %s", error_name(rc), err.message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(images_add_in_double_precision_and_in_their_order, setup, teardown),
        cmocka_unit_test_setup_teardown(large_flows_add_exactly_whatever_the_order, setup_by_rows, teardown),
        cmocka_unit_test_setup_teardown(variables_that_are_left_out_have_no_channels, setup_upper, teardown),
        cmocka_unit_test_setup_teardown(classes_add_exactly_whatever_the_order, setup, teardown),
        cmocka_unit_test_setup_teardown(every_statistic_gets_its_own_sums, setup, teardown),
        cmocka_unit_test_setup_teardown(highest_lowest_and_lists_are_of_all_blocks, setup, teardown),
        cmocka_unit_test_setup_teardown(a_value_out_of_range_fails_the_block, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
