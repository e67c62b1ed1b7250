#include "pipeline/util/wrap.h"
#include "tests/support/assert.h"

#include <stdlib.h>
#include <string.h>

/* What a print to a stream wrote; begins with begin_text, ends with expect_text. */
static char *text;
static size_t length;

static FILE *begin_text(void)
{
    FILE *out = open_memstream(&text, &length);

    assert_non_null(out);
    return out;
}

static void expect_text(FILE *out, const char *want)
{
    fclose(out);
    assert_string_equal(text, want);
    free(text);
}

/* n letters. */
static const char *word(size_t n)
{
    static char words[4][WRAP_WIDTH + 2];
    static size_t turn;
    char *letters = words[turn++ % 4];

    memset(letters, 'w', n);
    letters[n] = '\0';
    return letters;
}

static void a_line_of_the_whole_width_is_not_broken(void **state)
{
    char in[2 * WRAP_WIDTH], want[3 * WRAP_WIDTH];
    FILE *out = begin_text();

    (void)state;
    snprintf(in, sizeof in, "%s b", word(WRAP_WIDTH - 2));
    snprintf(want, sizeof want, "%s\n", in);
    wrap_words(out, in, 0, 4);
    expect_text(out, want);
}

static void the_word_that_goes_beyond_begins_an_indented_line(void **state)
{
    char in[2 * WRAP_WIDTH], want[3 * WRAP_WIDTH];
    FILE *out = begin_text();

    (void)state;
    snprintf(in, sizeof in, "%s bb c", word(WRAP_WIDTH - 2));
    snprintf(want, sizeof want, "%s\n    bb c\n", word(WRAP_WIDTH - 2));
    wrap_words(out, in, 0, 4);
    expect_text(out, want);
}

static void the_first_line_begins_at_its_column(void **state)
{
    char in[2 * WRAP_WIDTH], want[3 * WRAP_WIDTH];
    FILE *out = begin_text();

    (void)state;
    snprintf(in, sizeof in, "%s b c", word(WRAP_WIDTH - 12));
    snprintf(want, sizeof want, "%s b\nc\n", word(WRAP_WIDTH - 12));
    wrap_words(out, in, 10, 0);
    expect_text(out, want);
}

/* A word that is wider than a line stands as it is, without an empty line before it. */
static void a_long_word_is_kept_whole(void **state)
{
    char in[2 * WRAP_WIDTH], want[3 * WRAP_WIDTH];
    FILE *out = begin_text();

    (void)state;
    snprintf(in, sizeof in, "%s b", word(WRAP_WIDTH + 1));
    snprintf(want, sizeof want, "%s\n  b\n", word(WRAP_WIDTH + 1));
    wrap_words(out, in, 0, 2);
    expect_text(out, want);
}

static void paragraphs_are_joined_and_examples_kept(void **state)
{
    FILE *out = begin_text();

    (void)state;
    wrap_paragraphs(out, "one\ntwo\n\nthree\n  an   example\nfour\n");
    expect_text(out, "one two\n\nthree\n  an   example\nfour\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_the_whole_width_is_not_broken),
        cmocka_unit_test(the_word_that_goes_beyond_begins_an_indented_line),
        cmocka_unit_test(the_first_line_begins_at_its_column),
        cmocka_unit_test(a_long_word_is_kept_whole),
        cmocka_unit_test(paragraphs_are_joined_and_examples_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
