/* Configurations as text: what makes two of them the same run. */
#include "pipeline/config/text.h"
#include "tests/support/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Parse a text that follows the needed keys. */
static void parse(struct config *config, const char *more)
{
    char text[1024];
    struct error err = {0};

    snprintf(text, sizeof text, "[data]\npath = images\n[model]\nweights = w.safetensors\n%s", more);
    if (config_parse(config, text, "jobs/demo.ini", NULL, 0, &err) != OK)
        fail_msg("%s", err.message);
}

static char *text_of(const char *more)
{
    struct config c;

    parse(&c, more);
    char *text = config_text(&c);
    config_free(&c);
    return text;
}

static void differences_that_change_numbers_are_named(void **state)
{
    char message[256] = "", *a = text_of("[measure]\nrule.fc6 = zero\n[run]\nblock = 8\n"),
         *b = text_of("[measure]\nrule.fc6 = zero\n[run]\nblock = 16\n"), *c = text_of("[run]\nblock = 16\n");

    (void)state;
    assert_true(config_text_differs(message, sizeof message, a, b));
    assert_string_equal(message, "run.block is \"8\" here, but \"16\" in the store");
    assert_true(config_text_differs(message, sizeof message, b, c));
    assert_string_equal(message, "measure.rule.fc6 is \"zero\" here, but \"not set\" in the store");
    assert_true(config_text_differs(message, sizeof message, c, b));
    assert_string_equal(message, "measure.rule.fc6 is \"not set\" here, but \"zero\" in the store");
    assert_false(config_text_differs(message, sizeof message, a, a));
    free(a);
    free(b);
    free(c);
}

static void differences_that_change_no_numbers_do_not_count(void **state)
{
    char message[256], *a = text_of("classes = a.txt\n[run]\nepoch = 5m\nmemory = 1G\n[data]\nmax_failed = 0.5\n"),
                       *b = text_of("");

    (void)state;
    assert_false(config_text_differs(message, sizeof message, a, b));
    assert_false(config_text_differs(message, sizeof message, "", ""));
    free(a);
    free(b);
}

static void chosen_keys_alone_are_compared(void **state)
{
    static const char *const measure[] = {"measure.composite", "measure.rule", NULL}, *const none[] = {NULL};
    char message[256] = "", *a = text_of("[measure]\nrule.fc6 = zero\n[run]\nblock = 8\n"),
         *b = text_of("[measure]\nrule.fc6 = zero\n[run]\nblock = 16\n"),
         *c = text_of("[measure]\nrule.fc7 = zero\n[run]\nblock = 16\n");

    (void)state;
    assert_false(config_text_differs_in(message, sizeof message, a, b, measure));
    assert_true(config_text_differs_in(message, sizeof message, a, c, measure));
    assert_string_equal(message, "measure.rule.fc6 is \"zero\" here, but \"not set\" in the store");
    assert_false(config_text_differs_in(message, sizeof message, a, c, none));
    free(a);
    free(b);
    free(c);
}

static void a_key_left_at_its_default_is_said_with_what_to_write(void **state)
{
    static const char *const given[] = {"measure.given", NULL};
    char message[256] = "", *theirs = text_of("[measure]\ngiven = input\n");
    const char *const texts[] = {"", "[measure]\ngiven = none\n"};
    const char *const want[] = {"measure.given is \"none\" here by default, but \"input\" in the store: set "
                                "measure.given = input for the same run",
                                "measure.given is \"none\" here, but \"input\" in the store"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct config c;
        parse(&c, texts[i]);
        char *mine = config_text(&c);
        assert_true(config_text_differs_from(message, sizeof message, &c, mine, theirs, given));
        assert_string_equal(message, want[i]);
        assert_false(config_text_differs_from(message, sizeof message, &c, mine, mine, given));
        config_free(&c);
        free(mine);
    }
    free(theirs);
}

/* The text of a store that an earlier version wrote lacks the keys that are new since. */
static void a_missing_key_has_its_default(void **state)
{
    char message[256] = "", *mine = text_of(""), *other = text_of("batchnorm_eps = 1e-3\n"), *theirs = strdup(mine),
         *key = strstr(theirs, "batchnorm_eps"), *rest = strchr(key, '\n');

    (void)state;
    memmove(key, rest + 1, strlen(rest + 1) + 1);
    assert_null(strstr(theirs, "batchnorm_eps"));
    assert_false(config_text_differs(message, sizeof message, mine, theirs));
    assert_true(config_text_differs(message, sizeof message, other, theirs));
    assert_string_equal(message, "model.batchnorm_eps is \"0.001\" here, but \"\" in the store");
    free(mine);
    free(other);
    free(theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_that_change_numbers_are_named),
        cmocka_unit_test(differences_that_change_no_numbers_do_not_count),
        cmocka_unit_test(chosen_keys_alone_are_compared),
        cmocka_unit_test(a_key_left_at_its_default_is_said_with_what_to_write),
        cmocka_unit_test(a_missing_key_has_its_default),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
