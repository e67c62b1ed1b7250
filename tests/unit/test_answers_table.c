/* What tables of answers say in sentences, of figures made by hand. */
#include "pipeline/evaluate/answers_table.h"
#include "tests/support/assert.h"

#include <math.h>

#include <cmocka.h>

enum { SHARES = 3, ORDERS = 3, IMAGES = 40 };

static const double shares[SHARES] = {0.1, 0.25, 0.5};

/* A summary of which only one figure counts: accuracy, or agreement if there are no labels. */
static struct answers_summary figure(bool labels, double value, double error, size_t images)
{
    struct answers_mean mean = {value, error, images}, none = {NAN, NAN, 0};

    return (struct answers_summary){
        .images = images, .accuracy = labels ? mean : none, .agreement = labels ? none : mean};
}

/* "flow" beside "weight" and "random", which it exceeds by these, [SHARES]. */
static struct answers_table table_of(struct answers_line lines[ORDERS], const struct answers_summary *weight,
                                     const struct answers_summary *random, bool labels)
{
    static struct answers_summary none[SHARES];

    lines[0] = (struct answers_line){"flow", none, none};
    lines[1] = (struct answers_line){"weight", none, weight};
    lines[2] = (struct answers_line){"random", none, random};
    return (struct answers_table){.test = "circuit",
                                  .share_title = "edges kept",
                                  .kept = true,
                                  .shares = shares,
                                  .nshares = SHARES,
                                  .whole = figure(labels, 0.9, 0.01, IMAGES),
                                  .lines = lines,
                                  .nlines = ORDERS};
}

static void test_the_better_order_is_the_first_where_it_exceeds_the_other(void **state)
{
    struct answers_summary weight[SHARES] = {figure(true, -0.5, 0.1, IMAGES), figure(true, 0.1, 0.01, IMAGES),
                                             figure(true, 0.9, 0.4, IMAGES)};
    struct answers_summary random[SHARES] = {figure(true, 0.2, 0.01, IMAGES), figure(true, 0.3, 0.02, IMAGES),
                                             figure(true, 0.1, 0.01, IMAGES)};
    struct answers_line lines[ORDERS];
    struct answers_table table = table_of(lines, weight, random, true);
    char text[ANSWERS_VERDICT];

    (void)state;
    assert_true(answers_verdict(text, &table, 0)); /* the largest difference is within three errors */
    assert_string_equal(text, "circuit: with 10 % of the edges kept, weight is better than flow, by 0.500 +- 0.100 "
                              "(accuracy)");
    assert_true(answers_verdict(text, &table, 1));
    assert_string_equal(text, "circuit: with 25 % of the edges kept, flow is better than random, by 0.300 +- 0.020 "
                              "(accuracy)");
    assert_false(answers_verdict(text, &table, 2));
}

static void test_without_labels_it_is_about_agreement(void **state)
{
    struct answers_summary none[SHARES] = {figure(false, 0, 0, IMAGES), figure(false, 0, 0, IMAGES),
                                           figure(false, 0.02, 0.01, IMAGES)};
    struct answers_summary random[SHARES] = {figure(false, 0, 0, IMAGES), figure(false, 0.25, 0.05, IMAGES),
                                             figure(false, 0, 0, IMAGES)};
    struct answers_line lines[ORDERS];
    struct answers_table table = table_of(lines, none, random, false);
    char text[ANSWERS_VERDICT];

    (void)state;
    assert_true(answers_verdict(text, &table, 0));
    assert_string_equal(text, "circuit: with 25 % of the edges kept, flow is better than random, by 0.250 +- 0.050 "
                              "(agreement)");
    assert_false(answers_verdict(text, &table, 1));
}

/* Two images that both differ by 1 have no error to judge by. */
static void test_fewer_than_five_images_say_nothing(void **state)
{
    struct answers_summary few[SHARES] = {figure(true, 1, 0, 4), figure(true, 1, 0, 4), figure(true, 1, 0, 4)};
    struct answers_summary enough[SHARES] = {figure(true, 1, 0, 5), figure(true, 1, 0, 4), figure(true, 1, 0, 4)};
    struct answers_line lines[ORDERS];
    struct answers_table table = table_of(lines, few, enough, true);
    char text[ANSWERS_VERDICT];

    (void)state;
    assert_true(answers_verdict(text, &table, 0));
    assert_string_equal(text, "circuit: with 10 % of the edges kept, flow is better than random, by 1.000 +- 0.000 "
                              "(accuracy)");
    assert_false(answers_verdict(text, &table, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_better_order_is_the_first_where_it_exceeds_the_other),
        cmocka_unit_test(test_without_labels_it_is_about_agreement),
        cmocka_unit_test(test_fewer_than_five_images_say_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
