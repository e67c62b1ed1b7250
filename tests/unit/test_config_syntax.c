/* What people write into configurations: comments, home folders, variables of the environment, values in two senses. */
#include "pipeline/config/config.h"
#include "pipeline/config/text.h"
#include "tests/support/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void a_comment_follows_a_blank(void **state)
{
    struct config c;

    (void)state;
    assert_parsed(&c,
                  "classes = names#1.txt # of the outputs\n[run]\nblock = 8\t# images\nseed = 7 #\n"
                  "[store]\nper_image = conv1_1, # below\n    # in between\n  conv5_3 # above\n",
                  NULL);
    assert_string_equal(c.model.classes.given, "names#1.txt");
    assert_int_equal(c.run.block, 8);
    assert_same(c.run.seed, 7);
    assert_int_equal(c.store.per_image.count, 2);
    assert_string_equal(c.store.per_image.items[1], "conv5_3");
    config_free(&c);
    assert_refused("[run]\nblock = # none\n", NULL, "jobs/demo.ini:6: run.block: ", "not a whole number");
}

/* The command line has no comments, and neither has the text that a store keeps of it. */
static void a_value_of_set_may_contain_a_blank_and_a_number_sign(void **state)
{
    struct config c, again;
    struct error err = {0};

    (void)state;
    assert_parsed(&c, "", "model.classes=my #1 names");
    assert_string_equal(c.model.classes.file, "my #1 names");
    char *text = config_text(&c);
    if (config_parse_stored(&again, text, "store.h5", &err) != OK)
        fail_msg("%s", err.message);
    assert_string_equal(again.model.classes.given, "my #1 names");
    free(text);
    config_free(&c);
    config_free(&again);
}

static void home_and_variables_are_expanded_in_paths(void **state)
{
    struct config c;

    (void)state;
    setenv("HOME", "/home/me", 1);
    setenv("NRMFLOW_TEST_PLACE", "/scratch/1", 1);
    assert_parsed(&c, "classes = ~/n.txt\n[data]\nlabels = $NRMFLOW_TEST_PLACE/l\n", "model.weights=~");
    assert_string_equal(c.model.classes.file, "/home/me/n.txt");
    assert_string_equal(c.model.classes.given, "~/n.txt");
    assert_string_equal(c.data.labels.file, "/scratch/1/l");
    assert_string_equal(c.model.weights.file, "/home/me");
    config_free(&c);
    assert_parsed(&c, "classes = a${NRMFLOW_TEST_PLACE}b~/$$c$\n[data]\nlabels = ~x\n", "model.weights=${1}$-${");
    assert_string_equal(c.model.classes.file, "jobs/a/scratch/1b~/$c$");
    assert_string_equal(c.data.labels.file, "jobs/~x");
    assert_string_equal(c.model.weights.file, "${1}$-${");
    config_free(&c);
    assert_refused("classes = $NRMFLOW_TEST_NONE/x\n", NULL,
                   "jobs/demo.ini:5: model.classes: ", "environment variable NRMFLOW_TEST_NONE is not set");
}

/* A store is read where the variables of the run are not set. */
static void paths_of_a_store_stay_as_they_were_written(void **state)
{
    struct config c;
    struct error err = {0};

    (void)state;
    if (config_parse_stored(&c, "[data]\npath = $NRMFLOW_TEST_NONE/x\n[model]\nweights = ~/w\n", "s.h5", &err) != OK)
        fail_msg("%s", err.message);
    assert_string_equal(c.data.path.file, "$NRMFLOW_TEST_NONE/x");
    assert_string_equal(c.model.weights.given, "~/w");
    config_free(&c);
}

static void one_failed_image_and_all_of_them_are_told_apart(void **state)
{
    static const char text[] = NEEDED "[data]\nmax_failed = 1\n";
    struct config c;
    struct error err = {0};

    (void)state;
    assert_refused("[data]\nmax_failed = 1\n", NULL,
                   "jobs/demo.ini:6: data.max_failed: ", "one image or as all: write 100 % for all");
    assert_refused("", "data.max_failed=1", "--set: data.max_failed: ", "0.1 %");
    assert_parsed(&c, "[data]\nmax_failed = 100 %\n", NULL);
    assert_same(c.data.max_failed, 1);
    config_free(&c);
    assert_parsed(&c, "", "data.max_failed=1.0");
    assert_same(c.data.max_failed, 1);
    config_free(&c);
    if (config_parse_stored(&c, text, "store.h5", &err) != OK)
        fail_msg("%s", err.message);
    assert_same(c.data.max_failed, 1);
    config_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_comment_follows_a_blank),
        cmocka_unit_test(a_value_of_set_may_contain_a_blank_and_a_number_sign),
        cmocka_unit_test(home_and_variables_are_expanded_in_paths),
        cmocka_unit_test(paths_of_a_store_stay_as_they_were_written),
        cmocka_unit_test(one_failed_image_and_all_of_them_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
