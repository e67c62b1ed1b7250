#include "pipeline/run/output.h"

#include "io/base/fault.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/stats/sums_reduce.h"

#include <stdlib.h>

enum status run_output_init(struct run_output *output, const char *path, struct run_work *work, struct error *err)
{
    *output = (struct run_output){.path = path, .work = work, .provenance = work->plan->provenance};
    return parts_open(&output->parts, path, work->node, work->plan->config->run.lock, work->log, err);
}

void run_output_free(struct run_output *output)
{
    parts_free(&output->parts);
    schedule_free(&output->schedule);
}

/* ---- what is left to do ---------------------------------------------------------------------------------------- */

/* Mark the blocks whose rows are in part files. */
static enum status mark_finished(bool *finished, struct run_output *output, struct error *err)
{
    const struct run_plan *plan = output->work->plan;
    size_t size = plan->config->run.block, first = run_plan_first_block(plan);
    struct rows_parts parts;
    enum status rc = parts_read(&parts, &output->parts, &plan->layout, err);

    for (size_t i = 0; rc == OK && i < parts.nplaces; i++) {
        size_t block = (plan->images.first + parts.places[i].first) / size;
        if (block < first || block - first >= run_plan_blocks(plan))
            rc = error_set(err, FAIL_FORMAT, "the part files of %s hold rows beyond its images", output->path);
        else
            finished[block - first] = true;
    }
    output->before = parts.nrows;
    rows_parts_free(&parts);
    return rc;
}

enum status run_output_schedule(struct run_output *output, struct error *err)
{
    const struct run_plan *plan = output->work->plan;
    const struct node *node = output->work->node;
    size_t first = run_plan_first_block(plan), nblocks = run_plan_blocks(plan), count = 0;
    size_t *blocks = calloc(nblocks, sizeof *blocks);
    bool *finished = calloc(nblocks, sizeof *finished);
    unsigned long long before;
    enum status rc = OK;

    if (!blocks || !finished)
        rc = error_set(err, FAIL_SYSTEM, "no memory for a list of %zu blocks", nblocks);
    else if (node->rank == 0)
        rc = mark_finished(finished, output, err);
    TRY(agree(node->world, rc, err));
    MPI_Bcast(finished, (int)(nblocks * sizeof *finished), MPI_BYTE, 0, node->world);
    before = output->before;
    MPI_Bcast(&before, 1, MPI_UNSIGNED_LONG_LONG, 0, node->world);
    output->before = (size_t)before;
    for (size_t i = 0; i < nblocks; i++)
        if (!finished[i])
            blocks[count++] = first + i;
    TRY(schedule_init(&output->schedule, blocks, count, node->world, err));
done:
    free(blocks);
    free(finished);
    return rc;
}

/* ---- the store ------------------------------------------------------------------------------------------------- */

/* Add all sums to those of rank 0's node, which then are the whole run's; other nodes start again from zero.
 * Collective. */
static enum status gather_sums(struct run_work *work, struct error *err)
{
    const struct node *node = work->node;
    enum status rc = fault_hit(FAULT_REDUCE) ? error_system(err, "the ranks' sums cannot be added up") : OK;

    TRY(agree(node->world, rc, err));
    node_barrier(node);
    sums_reduce(node->rank == 0 ? &work->sums : NULL, &work->sums, work->sums_memory.holders);
    if (work->sums_memory.holder && node->rank != 0)
        sums_reset(&work->sums);
    MPI_Barrier(node->world);
done:
    return rc;
}

enum status run_output_save(struct run_output *output, struct save_summary *summary, bool complete, struct error *err)
{
    struct run_work *work = output->work;
    const struct run_plan *plan = work->plan;
    const struct node *node = work->node;
    struct save_inputs what = {.plan = plan,
                               .provenance = &output->provenance,
                               .dataset = plan->config->data.path.file,
                               .class_names = plan->class_names};
    enum status rc = OK;

    TRY(gather_sums(work, err));
    MPI_Reduce(work->worker.seconds, what.seconds, BLOCK_STAGES, MPI_DOUBLE, MPI_SUM, 0, node->world);
    if (node->rank == 0)
        rc = lock_check(output->parts.lock, err);
    if (rc == OK && node->rank == 0)
        rc = save_store(summary, &what, &output->parts, &work->sums, complete, output->path, err);
    if (rc == OK && node->rank == 0)
        log_debug(work->log, "epoch saved epoch=%zu finished=%zu", output->parts.epoch - 1, summary->images);
    if (rc == OK && complete)
        parts_remove(&output->parts);
    rc = agree(node->world, rc, err);
done:
    return rc;
}
