#include "pipeline/run/time_profile.h"
#include "tests/support/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void the_slowest_stage_is_found(void **state)
{
    (void)state;
    for (int i = 0; i < TIME_PROFILE_STAGES; i++) {
        struct time_profile profile = {{1, 1, 1, 1, 1, 1}};

        profile.seconds[i] = 3;
        assert_int_equal(time_profile_slowest(&profile), i);
        assert_same(time_profile_share(&profile, (enum time_profile_stage)i), 3.0 / (TIME_PROFILE_STAGES + 2));
    }
}

static void nothing_has_no_shares(void **state)
{
    struct time_profile profile = {{0}};

    (void)state;
    assert_same(time_profile_share(&profile, TIME_PROFILE_WAIT), 0);
}

static void the_line_has_every_stage(void **state)
{
    const struct time_profile profile = {{1, 2, 93, 4, 0, 0}};
    char line[TIME_PROFILE_LINE];

    (void)state;
    time_profile_line(line, &profile);
    assert_string_equal(line, "start=1% decode=2% measure=93% statistics=4% write=0% wait=0%");
}

static void every_stage_has_advice_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < TIME_PROFILE_STAGES; i++) {
        const char *advice = time_profile_advice(time_profile_name((enum time_profile_stage)i));

        assert_non_null(advice);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(advice, time_profile_advice(time_profile_name((enum time_profile_stage)k)));
    }
    assert_null(time_profile_advice("back"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_slowest_stage_is_found),
        cmocka_unit_test(nothing_has_no_shares),
        cmocka_unit_test(the_line_has_every_stage),
        cmocka_unit_test(every_stage_has_advice_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
