/* Keys whose names the user chooses: their order, which has a meaning if names are patterns. */
#include "pipeline/config/pairs.h"
#include "pipeline/config/text.h"
#include "tests/support/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A configuration with these lines in [measure], and one --set or NULL. */
static struct config parsed(const char *lines, const char *set)
{
    char text[1024];
    struct error err = {0};
    struct config c;

    snprintf(text, sizeof text, "[data]\npath = p\n[model]\nweights = w\n[measure]\n%s", lines);
    if (config_parse(&c, text, "a.ini", &set, set ? 1 : 0, &err) != OK)
        fail_msg("%s", err.message);
    return c;
}

static char *text_of(const char *lines)
{
    struct config c = parsed(lines, NULL);
    char *text = config_text(&c);

    config_free(&c);
    return text;
}

static void patterns_keep_their_order_and_a_later_value_is_the_last(void **state)
{
    static const char *const names[] = {"layer2.*", "*.conv1", "layer1.0.add"};
    struct config c = parsed("rule.layer1.0.add = zero\nrule.layer2.* = zplus\nrule.*.conv1 = flat\n",
                             "measure.rule.layer1.0.add=gamma");
    char *text = config_text(&c);

    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(c.measure.rules.items[i].name, names[i]);
    assert_non_null(strstr(text, "rule.layer2.* = zplus\nrule.*.conv1 = flat\nrule.layer1.0.add = gamma\n"));
    free(text);
    config_free(&c);
}

static void names_without_a_pattern_are_sorted(void **state)
{
    struct config c = parsed("rule.fc6 = zero\nrule.conv1_1 = zplus\nquery.b = conv1_1\nquery.a = fc6\n", NULL);

    (void)state;
    assert_string_equal(c.measure.rules.items[0].name, "conv1_1");
    assert_string_equal(c.measure.queries.items[0].name, "a");
    config_free(&c);
}

static void another_order_of_patterns_is_a_difference(void **state)
{
    char message[256] = "", *a = text_of("rule.layer2.* = zero\nrule.*.add = flat\n"),
         *b = text_of("rule.*.add = flat\nrule.layer2.* = zero\n");

    (void)state;
    assert_false(config_text_differs(message, sizeof message, a, a));
    assert_true(config_text_differs(message, sizeof message, a, b));
    assert_string_equal(message,
                        "measure.rule.layer2.* comes before measure.rule.*.add here, but after it in the store");
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_keep_their_order_and_a_later_value_is_the_last),
        cmocka_unit_test(names_without_a_pattern_are_sorted),
        cmocka_unit_test(another_order_of_patterns_is_a_difference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
