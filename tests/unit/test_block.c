/* What becomes of the images of a block: targets, statuses, counts, rows, and who is counted in the sums. */
#include "pipeline/run/block.h"
#include "tests/support/small_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A worker of the small run, without MPI. */
struct fixture {
    struct small_run run;
    struct sums sums;
    struct rows rows;
    struct block_worker worker;
    struct block_outcome outcome; /* of the last block */
};

static void begin(struct fixture *f, const char *const *sets)
{
    struct error err = {0};

    small_run_init(&f->run, sets);
    small_run_plan(&f->run);
    const struct sums_plan *plan = &f->run.plan.statistics.plan;
    void *memory = aligned_alloc(SUMS_ALIGNMENT, sums_bytes(plan));
    assert_non_null(memory);
    sums_attach(&f->sums, plan, memory);
    sums_reset(&f->sums);
    rows_init(&f->rows, &f->run.plan.layout);
    if (block_worker_init(&f->worker, &f->run.plan, &f->run.log, &err) != OK)
        fail_msg("%s", err.message);
}

static void end(struct fixture *f)
{
    block_worker_free(&f->worker);
    rows_free(&f->rows);
    free(f->sums.memory);
    small_run_free(&f->run);
}

static void compute(struct fixture *f, size_t block)
{
    struct error err = {0};

    if (block_compute(&f->outcome, &f->worker, block, &f->rows, &f->sums, &err) != OK)
        fail_msg("%s", err.message);
}

static void check_outcome(const struct fixture *f, size_t images, size_t failed, size_t excluded)
{
    const struct block_outcome *o = &f->outcome;

    if (o->images != images || o->failed != failed || o->excluded != excluded)
        fail_msg("%zu images, %zu failed, %zu excluded; expected %zu, %zu, %zu", o->images, o->failed, o->excluded,
                 images, failed, excluded);
}

static void check_row(const struct fixture *f, size_t row, enum store_status status, int target)
{
    struct rows_image image = rows_get(&f->rows, row);

    if (image.status != status || (target >= -1 && image.target != target))
        fail_msg("row %zu: status %d, target %d; expected %d, %d", row, (int)image.status, image.target, (int)status,
                 target);
}

static double images_in_sums(const struct fixture *f)
{
    return sums_value(&f->sums, statistics_moments(&f->run.plan.statistics, STATISTICS_IMAGES, 0)->first, 0);
}

/* ---- targets --------------------------------------------------------------------------------------------------- */

static void labels_are_targets_and_an_image_without_one_is_undefined(void **state)
{
    static const char *const sets[] = {"measure.target=label", NULL};
    struct fixture f;

    (void)state;
    begin(&f, sets);
    compute(&f, 1); /* images 4 .. 7 */
    check_outcome(&f, 4, 0, 1);
    for (size_t row = 0; row < 4; row++)
        if (row + 4 != SMALL_UNLABELLED)
            check_row(&f, row, STORE_IMAGE_OK, (int)((row + 4) % SMALL_CLASSES));
    check_row(&f, SMALL_UNLABELLED - 4, STORE_IMAGE_UNDEFINED, -1);
    assert_true(images_in_sums(&f) == 3);
    end(&f);
}

static void one_class_is_the_target_of_all(void **state)
{
    static const char *const sets[] = {"measure.target=class:2", NULL};
    struct fixture f;

    (void)state;
    begin(&f, sets);
    compute(&f, 1);
    check_outcome(&f, 4, 0, 0);
    for (size_t row = 0; row < 4; row++)
        check_row(&f, row, STORE_IMAGE_OK, 2);
    assert_true(images_in_sums(&f) == 4);
    end(&f);
}

static void predicted_classes_are_targets_by_default(void **state)
{
    static const char *const sets[] = {NULL};
    struct fixture f;

    (void)state;
    begin(&f, sets);
    compute(&f, 0);
    for (size_t row = 0; row < 4; row++) {
        int predicted = rows_get(&f.rows, row).predicted;
        assert_in_range(predicted, 0, SMALL_CLASSES - 1);
        check_row(&f, row, STORE_IMAGE_OK, predicted);
    }
    end(&f);
}

/* ---- statuses -------------------------------------------------------------------------------------------------- */

static bool logged(struct fixture *f, const char *text)
{
    char line[512];
    bool found = false;

    rewind(f->run.messages);
    while (fgets(line, sizeof line, f->run.messages))
        found = found || strstr(line, text);
    return found;
}

static void damaged_images_are_unread_and_the_others_go_on(void **state)
{
    static const char *const sets[] = {NULL};
    struct fixture f;

    (void)state;
    begin(&f, sets);
    compute(&f, 2); /* images 8 .. 11 */
    check_outcome(&f, 4, 1, 0);
    for (size_t row = 0; row < 4; row++)
        check_row(&f, row, row + 8 == SMALL_DAMAGED ? STORE_IMAGE_UNREAD : STORE_IMAGE_OK,
                  row + 8 == SMALL_DAMAGED ? -1 : -2);
    assert_true(images_in_sums(&f) == 3);
    assert_true(logged(&f, "image failed index=9"));
    end(&f);
}

/* A contrast of equal relevance explodes; a layer's variation is 1 at least, and larger with weights of both signs. */
static void images_beyond_the_variation_limit_are_exploded(void **state)
{
    static const char *const sets[] = {"run.variation_limit=1", "measure.composite=epsilon", NULL};
    struct fixture f;

    (void)state;
    begin(&f, sets);
    compute(&f, 0);
    check_outcome(&f, 4, 0, 4);
    for (size_t row = 0; row < 4; row++)
        check_row(&f, row, STORE_IMAGE_EXPLODED, rows_get(&f.rows, row).predicted);
    assert_true(images_in_sums(&f) == 0);
    end(&f);
}

/* ---- images of a block ----------------------------------------------------------------------------------------- */

struct seen {
    size_t count, indices[SMALL_IMAGES];
};

static void watch(void *context, size_t index, const struct measure_result *result, const struct measure_image *image)
{
    struct seen *seen = context;

    (void)result, (void)image;
    seen->indices[seen->count++] = index;
}

/* Images 6 .. 9 of the dataset, with a query for whose sake their arrays are kept. */
static void a_block_has_only_the_runs_images_and_the_watcher_the_good_ones(void **state)
{
    static const char *const sets[] = {"data.images=6:10", "run.block=16", "measure.query.q=input", NULL};
    struct seen seen = {0};
    struct fixture f;

    (void)state;
    begin(&f, sets);
    f.worker.watcher = (struct block_watcher){&seen, watch};
    compute(&f, 0);
    check_outcome(&f, 4, 1, 0);
    assert_int_equal(f.rows.blocks[0].first, 0);
    assert_int_equal(f.rows.blocks[0].nrows, 4);
    check_row(&f, 3, STORE_IMAGE_UNREAD, -1);
    assert_int_equal(seen.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(seen.indices[i], 6 + i);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_targets_and_an_image_without_one_is_undefined),
        cmocka_unit_test(one_class_is_the_target_of_all),
        cmocka_unit_test(predicted_classes_are_targets_by_default),
        cmocka_unit_test(damaged_images_are_unread_and_the_others_go_on),
        cmocka_unit_test(images_beyond_the_variation_limit_are_exploded),
        cmocka_unit_test(a_block_has_only_the_runs_images_and_the_watcher_the_good_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
