/* Factors of the large products and the products themselves, in every variant that this processor has. A product with
 * the identity gives every number back to the bit, in whatever parts it is kept. */
#include "kernels/base/layout.h"
#include "kernels/base/number.h"
#include "kernels/ops/factor.h"
#include "tests/support/assert.h"
#include "tests/support/guarded.h"

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

enum { LANES = OPS_LANES };

/* A product: channels are the inner dimension without padding, outputs a multiple of 16. */
struct shape_of_product {
    size_t rows, channels, outputs;
};

static const struct shape_of_product shapes[] = {
    {1, 1, 16}, {16, 16, 16}, {17, 33, 48}, {40, 40, 64}, {31, 64, 80}, {33, 100, 128}, {5, 129, 16},
};

/* Its factors, blocked x [channels / 16][rows][16] as of variables, and the result [outputs / 16][stride][16]. */
struct factors {
    const struct ops *ops;
    struct shape_of_product shape;
    struct factor_panels layout;
    size_t stride;
    struct guarded x, rows, panels, to;
};

static struct factors factors_alloc(const struct ops *ops, struct shape_of_product s)
{
    struct factors f = {.ops = ops,
                        .shape = s,
                        .layout = factor_panels(ops, s.channels, s.outputs),
                        .stride = factor_stride(ops, s.rows)};

    f.x = guarded_alloc(padded(s.channels) * s.rows);
    f.rows = guarded_alloc(factor_floats(ops, f.layout.depth, f.stride));
    f.panels = guarded_alloc(factor_panels_floats(ops, f.layout));
    f.to = guarded_alloc(s.outputs * f.stride);
    memset(f.x.values, 0, padded(s.channels) * s.rows * sizeof(float));
    memset(f.panels.values, 0, factor_panels_floats(ops, f.layout) * sizeof(float));
    return f;
}

static void factors_free(struct factors *f)
{
    guarded_free(&f->x);
    guarded_free(&f->rows);
    guarded_free(&f->panels);
    guarded_free(&f->to);
}

static float *x_at(struct factors *f, size_t row, size_t channel)
{
    return &f->x.values[(channel / LANES * f->shape.rows + row) * LANES + channel % LANES];
}

static void put(struct factors *f, float value, size_t channel, size_t output)
{
    factor_panels_put(f->panels.values, value, f->ops, f->layout, channel, output);
}

static float result(const struct factors *f, size_t row, size_t output)
{
    return f->to.values[(output / LANES * f->stride + row) * LANES + output % LANES];
}

/* x becomes rows; those of an absent second block are zero. */
static void gather(struct factors *f)
{
    size_t blocks = padded(f->shape.channels) / LANES, line = f->shape.rows * LANES;

    for (size_t block = 0; block < blocks; block += factor_blocks(f->ops)) {
        bool two = factor_blocks(f->ops) > 1 && block + 1 < blocks;
        struct ops_gather gather = {.step = 1, .scale = 1, .part = f->stride * LANES, .next = two ? line : 0};
        f->ops->factor_rows(f->rows.values + factor_rows_at(f->ops, block, f->stride), f->x.values + block * line, NULL,
                            f->shape.rows, &gather);
    }
}

/* From row `first` of the depth to row `end`. */
static void multiply(struct factors *f, size_t first, size_t end, bool add)
{
    struct ops_prefetch_cursor cursor = {.panel = f->panels.values};
    struct ops_product product = {.rows = f->shape.rows,
                                  .depth = end - first,
                                  .outputs = f->shape.outputs,
                                  .width = f->layout.width,
                                  .from_stride = f->stride,
                                  .to_stride = f->stride,
                                  .panel_depth = f->layout.depth,
                                  .add = add};

    f->ops->factor_product(f->to.values, f->rows.values + factor_rows_at(f->ops, first / LANES, f->stride),
                           f->panels.values + factor_panels_at(f->ops, f->layout, first, 0), &product, &cursor);
}

/* Calls `check` for every shape and every variant that this processor has, and says which it has not. */
static void for_each(void (*check)(struct factors *f, struct random *random), const char *test)
{
    struct random random = random_seed(test);

    for (size_t i = 0; ops_name(i); i++) {
        const struct ops *ops = ops_select(ops_name(i));
        if (!ops)
            printf("variant %s skipped: not available on this processor\n", ops_name(i));
        for (size_t k = 0; ops && k < sizeof shapes / sizeof shapes[0]; k++) {
            struct factors f = factors_alloc(ops, shapes[k]);
            check(&f, &random);
            factors_free(&f);
        }
    }
}

/* A number of any sign and of exponents from 2^-80 to 2^80, with all bits of its significand. */
static float any_number(struct random *random)
{
    return (float)ldexp(random_uniform(random), (int)random_below(random, 161) - 80);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void check_rows(struct factors *f, struct random *random)
{
    size_t n = smaller(f->shape.channels, f->shape.outputs);

    for (size_t r = 0; r < f->shape.rows; r++)
        for (size_t c = 0; c < f->shape.channels; c++)
            *x_at(f, r, c) = any_number(random);
    for (size_t c = 0; c < n; c++)
        put(f, 1, c, c);
    gather(f);
    multiply(f, 0, f->layout.depth, false);
    for (size_t r = 0; r < f->shape.rows; r++)
        for (size_t o = 0; o < f->shape.outputs; o++)
            assert_same(result(f, r, o), o < n ? *x_at(f, r, o) : 0);
}

static void rows_times_the_identity_are_the_rows(void **state)
{
    (void)state;
    for_each(check_rows, "rows");
}

static void check_panels(struct factors *f, struct random *random)
{
    size_t n = smaller(f->shape.rows, f->shape.channels);
    float *w = malloc(f->shape.channels * f->shape.outputs * sizeof *w);

    assert_non_null(w);
    for (size_t c = 0; c < f->shape.channels; c++)
        for (size_t o = 0; o < f->shape.outputs; o++)
            put(f, w[c * f->shape.outputs + o] = any_number(random), c, o);
    for (size_t r = 0; r < n; r++)
        *x_at(f, r, r) = 1;
    gather(f);
    multiply(f, 0, f->layout.depth, false);
    for (size_t r = 0; r < f->shape.rows; r++)
        for (size_t o = 0; o < f->shape.outputs; o++)
            assert_same(result(f, r, o), r < n ? w[r * f->shape.outputs + o] : 0);
    free(w);
}

static void the_identity_times_panels_are_the_panels(void **state)
{
    (void)state;
    for_each(check_panels, "panels");
}

/* Random factors: sums within the rounding of float32 sums; in two parts of the depth as well. */
static void check_sums(struct factors *f, struct random *random)
{
    size_t part = f->layout.depth / 2 / (2 * LANES) * (2 * LANES), n = f->shape.outputs;
    float *w = malloc(f->shape.channels * n * sizeof *w);

    assert_non_null(w);
    random_fill(random, w, f->shape.channels * n);
    for (size_t c = 0; c < f->shape.channels; c++)
        for (size_t o = 0; o < n; o++)
            put(f, w[c * n + o], c, o);
    for (size_t r = 0; r < f->shape.rows; r++)
        for (size_t c = 0; c < f->shape.channels; c++)
            *x_at(f, r, c) = (float)random_uniform(random);
    gather(f);
    if (part > 0)
        multiply(f, 0, part, false);
    multiply(f, part, f->layout.depth, part > 0);
    for (size_t r = 0; r < f->shape.rows; r++)
        for (size_t o = 0; o < n; o++) {
            double sum = 0, magnitude = 0;
            for (size_t c = 0; c < f->shape.channels; c++) {
                double term = (double)*x_at(f, r, c) * (double)w[c * n + o];
                sum += term;
                magnitude += fabs(term);
            }
            assert_near((double)result(f, r, o), sum, 8 * (double)FLT_EPSILON * magnitude);
        }
    free(w);
}

static void products_are_sums_of_products(void **state)
{
    (void)state;
    for_each(check_sums, "sums");
}

/* The root mean square error of a product of random factors, rows of them positive as activations are. */
static double typical_error(const struct ops *ops, size_t depth)
{
    struct random random = random_seed("error");
    struct factors f = factors_alloc(ops, (struct shape_of_product){48, depth, 64});
    size_t n = f.shape.outputs;
    float *w = malloc(depth * n * sizeof *w);
    double squares = 0;

    assert_non_null(w);
    random_fill(&random, w, depth * n);
    for (size_t i = 0; i < depth * n; i++)
        put(&f, w[i], i / n, i % n);
    for (size_t i = 0; i < f.shape.rows * depth; i++)
        *x_at(&f, i / depth, i % depth) = fabsf((float)random_uniform(&random));
    gather(&f);
    multiply(&f, 0, f.layout.depth, false);
    for (size_t r = 0; r < f.shape.rows; r++)
        for (size_t o = 0; o < n; o++) {
            double off = (double)result(&f, r, o);
            for (size_t c = 0; c < depth; c++)
                off -= (double)*x_at(&f, r, c) * (double)w[c * n + o];
            squares += off * off;
        }
    free(w);
    factors_free(&f);
    return sqrt(squares / (double)(48 * n));
}

/* Where sums nearly cancel, every rounding counts. */
static void parts_lose_no_more_digits_than_floats(void **state)
{
    static const size_t depths[] = {64, 512, 2048};

    (void)state;
    for (size_t i = 0; ops_name(i); i++) {
        const struct ops *ops = ops_select(ops_name(i));
        for (size_t k = 0; ops && ops->parts > 1 && k < sizeof depths / sizeof depths[0]; k++)
            assert_at_most(typical_error(ops, depths[k]), typical_error(factor_vectors(ops), depths[k]));
    }
}

/* What is not a number, or infinite, shows in its row, and in no other. */
static void check_not_numbers(struct factors *f, struct random *random)
{
    const uint32_t bits[] = {0x7fc00000, 0xffc00000, 0x7fffffff, 0xffffffff, 0x7f800000, 0xff800000};

    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        size_t row = random_below(random, f->shape.rows), channel = random_below(random, f->shape.channels);
        memcpy(x_at(f, row, channel), &bits[i], sizeof bits[i]);
        for (size_t o = 0; o < f->shape.outputs; o++)
            put(f, 1, channel, o);
        gather(f);
        multiply(f, 0, f->layout.depth, false);
        for (size_t r = 0; r < f->shape.rows; r++)
            assert_int_equal(isfinite(result(f, r, 0)) != 0, r != row);
        *x_at(f, row, channel) = 0;
    }
}

static void what_is_not_a_number_shows_in_its_row(void **state)
{
    (void)state;
    for_each(check_not_numbers, "not numbers");
}

/* Zeroed rows are those of the run, of all that share the lines, and no others. */
static void check_clear(struct factors *f, struct random *random)
{
    size_t first = random_below(random, f->shape.rows), n = 1 + random_below(random, f->shape.rows - first);

    for (size_t r = 0; r < f->shape.rows; r++)
        for (size_t c = 0; c < f->shape.channels; c++)
            *x_at(f, r, c) = 1;
    for (size_t c = 0; c < f->shape.channels; c++)
        put(f, 1, c, 0);
    gather(f);
    for (size_t block = 0; block < f->layout.depth / LANES; block += factor_blocks(f->ops))
        factor_clear_rows(f->rows.values + factor_rows_at(f->ops, block, f->stride) + first * LANES, n, f->ops,
                          f->stride);
    multiply(f, 0, f->layout.depth, false);
    for (size_t r = 0; r < f->shape.rows; r++)
        assert_same(result(f, r, 0), r >= first && r < first + n ? 0 : (float)f->shape.channels);
}

static void rows_can_be_cleared(void **state)
{
    (void)state;
    for_each(check_clear, "clear");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_times_the_identity_are_the_rows),
        cmocka_unit_test(the_identity_times_panels_are_the_panels),
        cmocka_unit_test(products_are_sums_of_products),
        cmocka_unit_test(parts_lose_no_more_digits_than_floats),
        cmocka_unit_test(what_is_not_a_number_shows_in_its_row),
        cmocka_unit_test(rows_can_be_cleared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
