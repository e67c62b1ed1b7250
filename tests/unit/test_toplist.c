#include "pipeline/util/toplist.h"
#include "tests/support/assert.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 200, DEPTH = 16 };

static unsigned random_below(unsigned n)
{
    static uint32_t state = 12345;

    state = state * 1664525u + 1013904223u;
    return (state >> 8) % n;
}

/* N entries of different images with many equal values. */
static void make_entries(struct toplist_entry *entries)
{
    for (int i = 0; i < N; i++)
        entries[i] = (struct toplist_entry){(double)random_below(40) - 20, i, (int64_t)random_below(49)};
}

static void shuffle(struct toplist_entry *entries)
{
    for (unsigned i = N; i > 1; i--) {
        unsigned j = random_below(i);
        struct toplist_entry entry = entries[i - 1];
        entries[i - 1] = entries[j];
        entries[j] = entry;
    }
}

/* Written without the module: values down, then images up. */
static int compare(const void *pa, const void *pb)
{
    const struct toplist_entry *a = pa, *b = pb;

    if (a->value != b->value)
        return a->value > b->value ? -1 : 1;
    return a->image < b->image ? -1 : a->image > b->image;
}

static void lists_are_the_first_of_the_sorted_entries_in_any_order(void **state)
{
    struct toplist_entry entries[N], sorted[N], list[DEPTH];

    (void)state;
    make_entries(entries);
    memcpy(sorted, entries, sizeof sorted);
    qsort(sorted, N, sizeof sorted[0], compare);
    for (int round = 0; round < 50; round++) {
        shuffle(entries);
        toplist_init(list, DEPTH);
        for (size_t i = 0; i < N; i++)
            toplist_insert(list, DEPTH, entries[i]);
        assert_memory_equal(list, sorted, sizeof list);
    }
}

static void merging_parts_equals_one_list(void **state)
{
    struct toplist_entry entries[N], whole[DEPTH], merged[DEPTH], part[DEPTH];

    (void)state;
    make_entries(entries);
    toplist_init(whole, DEPTH);
    toplist_init(merged, DEPTH);
    for (size_t i = 0; i < N; i++)
        toplist_insert(whole, DEPTH, entries[i]);
    shuffle(entries);
    for (size_t first = 0, n; first < N; first += n) {
        n = 1 + random_below(30);
        n = n < N - first ? n : N - first;
        toplist_init(part, DEPTH);
        for (size_t i = first; i < first + n; i++)
            toplist_insert(part, DEPTH, entries[i]);
        toplist_merge(merged, part, DEPTH);
    }
    assert_memory_equal(merged, whole, sizeof whole);
}

static void short_lists_leave_the_rest_unused(void **state)
{
    struct toplist_entry list[3];

    (void)state;
    toplist_init(list, 3);
    toplist_insert(list, 3, (struct toplist_entry){-5, 7, 2});
    assert_same(list[0].image, 7);
    for (size_t i = 1; i < 3; i++) {
        assert_same(list[i].image, -1);
        assert_same(list[i].position, -1);
        assert_nan(list[i].value);
    }
}

static void nan_and_unused_entries_change_nothing(void **state)
{
    struct toplist_entry list[2], before[2];

    (void)state;
    toplist_init(list, 2);
    toplist_insert(list, 2, (struct toplist_entry){1, 3, 0});
    memcpy(before, list, sizeof list);
    toplist_insert(list, 2, (struct toplist_entry){(double)NAN, 4, 0});
    toplist_insert(list, 2, (struct toplist_entry){9, -1, 0});
    assert_memory_equal(list, before, sizeof list);
}

static void equal_zeros_of_either_sign_have_one_representation(void **state)
{
    struct toplist_entry list[2];

    (void)state;
    toplist_init(list, 2);
    toplist_insert(list, 2, (struct toplist_entry){-0.0, 1, 0});
    assert_false(signbit(list[0].value));
}

static void infinite_values_are_ordered(void **state)
{
    struct toplist_entry list[3];

    (void)state;
    toplist_init(list, 3);
    toplist_insert(list, 3, (struct toplist_entry){-INFINITY, 1, 0});
    toplist_insert(list, 3, (struct toplist_entry){INFINITY, 2, 0});
    toplist_insert(list, 3, (struct toplist_entry){0, 3, 0});
    assert_same(list[0].image, 2);
    assert_same(list[1].image, 3);
    assert_same(list[2].image, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_the_first_of_the_sorted_entries_in_any_order),
        cmocka_unit_test(merging_parts_equals_one_list),
        cmocka_unit_test(short_lists_leave_the_rest_unused),
        cmocka_unit_test(nan_and_unused_entries_change_nothing),
        cmocka_unit_test(equal_zeros_of_either_sign_have_one_representation),
        cmocka_unit_test(infinite_values_are_ordered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
