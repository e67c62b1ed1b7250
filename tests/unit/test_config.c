#include "pipeline/config/config.h"
#include "pipeline/config/text.h"
#include "tests/support/assert.h"
#include "tests/support/temporary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NEEDED "[data]\npath = images\n[model]\nweights = w.safetensors\n"

/* Parse a text that follows the needed keys; `set` may be NULL. */
static enum status parse(struct config *config, const char *more, const char *set, struct error *err)
{
    char text[4096];

    *err = (struct error){0};
    snprintf(text, sizeof text, NEEDED "%s", more);
    return config_parse(config, text, "jobs/demo.ini", &set, set ? 1 : 0, err);
}

static void assert_parsed(struct config *config, const char *more, const char *set)
{
    struct error err;

    if (parse(config, more, set, &err) != OK)
        fail_msg("%s", err.message);
}

/* The message must contain both parts. */
static void assert_refused(const char *more, const char *set, const char *place, const char *reason)
{
    struct config config;
    struct error err;

    assert_int_equal(parse(&config, more, set, &err), FAIL_CONFIG);
    if (!strstr(err.message, place) || !strstr(err.message, reason))
        fail_msg("\"%s\" and \"%s\" are expected in: %s", place, reason, err.message);
    config_free(&config);
}

static void assert_refused_whole(const char *text, const char *reason)
{
    struct config config;
    struct error err = {0};

    assert_int_equal(config_parse(&config, text, "x.ini", NULL, 0, &err), FAIL_CONFIG);
    if (!strstr(err.message, reason))
        fail_msg("\"%s\" is expected in: %s", reason, err.message);
    config_free(&config);
}

static void defaults_are_those_of_the_design(void **state)
{
    struct config c;

    (void)state;
    assert_parsed(&c, "", NULL);
    assert_int_equal(c.data.format, CONFIG_FORMAT_AUTO);
    assert_same(c.data.images.first, 0);
    assert_int_equal(c.data.images.end, SIZE_MAX);
    assert_same(c.data.shard.index, 1);
    assert_same(c.data.shard.count, 1);
    assert_false(c.data.resize.set || c.data.crop.set || c.data.pad.set);
    assert_same(c.data.mean.count, 0);
    assert_same(c.data.std.count, 0);
    assert_same(c.data.max_failed, 0.01);
    assert_string_equal(c.data.labels.given, "");
    assert_string_equal(c.data.labels.file, "");
    assert_string_equal(c.model.network, "auto");
    assert_string_equal(c.measure.composite, "epsilon_gamma_box");
    assert_int_equal(c.measure.bias, BIAS_NEURON);
    assert_int_equal(c.measure.pool, POOL_WINNER);
    assert_string_equal(c.measure.given, "none");
    assert_int_equal(c.measure.target.kind, CONFIG_TARGET_PREDICTED);
    assert_same(c.measure.flows.groups, CONFIG_FLOWS_AUTO);
    assert_same(c.measure.flows.pairs.count, 0);
    assert_same(c.measure.sweeps, 1);
    assert_same(c.measure.rules.count, 0);
    assert_same(c.measure.queries.count, 0);
    assert_same(c.store.per_image.count, 0);
    assert_false(c.store.per_image.all);
    assert_true(c.store.classes.all);
    assert_false(c.store.class_flows.all);
    assert_int_equal(c.run.block, 16);
    assert_same(c.run.epoch, 600);
    assert_same(c.run.variation_limit, 1000);
    assert_same(c.run.seed, 0);
    assert_false(c.run.memory.set);
    config_free(&c);
}

static void expect_model_and_data(const struct config *c)
{
    assert_string_equal(c->model.network, "vgg19");
    assert_string_equal(c->model.classes.file, "jobs/names.txt");
    assert_true(c->model.batchnorm_eps.set);
    assert_same(c->model.batchnorm_eps.value, 1e-3);
    assert_int_equal(c->data.format, CONFIG_FORMAT_IDX);
    assert_same(c->data.images.first, 5);
    assert_same(c->data.images.end, 100);
    assert_same(c->data.shard.index, 2);
    assert_same(c->data.shard.count, 4);
    assert_same(c->data.resize.value, 256);
    assert_same(c->data.crop.value, 224);
    assert_true(c->data.pad.set);
    assert_same(c->data.pad.value, 2);
    assert_same(c->data.mean.count, 3);
    assert_same(c->data.mean.values[2], 0.406);
    assert_same(c->data.std.count, 3);
    assert_same(c->data.std.values[0], 0.229);
    assert_same(c->data.max_failed, 0.05);
}

static void expect_measure(const struct config *c)
{
    assert_string_equal(c->measure.composite, "zplus");
    assert_int_equal(c->measure.rules.count, 2);
    assert_string_equal(c->measure.rules.items[0].name, "conv1_1");
    assert_string_equal(c->measure.rules.items[0].text, "gamma 0.25");
    assert_int_equal(c->measure.bias, BIAS_SPREAD);
    assert_int_equal(c->measure.pool, POOL_PROPORTIONAL);
    assert_string_equal(c->measure.given, "none");
    assert_int_equal(c->measure.target.kind, CONFIG_TARGET_CONTRAST);
    assert_same(c->measure.target.a, 3);
    assert_same(c->measure.target.b, 17);
    assert_int_equal(c->measure.flows.groups, CONFIG_FLOWS_ADJACENT | CONFIG_FLOWS_DENSE);
    assert_int_equal(c->measure.flows.pairs.count, 2);
    assert_string_equal(c->measure.flows.pairs.items[0], "conv1_1-fc6:5");
    assert_string_equal(c->measure.flows.pairs.items[1], "conv3_3-conv5_3");
    assert_same(c->measure.sweeps, 0.25);
}

static void expect_store_and_run(const struct config *c)
{
    assert_int_equal(c->store.per_image.count, 2);
    assert_string_equal(c->store.per_image.items[0], "conv1_1");
    assert_int_equal(c->store.class_by, CONFIG_BY_LABEL);
    assert_same(c->store.classes.count, 2);
    assert_same(c->store.classes.items[0], 3);
    assert_true(c->store.class_flows.all);
    assert_true(c->store.maps.all);
    assert_same(c->store.histogram_bins, 0);
    assert_same(c->store.compression, 9);
    assert_same(c->store.top, 40);
    assert_same(c->run.block, 8);
    assert_same(c->run.epoch, 5400);
    assert_int_equal(c->run.seed, UINT64_MAX);
    assert_true(c->run.memory.set);
    assert_same(c->run.memory.value, (size_t)3 << 29);
    assert_same(c->run.variation_limit, 50);
}

static void every_key_is_read(void **state)
{
    struct config c;

    (void)state;
    assert_parsed(
        &c,
        "network = vgg19\nclasses = names.txt\nbatchnorm_eps = 1e-3\n"
        "[data]\nformat = idx\nlabels = l.gz\nimages = 5:100\nshard = 2/4\nresize = 256\ncrop = 224\npad = 2\n"
        "mean = 0.485, 0.456,0.406\nstd = 0.229 0.224 0.225\nmax_failed = 5 %\n"
        "[measure]\ncomposite = zplus\nrule.conv1_1 = gamma 0.25\nrule.fc6 = zero\nbias = spread\n"
        "pool = proportional\ngiven = none\ntarget = contrast:3-17\nflows = conv3_3-conv5_3, dense, adjacent, "
        "conv1_1-fc6:5\nsweeps = 0.25\n"
        "[store]\nper_image = conv5_3, conv1_1\ntop = 40\nclass_by = label\nclasses = 7,3\nclass_flows = all\n"
        "maps = all\nhistogram_bins = 0\ncompression = 9\n"
        "[run]\nblock = 8\nepoch = 1.5h\nseed = 18446744073709551615\nmemory = 1.5G\nvariation_limit = 50\n",
        NULL);
    expect_model_and_data(&c);
    expect_measure(&c);
    expect_store_and_run(&c);
    config_free(&c);
}

static void targets_are_read(void **state)
{
    struct config c;

    (void)state;
    assert_parsed(&c, "[measure]\ntarget = label\n", NULL);
    assert_int_equal(c.measure.target.kind, CONFIG_TARGET_LABEL);
    config_free(&c);
    assert_parsed(&c, "[measure]\ntarget = class:281\n", NULL);
    assert_same(c.measure.target.kind, CONFIG_TARGET_CLASS);
    assert_same(c.measure.target.a, 281);
    config_free(&c);
}

static void set_overrides_the_file(void **state)
{
    struct config c;

    (void)state;
    assert_parsed(&c, "[run]\nblock = 8\n", "run.block = 4");
    assert_int_equal(c.run.block, 4);
    config_free(&c);
    assert_parsed(&c, "[measure]\nrule.fc6 = zero\n", "measure.rule.fc6=gamma");
    assert_int_equal(c.measure.rules.count, 1);
    assert_string_equal(c.measure.rules.items[0].text, "gamma");
    config_free(&c);
}

static void paths_start_where_they_are_written(void **state)
{
    struct config c;
    struct error err = {0};

    (void)state;
    assert_parsed(&c, "classes = /abs/names\n", "data.labels=here/l.idx");
    assert_string_equal(c.data.path.file, "jobs/images");
    assert_string_equal(c.data.path.given, "images");
    assert_string_equal(c.model.classes.file, "/abs/names");
    assert_string_equal(c.data.labels.file, "here/l.idx");
    config_free(&c);
    assert_int_equal(config_parse(&c, NEEDED, "plain.ini", NULL, 0, &err), OK);
    assert_string_equal(c.data.path.file, "images");
    config_free(&c);
}

static void the_text_parses_to_the_same_text(void **state)
{
    struct config c, again;
    struct error err = {0};

    (void)state;
    assert_parsed(&c,
                  "[data]\nmean = 0.1 0.30000000000000004\nimages = 7:\n[measure]\nrule.conv1_2 = zbox -3 3\n"
                  "rule.conv1_1 = flat\ntarget = class:3\nflows = none\n[run]\nmemory = 900MiB\nepoch = 90s\n",
                  "store.classes=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,"
                  "32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59,60,61,62,63");
    char *text = config_text(&c);
    assert_non_null(strstr(text, "mean = 0.1, 0.30000000000000004\n"));
    assert_non_null(strstr(text, "variation_limit = 1000\n"));
    if (config_parse_stored(&again, text, "jobs/other.ini", &err) != OK)
        fail_msg("%s", err.message);
    char *text_again = config_text(&again);
    assert_string_equal(text, text_again);
    assert_int_equal(again.store.classes.count, 63);
    assert_int_equal(again.run.memory.value, 900 << 20);
    free(text);
    free(text_again);
    config_free(&c);
    config_free(&again);
}

static void unknown_names_get_line_and_suggestion(void **state)
{
    (void)state;
    assert_refused("\n[measure]\n\ncomposit = zplus\n", NULL, "jobs/demo.ini:8: ", "did you mean \"composite\"?");
    assert_refused("[mesure]\n", NULL, "jobs/demo.ini:5: ", "did you mean \"measure\"?");
    assert_refused("[measure]\ncomposite = epsilon_gama_box\n", NULL,
                   "jobs/demo.ini:6: measure.composite: ", "did you mean \"epsilon_gamma_box\"?");
    assert_refused("[data]\nformat = foldr\n", NULL, "jobs/demo.ini:6: data.format: ", "did you mean \"folder\"?");
    assert_refused("[measure]\ntarget = predictd\n", NULL, ":6: ", "did you mean \"predicted\"?");
    assert_refused("[data]\nblock = 3\n", NULL, ":6: ", "it belongs to [run]");
    assert_refused("[measure]\nrule = zplus\n", NULL, ":6: ", "there is no key \"rule\"");
    assert_refused("[measure]\nrule. = zplus\n", NULL, ":6: ", "there is no key \"rule.\"");
    assert_refused("[run]\nzzzzzzzzzzzz = 1\n", NULL, ":6: ", "nrmflow run --help");
}

static void unknown_names_on_the_command_line_get_a_suggestion(void **state)
{
    (void)state;
    assert_refused("", "measure.pol=first", "--set: ", "did you mean \"pool\"?");
    assert_refused("", "measures.pool=first", "--set: ", "did you mean \"measure\"?");
    assert_refused("", "measure.pool=frist", "--set: measure.pool: ", "did you mean \"first\"?");
    assert_refused("", "pool=first", "--set: ", "section.key=value");
    assert_refused("", "data.images", "--set: ", "section.key=value");
    assert_refused("", "data.path=a\nb", "--set: ", "line break");
    assert_refused("", "data.images x=0:4", "--set: ", "images x");
}

static void lines_that_are_no_assignment_are_errors(void **state)
{
    (void)state;
    assert_refused("[run]\nblock\n", NULL, "jobs/demo.ini:6: ", "neither [section] nor key = value");
    assert_refused("[run\n", NULL, "jobs/demo.ini:5: ", "neither [section] nor key = value");
    assert_refused_whole("path = x\n", "x.ini:1: \"path\" comes before the first section");
}

static void repeated_keys_are_errors(void **state)
{
    const char *const sets[] = {"run.block=4", "run.block=4"};
    struct config config;
    struct error err = {0};

    (void)state;
    assert_refused("[run]\nblock = 8\nseed = 1\nblock = 8\n", NULL, ":8: run.block: ", "already set in line 6");
    assert_refused("[measure]\nrule.fc6 = zero\nrule.fc6 = zero\n", NULL,
                   ":7: measure.rule.fc6: ", "already set in line 6");
    assert_int_equal(config_parse(&config, NEEDED, "x.ini", sets, 2, &err), FAIL_CONFIG);
    assert_non_null(strstr(err.message, "--set: run.block: given twice"));
    config_free(&config);
}

static const struct {
    const char *set, *reason;
} bad_values[] = {
    {"run.block=0", "not between 1 and 4096"},
    {"run.block=16x", "not a whole number"},
    {"run.block=-1", "not a whole number"},
    {"run.block=1e3", "not a whole number"},
    {"run.block=", "not a whole number"},
    {"run.block=99999999999999999999999", "not a whole number"},
    {"run.seed=18446744073709551616", "not a whole number"},
    {"run.epoch=10x", "not a time such as"},
    {"run.epoch=-1", "not between 0 and"},
    {"run.memory=1Q", "not a size such as"},
    {"run.memory=-1", "not between"},
    {"run.variation_limit=nan", "not a number"},
    {"run.variation_limit=inf", "not a number"},
    {"run.variation_limit=0x10", "not a number"},
    {"run.variation_limit=1e999", "not a number"},
    {"run.variation_limit=1e9", "not between"},
    {"data.max_failed=101 %", "not between 0 and 1"},
    {"data.max_failed=0.01 # one percent", "not a fraction"},
    {"model.batchnorm_eps=0", "not between"},
    {"model.batchnorm_eps=small", "not a number"},
    {"data.images=5", "not a range"},
    {"data.images=5:5", "is empty"},
    {"data.images=9:5", "is empty"},
    {"data.images=:", "not a range"},
    {"data.images=-1:5", "not a range"},
    {"data.shard=0/4", "numbered 1/4 to 4/4"},
    {"data.shard=5/4", "numbered 1/4 to 4/4"},
    {"data.shard=1", "not a shard"},
    {"data.mean=0.1,,0.2", "not a comma-separated list of numbers"},
    {"data.mean=0.1,", "not a comma-separated list of numbers"},
    {"data.mean=a", "not a number"},
    {"data.std=0", "not between"},
    {"data.std=1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "more than 16 numbers"},
    {"data.path=", "data.path: the value is empty"},
    {"measure.target=class:", "not one of predicted"},
    {"measure.target=class:1x", "not one of predicted"},
    {"measure.target=contrast:4-4", "with itself"},
    {"measure.target=contrast:4", "not one of predicted"},
    {"measure.given=", "measure.given: the value is empty"},
    {"measure.flows=none,dense", "neither none nor a comma-separated list"},
    {"measure.flows=", "neither none nor a comma-separated list"},
    {"measure.flows=none,conv1_1-conv3_1", "neither none nor a comma-separated list"},
    {"measure.flows=conv1_1-conv3_1,conv1_1-conv3_1", "listed twice"},
    {"measure.flows=adjacnt", "did you mean \"adjacent\"?; or a pair of layers such as conv3_3-conv5_3"},
    {"measure.sweeps=0", "not between"},
    {"measure.rule.fc6=", "value is empty"},
    {"store.classes=1,2,1", "class 1 is listed twice"},
    {"store.classes=1,x", "\"x\" is not a class number"},
    {"store.maps=conv1_1,all", "cannot be combined"},
    {"store.maps=fc6,fc6", "listed twice"},
    {"store.maps=", "neither none, all nor a comma-separated list"},
    {"store.compression=10", "not between 0 and 9"},
};

static void bad_values_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_values / sizeof bad_values[0]; i++)
        assert_refused("", bad_values[i].set, "--set: ", bad_values[i].reason);
}

static void lists_that_do_not_match_are_refused(void **state)
{
    (void)state;
    assert_refused("[data]\nmean = 1,2,3\nstd = 1,2\n", NULL, ":7: data.std", "data.mean has 3");
}

static void missing_keys_are_named(void **state)
{
    (void)state;
    assert_refused_whole("[model]\nweights = w\n", "x.ini: data.path is not set");
    assert_refused_whole("[data]\npath = w\n", "x.ini: model.weights is not set");
    assert_refused_whole("", "data.path is not set");
}

static void indented_lines_continue_a_value(void **state)
{
    struct config c;

    (void)state;
    assert_parsed(&c, "[store]\nclasses = 1, 2,\n    3, 4\n\t5\n# note\nmaps = conv1_1,\n  conv1_2\n", NULL);
    assert_int_equal(c.store.classes.count, 5);
    assert_int_equal(c.store.maps.count, 2);
    config_free(&c);
}

static void indented_keys_are_not_swallowed(void **state)
{
    (void)state;
    assert_refused("[run]\nblock = 4\n  seed = 2\n", NULL, ":7: ", "remove the indentation");
}

static void overlong_lines_are_errors(void **state)
{
    char text[600] = "[model]\nclasses = ";

    (void)state;
    memset(text + strlen(text), 'x', 400);
    assert_refused(text, NULL, "jobs/demo.ini:6: ", "longer than");
}

static void other_peoples_line_ends_and_comments_are_read(void **state)
{
    struct config c;
    struct error err = {0};
    const char *text =
        "\xEF\xBB\xBF[data]\r\npath = a b ; note\r\n; note\r\n\r\n[model]\r\nweights: w\r\n[run]\r\nblock=2";

    (void)state;
    if (config_parse(&c, text, "x.ini", NULL, 0, &err) != OK)
        fail_msg("%s", err.message);
    assert_string_equal(c.data.path.file, "a b");
    assert_string_equal(c.model.weights.file, "w");
    assert_int_equal(c.run.block, 2);
    config_free(&c);
}

static void later_failures_name_the_place_too(void **state)
{
    struct config c;
    struct error err = {0};

    (void)state;
    assert_parsed(&c, "[measure]\n\nrule.conv9_9 = zplus\n", "store.maps=conv7_7");
    assert_int_equal(config_fail(&c, &err, "measure.rule.conv9_9", "no layer %d", 9), FAIL_CONFIG);
    assert_string_equal(err.message, "jobs/demo.ini:7: measure.rule.conv9_9: no layer 9");
    error_clear(&err);
    config_fail(&c, &err, "store.maps", "bad");
    assert_string_equal(err.message, "--set: store.maps: bad");
    error_clear(&err);
    config_fail(&c, &err, "run.block", "bad");
    assert_string_equal(err.message, "jobs/demo.ini: run.block: bad");
    error_clear(&err);
    config_fail(&c, &err, "nodot", "bad");
    assert_string_equal(err.message, "jobs/demo.ini: nodot: bad");
    config_free(&c);
}

static void keys_set_later_replace_what_was_there(void **state)
{
    struct config c;
    struct error err = {0};

    (void)state;
    assert_parsed(&c, "[run]\nblock = 8\n", "store.maps=conv7_7");
    assert_int_equal(config_set(&c, "store", "maps", "none", &err), OK);
    assert_int_equal(config_set(&c, "run", "block", "4", &err), OK);
    assert_true(!c.store.maps.all && c.store.maps.count == 0);
    assert_int_equal(c.run.block, 4);
    config_fail(&c, &err, "run.block", "bad");
    assert_string_equal(err.message, "--set: run.block: bad");
    error_clear(&err);
    assert_int_equal(config_set(&c, "run", "blok", "4", &err), FAIL_CONFIG);
    config_free(&c);
}

static void files_are_read_whole_or_refused(void **state)
{
    char path[TEMPORARY_PATH], *text = NULL;
    struct error err = {0};
    int file = temporary_file(path);

    (void)state;
    assert_int_equal(write(file, "[run]\n", 6), 6);
    assert_int_equal(config_read(&text, path, &err), OK);
    assert_string_equal(text, "[run]\n");
    free(text);
    assert_int_equal(write(file, "a\0b", 3), 3);
    assert_int_equal(config_read(&text, path, &err), FAIL_CONFIG);
    assert_null(text);
    assert_int_equal(ftruncate(file, CONFIG_MAX_BYTES + 1), 0);
    error_clear(&err);
    assert_int_equal(config_read(&text, path, &err), FAIL_CONFIG);
    assert_non_null(strstr(err.message, "larger than"));
    close(file);
    unlink(path);
    error_clear(&err);
    assert_int_equal(config_read(&text, path, &err), FAIL_SYSTEM);
    assert_non_null(strstr(err.message, path));
    error_clear(&err);
    assert_int_equal(config_read(&text, ".", &err), FAIL_SYSTEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_design),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(targets_are_read),
        cmocka_unit_test(set_overrides_the_file),
        cmocka_unit_test(paths_start_where_they_are_written),
        cmocka_unit_test(the_text_parses_to_the_same_text),
        cmocka_unit_test(unknown_names_get_line_and_suggestion),
        cmocka_unit_test(unknown_names_on_the_command_line_get_a_suggestion),
        cmocka_unit_test(lines_that_are_no_assignment_are_errors),
        cmocka_unit_test(repeated_keys_are_errors),
        cmocka_unit_test(bad_values_are_refused),
        cmocka_unit_test(lists_that_do_not_match_are_refused),
        cmocka_unit_test(missing_keys_are_named),
        cmocka_unit_test(indented_lines_continue_a_value),
        cmocka_unit_test(indented_keys_are_not_swallowed),
        cmocka_unit_test(overlong_lines_are_errors),
        cmocka_unit_test(other_peoples_line_ends_and_comments_are_read),
        cmocka_unit_test(later_failures_name_the_place_too),
        cmocka_unit_test(keys_set_later_replace_what_was_there),
        cmocka_unit_test(files_are_read_whole_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
