/* Classes of a store: by number and name, and the differences of two. */
#include "pipeline/results/classes.h"
#include "tests/support/assert.h"
#include "tests/support/store_sample.h"

#include <math.h>

enum { CLASSES = 3, CHANNELS = 4, FLOW_CLASSES = 2, UPPER = 2, LOWER = 3, SHARK = 0, TENCH = 1, HEN = 2 };

static void must(enum status rc, const struct error *err)
{
    if (rc != OK)
        fail_msg("%s", err->message);
}

static struct store_reader *make_store(void)
{
    static const char *const names[CLASSES] = {"shark", "tench", "hen"};
    static const uint64_t counts[CLASSES] = {5, 7, 0};
    static const int32_t flow_classes[FLOW_CLASSES] = {HEN, SHARK};
    static const double given[CLASSES] = {-0.5, 0.3, NAN}, errors[CLASSES] = {0.125, 0.125, NAN};
    static const double mean[CLASSES][CHANNELS] = {{1, 2, NAN, 5}, {1, 4, 6, 2}},
                        half[CLASSES][CHANNELS] = {{3, 3, 3, 3}, {4, 4, 4, 4}};
    static const float flow[FLOW_CLASSES][UPPER][LOWER] = {{{0, 0, 0}, {0, 0, 9}}, {{1, 2, -3}, {1, 0, 7}}};
    static const float flow_errors[FLOW_CLASSES][UPPER][LOWER] = {{{0}}, {{0}}};
    const size_t n = CLASSES, m = FLOW_CLASSES, rows[] = {CLASSES, CHANNELS}, cube[] = {FLOW_CLASSES, UPPER, LOWER};
    const size_t channels = CHANNELS;
    struct store *store = sample_begin("store.h5");
    struct error err = {0};

    must(store_write_text(store, "classes/name", names, CLASSES, &err), &err);
    must(store_write(store, "classes/count", counts, 1, &n, &err), &err);
    must(store_write(store, "classes/given_mass", given, 1, &n, &err), &err);
    must(store_write(store, "classes/given_std_error", errors, 1, &n, &err), &err);
    must(store_write(store, "classes/flow_class", flow_classes, 1, &m, &err), &err);
    must(store_write(store, "layers/conv1_1/class_mean", mean, 2, rows, &err), &err);
    must(store_write(store, "layers/conv1_1/class_std_error", half, 2, rows, &err), &err);
    must(store_write(store, "layers/conv2_1/mean", mean, 1, &channels, &err), &err);
    must(store_write(store, "flows/input-conv1_1/class_mean", flow, 3, cube, &err), &err);
    must(store_write(store, "flows/input-conv1_1/class_std_error", flow_errors, 3, cube, &err), &err);
    return sample_finish(store, "store.h5");
}

static void read_classes(struct classes *classes)
{
    struct store_reader *reader = make_store();
    struct error err = {0};

    must(classes_read(classes, reader, "store.h5", &err), &err);
    store_close(reader);
}

static void the_table_is_that_of_the_store(void **state)
{
    struct classes classes;

    (void)state;
    read_classes(&classes);
    assert_int_equal(classes.count, CLASSES);
    assert_string_equal(classes.names[TENCH], "tench");
    assert_int_equal(classes.images[TENCH], 7);
    assert_same(classes.given[SHARK], -0.5);
    assert_same(classes.given_error[SHARK], 0.125);
    classes_free(&classes);
}

static void a_store_without_classes_says_what_to_do(void **state)
{
    struct store_reader *reader = sample_finish(sample_begin("none.h5"), "none.h5");
    struct classes classes;
    struct error err = {0};

    (void)state;
    assert_int_equal(classes_read(&classes, reader, "none.h5", &err), FAIL_CONFIG);
    files_expect_message(err.message, "run with store.classes = all");
    classes_free(&classes);
    store_close(reader);
}

static void a_class_is_found_by_number_or_name(void **state)
{
    struct classes classes;
    struct error err = {0};
    size_t class = 9;

    (void)state;
    read_classes(&classes);
    assert_int_equal(classes_find(&class, &classes, "2", &err), OK);
    assert_int_equal(class, HEN);
    assert_int_equal(classes_find(&class, &classes, "tench", &err), OK);
    assert_int_equal(class, TENCH);
    classes_free(&classes);
}

/* Class 0 is called "2", classes 1 and 3 "crane", class 4 "4". */
static void a_number_that_is_also_a_name_asks_which(void **state)
{
    static char text[][8] = {"2", "crane", "hen", "crane", "4"};
    char *names[] = {text[0], text[1], text[2], text[3], text[4]};

    static const struct {
        const char *text;
        size_t class;
    } clear[] = {{"#2", 2}, {"\"2\"", 0}, {"hen", 2}, {"\"hen\"", 2}, {"#3", 3}, {"1", 1}, {"4", 4}, {"\"4\"", 4}};

    static const char *const unclear[][2] = {{"2", "write '#2' or '\"2\"'"},
                                             {"crane", "several classes are called \"crane\": write '#1' or '#3'"},
                                             {"\"crane\"", "write '#1' or '#3'"},
                                             {"\"1\"", "there is no class"},
                                             {"#5", "there is no class \"#5\""}};
    const struct classes classes = {.count = sizeof names / sizeof names[0], .names = names};
    struct error err = {0};
    size_t class;

    (void)state;
    for (size_t i = 0; i < sizeof clear / sizeof clear[0]; i++) {
        if (classes_find(&class, &classes, clear[i].text, &err) != OK)
            fail_msg("%s", err.message);
        assert_int_equal(class, clear[i].class);
    }
    for (size_t i = 0; i < sizeof unclear / sizeof unclear[0]; i++) {
        error_clear(&err);
        assert_int_equal(classes_find(&class, &classes, unclear[i][0], &err), FAIL_CONFIG);
        files_expect_message(err.message, unclear[i][1]);
    }
}

static void an_unknown_class_gets_a_hint(void **state)
{
    static const char *const unknown[] = {"3", "-1", "tenhc", "2x", ""};
    struct classes classes;
    size_t class;

    (void)state;
    read_classes(&classes);
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        struct error err = {0};
        assert_int_equal(classes_find(&class, &classes, unknown[i], &err), FAIL_CONFIG);
        files_expect_message(err.message, "classes are numbered 0 to 2");
        files_expect_message(err.message, strcmp(unknown[i], "tenhc") == 0 ? "did you mean \"tench\"?" : "");
    }
    classes_free(&classes);
}

/* -0.5 is four standard errors from zero, 0.3 is 2.4. */
static void a_class_is_weak_within_three_standard_errors_of_zero(void **state)
{
    struct classes classes;

    (void)state;
    read_classes(&classes);
    assert_false(classes_weak(&classes, SHARK));
    assert_true(classes_weak(&classes, TENCH));
    assert_false(classes_weak(&classes, HEN));
    classes_free(&classes);
}

/* Differences are 0, -2, NaN, 3. */
static void differences_of_channels_are_sorted_by_size(void **state)
{
    static const size_t order[CHANNELS] = {3, 1, 0, 2};
    static const double differences[CHANNELS] = {3, -2, 0, NAN};
    struct store_reader *reader = make_store();
    struct classes_differences found;
    struct error err = {0};

    (void)state;
    must(classes_compare_layer(&found, reader, "conv1_1", SHARK, TENCH, &err), &err);
    assert_int_equal(found.count, CHANNELS);
    for (size_t i = 0; i < CHANNELS; i++) {
        assert_int_equal(found.items[i].channel, order[i]);
        assert_same(found.items[i].std_error, 5); /* of errors 3 and 4 */
        if (i + 1 < CHANNELS)
            assert_same(found.items[i].difference, differences[i]);
        else
            assert_nan(found.items[i].difference);
    }
    assert_same(found.items[0].a, 5);
    assert_same(found.items[0].b, 2);
    assert_same(found.items[0].a_error, 3);
    assert_same(found.items[0].b_error, 4);
    free(found.items);
    store_close(reader);
}

/* Shark - hen is {1, 2, -3}, {1, 0, -2}: equal ones come in their order. */
static void differences_of_flows_name_both_channels(void **state)
{
    static const size_t pairs[UPPER * LOWER][2] = {{0, 2}, {0, 1}, {1, 2}, {0, 0}, {1, 0}, {1, 1}};
    struct store_reader *reader = make_store();
    struct classes_differences found;
    struct error err = {0};

    (void)state;
    must(classes_compare_flow(&found, reader, "input-conv1_1", SHARK, HEN, &err), &err);
    assert_int_equal(found.count, UPPER * LOWER);
    for (size_t i = 0; i < UPPER * LOWER; i++) {
        assert_int_equal(found.items[i].upper, pairs[i][0]);
        assert_int_equal(found.items[i].channel, pairs[i][1]);
    }
    assert_same(found.items[0].difference, -3);
    assert_same(found.items[2].difference, -2);
    free(found.items);
    store_close(reader);
}

static void what_was_not_computed_is_an_error_with_advice(void **state)
{
    struct store_reader *reader = make_store();
    struct classes_differences found;
    struct error err[3] = {{0}};
    size_t row;

    (void)state;
    assert_int_equal(classes_compare_layer(&found, reader, "conv1_2", 0, 1, &err[0]), FAIL_CONFIG);
    files_expect_message(err[0].message, "the store has no layers/conv1_2; did you mean \"conv1_1\"?");
    assert_int_equal(classes_compare_layer(&found, reader, "conv2_1", 0, 1, &err[1]), FAIL_CONFIG);
    files_expect_message(err[1].message, "layers/conv2_1 has no numbers by class; run with store.classes = all");
    assert_int_equal(classes_compare_flow(&found, reader, "input-conv1_1", SHARK, TENCH, &err[2]), FAIL_CONFIG);
    files_expect_message(err[2].message, "flows of the classes 2, 0, not of 1;");
    assert_int_equal(classes_flow_row(&row, reader, SHARK, &err[2]), OK);
    assert_int_equal(row, 1);
    store_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_table_is_that_of_the_store, files_clean),
        cmocka_unit_test_teardown(a_store_without_classes_says_what_to_do, files_clean),
        cmocka_unit_test_teardown(a_class_is_found_by_number_or_name, files_clean),
        cmocka_unit_test(a_number_that_is_also_a_name_asks_which),
        cmocka_unit_test_teardown(an_unknown_class_gets_a_hint, files_clean),
        cmocka_unit_test_teardown(a_class_is_weak_within_three_standard_errors_of_zero, files_clean),
        cmocka_unit_test_teardown(differences_of_channels_are_sorted_by_size, files_clean),
        cmocka_unit_test_teardown(differences_of_flows_name_both_channels, files_clean),
        cmocka_unit_test_teardown(what_was_not_computed_is_an_error_with_advice, files_clean),
    };

    return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
