#include "pipeline/stats/sums.h"
#include "tests/support/assert.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WIDE = 5003, CHANNELS = 7, DEPTH = 3, BLOCKS = 40 };

struct fixture {
    struct sums_plan plan;
    size_t value, square, count, largest, top;
};

static int setup(void **state)
{
    static struct fixture f;
    struct error err = {0};

    sums_plan_init(&f.plan, BLOCKS);
    f.value = sums_plan_exact(&f.plan, "value", WIDE, EXACT_VALUE);
    f.largest = sums_plan_max(&f.plan, "largest", CHANNELS);
    f.square = sums_plan_exact(&f.plan, "square", CHANNELS, EXACT_SQUARE);
    f.top = sums_plan_top(&f.plan, "top", CHANNELS, DEPTH);
    f.count = sums_plan_exact(&f.plan, "count", 1, EXACT_COUNT);
    *state = &f;
    return sums_plan_close(&f.plan, &err) == OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sums_plan_free(&f->plan);
    return 0;
}

static struct sums make(const struct fixture *f)
{
    struct sums sums;

    sums_attach(&sums, &f->plan, aligned_alloc(SUMS_ALIGNMENT, sums_bytes(&f->plan)));
    sums_reset(&sums);
    return sums;
}

static double draw(size_t block, size_t i)
{
    uint64_t x = (block * 1000003 + i + 1) * 0x9e3779b97f4a7c15u;

    x ^= x >> 31;
    return ((double)(x % 2000003) - 1000001) / 777;
}

static void add_block(const struct fixture *f, struct sums *sums, size_t block)
{
    static double values[WIDE];
    struct toplist_entry entries[CHANNELS];
    const double one = 1;

    for (size_t i = 0; i < WIDE; i++)
        values[i] = draw(block, i);
    for (size_t c = 0; c < CHANNELS; c++)
        entries[c] = (struct toplist_entry){floor(values[c] / 300), (int64_t)block, (int64_t)c};
    assert_int_equal(sums_add(sums, f->value, 0, values, WIDE, NULL), OK);
    assert_int_equal(sums_add(sums, f->square, 0, values, CHANNELS, NULL), OK);
    assert_int_equal(sums_add(sums, f->count, 0, &one, 1, NULL), OK);
    sums_max(sums, f->largest, 0, values, CHANNELS);
    sums_top(sums, f->top, 0, entries, NULL, CHANNELS);
}

static void assert_equal(const struct fixture *f, const struct sums *a, const struct sums *b)
{
    size_t first = f->plan.first[0];

    assert_memory_equal(a->memory + first, b->memory + first, sums_bytes(&f->plan) - first);
}

static void sums_are_those_of_a_plain_loop(void **state)
{
    const struct fixture *f = *state;
    struct sums sums = make(f);

    for (size_t block = 0; block < BLOCKS; block++)
        add_block(f, &sums, block);
    for (size_t i = 0; i < WIDE; i += 7) {
        exact_int expected = 0;
        for (size_t block = 0; block < BLOCKS; block++)
            expected += exact_from_double(draw(block, i), EXACT_VALUE);
        assert_same(sums_exact_data(&sums, f->value)[i] - expected, 0);
    }
    for (size_t c = 0; c < CHANNELS; c++) {
        double expected = -INFINITY;
        for (size_t block = 0; block < BLOCKS; block++)
            expected = fmax(expected, draw(block, c));
        assert_same(sums_max_data(&sums, f->largest)[c], expected);
    }
    assert_same(sums_value(&sums, f->count, 0), BLOCKS);
    free(sums.memory);
}

static void the_order_of_blocks_does_not_matter(void **state)
{
    const struct fixture *f = *state;
    struct sums forward = make(f), backward = make(f);

    for (size_t block = 0; block < BLOCKS; block++) {
        add_block(f, &forward, block);
        add_block(f, &backward, BLOCKS - 1 - block);
    }
    assert_equal(f, &forward, &backward);
    free(forward.memory);
    free(backward.memory);
}

static void merged_parts_equal_the_whole(void **state)
{
    const struct fixture *f = *state;
    struct sums whole = make(f), even = make(f), odd = make(f);

    for (size_t block = 0; block < BLOCKS; block++) {
        add_block(f, &whole, block);
        add_block(f, block % 2 ? &odd : &even, block);
    }
    sums_merge(&even, &odd);
    assert_equal(f, &even, &whole);
    free(whole.memory);
    free(even.memory);
    free(odd.memory);
}

static void a_part_of_a_section_can_be_added(void **state)
{
    const struct fixture *f = *state;
    struct sums sums = make(f);
    static double values[WIDE];

    for (size_t i = 0; i < WIDE; i++)
        values[i] = 1;
    assert_int_equal(sums_add(&sums, f->value, 2000, values, 2500, NULL), OK);
    for (size_t i = 0; i < WIDE; i++)
        assert_same(sums_value(&sums, f->value, i), i >= 2000 && i < 4500);
    free(sums.memory);
}

static void a_value_out_of_range_is_refused_and_nothing_added(void **state)
{
    const struct fixture *f = *state;
    struct sums sums = make(f), empty = make(f);
    const double bad[] = {NAN, INFINITY, -INFINITY, sums_limit(&f->plan, f->square)};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        double values[CHANNELS] = {1, 2, 3, 4, bad[i], 5, 6};
        struct error err = {0};
        assert_int_equal(sums_add(&sums, f->square, 0, values, CHANNELS, &err), FAIL_LIMIT);
        assert_non_null(strstr(err.message, "square[4]"));
    }
    assert_equal(f, &sums, &empty);
    free(sums.memory);
    free(empty.memory);
}

static void limits_follow_the_planned_additions_of_a_section(void **state)
{
    struct sums_plan plan;

    (void)state;
    sums_plan_init(&plan, 10);
    size_t few = sums_plan_exact(&plan, "few", 1, EXACT_SQUARE);
    sums_plan_additions(&plan, 1000);
    size_t many = sums_plan_exact(&plan, "many", 1, EXACT_SQUARE);
    assert_same(sums_limit(&plan, few), exact_limit(EXACT_SQUARE, 10));
    assert_same(sums_limit(&plan, many), exact_limit(EXACT_SQUARE, 1000));
    sums_plan_free(&plan);
}

static void empty_maxima_are_minus_infinity_and_nan_is_no_maximum(void **state)
{
    const struct fixture *f = *state;
    struct sums sums = make(f);
    const double values[] = {NAN, -1};

    sums_max(&sums, f->largest, 0, values, 2);
    assert_same(sums_max_data(&sums, f->largest)[0], -INFINITY);
    assert_same(sums_max_data(&sums, f->largest)[1], -1);
    free(sums.memory);
}

static void sections_are_found_by_name_and_aligned(void **state)
{
    const struct fixture *f = *state;

    assert_int_equal(sums_plan_find(&f->plan, "largest"), f->largest);
    assert_int_equal(sums_plan_find(&f->plan, "larges"), f->plan.nsections);
    for (size_t i = 0; i < f->plan.nsections; i++)
        assert_int_equal(f->plan.sections[i].offset % SUMS_ALIGNMENT, 0);
}

static void a_plan_larger_than_memory_is_an_error(void **state)
{
    struct sums_plan plan;
    struct error err = {0};

    (void)state;
    sums_plan_init(&plan, 1);
    sums_plan_top(&plan, "huge", SIZE_MAX / 8, 16);
    assert_int_equal(sums_plan_close(&plan, &err), FAIL_LIMIT);
    assert_non_null(strstr(err.message, "huge"));
    sums_plan_free(&plan);
}

static void a_plan_of_many_sections_grows(void **state)
{
    struct sums_plan plan;
    struct error err = {0};

    (void)state;
    sums_plan_init(&plan, 1);
    for (size_t i = 0; i < 500; i++)
        assert_int_equal(sums_plan_exact(&plan, "same", 1, EXACT_COUNT), i);
    assert_int_equal(sums_plan_close(&plan, &err), OK);
    assert_int_equal(plan.first[SUMS_MAX] - plan.first[SUMS_EXACT], 500 * SUMS_ALIGNMENT);
    sums_plan_free(&plan);
}

static void counting_adds_one_to_each(void **state)
{
    static const size_t first[] = {0, 3, 2047, 2048, 4095, 4096, WIDE - 1}, second[] = {3, 2048};
    struct sums_plan plan;
    struct sums sums;
    struct error err = {0};
    size_t total = 0;

    (void)state;
    sums_plan_init(&plan, 1);
    size_t bins = sums_plan_exact(&plan, "bins", WIDE, EXACT_COUNT);
    assert_int_equal(sums_plan_close(&plan, &err), OK);
    sums_attach(&sums, &plan, aligned_alloc(SUMS_ALIGNMENT, sums_bytes(&plan)));
    sums_reset(&sums);
    sums_count(&sums, bins, first, sizeof first / sizeof first[0]);
    sums_count(&sums, bins, second, 2);
    sums_count(&sums, bins, second, 0);
    for (size_t i = 0; i < WIDE; i++)
        total += (size_t)sums_value(&sums, bins, i);
    assert_int_equal(total, 9);
    assert_same(sums_value(&sums, bins, 3), 2);
    assert_same(sums_value(&sums, bins, 2048), 2);
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++)
        assert_at_least(sums_value(&sums, bins, first[i]), 1);
    sums_plan_free(&plan);
    free(sums.memory);
}

/* Many equal values, of which the lower image comes first, in an order that is not that of the images. */
static void entries_that_are_not_looked_at_would_not_get_in(void **state)
{
    const struct fixture *f = *state;
    struct sums all = make(f), some = make(f);
    struct toplist_entry entries[CHANNELS];
    double least[CHANNELS];
    size_t below = 0;

    for (size_t c = 0; c < CHANNELS; c++)
        least[c] = (double)-INFINITY;
    for (size_t i = 0; i < 200; i++) {
        size_t image = i * 77 % 200;
        for (size_t c = 0; c < CHANNELS; c++) {
            entries[c] = (struct toplist_entry){floor(draw(image, c) / 300), (int64_t)image, 0};
            below += entries[c].value < least[c];
        }
        sums_top(&all, f->top, 0, entries, NULL, CHANNELS);
        sums_top(&some, f->top, 0, entries, least, CHANNELS);
    }
    assert_more(below, 100 * CHANNELS);
    assert_equal(f, &all, &some);
    free(all.memory);
    free(some.memory);
}

static void contents_of_a_file_are_checked(void **state)
{
    const struct fixture *f = *state;
    struct sums sums = make(f);
    const double one = 1;
    struct error err = {0};

    for (size_t block = 0; block < BLOCKS; block++)
        add_block(f, &sums, block);
    assert_int_equal(sums_accept(&sums, BLOCKS, NULL), OK);
    assert_int_equal(sums_accept(&sums, 1, &err), FAIL_FORMAT); /* lists of three images */
    sums_top_data(&sums, f->top)[1].image = -2;
    assert_int_equal(sums_accept(&sums, BLOCKS, &err), FAIL_FORMAT);
    sums_reset(&sums);
    sums_exact_data(&sums, f->value)[WIDE - 1] = -((exact_int)1 << EXACT_RANGE);
    assert_int_equal(sums_accept(&sums, BLOCKS, &err), FAIL_FORMAT);
    sums_reset(&sums);
    memset(sums.memory, 0xff, f->plan.first[0]); /* all locks are taken, by nobody */
    assert_int_equal(sums_accept(&sums, BLOCKS, NULL), OK);
    assert_int_equal(sums_add(&sums, f->count, 0, &one, 1, NULL), OK);
    free(sums.memory);
}

/* Parts that number their images from zero, as the whole does once they are shifted. */
static void shifted_parts_equal_the_whole(void **state)
{
    const struct fixture *f = *state;
    struct sums whole = make(f), first = make(f), second = make(f);
    struct toplist_entry entry = {.position = 5};

    enum { CUT = 3, IMAGES = 8 };

    for (int64_t i = 0; i < IMAGES; i++) {
        entry.value = (double)(i * 5 % 7);
        entry.image = i;
        sums_top(&whole, f->top, 2, &entry, NULL, 1);
        entry.image = i < CUT ? i : i - CUT;
        sums_top(i < CUT ? &first : &second, f->top, 2, &entry, NULL, 1);
    }
    sums_shift_images(&second, CUT);
    sums_merge(&first, &second);
    assert_equal(f, &first, &whole);
    free(whole.memory);
    free(first.memory);
    free(second.memory);
}

/* A file of a version that did not keep a section, in a plan that does. */
static void a_section_that_contents_lack_is_inserted_empty(void **state)
{
    const struct fixture *f = *state;
    struct sums sums = make(f), whole = make(f);

    for (size_t block = 0; block < BLOCKS; block++)
        add_block(f, &whole, block);
    const struct sums_plan *plan = &f->plan;
    size_t from = plan->sections[f->square].offset, n = sums_section_bytes(plan, f->square), end = sums_bytes(plan);
    assert_int_equal(n, 128); /* 7 x 16, in lines of 64 */
    memcpy(sums.memory, whole.memory, from);
    memcpy(sums.memory + from, whole.memory + from + n, end - from - n);
    sums_insert(&sums, f->square);
    memset(whole.memory + from, 0, n);
    assert_equal(f, &sums, &whole);
    assert_same(sums_value(&sums, f->count, 0), BLOCKS);
    free(sums.memory);
    free(whole.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_a_plain_loop),
        cmocka_unit_test(the_order_of_blocks_does_not_matter),
        cmocka_unit_test(merged_parts_equal_the_whole),
        cmocka_unit_test(a_part_of_a_section_can_be_added),
        cmocka_unit_test(a_value_out_of_range_is_refused_and_nothing_added),
        cmocka_unit_test(limits_follow_the_planned_additions_of_a_section),
        cmocka_unit_test(empty_maxima_are_minus_infinity_and_nan_is_no_maximum),
        cmocka_unit_test(sections_are_found_by_name_and_aligned),
        cmocka_unit_test(a_plan_larger_than_memory_is_an_error),
        cmocka_unit_test(a_plan_of_many_sections_grows),
        cmocka_unit_test(counting_adds_one_to_each),
        cmocka_unit_test(entries_that_are_not_looked_at_would_not_get_in),
        cmocka_unit_test(contents_of_a_file_are_checked),
        cmocka_unit_test(shifted_parts_equal_the_whole),
        cmocka_unit_test(a_section_that_contents_lack_is_inserted_empty),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
