/* Queries: numbers of an image, their mean over images, and what the store gets. */
#include "kernels/base/network_vgg.h"
#include "pipeline/stats/queries.h"
#include "tests/support/assert.h"
#include "tests/support/random_image.h"
#include "tests/support/store_sample.h"

#include <math.h>

enum { NETWORKS = 6, CASES = 4 };

/* Relevance of an image is known to the rounding of float32, relative to its variation. */
static const double BAR = 1e-5;

static void parse(struct config *config, const char *const *queries, size_t n)
{
    static const char text[] = "[data]\npath = x\n[model]\nweights = y\n";
    struct error err = {0};

    if (config_parse(config, text, "x.ini", queries, n, &err) != OK)
        fail_msg("%s", err.message);
}

/* Queries of a tiny VGG11; the status of queries_init. */
static enum status init_queries(struct queries *queries, struct config *config, const char *query, struct error *err)
{
    struct network net;

    assert_more(network_vgg_standard(&net, "vgg11", 32, 32, 10), 0);
    parse(config, &query, 1);
    return queries_init(queries, config, &net, err);
}

/* ---- plan
 * --------------------------------------------------------------------------------------------------------- */

static void a_mistake_names_the_key(void **state)
{
    static const char *const cases[CASES][2] = {
        {"measure.query.a!b=conv1_1", "measure.query.a!b: a query's name has up to 32 letters"},
        {"measure.query.a23456789b23456789c23456789d23456=conv1_1", "a query's name has up to 32 letters"},
        {"measure.query.ears=conv9_9", "measure.query.ears"},
        {"measure.query.ears=conv1_1[2:1]", "measure.query.ears"},
    };

    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct queries queries;
        struct config config;
        struct error err = {0};
        if (init_queries(&queries, &config, cases[i][0], &err) != FAIL_CONFIG)
            fail_msg("%s is no mistake: %s", cases[i][0], err.message);
        files_expect_message(err.message, cases[i][1]);
        queries_free(&queries);
        config_free(&config);
    }
}

static void a_name_of_32_characters_is_fine(void **state)
{
    struct queries queries;
    struct config config;
    struct error err = {0};

    (void)state;
    assert_int_equal(init_queries(&queries, &config, "measure.query.A-_456789b23456789c23456789d2345=conv1_1", &err),
                     OK);
    assert_int_equal(queries.count, 1);
    assert_string_equal(queries.items[0].text, "conv1_1");
    queries_free(&queries);
    config_free(&config);
}

/* ---- an image
 * ----------------------------------------------------------------------------------------------------- */

static double relevance(const struct random_image *s, size_t k)
{
    double sum = 0;

    for (size_t i = 0; i < random_image_floats(s, k); i++)
        sum += (double)s->image->r[k][i];
    return sum;
}

static double variation(const struct random_image *s, size_t k)
{
    double sum = 1;

    for (size_t i = 0; i < random_image_floats(s, k); i++)
        sum += fabs((double)s->image->r[k][i]);
    return sum;
}

/* The queries, by name, are: all of a layer; all of it given itself; half of it given all; nothing of it. */
static void check_numbers(struct random_image *s)
{
    static const char *const sets[CASES] = {"measure.query.a=conv2_1", "measure.query.b=conv2_1 given conv2_1",
                                            "measure.query.c=conv2_1[0] given conv2_1",
                                            "measure.query.d=conv2_1[0] and not conv2_1[0]"};
    size_t k = network_find(&s->vgg->net, "conv2_1"), last = s->vgg->options.group - 1;
    struct arena arena = arena_over(NULL, 0);
    struct queries_work work;
    struct queries queries;
    struct config config;
    struct error err = {0};

    parse(&config, sets, CASES);
    if (queries_init(&queries, &config, &s->vgg->net, &err) != OK)
        fail_msg("%s", err.message);
    queries_place(&work, &queries, &s->vgg->plan, &arena);
    float *memory = random_image_alloc(arena.peak / sizeof *memory);
    arena = arena_over(memory, arena.peak);
    queries_place(&work, &queries, &s->vgg->plan, &arena);
    queries_compute(&work, &queries, last, s->image);
    const double *n = queries_numbers(&work, &queries, last), all = relevance(s, k), bar = BAR * variation(s, k);

    assert_near(n[0], all, bar);
    assert_same(n[1], 1); /* without a condition */
    assert_near(n[2], all, bar);
    assert_near(n[3], all, bar);
    assert_near(n[5], all, bar);
    assert_within(n[4], -variation(s, k), variation(s, k), "a part of the layer's variation");
    assert_same(n[6], 0);
    assert_same(n[7], 1);
    if (last > 0)
        assert_nan(queries_numbers(&work, &queries, last - 1)[2 * CASES - 1]); /* the slot before is not touched */
    free(memory);
    queries_free(&queries);
    config_free(&config);
}

static void numbers_are_the_value_and_the_condition(void **state)
{
    (void)state;
    random_image_check_all(check_numbers, NETWORKS, "queries");
}

/* ---- over the images
 * ---------------------------------------------------------------------------------------------- */

static void a_ratio_needs_a_condition(void **state)
{
    (void)state;
    assert_same(queries_ratio(0.5, -0.25), -2);
    assert_same(queries_ratio(3e-6, QUERIES_SMALLEST), 3e-6 / QUERIES_SMALLEST);
    assert_nan(queries_ratio(1, 0.99 * QUERIES_SMALLEST));
    assert_nan(queries_ratio(1, -0.99 * QUERIES_SMALLEST));
    assert_nan(queries_ratio(1, NAN));
}

/* Of x = 1, 2, 4 and y = 2, 2, 5: the ratio is 7/9. d = x - 7/9 y = -5/9, 4/9, 1/9 has the sum zero and the variance
 * (25 + 16 + 1) / 81 / 2; the error of the ratio is sqrt(var d / 3) / 3. The variance of y is 3. */
static void the_mean_is_a_ratio_of_means_with_its_error(void **state)
{
    const double value[] = {1, NAN, 2, INFINITY, 4, 8}, given[] = {2, 7, 2, 7, 5, NAN};
    struct queries_mean mean = queries_mean(value, given, 6);

    (void)state;
    assert_int_equal(mean.images, 3);
    assert_near(mean.mean, 7.0 / 9, 1e-15);
    assert_near(mean.std_error, sqrt(42.0 / 81 / 2 / 3) / 3, 1e-14);
    assert_near(mean.given_mean, 3, 1e-15);
    assert_near(mean.given_std_error, 1, 1e-14);
    assert_false(mean.weak); /* 3 standard errors from zero, just */
}

static void a_condition_near_zero_is_weak(void **state)
{
    const double value[] = {1, 2, 4}, given[] = {2, 2, 5.5};

    (void)state;
    assert_true(queries_mean(value, given, 3).weak);
}

static void one_image_has_no_error(void **state)
{
    const double value = 1, given = 4;
    struct queries_mean mean = queries_mean(&value, &given, 1);

    (void)state;
    assert_same(mean.mean, 0.25);
    assert_nan(mean.std_error);
    assert_nan(mean.given_std_error);
    assert_false(mean.weak);
}

static void no_image_has_no_mean(void **state)
{
    const double value = NAN, given = 4;
    struct queries_mean mean = queries_mean(&value, &given, 1);

    (void)state;
    assert_int_equal(mean.images, 0);
    assert_nan(mean.mean);
    assert_nan(mean.given_mean);
}

static struct store_reader *finish(const double *value, const double *given, size_t n)
{
    struct store *store = sample_begin("store.h5");
    struct error err = {0};

    if (queries_finish(store, &(struct queries_weak){0},
                       &(struct query){.name = "ears", .text = "conv1_1 given conv2_1"}, value, given, n, &err) != OK)
        fail_msg("%s", err.message);
    return sample_finish(store, "store.h5");
}

static void the_store_gets_the_mean_and_says_when_it_is_weak(void **state)
{
    const double value[] = {1, 2, 4}, given[][3] = {{2, 2, 5}, {2, 2, 5.5}};

    (void)state;
    for (size_t weak = 0; weak < 2; weak++) {
        struct store_reader *reader = finish(value, given[weak], 3);
        struct queries_mean want = queries_mean(value, given[weak], 3);
        double *mean, *std_error, given_mean;
        struct error err = {0};
        char *text;
        assert_int_equal(store_read_real(&mean, reader, "queries/ears/mean", 0, NULL, &err), OK);
        assert_int_equal(store_read_real(&std_error, reader, "queries/ears/std_error", 0, NULL, &err), OK);
        assert_int_equal(store_get_real(&given_mean, reader, "queries/ears", "given_mean", &err), OK);
        assert_int_equal(store_get_text(&text, reader, "queries/ears", "expression", &err), OK);
        assert_same(*mean, want.mean);
        assert_same(*std_error, want.std_error);
        assert_same(given_mean, want.given_mean);
        assert_string_equal(text, "conv1_1 given conv2_1");
        assert_int_equal(store_has_attribute(reader, "queries/ears", "weak_condition"), weak);
        free(mean);
        free(std_error);
        free(text);
        store_close(reader);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mistake_names_the_key),
        cmocka_unit_test(a_name_of_32_characters_is_fine),
        cmocka_unit_test(numbers_are_the_value_and_the_condition),
        cmocka_unit_test(a_ratio_needs_a_condition),
        cmocka_unit_test(the_mean_is_a_ratio_of_means_with_its_error),
        cmocka_unit_test(a_condition_near_zero_is_weak),
        cmocka_unit_test(one_image_has_no_error),
        cmocka_unit_test(no_image_has_no_mean),
        cmocka_unit_test_teardown(the_store_gets_the_mean_and_says_when_it_is_weak, files_clean),
    };

    return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
