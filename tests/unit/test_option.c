#include "pipeline/util/option.h"
#include "pipeline/util/range.h"
#include "tests/support/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_WORDS = OPTION_MAX_ITEMS + 4 };

enum { LOW = 2, HIGH = 40, FALLBACK = 7 };

/* The arguments of two commands: one takes files one by one, the other all in a list. */
struct arguments {
    const char *files[2], *output;
    struct option_list sets, all;
    struct range images;
    size_t top;
    bool json;
};

struct result {
    enum status rc;
    struct error err;
    struct arguments given;
    bool help;
};

#define FIELD(member) offsetof(struct arguments, member)

static const struct option_row rows[] = {
    {"output", 'o', OPTION_TEXT, FIELD(output), "FILE", .help = "where to write"},
    {"set", 0, OPTION_LIST, FIELD(sets), "KEY=VALUE", .help = "change a key"},
    {"json", 0, OPTION_FLAG, FIELD(json), .help = "print JSON"},
    {"top", 't', OPTION_WHOLE, FIELD(top), "N", .help = "list N", .low = LOW, .high = HIGH, .fallback = FALLBACK},
    {"images", 0, OPTION_RANGE, FIELD(images), "A:B", .help = "use these images"},
};

static const struct option_table one_by_one = {
    .command = "try",
    .operands = {"FILE [FILE]", 1, 2, OPTION_TEXT, {FIELD(files[0]), FIELD(files[1])}},
    .help = "Tries.",
    OPTION_ROWS(rows),
};

static const struct option_table in_a_list = {
    .command = "try",
    .operands = {"FILE ...", 1, OPTION_MAX_ITEMS, OPTION_LIST, {FIELD(all)}},
    .help = "Tries.",
    OPTION_ROWS(rows),
};

/* Words separated by blanks, after the command's name. */
static struct result *parse_as(const struct option_table *table, const char *line)
{
    static struct result r;
    static char words[9 * MAX_WORDS];
    char *argv[MAX_WORDS] = {words};
    int argc = 0;

    r = (struct result){0};
    snprintf(words, sizeof words, "try %s", line);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    r.rc = option_parse(&r.given, &r.help, table, argc, argv, &r.err);
    return &r;
}

static struct result *parse(const char *line)
{
    return parse_as(&one_by_one, line);
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
    assert_true(r->given.json);
    assert_false(r->help);
    assert_string_equal(r->given.output, "o.h5");
    assert_int_equal(r->given.sets.count, 2);
    assert_string_equal(r->given.sets.items[0], "x.y=1");
    assert_string_equal(r->given.sets.items[1], "z.w=2");
    assert_string_equal(r->given.files[0], "a.ini");
    assert_string_equal(r->given.files[1], "b.ini");
}

static void values_may_be_apart_or_joined(void **state)
{
    (void)state;
    assert_string_equal(parse("f --output x")->given.output, "x");
    assert_string_equal(parse("f --output=x=y")->given.output, "x=y");
    assert_string_equal(parse("f -o x")->given.output, "x");
    assert_string_equal(parse("f --output=")->given.output, "");
    assert_string_equal(parse("f --set=a.b=c")->given.sets.items[0], "a.b=c");
    assert_string_equal(parse("f --output --json")->given.output, "--json");
}

static void two_dashes_end_the_options(void **state)
{
    const struct result *r = parse("-- --json -");

    (void)state;
    assert_int_equal(r->rc, OK);
    assert_false(r->given.json);
    assert_string_equal(r->given.files[0], "--json");
    assert_string_equal(r->given.files[1], "-");
}

static void options_not_given_are_left_alone(void **state)
{
    (void)state;
    assert_null(parse("f")->given.output);
    assert_false(parse("f")->given.json);
    assert_null(parse("f")->given.files[1]);
}

static void whole_numbers_are_read_or_have_their_default(void **state)
{
    static const struct {
        const char *line;
        size_t top;
    } cases[] = {
        {"f", FALLBACK}, {"f --top 2", LOW}, {"f --top=40", HIGH}, {"-t 007 f", 7}, {"--help --top 5", FALLBACK}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct result *r = parse(cases[i].line);
        if (r->rc != OK || r->given.top != cases[i].top)
            fail_msg("\"%s\": top is %zu, expected %zu; %s", cases[i].line, r->given.top, cases[i].top, r->err.message);
    }
}

static void other_texts_are_no_whole_numbers(void **state)
{
    static const char *const bad[] = {"1", "41", "0", "-3", "+3", "3.5", "3k", "0x9", "three", "18446744073709551617"};
    char line[64], reason[96];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(line, sizeof line, "f --top %s", bad[i]);
        snprintf(reason, sizeof reason, "--top %s: must be a whole number from 2 to 40", bad[i]);
        assert_refused(line, reason);
    }
    assert_refused("f --top=", "--top : must be a whole number");
    assert_refused("f --top", "--top needs a value: --top N");
    assert_refused("f --top 3 -t 3", "--top is given twice");
}

static void ranges_have_an_exclusive_end(void **state)
{
    static const struct {
        const char *line;
        struct range images;
    } cases[] = {
        {"f", {0, 0}}, /* not given */
        {"f --images 3:8", {3, 8}},
        {"f --images=5:", {5, SIZE_MAX}},
        {"f --images :4", {0, 4}},
        {"f --images=", {0, SIZE_MAX}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct result *r = parse(cases[i].line);
        struct range got = r->given.images, expected = cases[i].images;
        if (r->rc != OK || got.first != expected.first || got.end != expected.end)
            fail_msg("\"%s\": %zu:%zu, expected %zu:%zu; %s", cases[i].line, got.first, got.end, expected.first,
                     expected.end, r->err.message);
    }
    assert_refused("f --images 4", "--images: \"4\" is not a range");
    assert_refused("f --images 4:x", "--images: \"4:x\" is not a range");
    assert_refused("f --images :", "is not a range");
    assert_refused("f --images 4:4", "--images: the range 4:4 is empty");
}

static void operands_may_be_one_list(void **state)
{
    const struct result *r = parse_as(&in_a_list, "a --json b -- --top");

    (void)state;
    assert_int_equal(r->rc, OK);
    assert_int_equal(r->given.all.count, 3);
    assert_string_equal(r->given.all.items[0], "a");
    assert_string_equal(r->given.all.items[2], "--top");
    assert_int_equal(parse_as(&in_a_list, "--json")->rc, FAIL_CONFIG);
}

static void help_wins_over_everything_after_it(void **state)
{
    (void)state;
    assert_true(parse("--help --nonsense")->help);
    assert_int_equal(parse("-h")->rc, OK);
    assert_true(parse("a b c --help")->help);
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
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    (void)state;
    option_help(out, &one_by_one);
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
        cmocka_unit_test(whole_numbers_are_read_or_have_their_default),
        cmocka_unit_test(other_texts_are_no_whole_numbers),
        cmocka_unit_test(ranges_have_an_exclusive_end),
        cmocka_unit_test(operands_may_be_one_list),
        cmocka_unit_test(help_wins_over_everything_after_it),
        cmocka_unit_test(unknown_options_get_a_suggestion),
        cmocka_unit_test(misused_options_are_refused),
        cmocka_unit_test(the_number_of_arguments_is_checked),
        cmocka_unit_test(too_many_repetitions_are_refused),
        cmocka_unit_test(help_lists_all_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
