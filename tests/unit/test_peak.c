#include "kernels/ops/peak.h"
#include "tests/support/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void the_generic_loop_runs_everywhere_and_comes_first(void **state)
{
    (void)state;
    assert_string_equal(peak_name(0), "generic");
    assert_true(peak_available(0));
}

/* Wider vectors do more at a time. */
static void operations_grow_with_rounds_and_with_vectors(void **state)
{
    double before = 0;

    (void)state;
    for (size_t i = 0; peak_name(i); i++) {
        if (!peak_available(i))
            continue;
        double once = peak_run(i, 10);
        assert_more(once, before);
        assert_same(peak_run(i, 30), 3 * once);
        before = once;
    }
    assert_more(before, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_generic_loop_runs_everywhere_and_comes_first),
        cmocka_unit_test(operations_grow_with_rounds_and_with_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
