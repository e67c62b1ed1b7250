/* Which images and blocks a run has, and what of a configuration does not fit the dataset or the network. */
#include "pipeline/run/plan.h"
#include "tests/support/small_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void check_range(struct shard_images images, size_t first, size_t end, const char *what)
{
    if (images.first != first || images.end != end)
        fail_msg("%s: images %zu .. %zu, expected %zu .. %zu", what, images.first, images.end, first, end);
}

/* Images 3 .. 16 lie in blocks 0 to 4 of four images; the first and the last one are cut off. */
static void blocks_are_cut_by_index_in_the_dataset(void **state)
{
    static const char *const sets[] = {"data.images=3:17", NULL};
    static const size_t ends[] = {3, 4, 8, 12, 16, 17};
    struct small_run run;

    (void)state;
    small_run_init(&run, sets);
    small_run_plan(&run);
    check_range(run.plan.whole, 3, 17, "whole");
    check_range(run.plan.images, 3, 17, "run");
    assert_int_equal(run_plan_first_block(&run.plan), 0);
    assert_int_equal(run_plan_blocks(&run.plan), 5);
    for (size_t block = 0; block < 5; block++)
        check_range(run_plan_block(&run.plan, block), ends[block], ends[block + 1], "block");
    assert_true(run_plan_block(&run.plan, 5).first >= run_plan_block(&run.plan, 5).end);
    small_run_free(&run);
}

static void shards_share_the_blocks_of_the_whole(void **state)
{
    static const char *const texts[] = {"data.shard=1/2", "data.shard=2/2"};
    static const size_t firsts[] = {3, 12}, ends[] = {12, 17}, blocks[] = {3, 2}, leads[] = {0, 3};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const char *const sets[] = {"data.images=3:17", texts[i], NULL};
        struct small_run run;
        small_run_init(&run, sets);
        small_run_plan(&run);
        check_range(run.plan.whole, 3, 17, "whole");
        check_range(run.plan.images, firsts[i], ends[i], texts[i]);
        assert_int_equal(run_plan_first_block(&run.plan), leads[i]);
        assert_int_equal(run_plan_blocks(&run.plan), blocks[i]);
        small_run_free(&run);
    }
}

/* Sums of a shard must be those of a plan over everything, so that a merge can add them. */
static void shards_have_the_sums_of_the_whole(void **state)
{
    static const char *const sets[][3] = {{"data.images=3:17", NULL}, {"data.images=3:17", "data.shard=2/2", NULL}};
    struct small_run runs[2];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        small_run_init(&runs[i], sets[i]);
        small_run_plan(&runs[i]);
    }
    assert_int_equal(sums_bytes(&runs[0].plan.statistics.plan), sums_bytes(&runs[1].plan.statistics.plan));
    assert_int_equal(runs[0].plan.statistics.options.blocks, 5);
    assert_int_equal(runs[1].plan.statistics.options.blocks, 5);
    for (size_t i = 0; i < 2; i++)
        small_run_free(&runs[i]);
}

static void what_does_not_fit_is_refused(void **state)
{
    static const struct {
        const char *set, *message;
    } cases[] = {
        {"data.images=20:", "--set: data.images: the dataset has only 20 images"},
        {"data.shard=1/6", "--set: data.shard: 20 images are only 5 blocks, fewer than shards"},
        {"store.classes=1,3", "--set: store.classes: there is no class 3; the network has 3 classes, 0 to 2"},
        {"store.maps=conv1_2", "--set: store.maps"},
        {"store.per_image=conv9_1", "--set: store.per_image"},
        {"measure.query.q=conv1_1[99]", "measure.query.q"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const sets[] = {cases[i].set, NULL};
        struct small_run run;
        struct error err = {0};
        small_run_init(&run, sets);
        enum status rc = run_plan_images(&run.plan, &run.log, &err);
        if (rc == OK)
            rc = run_plan_sums(&run.plan, &err);
        if (rc != FAIL_CONFIG || !strstr(err.message, cases[i].message))
            fail_msg("%s: status %d, \"%s\"", cases[i].set, (int)rc, err.message);
        small_run_free(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_cut_by_index_in_the_dataset),
        cmocka_unit_test(shards_share_the_blocks_of_the_whole),
        cmocka_unit_test(shards_have_the_sums_of_the_whole),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
