#include "io/store/store.h"
#include "pipeline/command/commands.h"
#include "tests/support/assert.h"
#include "tests/support/store_files.h"

#include <fcntl.h>
#include <math.h>

#include <jansson.h>

enum { IMAGES = 6, VARIABLES = 3, CHANNELS = 5 };

static const char *const paths[IMAGES] = {"a/0.png", "a/1.png", "a/2.png", "b/3.png", "b/4.png", "b/5.png"};
static const char *const variables[VARIABLES] = {"input", "conv1_1", "fc8"};
static const int32_t label[IMAGES] = {0, 0, 0, 1, 1, -1};
static const int32_t predicted[IMAGES] = {0, 0, 1, 1, -1, 1};
static const uint8_t status[IMAGES] = {STORE_IMAGE_OK, STORE_IMAGE_OK,     STORE_IMAGE_OK,
                                       STORE_IMAGE_OK, STORE_IMAGE_UNREAD, STORE_IMAGE_EXPLODED};
static const double given[IMAGES] = {0.5, 1, 1.5, 2, NAN, 100};

struct choice {
    bool incomplete, weak, misleading;
    double open; /* what is missing from the ledger of image 2 */
};

static void must(enum status rc, const struct error *err)
{
    if (rc != OK)
        fail_msg("%s", err->message);
}

/* mass 0.5, bias 0.25, absorbed 0.25 in every variable of the images with status ok */
static void write_ledger(struct store *store, double open, struct error *err)
{
    double mass[IMAGES][VARIABLES], rest[IMAGES][VARIABLES], variation[IMAGES][VARIABLES];
    const size_t dims[2] = {IMAGES, VARIABLES};

    for (size_t i = 0; i < IMAGES; i++)
        for (size_t v = 0; v < VARIABLES; v++) {
            bool ok = status[i] == STORE_IMAGE_OK;

            mass[i][v] = ok ? 0.5 - (i == 2 && v == 1 ? open : 0) : NAN;
            rest[i][v] = ok ? 0.25 : NAN;
            variation[i][v] = ok ? (double)(i + v) : NAN;
        }
    must(store_write(store, "images/mass", mass, 2, dims, err), err);
    must(store_write(store, "images/bias", rest, 2, dims, err), err);
    must(store_write(store, "images/absorbed", rest, 2, dims, err), err);
    must(store_write(store, "images/variation", variation, 2, dims, err), err);
}

static void write_images(struct store *store, struct error *err)
{
    const size_t n = IMAGES;

    must(store_write_text(store, "images/path", paths, n, err), err);
    must(store_write_text(store, "variable", variables, VARIABLES, err), err);
    must(store_write(store, "images/label", label, 1, &n, err), err);
    must(store_write(store, "images/predicted", predicted, 1, &n, err), err);
    must(store_write(store, "images/status", status, 1, &n, err), err);
    must(store_write(store, "images/given_mass", given, 1, &n, err), err);
}

static void write_results(struct store *store, struct error *err)
{
    static const double numbers[CHANNELS * CHANNELS] = {0.125, 0.25};
    const size_t c = CHANNELS, flow[2] = {CHANNELS, 2};

    must(store_write(store, "layers/conv1_1/mean", numbers, 1, &c, err), err);
    must(store_write(store, "flows/input-conv1_1/mean", numbers, 2, flow, err), err);
    must(store_set_text(store, "flows/input-conv1_1", "method", "exact", err), err);
    must(store_write(store, "queries/ears/mean", &numbers[0], 0, NULL, err), err);
    must(store_write(store, "queries/ears/std_error", &numbers[1], 0, NULL, err), err);
    must(store_set_text(store, "queries/ears", "expression", "conv1_1[3]", err), err);
}

static void write_store(const char *path, struct choice choice)
{
    struct store *store;
    struct error err = {0};

    must(store_create(&store, path, 4, &err), &err);
    must(store_set_text(store, "", "network", "vgg11", &err), &err);
    must(store_set_text(store, "", "composite", choice.misleading ? "zero" : "epsilon_gamma_box", &err), &err);
    must(store_set_text(store, "", "given", "input", &err), &err);
    must(store_set_text(store, "", "config", "; note\n[model]\nweights = w.safetensors\n\n[run]\nblock = 16\n", &err),
         &err);
    must(store_set_int(store, "", "seed", 7, &err), &err);
    must(store_set_int(store, "", "complete", !choice.incomplete, &err), &err);
    must(store_set_real(store, "", "seconds_decode", 1, &err), &err);
    must(store_set_real(store, "", "seconds_back", 3, &err), &err);
    if (choice.weak)
        must(store_set_int(store, "", "weak_condition", 1, &err), &err);
    write_images(store, &err);
    write_ledger(store, choice.open, &err);
    write_results(store, &err);
    must(store_commit(store, &err), &err);
}

/* ---- running the command --------------------------------------------------------------------------------------- */

struct output {
    int result;
    char *out, *err; /* freed by release */
};

static char *read_text(const char *path)
{
    size_t nbytes;
    char *text = (char *)files_read(&nbytes, path);

    text[nbytes] = '\0';
    return text;
}

static int redirect(FILE *stream, const char *path)
{
    fflush(stream);
    int saved = dup(fileno(stream)), file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_at_least(saved, 0);
    assert_at_least(file, 0);
    assert_at_least(dup2(file, fileno(stream)), 0);
    close(file);
    return saved;
}

static void restore(FILE *stream, int saved)
{
    fflush(stream);
    assert_at_least(dup2(saved, fileno(stream)), 0);
    close(saved);
}

static struct output run(int argc, const char *const *arguments)
{
    char *argv[8] = {0};
    struct output output;

    for (int i = 0; i < argc; i++)
        argv[i] = strdup(arguments[i]);
    int out = redirect(stdout, files_path("out")), err = redirect(stderr, files_path("err"));

    output.result = command_call(&command_info, argc, argv);
    restore(stdout, out);
    restore(stderr, err);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    output.out = read_text(files_path("out"));
    output.err = read_text(files_path("err"));
    return output;
}

static void release(struct output *output)
{
    free(output->out);
    free(output->err);
}

static struct output run_on_store(struct choice choice, const char *option)
{
    const char *path = files_path("store.h5");
    const char *const arguments[] = {"info", path, option};

    write_store(path, choice);
    return run(option ? 3 : 2, arguments);
}

static json_t *run_json(struct choice choice)
{
    struct output output = run_on_store(choice, "--json");
    json_error_t error;
    json_t *object = json_loads(output.out, 0, &error);

    assert_int_equal(output.result, 0);
    assert_string_equal(output.err, "");
    if (!object)
        fail_msg("%s: %s", error.text, output.out);
    release(&output);
    return object;
}

static json_int_t integer(const json_t *object, const char *key)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    return json_integer_value(json_object_get(object, key));
}

static double real(const json_t *object, const char *key)
{
    assert_true(json_is_real(json_object_get(object, key)));
    return json_real_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    assert_true(json_is_string(json_object_get(object, key)));
    return json_string_value(json_object_get(object, key));
}

/* ---- tests ----------------------------------------------------------------------------------------------------- */

static void json_counts_images(void **state)
{
    json_t *object = run_json((struct choice){0}), *counts = json_object_get(object, "status");

    (void)state;
    assert_int_equal(integer(object, "images"), IMAGES);
    assert_int_equal(integer(object, "finished"), IMAGES);
    assert_int_equal(integer(object, "failed"), 1);
    assert_true(json_is_true(json_object_get(object, "complete")));
    assert_int_equal(integer(counts, "ok"), 4);
    assert_int_equal(integer(counts, "unread"), 1);
    assert_int_equal(integer(counts, "exploded"), 1);
    json_decref(object);
}

static void unread_images_of_an_incomplete_run_are_not_failed(void **state)
{
    json_t *object = run_json((struct choice){.incomplete = true});

    (void)state;
    assert_false(json_is_true(json_object_get(object, "complete")));
    assert_int_equal(integer(object, "finished"), IMAGES - 1);
    assert_int_equal(integer(object, "failed"), 0);
    json_decref(object);
}

static void json_has_accuracy_of_labelled_images(void **state)
{
    json_t *object = run_json((struct choice){0});

    (void)state;
    assert_int_equal(integer(object, "labelled"), 4);
    assert_int_equal(integer(object, "correct"), 3);
    assert_same(real(object, "accuracy"), 0.75);
    json_decref(object);
}

static void given_mass_is_that_of_images_in_the_sums(void **state)
{
    json_t *object = run_json((struct choice){0});

    (void)state;
    assert_same(real(object, "given_mass"), 1.25);
    assert_near(real(object, "given_mass_error"), sqrt(1.25 / 3 / 4), 1e-15);
    json_decref(object);
}

static void json_has_the_ledger_of_every_variable(void **state)
{
    json_t *object = run_json((struct choice){.open = 0.125}), *layers = json_object_get(object, "layers");
    const json_t *layer = json_array_get(layers, 1);

    (void)state;
    assert_int_equal(json_array_size(layers), VARIABLES);
    assert_string_equal(text(layer, "name"), "conv1_1");
    assert_int_equal(integer(layer, "channels"), CHANNELS);
    assert_same(real(layer, "mass"), 0.5 - 0.125 / 4);
    assert_same(real(layer, "bias"), 0.25);
    assert_same(real(layer, "absorbed"), 0.25);
    assert_same(real(layer, "variation"), 2.5);
    assert_same(real(layer, "gap"), 0.125);
    assert_same(real(layer, "relative_gap"), 0.125 / 4); /* the variation above */
    assert_same(real(json_array_get(layers, 0), "gap"), 0);
    json_decref(object);
}

static void json_has_flows_queries_and_the_run(void **state)
{
    json_t *object = run_json((struct choice){0});
    const json_t *flow = json_array_get(json_object_get(object, "flows"), 0);
    const json_t *query = json_array_get(json_object_get(object, "queries"), 0);

    (void)state;
    assert_string_equal(text(flow, "name"), "input-conv1_1");
    assert_int_equal(integer(flow, "upper"), CHANNELS);
    assert_int_equal(integer(flow, "lower"), 2);
    assert_string_equal(text(flow, "method"), "exact");
    assert_string_equal(text(query, "expression"), "conv1_1[3]");
    assert_same(real(query, "mean"), 0.125);
    assert_string_equal(text(object, "network"), "vgg11");
    assert_int_equal(integer(object, "seed"), 7);
    assert_same(real(json_object_get(object, "seconds"), "back"), 3);
    json_decref(object);
}

static void expect_text(struct choice choice, const char *part)
{
    struct output output = run_on_store(choice, NULL);

    assert_int_equal(output.result, 0);
    assert_string_equal(output.err, "");
    files_expect_message(output.out, part);
    release(&output);
}

static void text_names_the_slowest_stage(void **state)
{
    (void)state;
    expect_text((struct choice){0}, "back        3.0   75 %  slowest");
}

static void text_shows_the_configuration_without_comments(void **state)
{
    (void)state;
    expect_text((struct choice){0}, "configuration\n  model.weights = w.safetensors\n  run.block = 16\n\n");
}

static void text_says_that_a_run_is_not_complete(void **state)
{
    (void)state;
    expect_text((struct choice){.incomplete = true}, "not complete");
}

static void text_warns_of_a_weak_condition(void **state)
{
    (void)state;
    expect_text((struct choice){.weak = true}, "warning: weak_condition: the condition's mean mass, 1.25 +- 0.32");
}

static void text_warns_of_a_condition_that_misleads(void **state)
{
    (void)state;
    expect_text((struct choice){.misleading = true}, "warning: with this composite relevance of both signs cancels");
}

static void text_warns_of_an_open_ledger(void **state)
{
    (void)state;
    expect_text((struct choice){.open = 8e-5}, "warning: the ledger is open by up to 2.0e-05 of the total variation");
}

static void closed_ledger_is_no_warning(void **state)
{
    struct output output = run_on_store((struct choice){0}, NULL);

    (void)state;
    assert_null(strstr(output.out, "ledger is open"));
    assert_null(strstr(output.out, "weak_condition"));
    assert_null(strstr(output.out, "of both signs"));
    release(&output);
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
    const char *path = files_path("store.h5");
    const char *const arguments[] = {"info", path};
    struct store *store;
    struct error err = {0};

    (void)state;
    must(store_create(&store, path, 4, &err), &err);
    must(store_set_text(store, "", "network", "\033[31mred\a", &err), &err);
    must(store_commit(store, &err), &err);
    struct output output = run(2, arguments);

    assert_int_equal(output.result, 0);
    files_expect_message(output.out, "?[31mred?");
    assert_null(strchr(output.out, '\033'));
    release(&output);
}

static void expect_exit(int argc, const char *const *arguments, int result, const char *out, const char *err)
{
    struct output output = run(argc, arguments);

    assert_int_equal(output.result, result);
    files_expect_message(output.out, out);
    files_expect_message(output.err, err);
    release(&output);
}

static void help_is_printed(void **state)
{
    (void)state;
    expect_exit(2, (const char *const[]){"info", "--help"}, 0, "usage: nrmflow info STORE [options]", "");
}

static void missing_argument_is_a_usage_error(void **state)
{
    (void)state;
    expect_exit(1, (const char *const[]){"info"}, 2, "", "missing argument: nrmflow info STORE");
}

static void unknown_option_is_a_usage_error(void **state)
{
    (void)state;
    expect_exit(3, (const char *const[]){"info", "--jsn", "x.h5"}, 2, "", "did you mean --json?");
}

static void second_store_is_a_usage_error(void **state)
{
    (void)state;
    expect_exit(3, (const char *const[]){"info", "a.h5", "b.h5"}, 2, "", "too many arguments");
}

static void missing_store_is_an_error_with_advice(void **state)
{
    (void)state;
    expect_exit(2, (const char *const[]){"info", files_path("none.h5")}, 1, "", "No such file");
}

static void other_file_is_an_error_with_advice(void **state)
{
    (void)state;
    files_write_text(files_path("notes.txt"), "not a store at all");
    expect_exit(2, (const char *const[]){"info", files_path("notes.txt")}, 1, "", "nrmflow run");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(json_counts_images, files_clean),
        cmocka_unit_test_teardown(unread_images_of_an_incomplete_run_are_not_failed, files_clean),
        cmocka_unit_test_teardown(json_has_accuracy_of_labelled_images, files_clean),
        cmocka_unit_test_teardown(given_mass_is_that_of_images_in_the_sums, files_clean),
        cmocka_unit_test_teardown(json_has_the_ledger_of_every_variable, files_clean),
        cmocka_unit_test_teardown(json_has_flows_queries_and_the_run, files_clean),
        cmocka_unit_test_teardown(text_names_the_slowest_stage, files_clean),
        cmocka_unit_test_teardown(text_shows_the_configuration_without_comments, files_clean),
        cmocka_unit_test_teardown(text_says_that_a_run_is_not_complete, files_clean),
        cmocka_unit_test_teardown(text_warns_of_a_weak_condition, files_clean),
        cmocka_unit_test_teardown(text_warns_of_a_condition_that_misleads, files_clean),
        cmocka_unit_test_teardown(text_warns_of_an_open_ledger, files_clean),
        cmocka_unit_test_teardown(closed_ledger_is_no_warning, files_clean),
        cmocka_unit_test_teardown(control_characters_do_not_reach_the_terminal, files_clean),
        cmocka_unit_test_teardown(help_is_printed, files_clean),
        cmocka_unit_test_teardown(missing_argument_is_a_usage_error, files_clean),
        cmocka_unit_test_teardown(unknown_option_is_a_usage_error, files_clean),
        cmocka_unit_test_teardown(second_store_is_a_usage_error, files_clean),
        cmocka_unit_test_teardown(missing_store_is_an_error_with_advice, files_clean),
        cmocka_unit_test_teardown(other_file_is_an_error_with_advice, files_clean),
    };

    return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
