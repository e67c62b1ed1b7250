#include "pipeline/stats/moments.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* More entries than MOMENTS_CHUNK, so that what is added at once comes in two chunks. */
enum { ENTRIES = MOMENTS_CHUNK + 5, IMAGES = 11 };

struct fixture {
    struct sums_plan plan;
    struct moments squares, products, at_once, left_out;
    size_t highest;
    void *sums_memory, *book_memory;
    struct sums sums;
    struct moments_book book;
};

static void place(struct fixture *f, struct arena *arena)
{
    moments_book_place(&f->book, &f->plan, arena);
    moments_place(&f->book, &f->squares, arena);
    moments_place(&f->book, &f->products, arena);
    moments_place_section(&f->book, f->highest, arena);
}

static int setup(void **state)
{
    static struct fixture f;
    struct arena arena = arena_over(NULL, 0);
    struct error err = {0};

    f = (struct fixture){.squares = {MOMENTS_NONE, 0, 0}};
    sums_plan_init(&f.plan, 100);
    f.squares = moments_plan(&f.plan, "squares", ENTRIES, MOMENTS_SQUARE, EXACT_VALUE);
    f.highest = sums_plan_max(&f.plan, "highest", 2);
    f.products = moments_plan(&f.plan, "products", ENTRIES, MOMENTS_PRODUCT, EXACT_VALUE);
    f.at_once = moments_plan(&f.plan, "at once", ENTRIES, MOMENTS_PRODUCT, EXACT_VALUE);
    if (sums_plan_close(&f.plan, &err) != OK)
        return -1;
    f.sums_memory = aligned_alloc(SUMS_ALIGNMENT, sums_bytes(&f.plan));
    sums_attach(&f.sums, &f.plan, f.sums_memory);
    sums_reset(&f.sums);
    place(&f, &arena);
    f.book_memory = aligned_alloc(ARENA_ALIGNMENT, arena.peak);
    arena = arena_over(f.book_memory, arena.peak);
    place(&f, &arena);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sums_plan_free(&f->plan);
    free(f->sums_memory);
    free(f->book_memory);
    return 0;
}

/* Value of an entry of an image, and the image's condition; every entry has values of its own. */
static double draw(size_t image, size_t i)
{
    uint64_t x = (image * 1000003 + i + 1) * 0x9e3779b97f4a7c15u;

    x ^= x >> 31;
    return ((double)(x % 2000003) - 1000001) / 1e6 + 0.3;
}

static double condition(size_t image)
{
    return 0.7 + 0.05 * (double)image;
}

static void add_images(struct fixture *f, size_t first, size_t end)
{
    static double x[ENTRIES];
    static float rounded[ENTRIES];

    for (size_t image = first; image < end; image++) {
        for (size_t i = 0; i < ENTRIES; i++) {
            x[i] = draw(image, i);
            rounded[i] = (float)x[i];
        }
        moments_add_floats(&f->book, &f->squares, 0, rounded, condition(image), ENTRIES);
        moments_add(&f->book, &f->products, 0, x, condition(image), ENTRIES);
        moments_add_floats(&f->book, &f->at_once, 0, rounded, condition(image), ENTRIES);
        moments_add(&f->book, &f->left_out, 0, x, condition(image), ENTRIES);
    }
}

/* Sums over images in plain doubles, in their order. */
struct plain {
    double x, xx, xy, y, yy;
};

static struct plain plain_sums(size_t i, bool rounded)
{
    struct plain p = {0, 0, 0, 0, 0};

    for (size_t image = 0; image < IMAGES; image++) {
        double x = rounded ? (double)(float)draw(image, i) : draw(image, i), y = condition(image);
        p.x += x;
        p.xx += x * x;
        p.xy += x * y;
        p.y += y;
        p.yy += y * y;
    }
    return p;
}

static void assert_near(double value, double expected, double tolerance, const char *what, size_t i)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%s of entry %zu: %.17g, expected %.17g within %g", what, i, value, expected, tolerance);
}

static void assert_sums(const struct fixture *f, const struct moments *m, bool rounded, double tolerance)
{
    for (size_t i = 0; i < ENTRIES; i++) {
        struct plain p = plain_sums(i, rounded);
        assert_near(sums_value(&f->sums, m->first, i), p.x, tolerance, "sum of x", i);
        assert_near(sums_value(&f->sums, m->first + 1, i), p.xx, tolerance, "sum of x^2", i);
        if (m->kept == MOMENTS_PRODUCT)
            assert_near(sums_value(&f->sums, m->first + 2, i), p.xy, tolerance, "sum of x y", i);
    }
}

/* The exact sums hold 2^-64, less than the last bit of these sums. */
static void sums_of_a_block_are_those_of_doubles_in_the_order_of_images(void **state)
{
    struct fixture *f = *state;

    moments_reset(&f->book, &f->sums);
    add_images(f, 0, IMAGES);
    assert_int_equal(moments_commit(&f->book, NULL), OK);
    assert_sums(f, &f->squares, true, 1e-18);
    assert_sums(f, &f->products, false, 1e-18);
    assert_sums(f, &f->at_once, true, 1e-14);
}

static void a_block_begins_empty_and_blocks_add_up(void **state)
{
    struct fixture *f = *state;

    moments_reset(&f->book, &f->sums);
    add_images(f, 0, 4);
    assert_int_equal(moments_commit(&f->book, NULL), OK);
    moments_reset(&f->book, &f->sums);
    add_images(f, 4, IMAGES);
    assert_int_equal(moments_commit(&f->book, NULL), OK);
    assert_sums(f, &f->squares, true, 1e-14);
    assert_sums(f, &f->products, false, 1e-14);
    assert_sums(f, &f->at_once, true, 1e-14);
}

static void only_what_is_added_at_once_is_there_before_the_commit(void **state)
{
    struct fixture *f = *state;
    double block, at_once;

    moments_reset(&f->book, &f->sums);
    add_images(f, 0, 1);
    block = sums_value(&f->sums, f->products.first, 3);
    at_once = sums_value(&f->sums, f->at_once.first, 3);
    assert_near(block, 0, 0, "sum of the block", 3);
    assert_near(at_once, (double)(float)draw(0, 3), 1e-18, "sum at once", 3);
}

static void values_go_to_the_entries_they_are_for(void **state)
{
    struct fixture *f = *state;
    const struct moments *all[] = {&f->products, &f->at_once};
    const double x[] = {0.5, 0.25};

    moments_reset(&f->book, &f->sums);
    for (size_t k = 0; k < 2; k++)
        moments_add(&f->book, all[k], 7, x, 3, 2);
    assert_int_equal(moments_commit(&f->book, NULL), OK);
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 6; i < 10; i++) {
            double expected = i == 7 ? 0.5 : i == 8 ? 0.25 : 0;
            assert_near(sums_value(&f->sums, all[k]->first, i), expected, 0, "sum of x", i);
            assert_near(sums_value(&f->sums, all[k]->first + 2, i), 3 * expected, 0, "sum of x y", i);
        }
}

static void what_is_added_at_once_may_be_longer_than_a_chunk(void **state)
{
    struct fixture *f = *state;
    static double x[ENTRIES];

    for (size_t i = 0; i < ENTRIES; i++)
        x[i] = (double)i;
    moments_reset(&f->book, &f->sums);
    moments_add(&f->book, &f->at_once, 0, x, 2, ENTRIES);
    for (size_t i = 0; i < ENTRIES; i++) {
        assert_near(sums_value(&f->sums, f->at_once.first, i), x[i], 0, "sum of x", i);
        assert_near(sums_value(&f->sums, f->at_once.first + 1, i), x[i] * x[i], 0, "sum of x^2", i);
        assert_near(sums_value(&f->sums, f->at_once.first + 2, i), x[i] * 2, 0, "sum of x y", i);
    }
}

static void maxima_of_a_block_begin_at_minus_infinity(void **state)
{
    struct fixture *f = *state;

    for (int block = 0; block < 2; block++) {
        moments_reset(&f->book, &f->sums);
        assert_near(f->book.block[f->highest][0] == (double)-INFINITY, 1, 0, "maximum is -infinity", 0);
        f->book.block[f->highest][0] = block ? -7 : -5;
        assert_int_equal(moments_commit(&f->book, NULL), OK);
    }
    assert_near(sums_max_data(&f->sums, f->highest)[0], -5, 0, "maximum", 0);
    assert_near(sums_max_data(&f->sums, f->highest)[1] == (double)-INFINITY, 1, 0, "maximum is -infinity", 1);
}

static void the_commit_reports_the_first_value_that_does_not_fit(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    const double good = 1, bad = NAN;

    moments_reset(&f->book, &f->sums);
    moments_add(&f->book, &f->at_once, 5, &bad, 1, 1);
    moments_add(&f->book, &f->at_once, 6, &good, 1, 1);
    moments_add(&f->book, &f->products, 6, &good, 1, 1);
    assert_int_equal(moments_commit(&f->book, &err), FAIL_LIMIT);
    if (!strstr(err.message, "at once[5]"))
        fail_msg("message: %s", err.message);
    assert_near(sums_value(&f->sums, f->at_once.first, 6), 0, 0, "sum after a failure", 6);
    assert_near(sums_value(&f->sums, f->products.first, 6), 0, 0, "sum after a failure", 6);
    moments_reset(&f->book, &f->sums);
    assert_int_equal(moments_commit(&f->book, &err), OK);
}

/* The ratio and its error as the mean of x / mean(y) and the variance of x - r y, from the values themselves. */
static void ratio_and_its_error_are_those_of_the_residuals(void **state)
{
    struct fixture *f = *state;

    moments_reset(&f->book, &f->sums);
    add_images(f, 0, IMAGES);
    assert_int_equal(moments_commit(&f->book, NULL), OK);
    for (size_t i = 0; i < 50; i++) {
        struct plain p = plain_sums(i, false);
        struct moments_ratio r = moments_ratio_at(&f->products, &f->sums, i, (struct moments_given){IMAGES, p.y, p.yy});
        double n = IMAGES, ratio = p.x / p.y, mean_y = p.y / n, residuals = 0, deviations = 0;
        for (size_t image = 0; image < IMAGES; image++) {
            residuals += pow(draw(image, i) - ratio * condition(image), 2);
            deviations += pow(draw(image, i) - p.x / n, 2);
        }
        assert_near(r.mean, ratio, 1e-14, "mean", i);
        assert_near(r.std, sqrt(deviations / (n - 1)) / mean_y, 1e-12, "std", i);
        assert_near(r.std_error, sqrt(residuals / (n - 1) / n) / mean_y, 1e-12, "standard error", i);
    }
}

/* Without products y is one, and the standard error that of a mean. */
static void without_products_the_error_is_that_of_a_mean(void **state)
{
    struct fixture *f = *state;

    moments_reset(&f->book, &f->sums);
    add_images(f, 0, IMAGES);
    assert_int_equal(moments_commit(&f->book, NULL), OK);
    for (size_t i = 0; i < 50; i++) {
        struct moments_given given = {IMAGES, IMAGES, IMAGES};
        struct moments_ratio r = moments_ratio_at(&f->squares, &f->sums, i, given);
        double mean = plain_sums(i, true).x / IMAGES, deviations = 0;
        for (size_t image = 0; image < IMAGES; image++)
            deviations += pow((double)(float)draw(image, i) - mean, 2);
        assert_near(r.mean, mean, 1e-14, "mean", i);
        assert_near(r.std_error, sqrt(deviations / (IMAGES - 1) / IMAGES), 1e-12, "standard error", i);
    }
}

static void error_of_the_condition_is_that_of_its_mean(void **state)
{
    struct plain p = plain_sums(0, false);
    double deviations = 0;

    (void)state;
    for (size_t image = 0; image < IMAGES; image++)
        deviations += pow(condition(image) - p.y / IMAGES, 2);
    assert_near(moments_given_error((struct moments_given){IMAGES, p.y, p.yy}),
                sqrt(deviations / (IMAGES - 1) / IMAGES), 1e-13, "standard error", 0);
}

static void too_few_images_have_no_number(void **state)
{
    struct moments_ratio none = moments_ratio((struct moments_given){0, 0, 0}, 0, 0, 0);
    struct moments_ratio one = moments_ratio((struct moments_given){1, 0.5, 0.25}, 0.25, 0.0625, 0.125);

    (void)state;
    if (!isnan(none.mean) || !isnan(none.std) || !isnan(none.std_error))
        fail_msg("without images: %g %g %g", none.mean, none.std, none.std_error);
    if (one.mean != 0.5 || !isnan(one.std) || !isnan(one.std_error))
        fail_msg("of one image: %g %g %g", one.mean, one.std, one.std_error);
    if (!isnan(moments_given_error((struct moments_given){1, 0.5, 0.25})))
        fail_msg("the mean of one image has an error");
}

/* x = y: the residuals are zero but for rounding, which may be negative. */
static void a_variance_below_zero_counts_as_zero(void **state)
{
    (void)state;
    for (size_t k = 1; k < 100; k++) {
        double y = 0, yy = 0;
        for (size_t image = 0; image < k + 1; image++) {
            y += 0.1 * (double)k;
            yy += 0.1 * (double)k * (0.1 * (double)k);
        }
        struct moments_ratio r = moments_ratio((struct moments_given){(double)k + 1, y, yy}, y, yy, yy);
        assert_near(r.std_error, 0, 1e-7, "standard error", k);
        assert_near(r.std, 0, 1e-7, "std", k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sums_of_a_block_are_those_of_doubles_in_the_order_of_images, setup, teardown),
        cmocka_unit_test_setup_teardown(a_block_begins_empty_and_blocks_add_up, setup, teardown),
        cmocka_unit_test_setup_teardown(only_what_is_added_at_once_is_there_before_the_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(values_go_to_the_entries_they_are_for, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_added_at_once_may_be_longer_than_a_chunk, setup, teardown),
        cmocka_unit_test_setup_teardown(maxima_of_a_block_begin_at_minus_infinity, setup, teardown),
        cmocka_unit_test_setup_teardown(the_commit_reports_the_first_value_that_does_not_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(ratio_and_its_error_are_those_of_the_residuals, setup, teardown),
        cmocka_unit_test_setup_teardown(without_products_the_error_is_that_of_a_mean, setup, teardown),
        cmocka_unit_test(error_of_the_condition_is_that_of_its_mean),
        cmocka_unit_test(too_few_images_have_no_number),
        cmocka_unit_test(a_variance_below_zero_counts_as_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
