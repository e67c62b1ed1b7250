/* The memory that a small plan needs, by hand. */
#include "pipeline/run/block.h"
#include "pipeline/run/memory.h"
#include "pipeline/stats/finish.h"
#include "tests/support/small_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Rows: a block of 4 images has 5 columns of 4 bytes and one of 8 for each image, and 5 with 8 bytes for each of
 * VGG11's 17 variables. Bytes of the model are made up. Names have 9 letters ("img00.png"), and each takes 40 bytes
 * more. */
enum {
    MIB = 1 << 20,
    ROWS = 5 * 16 + 32 + 5 * 4 * 17 * 8,
    USUAL_ROWS = 256 * MIB,
    LIBRARIES = 64 * MIB,
    WEIGHTS = 1000,
    FORMS = 200,
    MASKS = 30,
    LISTING = 4,
    NAMES = SMALL_IMAGES * (9 + 40)
};

static void begin(struct small_run *run, bool shared)
{
    static const char *const none[] = {NULL};

    small_run_init(run, none);
    small_run_plan(run);
    run->plan.model.weights = (struct node_block){.nbytes = WEIGHTS, .shared = shared};
    run->plan.model.forms.nbytes = FORMS;
    run->plan.model.masks.nbytes = MASKS;
    run->plan.listing.nbytes = LISTING;
}

static struct memory_plan plan(const struct small_run *run, size_t ranks)
{
    struct memory_plan memory;
    struct error err = {0};

    if (memory_plan(&memory, &run->plan, ranks, &err) != OK)
        fail_msg("%s", err.message);
    return memory;
}

static void numbers_of_a_small_plan(void **state)
{
    struct small_run run;

    (void)state;
    begin(&run, true);
    struct memory_plan m = plan(&run, 3);
    assert_int_equal(m.ranks, 3);
    assert_int_equal(m.work, block_worker_bytes(&run.plan) + LIBRARIES);
    assert_int_equal(m.rows, USUAL_ROWS);
    assert_int_equal(m.shared, WEIGHTS + FORMS + MASKS + LISTING + sums_bytes(&run.plan.statistics.plan));
    assert_int_equal(m.writing, NAMES + finish_bytes(&run.plan.statistics));
    assert_int_equal(m.node, 3 * (m.work + m.rows) + m.shared + m.writing);
    small_run_free(&run);
}

static void every_rank_has_a_copy_of_what_cannot_be_shared(void **state)
{
    struct small_run run;

    (void)state;
    begin(&run, false);
    struct memory_plan m = plan(&run, 3);
    assert_int_equal(m.node, 3 * (m.work + m.rows) + 3 * m.shared + m.writing);
    small_run_free(&run);
}

/* The least has rows of one block a rank; what is allowed beyond is for more rows, the same on every rank. */
static void limits_are_kept_by_fewer_rows(void **state)
{
    struct small_run run;
    struct error err = {0};
    struct memory_plan m;

    (void)state;
    begin(&run, true);
    m = plan(&run, 3);
    size_t least = m.node - 3 * (USUAL_ROWS - (size_t)ROWS);
    run.config.run.memory = (struct config_size){true, least + 3 * 1000 + 2};
    m = plan(&run, 3);
    assert_int_equal(m.rows, ROWS + 1000);
    assert_int_equal(m.node, least + 3 * 1000);
    run.config.run.memory.value = least;
    m = plan(&run, 3);
    assert_int_equal(m.rows, ROWS);
    assert_int_equal(m.node, least);
    run.config.run.memory.value = least - 1;
    assert_int_equal(memory_plan(&m, &run.plan, 3, &err), FAIL_CONFIG);
    if (!strstr(err.message, "run.memory: a node of 3 ranks needs at least"))
        fail_msg("%s", err.message);
    small_run_free(&run);
}

static void mebibytes_are_rounded_up(void **state)
{
    (void)state;
    assert_int_equal(memory_mebibytes(0), 0);
    assert_int_equal(memory_mebibytes(1), 1);
    assert_int_equal(memory_mebibytes(3 * (size_t)MIB), 3);
    assert_int_equal(memory_mebibytes(3 * (size_t)MIB + 1), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_a_small_plan),
        cmocka_unit_test(every_rank_has_a_copy_of_what_cannot_be_shared),
        cmocka_unit_test(limits_are_kept_by_fewer_rows),
        cmocka_unit_test(mebibytes_are_rounded_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
