#include "pipeline/util/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void distance_counts_single_letter_edits(void **state)
{
    (void)state;
    assert_int_equal(suggest_distance("", ""), 0);
    assert_int_equal(suggest_distance("", "abc"), 3);
    assert_int_equal(suggest_distance("resize", "resize"), 0);
    assert_int_equal(suggest_distance("resise", "resize"), 1);
    assert_int_equal(suggest_distance("rsize", "resize"), 1);
    assert_int_equal(suggest_distance("resizee", "resize"), 1);
    assert_int_equal(suggest_distance("kitten", "sitting"), 3);
}

static void swapped_neighbours_are_one_edit(void **state)
{
    (void)state;
    assert_int_equal(suggest_distance("fromat", "format"), 1);
}

static void case_does_not_count(void **state)
{
    (void)state;
    assert_int_equal(suggest_distance("Conv1_1", "conv1_1"), 0);
}

static void distance_is_symmetric(void **state)
{
    const char *words[] = {"", "a", "composite", "compsoite", "pool", "loop", "max_failed"};

    (void)state;
    for (size_t i = 0; i < 7; i++)
        for (size_t j = 0; j < 7; j++)
            assert_int_equal(suggest_distance(words[i], words[j]), suggest_distance(words[j], words[i]));
}

static void names_beyond_the_length_are_compared_by_their_beginnings(void **state)
{
    char a[1000], b[1000];

    (void)state;
    memset(a, 'x', sizeof a - 1);
    memset(b, 'x', sizeof b - 1);
    a[sizeof a - 1] = b[sizeof b - 1] = '\0';
    b[10] = 'y';
    assert_int_equal(suggest_distance(a, b), 1);
}

static const char *nearest(const char *word)
{
    static const char *const names[] = {"data", "model", "measure", "store", "run"};
    struct suggest s;

    suggest_init(&s, word);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        suggest_offer(&s, names[i]);
    return suggest_best(&s);
}

static void the_nearest_name_is_suggested(void **state)
{
    (void)state;
    assert_string_equal(nearest("mesure"), "measure");
    assert_string_equal(nearest("modle"), "model");
    assert_string_equal(nearest("STORE"), "store");
    assert_string_equal(nearest("rum"), "run");
}

static void nothing_is_suggested_when_nothing_is_near(void **state)
{
    struct suggest s;
    char hint[64] = "old";

    (void)state;
    assert_null(nearest("preprocessing"));
    suggest_init(&s, "word");
    assert_null(suggest_best(&s));
    suggest_hint(hint, sizeof hint, &s);
    assert_string_equal(hint, "");
}

static void the_hint_is_a_half_sentence(void **state)
{
    struct suggest s;
    char hint[64];

    (void)state;
    suggest_init(&s, "conv11");
    suggest_offer(&s, "conv1_1");
    suggest_hint(hint, sizeof hint, &s);
    assert_string_equal(hint, "; did you mean \"conv1_1\"?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distance_counts_single_letter_edits),
        cmocka_unit_test(swapped_neighbours_are_one_edit),
        cmocka_unit_test(case_does_not_count),
        cmocka_unit_test(distance_is_symmetric),
        cmocka_unit_test(names_beyond_the_length_are_compared_by_their_beginnings),
        cmocka_unit_test(the_nearest_name_is_suggested),
        cmocka_unit_test(nothing_is_suggested_when_nothing_is_near),
        cmocka_unit_test(the_hint_is_a_half_sentence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
