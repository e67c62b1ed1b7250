/* Sums over taps, upwards and downwards, against the definition: window o has tap t at position o stride + t -
 * before. */
#include "kernels/layer/window.h"
#include "tests/support/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 12 };

/* How often window o reads position q with tap t. */
struct readings {
    size_t count[MOST][MOST][MOST];
};

static struct readings by_definition(struct window_axis axis)
{
    struct readings out = {{{{0}}}};

    for (size_t o = 0; o < axis.count; o++)
        for (size_t t = 0; t < axis.taps; t++)
            if (o * axis.stride + t >= axis.before && o * axis.stride + t - axis.before < axis.size)
                out.count[o][t][o * axis.stride + t - axis.before]++;
    return out;
}

/* Add what a reach lists; up: its outputs are windows, else positions. Outputs in its full range must miss no tap, and
 * those beside it must. */
static void list(struct readings *out, struct window_reach reach, bool up)
{
    for (size_t j = 0; j < reach.count; j++) {
        size_t to = reach.to + j * reach.to_step, missing = 0;
        for (size_t u = 0; u < reach.taps; u++) {
            size_t at = window_position(&reach, j, u), t = reach.weight + u * reach.weight_step;
            if (at == reach.size)
                missing++;
            else
                out->count[up ? to : at][t][up ? at : to]++;
        }
        assert_int_equal(missing == 0, j >= reach.full && j < reach.full_end);
    }
}

static void check(struct window_axis axis)
{
    struct readings want = by_definition(axis), up = {{{{0}}}}, under = {{{{0}}}};

    list(&up, window_up(axis), true);
    assert_memory_equal(&up, &want, sizeof want);
    for (size_t t = 0; t < axis.stride; t++)
        list(&under, window_under(axis, t), false);
    assert_memory_equal(&under, &want, sizeof want);
}

static void reaches_list_every_tap_of_every_window_once(void **state)
{
    (void)state;
    for (size_t size = 1; size < 9; size++)
        for (size_t taps = 1; taps < 6; taps++)
            for (size_t stride = 1; stride < 5; stride++)
                for (size_t before = 0; before < taps; before++)
                    for (size_t after = 0; after < taps; after++)
                        if (before + size + after >= taps)
                            check((struct window_axis){size, (before + size + after - taps) / stride + 1, taps, stride,
                                                       before, after});
}

static void every_position_is_an_output_of_one_reach(void **state)
{
    (void)state;
    for (size_t stride = 1; stride < 5; stride++)
        for (size_t before = 0; before < 3; before++) {
            struct window_axis axis = {7, (before + 7 - 3) / stride + 1, 3, stride, before, 0};
            size_t seen[7] = {0};
            for (size_t t = 0; t < stride; t++) {
                struct window_reach reach = window_under(axis, t);
                for (size_t j = 0; j < reach.count; j++)
                    seen[reach.to + j * reach.to_step]++;
            }
            for (size_t q = 0; q < 7; q++)
                assert_int_equal(seen[q], 1);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reaches_list_every_tap_of_every_window_once),
        cmocka_unit_test(every_position_is_an_output_of_one_reach),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
