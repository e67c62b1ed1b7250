/* Summaries of channels (channels.h) against plain scans, by themselves and on the way through a convolution, on values
 * that are often equal, infinite or not numbers. */
#include "kernels/layer/channels.h"
#include "kernels/layer/winograd.h"
#include "tests/support/guarded.h"
#include "tests/support/isa_under_test.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(a) (sizeof(a) / sizeof(a)[0])

enum { ROUNDS = 20 };

static const struct shape shapes[] = {{1, 1, 1}, {3, 5, 4}, {16, 8, 8}, {17, 3, 37}, {37, 13, 9}, {70, 21, 22}};

/* Neurons of few different values, zeros elsewhere. */
static struct guarded few_values(struct random *random, struct layout layout)
{
    static const float values[] = {-1, 0, 0, 0, 1, 1, 2, -INFINITY, INFINITY, NAN};
    size_t kinds = 1 + random_below(random, LENGTH(values)), n = shape_neurons(layout.shape);
    struct guarded blocked = guarded_alloc(layout_floats(layout)), planar = guarded_alloc(n);

    for (size_t i = 0; i < n; i++)
        planar.values[i] = values[random_below(random, kinds)];
    layout_from_planar(blocked.values, planar.values, layout);
    guarded_free(&planar);
    return blocked;
}

static struct guarded numbers(struct random *random, size_t n)
{
    struct guarded g = guarded_alloc(n);

    random_fill(random, g.values, n);
    return g;
}

/* The first largest value of every channel of x, times w unless that is NULL. */
static void assert_largest(const struct channels_summary *got, const float *x, const float *w, struct layout layout)
{
    for (size_t c = 0; c < layout.shape.channels; c++) {
        struct channels_summary want = {.largest = -INFINITY};
        for (size_t p = 0; p < shape_positions(layout.shape); p++) {
            size_t at = layout_index(layout, c, p / layout.shape.width, p % layout.shape.width);
            float v = w ? x[at] * w[at] : x[at];
            if (v > want.largest)
                want = (struct channels_summary){.largest = v, .position = (uint32_t)p};
        }
        if (got[c].largest != want.largest || got[c].position != want.position)
            fail_msg("channel %zu has its largest value %g at %u, not %g at %u", c, (double)got[c].largest,
                     got[c].position, (double)want.largest, want.position);
    }
}

static void check_scan(struct random *random, struct layout layout)
{
    struct guarded x = few_values(random, layout), w = few_values(random, layout);
    struct channels_summary *out = calloc(layout.shape.channels, sizeof *out);

    assert_non_null(out);
    channels_summarise(out, x.values, NULL, layout, isa_under_test());
    assert_largest(out, x.values, NULL, layout);
    channels_summarise(out, x.values, w.values, layout, isa_under_test());
    assert_largest(out, x.values, w.values, layout);
    free(out);
    guarded_free(&x);
    guarded_free(&w);
}

static void the_first_of_equal_largest_values_counts(void **state)
{
    struct random random = random_seed("scan");

    (void)state;
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < LENGTH(shapes); i++) {
            check_scan(&random, layout_blocked(shapes[i]));
            check_scan(&random, layout_planar(shapes[i]));
        }
}

/* What a convolution of one input channel has seen of its outputs, and of what they share. */
static void check_convolution(struct random *random, struct shape shape, size_t tile)
{
    const struct ops *ops = isa_under_test();
    struct winograd s = {
        .inputs = 1, .outputs = shape.channels, .sets = 1, .height = shape.height, .width = shape.width, .tile = tile};
    struct layout in = layout_blocked((struct shape){1, shape.height, shape.width}), out = layout_blocked(shape);
    struct guarded x = guarded_alloc(layout_floats(in)), neurons = numbers(random, shape_positions(shape));
    struct guarded w = numbers(random, shape.channels * 9), packed = guarded_alloc(winograd_weights_floats(ops, s));
    struct guarded scratch = guarded_alloc(winograd_scratch_floats(ops, s)), y = guarded_alloc(layout_floats(out));
    struct guarded multiplier = few_values(random, out), share = few_values(random, out);
    struct channels_summary *sums = calloc(2 * shape.channels, sizeof *sums);
    struct winograd_call call = {.images = 1,
                                 .x = x.values,
                                 .packed = {packed.values},
                                 .output = WINOGRAD_MULTIPLY,
                                 .y = {y.values},
                                 .multiplier = multiplier.values,
                                 .weight = share.values,
                                 .summaries = sums,
                                 .weighted = sums + shape.channels};

    assert_non_null(sums);
    layout_from_planar(x.values, neurons.values, in);
    winograd_pack(packed.values, w.values, ops, s);
    winograd_run(&call, ops, s, scratch.values);
    assert_largest(call.summaries, y.values, NULL, out);
    assert_largest(call.weighted, y.values, share.values, out);
    free(sums);
    struct guarded *all[] = {&x, &neurons, &w, &packed, &scratch, &y, &multiplier, &share};
    for (size_t i = 0; i < LENGTH(all); i++)
        guarded_free(all[i]);
}

static void the_first_counts_in_whatever_order_tiles_come(void **state)
{
    struct random random = random_seed("tiles");

    (void)state;
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < LENGTH(shapes); i++) {
            check_convolution(&random, shapes[i], 4);
            check_convolution(&random, shapes[i], 2);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_of_equal_largest_values_counts),
        cmocka_unit_test(the_first_counts_in_whatever_order_tiles_come),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
