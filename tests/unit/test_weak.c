/* When a condition's mean mass says nothing. */
#include "pipeline/stats/weak.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void a_mean_within_three_standard_errors_of_zero_is_weak(void **state)
{
    (void)state;
    assert_true(weak_mean(0.29, 0.1));
    assert_true(weak_mean(-0.29, 0.1));
    assert_false(weak_mean(0.31, 0.1));
    assert_false(weak_mean(1, 0));
    assert_false(weak_mean(0.5, NAN)); /* one image */
}

static void a_mean_of_zero_is_weak_with_any_error(void **state)
{
    (void)state;
    assert_true(weak_mean(0, 0));
    assert_true(weak_mean(0, NAN));
    assert_false(weak_mean(NAN, NAN)); /* no image */
}

static void the_text_says_which_of_both_it_is(void **state)
{
    char text[WEAK_TEXT];

    (void)state;
    weak_text(text, 0, NAN);
    assert_non_null(strstr(text, "no image meets the condition"));
    weak_text(text, -0.125, 0.25);
    assert_non_null(strstr(text, "-0.125 +- 0.25"));
    assert_true(strlen(text) < WEAK_TEXT - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mean_within_three_standard_errors_of_zero_is_weak),
        cmocka_unit_test(a_mean_of_zero_is_weak_with_any_error),
        cmocka_unit_test(the_text_says_which_of_both_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
