/* Below which layer a comparison of classes says little, by composite and target. */
#include "pipeline/config/composite.h"
#include "pipeline/results/class_depth.h"
#include "tests/support/assert.h"
#include "tests/support/store_sample.h"

static void must(enum status rc, const struct error *err)
{
    if (rc != OK)
        fail_msg("%s", err->message);
}

/* A VGG16 of an early version, whose store has no network: 16 layers with weights. */
static struct class_depth depth_of(const char *composite, const char *target)
{
    static const char *const names[] = {"input",   "conv1_1", "conv1_2", "pool1",   "conv2_1", "conv2_2",
                                        "pool2",   "conv3_1", "conv3_2", "conv3_3", "pool3",   "conv4_1",
                                        "conv4_2", "conv4_3", "pool4",   "conv5_1", "conv5_2", "conv5_3",
                                        "pool5",   "fc6",     "fc7",     "fc8"};
    struct store *store = sample_begin("store.h5");
    struct class_depth depth;
    struct error err = {0};

    must(store_write_text(store, "variable", names, sizeof names / sizeof names[0], &err), &err);
    if (composite)
        must(store_set_text(store, "", "composite", composite, &err), &err);
    must(store_set_text(store, "", "target", target, &err), &err);
    struct store_reader *reader = sample_finish(store, "store.h5");
    must(class_depth_read(&depth, reader, "store.h5", &err), &err);
    store_close(reader);
    return depth;
}

static void the_share_of_depth_depends_on_the_composite(void **state)
{
    static const struct {
        const char *composite, *from;
        size_t below;
    } cases[] = {{"epsilon_gamma_box", "conv4_2", 12},
                 {"epsilon_plus", "conv5_2", 16},
                 {"zplus", "fc7", 20},
                 {"zero", "", 0},
                 {NULL, "", 0}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct class_depth depth = depth_of(cases[i].composite, "predicted");
        assert_string_equal(depth.from, cases[i].from);
        assert_int_equal(depth.nbelow, cases[i].below);
        class_depth_free(&depth);
    }
}

static void layers_and_flows_below_are_told_apart(void **state)
{
    struct class_depth depth = depth_of("epsilon_gamma_box", "label");

    (void)state;
    assert_true(class_depth_is_below(&depth, "input", false));
    assert_true(class_depth_is_below(&depth, "pool3", false));
    assert_false(class_depth_is_below(&depth, "conv4_2", false));
    assert_true(class_depth_is_below(&depth, "conv3_2-conv3_3", true));
    assert_false(class_depth_is_below(&depth, "conv4_1-conv4_2", true));
    assert_false(class_depth_is_below(&depth, "conv3_2-conv3_3", false));
    class_depth_free(&depth);
}

static void the_sentence_says_where_and_what_to_do(void **state)
{
    char text[CLASS_DEPTH_TEXT];
    struct class_depth depth = depth_of("epsilon_gamma_box", "predicted"), none = depth_of("zero", "predicted");

    (void)state;
    class_depth_text(text, &depth, "7-9");
    assert_non_null(strstr(text, "below conv4_2 a comparison says little about classes: with epsilon_gamma_box"));
    assert_non_null(strstr(text, "measure.target = contrast:7-9"));
    class_depth_text(text, &none, "7-9");
    assert_string_equal(text, "");
    class_depth_free(&depth);
    class_depth_free(&none);
}

static void a_contrast_tells_classes_apart_further_down(void **state)
{
    char text[CLASS_DEPTH_TEXT];
    struct class_depth depth = depth_of("epsilon_plus", "contrast:7-9");

    (void)state;
    assert_string_equal(depth.from, "conv5_1");
    assert_int_equal(depth.nbelow, 15);
    class_depth_text(text, &depth, "7-9");
    assert_null(strstr(text, "measure.target"));
    assert_non_null(strstr(text, "on which classes are contrasted"));
    assert_non_null(strstr(text, "composite = zero"));
    class_depth_free(&depth);
}

static void composites_that_cancel_warn_under_given_input_alone(void **state)
{
    (void)state;
    assert_non_null(strstr(composite_warning("zero", "input"), "worse than random"));
    assert_non_null(composite_warning("epsilon", "input"));
    assert_null(composite_warning("zero", "none"));
    assert_null(composite_warning("epsilon", "conv5_3[1]"));
    assert_null(composite_warning("epsilon_gamma_box", "input"));
    assert_null(composite_warning("", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_share_of_depth_depends_on_the_composite, files_clean),
        cmocka_unit_test_teardown(layers_and_flows_below_are_told_apart, files_clean),
        cmocka_unit_test_teardown(the_sentence_says_where_and_what_to_do, files_clean),
        cmocka_unit_test_teardown(a_contrast_tells_classes_apart_further_down, files_clean),
        cmocka_unit_test(composites_that_cancel_warn_under_given_input_alone),
    };

    return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
