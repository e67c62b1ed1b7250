#include "pipeline/util/exact.h"
#include "tests/support/assert.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const int formats[] = {EXACT_COUNT, EXACT_VALUE, EXACT_SQUARE};

static uint64_t random_bits(void)
{
    static uint64_t state = 2463534242u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* A double of any sign and significand with |x| < 2^exponent and down to far below the resolution. */
static double random_double(int exponent)
{
    double significand = (double)(random_bits() >> 11) * 0x1p-53;

    return ldexp(random_bits() & 1 ? significand : -significand, exponent - (int)(random_bits() % 200));
}

/* The definition: the significand as an integer, shifted by whole bits, the sign put back. */
static exact_int shifted(double x, int bits)
{
    int exponent;
    exact_int significand = (exact_int)ldexp(frexp(fabs(x), &exponent), 53);
    int shift = exponent - 53 + bits;
    exact_int value = shift >= 0 ? significand << shift : shift > -64 ? significand >> -shift : 0;

    return x < 0 ? -value : value;
}

static void conversion_truncates_the_significand(void **state)
{
    (void)state;
    for (size_t f = 0; f < 3; f++)
        for (int i = 0; i < 100000; i++) {
            double x = random_double(EXACT_RANGE - formats[f]);
            assert_same(exact_from_double(x, formats[f]) - shifted(x, formats[f]), 0);
        }
}

static void conversion_keeps_the_ends_of_the_range(void **state)
{
    (void)state;
    for (size_t f = 0; f < 3; f++) {
        double top = nextafter(ldexp(1, EXACT_RANGE - formats[f]), 0), unit = ldexp(1, -formats[f]);
        assert_same(exact_from_double(top, formats[f]) - shifted(top, formats[f]), 0);
        assert_same(exact_from_double(-top, formats[f]) + shifted(top, formats[f]), 0);
        assert_same(exact_from_double(unit, formats[f]), 1);
        assert_same(exact_from_double(-unit, formats[f]), -1);
        assert_same(exact_from_double(nextafter(unit, 0), formats[f]), 0);
        assert_same(exact_from_double(5e-324, formats[f]), 0);
        assert_same(exact_from_double(-0.0, formats[f]), 0);
    }
}

static void bulk_adding_equals_single_conversions(void **state)
{
    enum { N = 37 };

    exact_int sums[N] = {0}, expected[N] = {0};
    double x[N];

    (void)state;
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < N; i++) {
            x[i] = random_double(20);
            expected[i] += shifted(x[i], EXACT_SQUARE);
        }
        exact_add(sums, x, N, EXACT_SQUARE);
    }
    for (size_t i = 0; i < N; i++)
        assert_same(sums[i] - expected[i], 0);
}

static void a_sum_does_not_depend_on_its_order(void **state)
{
    enum { N = 10000 };

    static double x[N];
    exact_int forward = 0, backward = 0;

    (void)state;
    for (size_t i = 0; i < N; i++)
        x[i] = random_double(40);
    for (size_t i = 0; i < N; i++) {
        exact_add(&forward, &x[i], 1, EXACT_VALUE);
        exact_add(&backward, &x[N - 1 - i], 1, EXACT_VALUE);
    }
    assert_same(forward - backward, 0);
}

static exact_int distance(exact_int a, exact_int b)
{
    return a > b ? a - b : b - a;
}

/* No double is nearer, and of two equally near ones the significand is even. */
static void going_back_rounds_to_the_nearest_double(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        exact_int value = (exact_int)((unsigned long long)random_bits()) << 60 ^ (exact_int)random_bits();
        value >>= random_bits() % 120;
        double x = exact_to_double(value, 0);
        exact_int error = distance(exact_from_double(x, 0), value);
        exact_int above = distance(exact_from_double(nextafter(x, INFINITY), 0), value);
        exact_int below = distance(exact_from_double(nextafter(x, -INFINITY), 0), value);
        assert_at_most(error - above, 0);
        assert_at_most(error - below, 0);
        int exponent;
        bool even = fmod(ldexp(frexp(x, &exponent), 53), 2) == 0;
        assert_that((error != above && error != below) || error == 0 || even, "%.17g is %g away", x, (double)error);
    }
}

static void a_double_survives_the_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        double x = (double)(int64_t)random_bits() * 0x1p-64;
        assert_same(exact_to_double(exact_from_double(x, EXACT_SQUARE), EXACT_SQUARE), x);
    }
}

static void as_many_largest_additions_as_planned_fit(void **state)
{
    const size_t additions = 1000;

    (void)state;
    for (size_t f = 0; f < 3; f++) {
        double limit = exact_limit(formats[f], additions);
        exact_int sum = exact_from_double(limit, formats[f]) * (exact_int)additions;
        assert_more(sum, 0);
        assert_at_most(sum - ((exact_int)1 << EXACT_RANGE), 0);
    }
}

static void a_plan_beyond_the_range_is_refused(void **state)
{
    (void)state;
    assert_true(exact_plan_fits(1300000, 1000));
    assert_true(exact_plan_fits((size_t)1 << 26, 1024));
    assert_false(exact_plan_fits(((size_t)1 << 26) + 1, 1024));
    assert_false(exact_plan_fits(1000, INFINITY));
    assert_false(exact_plan_fits(1000, NAN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversion_truncates_the_significand),
        cmocka_unit_test(conversion_keeps_the_ends_of_the_range),
        cmocka_unit_test(bulk_adding_equals_single_conversions),
        cmocka_unit_test(a_sum_does_not_depend_on_its_order),
        cmocka_unit_test(going_back_rounds_to_the_nearest_double),
        cmocka_unit_test(a_double_survives_the_round_trip),
        cmocka_unit_test(as_many_largest_additions_as_planned_fit),
        cmocka_unit_test(a_plan_beyond_the_range_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
