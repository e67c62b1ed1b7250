/* Summaries of stores that lack parts, are unfinished, large or damaged. test_command_info.c shows a whole one. */
#include "pipeline/results/summary.h"
#include "tests/support/assert.h"
#include "tests/support/store_sample.h"

#include <math.h>

enum { IMAGES = 5, MANY = 10000, BAD = 8190 /* in the second block of rows that is read */, VARIABLES = 2 };

static const uint8_t statuses[IMAGES] = {STORE_IMAGE_OK, STORE_IMAGE_UNREAD, STORE_IMAGE_UNSUPPORTED,
                                         STORE_IMAGE_EXPLODED, STORE_IMAGE_UNREAD};

static void must(enum status rc, const struct error *err)
{
    if (rc != OK)
        fail_msg("%s", err->message);
}

static void write_numbers(struct store *store, const char *path, const void *data, size_t n)
{
    struct error err = {0};

    must(store_write(store, path, data, 1, &n, &err), &err);
}

static void read_summary(struct summary *summary, struct store *store)
{
    struct error err = {0};

    must(store_commit(store, &err), &err);
    must(summary_read(summary, files_path("store.h5"), &err), &err);
}

static void an_empty_store_has_an_empty_summary(void **state)
{
    struct summary summary;

    (void)state;
    read_summary(&summary, sample_begin("store.h5"));
    assert_more(summary.nbytes, 0);
    assert_false(summary.complete);
    assert_int_equal(summary.images, 0);
    assert_int_equal(summary.nlayers + summary.nflows + summary.nqueries + summary.nstages, 0);
    assert_null(summary.config);
    assert_false(summary.has_given);
    summary_free(&summary);
}

static void unfinished_images_are_not_unread_ones(void **state)
{
    struct store *store = sample_begin("store.h5");
    struct summary summary;
    struct error err = {0};

    (void)state;
    write_numbers(store, "images/status", statuses, IMAGES);
    must(store_set_int(store, "", "complete", 0, &err), &err);
    must(store_set_int(store, "", "finished", 4, &err), &err);
    read_summary(&summary, store);
    assert_int_equal(summary.images, IMAGES);
    assert_int_equal(summary.finished, 4);
    assert_int_equal(summary.by_status[STORE_IMAGE_UNREAD], 1);
    assert_int_equal(summary.by_status[STORE_IMAGE_EXPLODED], 1);
    assert_int_equal(summary.failed, 2);
    summary_free(&summary);
}

/* Two images are unread: of 5, at least 3 are finished. */
static void impossible_numbers_of_finished_images_are_damage(void **state)
{
    static const int64_t wrong[] = {-1, 2, 6};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct store *store = sample_begin("store.h5");
        struct summary summary;
        struct error err = {0};
        write_numbers(store, "images/status", statuses, IMAGES);
        must(store_set_int(store, "", "finished", wrong[i], &err), &err);
        must(store_commit(store, &err), &err);
        assert_int_equal(summary_read(&summary, files_path("store.h5"), &err), FAIL_FORMAT);
        files_expect_message(err.message, "finished images contradict /images/status");
        summary_free(&summary);
    }
}

/* A label or a prediction may be unknown. */
static void accuracy_is_of_known_labels_and_predictions(void **state)
{
    static const int32_t label[IMAGES] = {1, -1, 2, 3, 0}, predicted[IMAGES] = {1, -1, -1, 2, 0};
    struct store *store = sample_begin("store.h5");
    struct summary summary;

    (void)state;
    write_numbers(store, "images/status", statuses, IMAGES);
    write_numbers(store, "images/label", label, IMAGES);
    write_numbers(store, "images/predicted", predicted, IMAGES);
    read_summary(&summary, store);
    assert_int_equal(summary.labelled, 3);
    assert_int_equal(summary.correct, 2);
    summary_free(&summary);
}

static void one_ok_image_has_no_error(void **state)
{
    static const double given[IMAGES] = {0.75, NAN, NAN, 8, NAN};
    struct store *store = sample_begin("store.h5");
    struct summary summary;

    (void)state;
    write_numbers(store, "images/status", statuses, IMAGES);
    write_numbers(store, "images/given_mass", given, IMAGES);
    read_summary(&summary, store);
    assert_true(summary.has_given);
    assert_same(summary.given_mean, 0.75);
    assert_nan(summary.given_error);
    summary_free(&summary);
}

static void slowest_stages_come_first_and_equal_ones_by_name(void **state)
{
    static const char *const names[] = {"forward", "back", "decode", "wait"};
    struct store *store = sample_begin("store.h5");
    struct summary summary;
    struct error err = {0};

    (void)state;
    must(store_set_real(store, "", "seconds_wait", 1, &err), &err);
    must(store_set_real(store, "", "seconds_decode", 2, &err), &err);
    must(store_set_real(store, "", "seconds_back", 2, &err), &err);
    must(store_set_real(store, "", "seconds_forward", 3, &err), &err);
    read_summary(&summary, store);
    assert_int_equal(summary.nstages, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(summary.stages[i].name, names[i]);
    assert_same(summary.stages[0].seconds, 3);
    summary_free(&summary);
}

/* Of a variable: mass 0.5, bias 0.25, absorbed 0.25. An image of the second block of rows exploded; the next has
 * `mass_of_one`. */
static void write_ledger(struct store *store, double mass_of_one)
{
    static const char *const paths[] = {"images/bias", "images/absorbed", "images/variation"}, *const names[] = {
                                                                                                   "input", "fc8"};
    static const double values[] = {0.25, 0.25, 2};
    static uint8_t status[MANY] = {[BAD] = STORE_IMAGE_EXPLODED}; /* the others are ok */
    size_t dims[] = {MANY, VARIABLES};
    double *numbers = calloc((size_t)MANY * VARIABLES, sizeof *numbers);
    struct error err = {0};

    write_numbers(store, "images/status", status, MANY);
    must(store_write_text(store, "variable", names, VARIABLES, &err), &err);
    for (size_t p = 0; p < 3; p++) {
        for (size_t i = 0; i < (size_t)MANY * VARIABLES; i++)
            numbers[i] = values[p];
        must(store_write(store, paths[p], numbers, 2, dims, &err), &err);
    }
    for (size_t i = 0; i < (size_t)MANY * VARIABLES; i++)
        numbers[i] = 0.5;
    numbers[(BAD + 1) * VARIABLES] = mass_of_one;
    numbers[BAD * VARIABLES] = NAN;
    must(store_write(store, "images/mass", numbers, 2, dims, &err), &err);
    free(numbers);
}

static void the_ledger_is_over_the_rows_of_all_blocks(void **state)
{
    struct store *store = sample_begin("store.h5");
    struct summary summary;

    (void)state;
    write_ledger(store, 1.5);
    read_summary(&summary, store);
    assert_int_equal(summary.nlayers, VARIABLES);
    assert_near(summary.layers[0].mass, 0.5 + 1.0 / (MANY - 1), 1e-12);
    assert_same(summary.layers[1].mass, 0.5);
    assert_same(summary.layers[0].bias, 0.25);
    assert_same(summary.layers[0].variation, 2);
    assert_same(summary.layers[0].gap, 1);
    assert_same(summary.layers[0].relative_gap, 0.5); /* of a variation of 2 */
    assert_same(summary.layers[1].gap, 0);
    summary_free(&summary);
}

static void a_ledger_that_is_not_finite_is_open_without_bound(void **state)
{
    struct store *store = sample_begin("store.h5");
    struct summary summary;

    (void)state;
    write_ledger(store, NAN);
    read_summary(&summary, store);
    assert_same(summary.layers[0].gap, INFINITY);
    assert_same(summary.layers[0].relative_gap, INFINITY);
    assert_same(summary.layers[1].gap, 0);
    summary_free(&summary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_empty_store_has_an_empty_summary, files_clean),
        cmocka_unit_test_teardown(unfinished_images_are_not_unread_ones, files_clean),
        cmocka_unit_test_teardown(impossible_numbers_of_finished_images_are_damage, files_clean),
        cmocka_unit_test_teardown(accuracy_is_of_known_labels_and_predictions, files_clean),
        cmocka_unit_test_teardown(one_ok_image_has_no_error, files_clean),
        cmocka_unit_test_teardown(slowest_stages_come_first_and_equal_ones_by_name, files_clean),
        cmocka_unit_test_teardown(the_ledger_is_over_the_rows_of_all_blocks, files_clean),
        cmocka_unit_test_teardown(a_ledger_that_is_not_finite_is_open_without_bound, files_clean),
    };

    return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
