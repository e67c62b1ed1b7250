#include "pipeline/run/block.h"

#include "kernels/base/number.h"
#include "pipeline/mpi/huge_pages.h"

#include <stdlib.h>
#include <string.h>

/* ---- memory ---------------------------------------------------------------------------------------------------- */

static size_t input_floats(const struct run_plan *plan)
{
    return shape_neurons(network_shape(&plan->model.net, 0));
}

/* Images of a group. */
static size_t group_size(const struct run_plan *plan)
{
    return plan->model.plan.options.group;
}

static void place(struct block_worker *worker, const struct run_plan *plan, struct arena *arena)
{
    const struct measure_plan *measure = &plan->model.plan;

    worker->inputs = arena_floats(arena, 2 * group_size(plan) * input_floats(plan));
    for (size_t i = 0; i < group_size(plan); i++)
        measure_result_place(&worker->results[i], measure, arena);
    measure_workspace_place(&worker->workspace, measure, arena);
    block_sums_place(&worker->block_sums, &plan->statistics, arena);
    queries_place(&worker->queries, &plan->queries, measure, arena);
    far_sums_place(&worker->far_sums, &plan->statistics, plan->config->run.seed, arena);
}

size_t block_worker_bytes(const struct run_plan *plan)
{
    struct block_worker worker;
    struct arena arena = arena_over(NULL, 0);

    place(&worker, plan, &arena);
    return arena.peak;
}

enum status block_worker_init(struct block_worker *worker, const struct run_plan *plan, struct log *log,
                              struct error *err)
{
    enum status rc = OK;

    *worker = (struct block_worker){
        .plan = plan, .log = log, .announced = SIZE_MAX, .reports = SIZE_MAX, .nbytes = block_worker_bytes(plan)};
    worker->memory = huge_pages_alloc(worker->nbytes);
    if (!worker->memory)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for the %zu MiB that a rank works in", worker->nbytes >> 20));
    struct arena arena = arena_over(worker->memory, worker->nbytes);
    place(worker, plan, &arena);
    TRY(reader_open(&worker->reader, plan->listing.memory, &plan->model.preprocessing, group_size(plan), worker->inputs,
                    err));
done:
    return rc;
}

void block_worker_free(struct block_worker *worker)
{
    reader_close(worker->reader);
    worker->reader = NULL;
    free(worker->memory);
    worker->memory = NULL;
}

/* ---- one block ------------------------------------------------------------------------------------------------- */

/* Add the time since *start to *total and start again. */
static void lap(double *start, double *total)
{
    double now = log_seconds();

    *total += now - *start;
    *start = now;
}

void block_announce(struct block_worker *worker, size_t block)
{
    worker->announced = block;
}

bool block_target(struct measure_target *target, const struct config *config, int label)
{
    const struct config_target *wanted = &config->measure.target;

    static const enum target_kind kinds[] = {
        [CONFIG_TARGET_PREDICTED] = TARGET_PREDICTED,
        [CONFIG_TARGET_LABEL] = TARGET_CLASS,
        [CONFIG_TARGET_CLASS] = TARGET_CLASS,
        [CONFIG_TARGET_CONTRAST] = TARGET_CONTRAST,
    };

    *target = (struct measure_target){kinds[wanted->kind], wanted->a, wanted->b};
    if (wanted->kind != CONFIG_TARGET_LABEL)
        return true;
    target->a = label < 0 ? 0 : (size_t)label;
    return label >= 0;
}

/* The status of an image after reading; the first failures are logged. Errors: FAIL_RESOURCE, which is not the image's
 * fault. */
static enum status status_of_reading(enum store_status *status, const struct reader_image *image, size_t index,
                                     struct block_worker *worker, struct error *err)
{
    enum status rc = image->rc;

    *status = rc == OK ? STORE_IMAGE_OK : rc == FAIL_UNSUPPORTED ? STORE_IMAGE_UNSUPPORTED : STORE_IMAGE_UNREAD;
    if (rc == FAIL_RESOURCE)
        return error_set(err, rc, "image %zu: %s", index, image->why.message);
    if (rc != OK && worker->reports > 0 && worker->reports--)
        log_error(worker->log, "image failed index=%zu reason=\"%s\"", index, image->why.message);
    return OK;
}

static void take_neurons(void *context, size_t slot, size_t variable, const float *r, const float *h)
{
    struct block_worker *worker = context;

    block_sums_neurons(&worker->block_sums, slot, variable, r, h);
}

static size_t class_of(const struct block_worker *worker, size_t slot)
{
    if (worker->plan->config->store.class_by == CONFIG_BY_TARGET)
        return worker->results[slot].target;
    return worker->label[slot] < 0 ? SIZE_MAX : (size_t)worker->label[slot];
}

static struct block_sums_case case_of(const struct block_worker *worker, size_t slot)
{
    return (struct block_sums_case){worker->results[slot].given_mass, class_of(worker, slot)};
}

static void take_flow(void *context, size_t slot, size_t edge, const float *joint, const double *to_bias,
                      const double *absorbed)
{
    struct block_worker *worker = context;

    block_sums_flow(&worker->block_sums, edge, joint, to_bias, absorbed, case_of(worker, slot));
}

/* Queries, watcher and far flows, which sweep through the image on their own. */
static void take_image(void *context, size_t slot, const struct measure_image *image)
{
    struct block_worker *worker = context;
    struct block_watcher watcher = worker->watcher;

    queries_compute(&worker->queries, &worker->plan->queries, slot, image);
    if (watcher.image)
        watcher.image(watcher.context, worker->start + slot, &worker->results[slot], image);
    far_sums_image(&worker->far_sums, &worker->block_sums, image, worker->start + slot, case_of(worker, slot));
}

static enum store_status status_of(enum store_status loaded, bool has_target, enum measure_status measured)
{
    if (loaded != STORE_IMAGE_OK)
        return loaded;
    if (!has_target || measured == MEASURE_UNDEFINED)
        return STORE_IMAGE_UNDEFINED;
    return measured == MEASURE_OK ? STORE_IMAGE_OK : STORE_IMAGE_EXPLODED;
}

static void count(struct block_outcome *outcome, enum store_status status)
{
    outcome->images++;
    outcome->failed += status == STORE_IMAGE_UNREAD || status == STORE_IMAGE_UNSUPPORTED;
    outcome->excluded += status == STORE_IMAGE_EXPLODED || status == STORE_IMAGE_UNDEFINED;
}

/* Images of one dense product. An image's slot is its place in the group, and does not depend on the run's first
 * image. */
struct group {
    size_t start; /* image of slot 0 */
    size_t first, end;
    const float *inputs[BLOCK_GROUP];
    struct measure_target targets[BLOCK_GROUP];
    enum store_status loaded[BLOCK_GROUP];
    bool has_target[BLOCK_GROUP];
};

/* The group of a block that begins at image `at`. */
static struct group group_at(const struct run_plan *plan, size_t block, size_t at)
{
    struct shard_images images = run_plan_block(plan, block);

    return (struct group){
        .start = at, .first = larger(at, images.first), .end = smaller(at + group_size(plan), images.end)};
}

/* The first group from image `at` on in the block that has images; without one, its first is not before its end. */
static struct group next_group(const struct run_plan *plan, size_t block, size_t at)
{
    size_t end = (block + 1) * plan->config->run.block;
    struct group group = group_at(plan, block, at);

    while (group.first >= group.end && at + group_size(plan) < end)
        group = group_at(plan, block, at += group_size(plan));
    return group;
}

static enum status load_group(struct group *group, struct block_worker *worker, struct error *err)
{
    const struct run_plan *plan = worker->plan;
    const struct reader_batch *batch = reader_take(worker->reader, group->first, group->end);
    enum status rc = OK;

    for (size_t index = group->first; index < group->end; index++) {
        size_t slot = index - group->start, at = index - group->first;
        worker->label[slot] = dataset_listing_label(plan->listing.memory, index);
        TRY(status_of_reading(&group->loaded[slot], &batch->images[at], index, worker, err));
        group->has_target[slot] = block_target(&group->targets[slot], plan->config, worker->label[slot]);
        if (group->loaded[slot] == STORE_IMAGE_OK && group->has_target[slot])
            group->inputs[slot] = batch->inputs + at * input_floats(plan);
    }
done:
    return rc;
}

/* Let the reader begin with the group after the one at image `at` of the block. */
static void read_ahead(struct block_worker *worker, size_t block, size_t at)
{
    const struct run_plan *plan = worker->plan;
    size_t size = plan->config->run.block;
    struct group next = {0};

    if (at + group_size(plan) < (block + 1) * size)
        next = next_group(plan, block, at + group_size(plan));
    if (next.first >= next.end && worker->announced != SIZE_MAX)
        next = next_group(plan, worker->announced, worker->announced * size);
    if (next.first < next.end)
        reader_ahead(worker->reader, next.first, next.end);
}

static void record_group(struct block_outcome *outcome, const struct group *group, struct block_worker *worker,
                         size_t first_row, struct rows *rows)
{
    const struct run_plan *plan = worker->plan;

    for (size_t index = group->first; index < group->end; index++) {
        size_t slot = index - group->start, row = index - plan->images.first;
        const struct measure_result *result = &worker->results[slot];
        enum store_status status = status_of(group->loaded[slot], group->has_target[slot], result->status);
        count(outcome, status);
        outcome->met += status == STORE_IMAGE_OK && result->given_mass != 0;
        rows_set(rows, row - first_row, status, group->inputs[slot] ? result : NULL,
                 queries_numbers(&worker->queries, &plan->queries, slot));
        if (status == STORE_IMAGE_OK)
            block_sums_image(&worker->block_sums, slot, result, row, class_of(worker, slot));
    }
}

static enum status compute_group(struct block_outcome *outcome, struct group group, struct block_worker *worker,
                                 size_t block, size_t first_row, struct rows *rows, struct error *err)
{
    double start = log_seconds();
    enum status rc = OK;

    TRY(load_group(&group, worker, err));
    lap(&start, &worker->seconds[STAGE_DECODE]);
    read_ahead(worker, block, group.start);
    worker->start = group.start;
    measure_group(worker->results, &worker->plan->model.plan, group.inputs, group.targets,
                  (struct measure_sink){worker, take_neurons, take_flow, take_image}, &worker->workspace);
    lap(&start, &worker->seconds[STAGE_MEASURE]);
    record_group(outcome, &group, worker, first_row, rows);
    lap(&start, &worker->seconds[STAGE_STATISTICS]);
done:
    return rc;
}

enum status block_compute(struct block_outcome *outcome, struct block_worker *worker, size_t block, struct rows *rows,
                          struct sums *sums, struct error *err)
{
    const struct run_plan *plan = worker->plan;
    struct shard_images images = run_plan_block(plan, block);
    size_t size = plan->config->run.block, first_row = images.first - plan->images.first;
    double start;
    enum status rc = OK;

    *outcome = (struct block_outcome){0};
    block_sums_reset(&worker->block_sums, sums);
    TRY(rows_add_block(rows, first_row, images.end - images.first, err));
    for (size_t at = block * size; at < (block + 1) * size; at += group_size(plan)) {
        struct group group = group_at(plan, block, at);
        if (group.first < group.end)
            TRY(compute_group(outcome, group, worker, block, first_row, rows, err));
    }
    start = log_seconds();
    TRY(block_sums_commit(&worker->block_sums, err));
    lap(&start, &worker->seconds[STAGE_STATISTICS]);
done:
    return rc;
}
