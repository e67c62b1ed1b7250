/* Assertions about numbers, beside cmocka's: one that fails prints the numbers and its place. NaN fails all but
 * assert_nan. Numbers are compared as doubles: integers beyond 2^53 need assert_int_equal.
 */
#ifndef NRMFLOW_TESTS_SUPPORT_ASSERT_H
#define NRMFLOW_TESTS_SUPPORT_ASSERT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct assert_place {
    const char *text; /* of the value */
    const char *file;
    int line;
};

/* low <= value <= high; `why` says where the bounds come from. */
#define assert_within(value, low, high, why)                                                                           \
    assert_check_within((double)(value), (double)(low), (double)(high), (why), assert_here(#value))

/* |value - want| <= tolerance */
#define assert_near(value, want, tolerance)                                                                            \
    assert_check_near((double)(value), (double)(want), (double)(tolerance), assert_here(#value))

#define assert_same(value, want)      assert_compare(value, "==", want)
#define assert_less(value, bound)     assert_compare(value, "<", bound)
#define assert_more(value, bound)     assert_compare(value, ">", bound)
#define assert_at_most(value, bound)  assert_compare(value, "<=", bound)
#define assert_at_least(value, bound) assert_compare(value, ">=", bound)

#define assert_nan(value) assert_check_nan((double)(value), assert_here(#value))

/* A condition of several numbers; what follows is a format that prints them. */
#define assert_that(condition, ...)                                                                                    \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fail_msg(#condition " does not hold: " __VA_ARGS__);                                                       \
    } while (0)

#define assert_here(text) ((struct assert_place){(text), __FILE__, __LINE__})

#define assert_compare(value, relation, bound)                                                                         \
    assert_check_compare((double)(value), (relation), (double)(bound), assert_here(#value))

/* The functions behind the macros. */
void assert_check_compare(double value, const char *relation, double bound, struct assert_place place);
void assert_check_nan(double value, struct assert_place place);
void assert_check_near(double value, double want, double tolerance, struct assert_place place);
void assert_check_within(double value, double low, double high, const char *why, struct assert_place place);

#endif
