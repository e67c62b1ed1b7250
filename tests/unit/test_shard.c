#include "pipeline/config/shard.h"
#include "tests/support/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct config config_of(size_t first, size_t end)
{
    return (struct config){.data = {.images = {first, end}}};
}

static void an_open_range_ends_with_the_dataset(void **state)
{
    struct config config = config_of(3, SIZE_MAX);
    struct shard_images whole = shard_whole(&config, 50);

    (void)state;
    assert_int_equal(whole.first, 3);
    assert_int_equal(whole.end, 50);
    config = config_of(0, 20);
    assert_int_equal(shard_whole(&config, 50).end, 20);
}

static void blocks_are_counted_by_index_in_the_dataset(void **state)
{
    (void)state;
    assert_int_equal(shard_blocks((struct shard_images){0, 16}, 16), 1);
    assert_int_equal(shard_blocks((struct shard_images){15, 17}, 16), 2);
    assert_int_equal(shard_blocks((struct shard_images){16, 48}, 16), 2);
    assert_int_equal(shard_blocks((struct shard_images){0, SIZE_MAX}, 1), SIZE_MAX);
}

/* Shards follow each other without gaps, and begin with blocks; their blocks differ by one at most. */
static void check_cut(struct shard_images whole, size_t block, size_t count)
{
    size_t at = whole.first, least = SIZE_MAX, most = 0;

    for (size_t k = 1; k <= count; k++) {
        struct shard_images part = shard_part(whole, block, (struct config_shard){k, count});
        size_t blocks = shard_blocks(part, block);
        assert_int_equal(part.first, at);
        assert_more(part.end, part.first);
        if (part.first != whole.first)
            assert_int_equal(part.first % block, 0);
        least = blocks < least ? blocks : least;
        most = blocks > most ? blocks : most;
        at = part.end;
    }
    assert_int_equal(at, whole.end);
    assert_at_most(most - least, 1);
}

static void shards_cover_the_images_in_whole_blocks(void **state)
{
    (void)state;
    for (size_t block = 1; block < 20; block += 3)
        for (size_t first = 0; first < 40; first += 7)
            for (size_t n = 1; n < 200; n += 13) {
                struct shard_images whole = {first, first + n};
                size_t blocks = shard_blocks(whole, block);
                for (size_t count = 1; count <= blocks && count < 9; count++)
                    check_cut(whole, block, count);
                check_cut(whole, block, blocks);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_open_range_ends_with_the_dataset),
        cmocka_unit_test(blocks_are_counted_by_index_in_the_dataset),
        cmocka_unit_test(shards_cover_the_images_in_whole_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
