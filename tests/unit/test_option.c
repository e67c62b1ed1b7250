#include "pipeline/util/option.h"
#include "tests/support/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_WORDS = OPTION_MAX_ITEMS + 4 };

struct result {
    enum status rc;
    struct error err;
    struct option_list arguments, sets;
    const char *output;
    bool json, help;
};

static void describe(struct result *r, struct option_row rows[3], struct option_table *table)
{
    rows[0] = (struct option_row){"output", 'o', OPTION_TEXT, &r->output, "FILE", "where to write"};
    rows[1] = (struct option_row){"set", 0, OPTION_LIST, &r->sets, "KEY=VALUE", "change a key"};
    rows[2] = (struct option_row){"json", 0, OPTION_FLAG, &r->json, NULL, "print JSON"};
    *table = (struct option_table){"nrmflow try", "FILE [FILE]", 1, 2, "Tries.", rows, 3};
}

/* Words separated by blanks, after the command's name. */
static struct result *parse(const char *line)
{
    static struct result r;
    static char words[9 * MAX_WORDS];
    struct option_row rows[3];
    struct option_table table;
    char *argv[MAX_WORDS] = {words};
    int argc = 0;

    r = (struct result){0};
    snprintf(words, sizeof words, "try %s", line);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    describe(&r, rows, &table);
    r.rc = option_parse(&r.arguments, &r.help, &table, argc, argv, &r.err);
    return &r;
}

static void assert_refused(const char *line, const char *reason)
{
    const struct result *r = parse(line);

    assert_int_equal(r->rc, FAIL_CONFIG);
    if (!strstr(r->err.message, reason))
        fail_msg("\"%s\" is expected in: %s", reason, r->err.message);
}

static void options_and_arguments_come_in_any_order(void **state)
{
    const struct result *r = parse("--json a.ini --set x.y=1 --output=o.h5 b.ini --set z.w=2");

    (void)state;
    assert_int_equal(r->rc, OK);
    assert_true(r->json);
    assert_false(r->help);
    assert_string_equal(r->output, "o.h5");
    assert_int_equal(r->sets.count, 2);
    assert_string_equal(r->sets.items[0], "x.y=1");
    assert_string_equal(r->sets.items[1], "z.w=2");
    assert_int_equal(r->arguments.count, 2);
    assert_string_equal(r->arguments.items[1], "b.ini");
}

static void values_may_be_apart_or_joined(void **state)
{
    (void)state;
    assert_string_equal(parse("f --output x")->output, "x");
    assert_string_equal(parse("f --output=x=y")->output, "x=y");
    assert_string_equal(parse("f -o x")->output, "x");
    assert_string_equal(parse("f --output=")->output, "");
    assert_string_equal(parse("f --set=a.b=c")->sets.items[0], "a.b=c");
    assert_string_equal(parse("f --output --json")->output, "--json");
}

static void two_dashes_end_the_options(void **state)
{
    const struct result *r = parse("-- --json -");

    (void)state;
    assert_int_equal(r->rc, OK);
    assert_false(r->json);
    assert_string_equal(r->arguments.items[0], "--json");
    assert_string_equal(r->arguments.items[1], "-");
}

static void options_not_given_are_left_alone(void **state)
{
    (void)state;
    assert_null(parse("f")->output);
    assert_false(parse("f")->json);
}

static void help_wins_over_everything_after_it(void **state)
{
    (void)state;
    assert_true(parse("--help --nonsense")->help);
    assert_int_equal(parse("-h")->rc, OK);
}

static void unknown_options_get_a_suggestion(void **state)
{
    (void)state;
    assert_refused("f --jsn", "has no option --jsn; did you mean --json?");
    assert_refused("f --outptu=x", "did you mean --output?");
    assert_refused("f --hepl", "did you mean --help?");
    assert_refused("f --zzzzzzzz", "has no option --zzzzzzzz");
    assert_refused("f -x", "has no option -x");
    assert_refused("f -oo x", "has no option -oo");
}

static void misused_options_are_refused(void **state)
{
    (void)state;
    assert_refused("f --output", "--output needs a value: --output FILE");
    assert_refused("f --json=1", "--json takes no value");
    assert_refused("f --json --json", "--json is given twice");
    assert_refused("f -o a --output b", "--output is given twice");
}

static void the_number_of_arguments_is_checked(void **state)
{
    (void)state;
    assert_refused("", "missing argument: nrmflow try FILE [FILE]");
    assert_refused("--json", "missing argument");
    assert_refused("a b c", "too many arguments");
}

static void too_many_repetitions_are_refused(void **state)
{
    static char line[9 * MAX_WORDS] = "f";
    char reason[32];

    (void)state;
    for (int i = 0; i <= OPTION_MAX_ITEMS; i++)
        strcat(line, " --set=a");
    snprintf(reason, sizeof reason, "more than %d", OPTION_MAX_ITEMS);
    assert_refused(line, reason);
}

static void help_lists_all_options(void **state)
{
    struct result r = {0};
    struct option_row rows[3];
    struct option_table table;
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    (void)state;
    describe(&r, rows, &table);
    option_help(out, &table);
    fclose(out);
    assert_non_null(strstr(text, "usage: nrmflow try FILE [FILE] [options]\n\nTries.\n"));
    assert_non_null(strstr(text, "-o, --output FILE"));
    assert_non_null(strstr(text, "--set KEY=VALUE"));
    assert_non_null(strstr(text, "-h, --help"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_arguments_come_in_any_order),
        cmocka_unit_test(values_may_be_apart_or_joined),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(options_not_given_are_left_alone),
        cmocka_unit_test(help_wins_over_everything_after_it),
        cmocka_unit_test(unknown_options_get_a_suggestion),
        cmocka_unit_test(misused_options_are_refused),
        cmocka_unit_test(the_number_of_arguments_is_checked),
        cmocka_unit_test(too_many_repetitions_are_refused),
        cmocka_unit_test(help_lists_all_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
