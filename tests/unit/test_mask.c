/* Masks in planar and in blocked layouts. */
#include "kernels/layer/mask.h"
#include "tests/support/assert.h"
#include "tests/support/guarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { SHAPES = 40, BOXES = 3 };

/* A layout with lanes and a border of zeros around every plane. */
static struct layout random_layout(struct random *random)
{
    struct layout layout = {
        .shape = {1 + random_below(random, 9), 1 + random_below(random, 6), 1 + random_below(random, 6)}};
    size_t border = random_below(random, 2);

    layout.lanes = random_below(random, 2) ? 1 : 4;
    layout.rows = layout.shape.height + 2 * border;
    layout.columns = layout.shape.width + 2 * border;
    layout.origin = (layout.columns + 1) * border * layout.lanes;
    return layout;
}

static struct mask_range random_range(struct random *random, size_t n)
{
    return (struct mask_range){random_below(random, n + 1), random_below(random, n + 1)};
}

static struct mask_box random_box(struct random *random, struct shape shape)
{
    return (struct mask_box){random_range(random, shape.channels), random_range(random, shape.height),
                             random_range(random, shape.width)};
}

static bool in_range(struct mask_range range, size_t i)
{
    return range.first <= i && i < range.end;
}

static bool in_any(const struct mask_box *boxes, size_t nboxes, size_t c, size_t y, size_t x)
{
    for (size_t i = 0; i < nboxes; i++)
        if (in_range(boxes[i].channels, c) && in_range(boxes[i].rows, y) && in_range(boxes[i].columns, x))
            return true;
    return false;
}

static size_t check_neurons(const float *mask, const struct mask_box *boxes, size_t nboxes, bool complement,
                            struct layout layout)
{
    size_t ones = 0;

    for (size_t c = 0; c < layout.shape.channels; c++)
        for (size_t y = 0; y < layout.shape.height; y++)
            for (size_t x = 0; x < layout.shape.width; x++) {
                bool inside = in_any(boxes, nboxes, c, y, x) != complement;
                assert_same(mask[layout_index(layout, c, y, x)], inside ? 1 : 0);
                ones += inside;
            }
    return ones;
}

static void mask_is_one_in_the_boxes_and_nowhere_else(void **state)
{
    struct random random = random_seed("mask");

    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        struct layout layout = random_layout(&random);
        struct mask_box boxes[BOXES];
        size_t nboxes = random_below(&random, BOXES + 1);
        bool complement = random_below(&random, 2);
        struct guarded mask = guarded_alloc(layout_floats(layout));
        double total = 0;
        for (size_t b = 0; b < nboxes; b++)
            boxes[b] = random_box(&random, layout.shape);
        mask_fill(mask.values, boxes, nboxes, complement, layout);
        for (size_t f = 0; f < layout_floats(layout); f++)
            total += (double)mask.values[f];
        assert_same(total, (double)check_neurons(mask.values, boxes, nboxes, complement, layout));
        guarded_free(&mask);
    }
}

static void boxes_beyond_the_variable_do_not_fit(void **state)
{
    struct shape shape = {3, 5, 4};
    struct mask_box whole = mask_everything(shape), box = whole;

    (void)state;
    assert_true(mask_fits(whole, shape));
    box.columns.end = 5;
    assert_false(mask_fits(box, shape));
    box.columns.first = 5;
    assert_true(mask_fits(box, shape)); /* empty */
    box = whole;
    box.channels.end = SIZE_MAX;
    assert_false(mask_fits(box, shape));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mask_is_one_in_the_boxes_and_nowhere_else),
        cmocka_unit_test(boxes_beyond_the_variable_do_not_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
