/* Where neurons lie, and copies between the planar and the blocked order. */
#include "kernels/base/layout.h"
#include "tests/support/guarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { SHAPES = 40 };

static void blocked_planes_are_whole_tiles_and_a_border(void **state)
{
    struct layout a = layout_blocked((struct shape){17, 5, 8}), b = layout_blocked((struct shape){3, 1, 4});

    (void)state;
    assert_int_equal(layout_floats(a), 2 * 10 * 10 * 16);
    assert_int_equal(layout_index(a, 0, 0, 0), (10 + 1) * 16);
    assert_int_equal(layout_index(a, 16, 4, 7), 10 * 10 * 16 + (5 * 10 + 8) * 16);
    assert_int_equal(layout_floats(b), 6 * 6 * 16);
    assert_int_equal(layout_index(b, 2, 0, 3), (6 + 4) * 16 + 2);
}

static void flat_planes_have_no_border(void **state)
{
    struct layout a = layout_flat((struct shape){17, 5, 8});

    (void)state;
    assert_int_equal(layout_floats(a), 2 * 5 * 8 * 16);
    assert_int_equal(layout_index(a, 16, 4, 7), 5 * 8 * 16 + (4 * 8 + 7) * 16);
    assert_false(layout_bordered(a));
    assert_true(layout_bordered(layout_blocked(a.shape)));
}

/* Cleared too: what belongs to no neuron is zero again. */
static void copies_to_blocks_and_back_are_exact_and_zero_elsewhere(void **state)
{
    struct random random = random_seed("layout");

    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        struct shape s = {1 + random_below(&random, 40), 1 + random_below(&random, 9), 1 + random_below(&random, 9)};
        struct layout layout = i % 2 ? layout_flat(s) : layout_blocked(s);
        size_t zeros = 0, n = shape_neurons(s), floats = layout_floats(layout);
        struct guarded planar = guarded_alloc(n), blocked = guarded_alloc(floats), back = guarded_alloc(n);

        for (size_t f = 0; f < n; f++)
            planar.values[f] = (float)(1 + f);
        layout_from_planar(blocked.values, planar.values, layout);
        layout_clear_border(blocked.values, layout);
        layout_to_planar(back.values, blocked.values, layout);
        assert_memory_equal(back.values, planar.values, n * sizeof(float));
        for (size_t f = 0; f < floats; f++)
            zeros += blocked.values[f] == 0;
        assert_int_equal(zeros, floats - n);
        guarded_free(&planar);
        guarded_free(&blocked);
        guarded_free(&back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocked_planes_are_whole_tiles_and_a_border),
        cmocka_unit_test(flat_planes_have_no_border),
        cmocka_unit_test(copies_to_blocks_and_back_are_exact_and_zero_elsewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
