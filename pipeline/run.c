#include "run.h"

#include "agree.h"
#include "blas.h"
#include "config_text.h"
#include "fault.h"
#include "output.h"
#include "run_internal.h"
#include "stop.h"
#include "sums_reduce.h"

#include <stdlib.h>

/* ---- the loop -------------------------------------------------------------------------------------------------- */

/* How an epoch ended, the same on all ranks. */
struct epoch_end {
    bool more;    /* blocks may be left */
    bool stopped; /* somebody was asked to stop */
};

/* Process blocks until none is left, the epoch is over or a stop is wished. Collective; all ranks meet at the end whatever
 * happened. */
static enum status run_epoch(struct run *run, struct epoch_end *out, struct error *err)
{
    double end = log_seconds() + run->config->run.epoch;
    struct block_outcome outcome;
    enum status rc = OK;
    size_t block, next;
    int mine[2] = {0, 0}, any[2]; /* more, stopped */

    while (rc == OK && !mine[0] && schedule_next(&run->schedule, &block)) {
        block_announce(&run->worker, schedule_ahead(&run->schedule, &next) ? next : SIZE_MAX);
        rc = block_compute(&outcome, &run->worker, block, &run->rows, &run->sums, err);
        progress_add(&run->progress, outcome.images, outcome.failed);
        progress_poll(&run->progress);
        mine[1] = stop_requested();
        mine[0] = mine[1] || log_seconds() >= end || rows_bytes(&run->rows) >= ROWS_MOST;
    }
    if (rc != OK || mine[1])
        schedule_close(&run->schedule); /* nobody gets another block */
    MPI_Allreduce(mine, any, 2, MPI_INT, MPI_MAX, run->node->world);
    *out = (struct epoch_end){any[0], any[1]};
    return agree(run->node->world, rc, err);
}

/* ---- the store ------------------------------------------------------------------------------------------------- */

static struct write_run description(const struct run *run)
{
    return (struct write_run){.config = run->config,
                              .model = &run->model,
                              .listing = run->listing.memory,
                              .first = run->context.first,
                              .end = run->context.end,
                              .statistics = &run->statistics,
                              .layout = &run->layout,
                              .queries = &run->queries,
                              .parts = &run->parts,
                              .class_names = run->class_names};
}

/* Bring all sums to rank 0's node, whose sums then are those of the whole run; the others begin anew. Collective. */
static enum status gather_sums(struct run *run, struct error *err)
{
    enum status rc = fault_hit(FAULT_REDUCE) ? error_system(err, "the ranks' sums cannot be added up") : OK;

    TRY(agree(run->node->world, rc, err));
    node_barrier(run->node);
    sums_reduce(run->node->rank == 0 ? &run->sums : NULL, &run->sums, run->sums_memory.holders);
    if (run->sums_memory.holder && run->node->rank != 0)
        sums_reset(&run->sums);
    MPI_Barrier(run->node->world);
done:
    return rc;
}

enum status run_save(struct run *run, struct write_summary *summary, bool complete, struct error *err)
{
    struct write_run what = description(run);
    enum status rc = OK;

    TRY(gather_sums(run, err));
    MPI_Reduce(run->worker.seconds, what.seconds, BLOCK_STAGES, MPI_DOUBLE, MPI_SUM, 0, run->node->world);
    if (run->node->rank == 0)
        rc = write_store(summary, &what, &run->sums, complete, run->output, err);
    if (rc == OK && complete)
        parts_remove(&run->parts);
    rc = agree(run->node->world, rc, err);
done:
    return rc;
}

/* The closing lines, and whether too many images failed. Rank 0. */
static enum status conclude(const struct run *run, const struct write_summary *summary, struct error *err)
{
    double seconds = log_seconds() - run->started, done = (double)(summary->images - run->before);
    size_t failed = summary->counts[STORE_IMAGE_UNREAD] + summary->counts[STORE_IMAGE_UNSUPPORTED];
    size_t excluded = summary->counts[STORE_IMAGE_EXPLODED] + summary->counts[STORE_IMAGE_UNDEFINED];

    log_info(run->log, "store written path=%s images=%zu seconds=%.1f images_per_second=%.2f", run->output,
             summary->images, seconds, done / seconds);
    if (excluded)
        log_warn(run->log, "images left out of the sums exploded_or_undefined=%zu; see images/status", excluded);
    if (summary->weak_condition)
        log_warn(run->log, "the condition's mean mass is within 3 standard errors of zero; choose a wider one or "
                           "measure.given = none");
    if ((double)failed > run->config->data.max_failed * (double)summary->images)
        return error_set(err, FAIL_LIMIT,
                         "%zu of %zu images failed, more than data.max_failed = %g allows; %s is complete, its "
                         "images/status says which and the log why",
                         failed, summary->images, run->config->data.max_failed, run->output);
    return OK;
}

/* What is at the output: nothing, this run's store, or one that must not be overwritten. Rank 0 looks, all agree. */
static enum status look_at_output(struct run *run, bool *exists, struct error *err)
{
    enum status rc = OK;
    int found = 0;

    if (run->node->rank == 0)
        rc = output_check(exists, run->output, run->config, err);
    found = *exists;
    rc = agree(run->node->world, rc, err);
    MPI_Bcast(&found, 1, MPI_INT, 0, run->node->world);
    *exists = found;
    return rc;
}

/* Whether the store that is there is complete already; an error if it is another run's. Collective. */
static enum status compare_output(struct run *run, bool *complete, struct error *err)
{
    char sha[2 * DATASET_SHA256 + 1], *config = NULL;
    enum status rc = OK;
    int done = 0;

    if (run->node->rank == 0) {
        config = config_text(run->config);
        write_dataset_sha256(sha, run->listing.memory);
        struct output_identity mine = {config ? config : "", run->model.sha256, sha};
        rc = output_compare(complete, run->output, &mine, err);
        done = *complete;
        free(config);
    }
    rc = agree(run->node->world, rc, err);
    MPI_Bcast(&done, 1, MPI_INT, 0, run->node->world);
    *complete = done;
    return rc;
}

/* Enter the folder of parts; with an unfinished store, take up its sums and its parts. Collective. */
static enum status take_up(struct run *run, bool unfinished, struct error *err)
{
    char **names = NULL;
    size_t count = 0;
    enum status rc = OK;

    if (unfinished && run->node->rank == 0)
        rc = write_read_state(&run->sums, &names, &count, run->output, err);
    TRY(agree(run->node->world, rc, err));
    TRY(parts_open(&run->parts, run->output, names, count, run->node, err));
    TRY(run_make_schedule(run, err));
    log_info(run->log, "run %s network=%s images=%zu finished=%zu ranks=%d nodes=%d blas=%s",
             run->before ? "continues" : "begins", run->model.net.name, run->context.end - run->context.first,
             run->before, run->node->nranks, run->node->nnodes, blas_core());
done:
    free(names);
    return rc;
}

/* Epochs until all blocks are done or a stop is wished; each but the last leaves an unfinished store. Collective. */
static enum status compute(struct run *run, bool *stopped, struct error *err)
{
    struct epoch_end end = {true, false};
    struct write_summary summary = {0};
    enum status rc = OK;

    progress_init(&run->progress, run->log, run->before, run->context.end - run->context.first, run->node->world);
    while (rc == OK && end.more && !end.stopped) {
        rc = run_epoch(run, &end, err);
        if (rc == OK)
            rc = parts_write(&run->parts, &run->rows, run->node, err);
        if (rc == OK)
            rc = run_save(run, &summary, !end.more, err);
    }
    progress_finish(&run->progress);
    progress_free(&run->progress);
    *stopped = rc == OK && end.stopped;
    if (*stopped)
        log_warn(run->log, "stopped early, the same command continues path=%s finished=%zu", run->output,
                 summary.images);
    else if (rc == OK)
        rc = agree(run->node->world, run->node->rank == 0 ? conclude(run, &summary, err) : OK, err);
    return rc;
}

enum status run_store(const struct config *config, const char *output, bool restart, bool *stopped,
                      const struct node *node, struct log *log, struct error *err)
{
    struct run run = {
        .config = config, .output = output, .node = node, .log = log, .parts = {.lock = -1}, .started = log_seconds()};
    bool exists = false, complete = false;
    enum status rc = OK;

    *stopped = false;
    TRY(look_at_output(&run, &exists, err));
    TRY(run_set_up(&run, err));
    if (exists && !restart)
        TRY(compare_output(&run, &complete, err));
    if (complete) {
        log_info(log, "the store is complete, nothing to do path=%s; --restart computes it again", output);
        TRY(parts_open(&run.parts, output, NULL, 0, node, err)); /* what a kill at the last moment has left */
        goto done;
    }
    TRY(take_up(&run, exists && !restart, err));
    TRY(compute(&run, stopped, err));
done:
    run_tear_down(&run);
    return rc;
}
