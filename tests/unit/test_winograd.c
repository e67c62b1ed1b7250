/* Winograd convolutions in every variant that this processor has, against plain double loops, on odd shapes, at the
 * edge of forbidden pages. */
#include "kernels/base/layout.h"
#include "tests/support/assert.h"
#include "tests/support/guarded.h"
#include "tests/support/winograd_reference.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- one shape and its arrays
 * -------------------------------------------------------------------------------------- */

/* All that a run can use, at the edge of forbidden pages, `shift` floats before it. */
struct arrays {
    struct winograd shape;
    struct layout in, out;
    struct guarded x, factor, lower, lower_factor, multiplier, y[2], joint, packed[2], scratch, bias[2], scale;
    float *planar_x, *planar_lower; /* with their factors */
    float *w[2];
};

static float *random_floats(struct random *random, size_t n)
{
    float *p = malloc((n + 1) * sizeof *p);

    assert_non_null(p);
    random_fill(random, p, n);
    return p;
}

/* A random blocked array; planar, unless NULL, is multiplied by it. */
static struct guarded random_blocked(struct random *random, struct layout layout, size_t shift, float *planar)
{
    struct guarded g = guarded_alloc(layout_floats(layout) + shift);
    size_t n = shape_neurons(layout.shape);
    float *values = random_floats(random, n);

    layout_from_planar(g.values, values, layout);
    for (size_t i = 0; i < n && planar; i++)
        planar[i] *= values[i];
    free(values);
    return g;
}

static struct guarded random_padded(struct random *random, size_t n, size_t shift)
{
    struct guarded g = guarded_alloc((n + 15) / 16 * 16 + shift);

    memset(g.values, 0, (n + 15) / 16 * 16 * sizeof(float));
    random_fill(random, g.values, n);
    return g;
}

static float *ones(size_t n)
{
    float *p = malloc(n * sizeof *p);

    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = 1;
    return p;
}

static struct arrays arrays_alloc(struct random *random, struct winograd s, size_t shift)
{
    struct arrays a = {.shape = s};

    a.in = layout_blocked((struct shape){s.inputs, s.height, s.width});
    a.out = layout_blocked((struct shape){s.outputs, s.height, s.width});
    a.planar_x = ones(shape_neurons(a.in.shape));
    a.planar_lower = ones(shape_neurons(a.out.shape));
    a.x = random_blocked(random, a.in, shift, a.planar_x);
    a.factor = random_blocked(random, a.in, shift, a.planar_x);
    a.lower = random_blocked(random, a.out, shift, a.planar_lower);
    a.lower_factor = random_blocked(random, a.out, shift, a.planar_lower);
    a.multiplier = random_blocked(random, a.out, shift, NULL);
    a.joint = guarded_alloc(s.inputs * s.outputs);
    a.scale = random_padded(random, s.outputs, shift);
    for (size_t set = 0; set < 2; set++) {
        a.y[set] = guarded_alloc(layout_floats(a.out) + shift);
        a.bias[set] = random_padded(random, s.outputs, shift);
        a.w[set] = random_floats(random, s.inputs * s.outputs * 9);
    }
    return a;
}

/* Packed weights and scratch of a variant; packed before every run with it. */
static void arrays_pack(struct arrays *a, const struct ops *ops, size_t shift)
{
    a->scratch = guarded_alloc(winograd_scratch_floats(ops, a->shape) + shift);
    for (size_t set = 0; set < a->shape.sets; set++) {
        a->packed[set] = guarded_alloc(winograd_weights_floats(ops, a->shape) + shift);
        winograd_pack(a->packed[set].values, a->w[set], ops, a->shape);
    }
}

static void arrays_unpack(struct arrays *a)
{
    guarded_free(&a->scratch);
    for (size_t set = 0; set < a->shape.sets; set++)
        guarded_free(&a->packed[set]);
}

static void arrays_free(struct arrays *a)
{
    struct guarded *all[] = {&a->x,    &a->factor, &a->lower,   &a->lower_factor, &a->multiplier, &a->y[0],
                             &a->y[1], &a->joint,  &a->bias[0], &a->bias[1],      &a->scale};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        guarded_free(all[i]);
    free(a->planar_x);
    free(a->planar_lower);
    free(a->w[0]);
    free(a->w[1]);
}

static struct winograd_call stored(struct arrays *a)
{
    return (struct winograd_call){.images = 1,
                                  .x = a->x.values,
                                  .factor = a->factor.values,
                                  .packed = {a->packed[0].values, a->packed[1].values},
                                  .output = WINOGRAD_STORE,
                                  .y = {a->y[0].values, a->shape.sets == 2 ? a->y[1].values : NULL}};
}

/* ---- checks
 * -------------------------------------------------------------------------------------------------------- */

static void expect_within(const float *got, const double *want, const double *bound, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - want[i]) <= bound[i] + (double)FLT_MIN))
            fail_msg("%s: element %zu is %.9g, not %.9g within %.3g", what, i, (double)got[i], want[i], bound[i]);
}

/* The neurons of a blocked array, planar; asserts that all the rest is zero. */
static float *neurons_of(const float *blocked, struct layout layout)
{
    size_t n = shape_neurons(layout.shape), floats = layout_floats(layout);
    float *planar = malloc(n * sizeof *planar), *again = malloc(floats * sizeof *again);

    assert_non_null(planar);
    assert_non_null(again);
    layout_to_planar(planar, blocked, layout);
    layout_from_planar(again, planar, layout);
    for (size_t i = 0; i < floats; i++)
        assert_same(again[i], blocked[i]);
    free(again);
    return planar;
}

static void check_stored(struct arrays *a, const struct ops *ops, const struct expected *e)
{
    struct winograd_call call = stored(a);

    winograd_run(&call, ops, a->shape, a->scratch.values);
    for (size_t set = 0; set < a->shape.sets; set++) {
        float *t = neurons_of(a->y[set].values, a->out);
        expect_within(t, e[set].t, e[set].t_bound, shape_neurons(a->out.shape), "stored");
        free(t);
    }
}

/* The multiplication is exact to half an ulp of the result, and comes last. */
static void check_multiplied(struct arrays *a, const struct ops *ops, const float *t)
{
    struct winograd_call call = stored(a);

    call.output = WINOGRAD_MULTIPLY;
    call.multiplier = a->multiplier.values;
    winograd_run(&call, ops, a->shape, a->scratch.values);
    for (size_t i = 0; i < layout_floats(a->out); i++)
        assert_same(a->y[0].values[i], t[i] * a->multiplier.values[i]);
}

static void check_joint(struct arrays *a, const struct ops *ops, const struct expected *e)
{
    size_t pairs = a->shape.inputs * a->shape.outputs;
    struct winograd_call call = stored(a);
    float *once = malloc(pairs * sizeof *once);

    assert_non_null(once);
    call.joint = a->joint.values;
    call.lower = a->lower.values;
    call.lower_factor = a->lower_factor.values;
    winograd_run(&call, ops, a->shape, a->scratch.values);
    expect_within(call.joint, e->joint, e->joint_bound, pairs, "joint");
    memcpy(once, call.joint, pairs * sizeof *once);
    call.accumulate_joint = true;
    winograd_run(&call, ops, a->shape, a->scratch.values);
    for (size_t i = 0; i < pairs; i++)
        assert_near((double)call.joint[i], 2 * e->joint[i], 3 * e->joint_bound[i] + (double)FLT_MIN);
    free(once);
}

/* The evaluation in the plain words of winograd.h; `t` are the two stored sets. */
static float inverse_of(const struct winograd_call *call, size_t channel, float z, float t)
{
    float d = (call->nonnegative && t < 0 ? 0 : t) + call->bias[1][channel];
    float stable = d + (d < 0 ? -call->eps : call->eps);

    if (call->select && !(z > 0))
        return 0;
    return stable == 0 ? 0 : call->scale[channel] / stable;
}

static void check_evaluated(struct arrays *a, const struct ops *ops, float *const *t, unsigned options)
{
    struct winograd_call call = stored(a);
    struct shape s = a->out.shape;

    call.output = WINOGRAD_EVALUATE;
    call.bias[0] = a->bias[0].values;
    call.bias[1] = a->bias[1].values;
    call.scale = a->scale.values;
    call.select = options & 1;
    call.nonnegative = options & 2;
    call.eps = options & 4 ? 0 : 1e-3f;
    winograd_run(&call, ops, a->shape, a->scratch.values);
    for (size_t i = 0; i < shape_neurons(s); i++) {
        size_t channel = i / shape_positions(s), position = i % shape_positions(s);
        size_t at = layout_index(a->out, channel, position / s.width, position % s.width);
        float z = t[0][at] + call.bias[0][channel];
        assert_same(call.y[0][at], z > 0 ? z : 0);
        if (a->shape.sets == 2)
            assert_same(call.y[1][at], inverse_of(&call, channel, z, t[1][at]));
    }
    for (size_t set = 0; set < a->shape.sets; set++)
        free(neurons_of(call.y[set], a->out));
}

/* Everything that one variant can do with one shape. */
static void check_variant(struct arrays *a, const struct ops *ops, const struct expected *e)
{
    float *t[2];

    check_stored(a, ops, e);
    for (size_t set = 0; set < 2; set++) {
        t[set] = malloc(layout_floats(a->out) * sizeof(float));
        assert_non_null(t[set]);
        memcpy(t[set], a->y[set].values, layout_floats(a->out) * sizeof(float));
    }
    if (a->shape.sets == 1)
        check_multiplied(a, ops, t[0]);
    if (a->shape.adjoint)
        check_joint(a, ops, e);
    for (unsigned options = 0; options < 8; options++)
        check_evaluated(a, ops, t, options);
    free(t[0]);
    free(t[1]);
}

/* Calls `check` for every variant that this processor has, and says which it has not. */
static void for_each_variant(void (*check)(const struct ops *ops))
{
    for (size_t i = 0; ops_name(i); i++) {
        const struct ops *ops = ops_select(ops_name(i));
        if (ops)
            check(ops);
        else
            printf("variant %s skipped: not available on this processor\n", ops_name(i));
    }
}

/* ---- tests
 * --------------------------------------------------------------------------------------------------------- */

static const struct winograd cases[] = {
    {1, 1, 1, 1, 1, 4, false, false},
    {4, 8, 2, 2, 2, 4, false, false},
    {8, 4, 1, 3, 5, 4, true, false},
    {16, 16, 2, 4, 4, 4, false, false},
    {17, 33, 1, 7, 9, 4, true, false},
    {20, 35, 2, 14, 14, 4, false, false},
    {35, 64, 1, 14, 6, 4, true, false},
    {3, 130, 1, 4, 4, 4, false, false},
    {1, 1, 2, 1, 1, 2, false, false},
    {4, 8, 2, 2, 2, 2, false, false},
    {8, 4, 1, 3, 5, 2, true, false},
    {17, 33, 2, 7, 9, 2, false, false},
    {35, 20, 1, 14, 14, 2, true, false},
    {2, 3, 1, 30, 57, 4, true, false},
    {2, 3, 2, 31, 22, 2, false, false},
    /* outputs in several chunks, whose last one can be smaller */
    {5, 80, 2, 5, 5, 4, false, false},
    {3, 160, 2, 5, 5, 2, false, false},
    {3, 128, 1, 4, 4, 4, true, false},
    /* upward and wide, in tiles of AMX where there are any: odd numbers of blocks of inputs, several chunks, several
     * blocks */
    {273, 20, 1, 9, 10, 4, false, false},
    {257, 260, 2, 5, 6, 2, false, false},
    {256, 5, 1, 33, 32, 2, false, false},
    /* rows of more tiles than a block has */
    {2, 3, 1, 5, 230, 4, true, false},
    {2, 3, 2, 3, 300, 2, false, false},
    {2, 3, 1, 9, 513, 4, false, false},
};

/* Wide shapes are for variants that split factors; for others they would only take long. */
static bool applies(const struct ops *ops, struct winograd s)
{
    return s.inputs < 256 || ops->parts > 1;
}

static void check_case(const struct ops *ops)
{
    struct random random = random_seed(ops->name);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (!applies(ops, cases[i]))
            continue;
        struct arrays a = arrays_alloc(&random, cases[i], 0);
        struct expected e[2];
        arrays_pack(&a, ops, 0);
        for (size_t set = 0; set < a.shape.sets; set++)
            e[set] = expected_of((struct planes){a.planar_x, a.planar_lower, a.w[set]}, a.shape);
        check_variant(&a, ops, e);
        for (size_t set = 0; set < a.shape.sets; set++)
            expected_free(&e[set]);
        arrays_unpack(&a);
        arrays_free(&a);
    }
}

static void every_output_equals_plain_loops(void **state)
{
    (void)state;
    for_each_variant(check_case);
}

/* Two sets at once are the same bits as each alone, wherever the arrays lie. */
static void check_sets(const struct ops *ops, struct winograd s)
{
    struct random random = random_seed("bits"), copy = random;
    struct winograd one = s;
    struct arrays a = arrays_alloc(&random, s, 0), b = arrays_alloc(&copy, s, 1);

    one.sets = 1;
    arrays_pack(&a, ops, 0);
    struct winograd_call both = stored(&a);
    winograd_run(&both, ops, s, a.scratch.values);
    b.shape = one;
    for (size_t set = 0; set < 2; set++) {
        arrays_pack(&b, ops, 1);
        winograd_pack(b.packed[0].values, b.w[set], ops, one);
        struct winograd_call alone = stored(&b);
        winograd_run(&alone, ops, one, b.scratch.values);
        assert_memory_equal(alone.y[0], both.y[set], layout_floats(a.out) * sizeof(float));
        arrays_unpack(&b);
    }
    arrays_unpack(&a);
    arrays_free(&a);
    arrays_free(&b);
}

static void check_bits(const struct ops *ops)
{
    static const struct winograd shapes[] = {{19, 37, 2, 9, 10, 4, false, false}, {256, 40, 2, 9, 10, 4, false, false}};

    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (applies(ops, shapes[i]))
            check_sets(ops, shapes[i]);
}

static void bits_depend_on_values_only(void **state)
{
    (void)state;
    for_each_variant(check_bits);
}

enum { IMAGES = 11 };

/* Several images at once, with a factor and a multiplier that all share, are the same bits as one by one, their
 * flows too.
 */
static void check_images(const struct ops *ops, struct winograd s, struct random *random)
{
    struct arrays a = arrays_alloc(random, s, 0);
    size_t in = layout_floats(a.in), out = layout_floats(a.out), pairs = s.inputs * s.outputs;
    struct guarded x = guarded_alloc(IMAGES * in), y = guarded_alloc(IMAGES * out);
    struct guarded joint = guarded_alloc(IMAGES * pairs);

    for (size_t i = 0; i < IMAGES; i++) {
        struct guarded one = random_blocked(random, a.in, 0, a.planar_x);
        memcpy(x.values + i * in, one.values, in * sizeof(float));
        guarded_free(&one);
    }
    arrays_pack(&a, ops, 0);
    struct winograd_call call = stored(&a);
    call.output = WINOGRAD_MULTIPLY;
    call.multiplier = a.multiplier.values;
    call.joint = s.adjoint ? a.joint.values : NULL;
    call.lower = a.lower.values;
    struct winograd_call all = call;
    all.images = IMAGES;
    all.stride.x = in;
    all.stride.y = out;
    all.x = x.values;
    all.y[0] = y.values;
    all.joint = s.adjoint ? joint.values : NULL;
    winograd_run(&all, ops, s, a.scratch.values);
    for (size_t i = 0; i < IMAGES; i++) {
        call.x = x.values + i * in;
        winograd_run(&call, ops, s, a.scratch.values);
        assert_memory_equal(y.values + i * out, call.y[0], out * sizeof(float));
        if (s.adjoint)
            assert_memory_equal(joint.values + i * pairs, call.joint, pairs * sizeof(float));
    }
    arrays_unpack(&a);
    arrays_free(&a);
    guarded_free(&x);
    guarded_free(&y);
    guarded_free(&joint);
}

/* An image has several blocks of tiles, or a block has several images, the last one fewer. */
static void check_groups(const struct ops *ops)
{
    static const struct winograd shapes[] = {{19, 37, 1, 14, 13, 4, true, false}, {5, 20, 1, 4, 4, 4, true, false},
                                             {33, 70, 1, 8, 7, 4, true, false},   {5, 20, 1, 5, 4, 2, true, false},
                                             {3, 5, 1, 60, 57, 4, true, false},   {260, 3, 1, 17, 16, 2, false, false}};
    struct random random = random_seed("images");

    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (applies(ops, shapes[i]))
            check_images(ops, shapes[i], &random);
}

static void images_at_once_equal_one_by_one(void **state)
{
    (void)state;
    for_each_variant(check_groups);
}

/* F(2x2) of an input that is zero except at one position: exactly zero where that is not among the 3x3 inputs. */
static void check_zeros_of(const struct ops *ops, struct winograd s)
{
    struct random random = random_seed("zeros");
    struct arrays a = arrays_alloc(&random, s, 0);
    size_t py = 3, px = 4, nonzero = 0;

    arrays_pack(&a, ops, 0);
    for (size_t i = 0; i < shape_neurons(a.in.shape); i++)
        a.planar_x[i] = i % shape_positions(a.in.shape) == py * s.width + px ? 1 : 0;
    layout_from_planar(a.x.values, a.planar_x, a.in);
    struct winograd_call call = stored(&a);
    call.factor = NULL;
    winograd_run(&call, ops, s, a.scratch.values);
    for (size_t k = 0; k < s.outputs; k++)
        for (size_t y = 0; y < s.height; y++)
            for (size_t x = 0; x < s.width; x++) {
                bool near = y + 1 >= py && y <= py + 1 && x + 1 >= px && x <= px + 1;
                float value = call.y[0][layout_index(a.out, k, y, x)];
                if (!near)
                    assert_same(value, 0);
                nonzero += value == 0 ? 0 : 1;
            }
    assert_int_equal(nonzero, 9 * s.outputs);
    arrays_unpack(&a);
    arrays_free(&a);
}

static void check_zeros(const struct ops *ops)
{
    static const struct winograd shapes[] = {{5, 18, 1, 8, 7, 2, false, false}, {256, 18, 1, 8, 7, 2, false, false}};

    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (applies(ops, shapes[i]))
            check_zeros_of(ops, shapes[i]);
}

static void small_tiles_keep_exact_zeros(void **state)
{
    (void)state;
    for_each_variant(check_zeros);
}

/* What is not a number stays visible, within its tiles. */
static void check_nan_of(const struct ops *ops, struct winograd s)
{
    struct random random = random_seed("nan");
    struct arrays a = arrays_alloc(&random, s, 0);

    arrays_pack(&a, ops, 0);
    a.x.values[layout_index(a.in, 1, 2, 2)] = NAN;
    struct winograd_call call = stored(&a);
    call.output = WINOGRAD_EVALUATE;
    call.bias[0] = a.bias[0].values;
    call.bias[1] = a.bias[1].values;
    call.scale = a.scale.values;
    call.eps = 1e-6f;
    winograd_run(&call, ops, s, a.scratch.values);
    for (size_t set = 0; set < 2; set++)
        for (size_t k = 0; k < s.outputs; k++) {
            assert_nan(call.y[set][layout_index(a.out, k, 2, 2)]);
            assert_true(isnan(call.y[set][layout_index(a.out, k, 12, 12)]) == 0);
        }
    arrays_unpack(&a);
    arrays_free(&a);
}

static void check_nan(const struct ops *ops)
{
    static const struct winograd shapes[] = {{3, 20, 2, 13, 13, 4, false, false},
                                             {256, 20, 2, 13, 13, 4, false, false}};

    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (applies(ops, shapes[i]))
            check_nan_of(ops, shapes[i]);
}

static void nan_stays_nan(void **state)
{
    (void)state;
    for_each_variant(check_nan);
}

static void variants_are_found_by_name(void **state)
{
    (void)state;
    assert_string_equal(ops_name(0), "generic");
    assert_string_equal(ops_select("generic")->name, "generic");
    assert_non_null(ops_select(NULL));
    assert_null(ops_select("mmx"));
    assert_null(ops_select(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_output_equals_plain_loops),
        cmocka_unit_test(bits_depend_on_values_only),
        cmocka_unit_test(images_at_once_equal_one_by_one),
        cmocka_unit_test(small_tiles_keep_exact_zeros),
        cmocka_unit_test(nan_stays_nan),
        cmocka_unit_test(variants_are_found_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
