#include "pipeline/run/run.h"

#include "io/base/fault.h"
#include "pipeline/config/text.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/mpi/blas.h"
#include "pipeline/run/internal.h"
#include "pipeline/run/output.h"
#include "pipeline/run/state.h"
#include "pipeline/stats/sums_reduce.h"

#include <stdlib.h>

/* ---- the loop -------------------------------------------------------------------------------------------------- */

/* How an epoch ended, the same on all ranks. */
struct epoch_end {
    bool more;               /* blocks may be left */
    enum stop_reason reason; /* not STOP_NONE: the run must stop */
};

/* Process blocks until none is left, the epoch is over, or a stop is requested. All ranks meet at the end, also after a
 * failure. Collective. */
static enum status run_epoch(struct run *run, struct epoch_end *out, struct error *err)
{
    double end = log_seconds() + run->config->run.epoch;
    struct block_outcome outcome;
    enum status rc = OK;
    size_t block, next;
    int reason = (int)stop_poll(run->stop);
    int mine[2] = {reason != STOP_NONE, reason}, any[2]; /* more blocks, stop_reason */

    while (rc == OK && !mine[0] && schedule_next(&run->schedule, &block)) {
        double began = log_seconds();
        block_announce(&run->worker, schedule_ahead(&run->schedule, &next) ? next : SIZE_MAX);
        rc = block_compute(&outcome, &run->worker, block, &run->rows, &run->sums, err);
        if (rc == OK)
            log_debug(run->log, "block computed epoch=%zu block=%zu", run->parts.epoch, block);
        progress_add(&run->progress, outcome.images, outcome.failed);
        progress_poll(&run->progress);
        stop_took_block(run->stop, log_seconds() - began);
        mine[1] = (int)stop_poll(run->stop);
        mine[0] = mine[1] || log_seconds() >= end || rows_full(&run->rows, run->rows_most);
    }
    if (rc != OK || mine[1])
        schedule_close(&run->schedule); /* nobody gets another block */
    double arrived = log_seconds();
    MPI_Allreduce(mine, any, 2, MPI_INT, MPI_MAX, run->node->world);
    run->profile.seconds[TIME_PROFILE_WAIT] += log_seconds() - arrived;
    *out = (struct epoch_end){any[0], (enum stop_reason)any[1]};
    return agree(run->node->world, rc, err);
}

/* ---- the store ------------------------------------------------------------------------------------------------- */

static struct save_inputs description(const struct run *run, const char *dataset_sha256)
{
    return (struct save_inputs){.config = run->config,
                                .model = &run->model,
                                .provenance = &run->provenance,
                                .dataset = run->config->data.path.file,
                                .dataset_sha256 = dataset_sha256,
                                .dataset_count = dataset_listing_count(run->listing.memory),
                                .first = run->context.first,
                                .end = run->context.end,
                                .statistics = &run->statistics,
                                .layout = &run->layout,
                                .queries = &run->queries,
                                .class_names = run->class_names};
}

/* Add all sums to those of rank 0's node, which then are the whole run's; other nodes start again from zero.
 * Collective. */
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

enum status run_save(struct run *run, struct save_summary *summary, bool complete, struct error *err)
{
    char sha[2 * DATASET_SHA256 + 1];
    struct save_inputs what = description(run, sha);
    enum status rc = OK;

    output_dataset_sha256(sha, run->listing.memory);
    TRY(gather_sums(run, err));
    MPI_Reduce(run->worker.seconds, what.seconds, BLOCK_STAGES, MPI_DOUBLE, MPI_SUM, 0, run->node->world);
    if (run->node->rank == 0)
        rc = save_store(summary, &what, run->listing.memory, &run->parts, &run->sums, complete, run->output, err);
    if (rc == OK && run->node->rank == 0)
        log_debug(run->log, "epoch saved epoch=%zu finished=%zu", run->parts.epoch - 1, summary->images);
    if (rc == OK && complete)
        parts_remove(&run->parts);
    rc = agree(run->node->world, rc, err);
done:
    return rc;
}

/* Log where the time went, and how to shorten it. Collective. */
static void log_profile(const struct run *run)
{
    struct time_profile mine = run->profile, all;
    char line[TIME_PROFILE_LINE];

    mine.seconds[TIME_PROFILE_DECODE] = run->worker.seconds[STAGE_DECODE];
    mine.seconds[TIME_PROFILE_MEASURE] = run->worker.seconds[STAGE_MEASURE];
    mine.seconds[TIME_PROFILE_STATISTICS] = run->worker.seconds[STAGE_STATISTICS];
    MPI_Reduce(mine.seconds, all.seconds, TIME_PROFILE_STAGES, MPI_DOUBLE, MPI_SUM, 0, run->node->world);
    if (run->node->rank != 0)
        return;
    enum time_profile_stage slowest = time_profile_slowest(&all);
    time_profile_line(line, &all);
    log_info(run->log, "time of all ranks %s", line);
    log_info(run->log, "slowest stage=%s share=%.0f%%: %s", time_profile_name(slowest),
             100 * time_profile_share(&all, slowest), time_profile_advice(time_profile_name(slowest)));
}

/* Log the result; fail if too many images failed. Rank 0. */
static enum status conclude(const struct run *run, const struct save_summary *summary, struct error *err)
{
    double seconds = log_seconds() - run->started, done = (double)(summary->images - run->before);
    size_t excluded = summary->counts[STORE_IMAGE_EXPLODED] + summary->counts[STORE_IMAGE_UNDEFINED];

    log_info(run->log, "store written path=%s images=%zu seconds=%.1f images_per_second=%.2f", run->output,
             summary->images, seconds, done / seconds);
    if (excluded)
        log_warn(run->log, "images left out of the sums exploded_or_undefined=%zu; see images/status", excluded);
    if (summary->weak_condition)
        log_warn(run->log, "the condition's mean mass is within 3 standard errors of zero; choose a wider one or "
                           "measure.given = none");
    return save_check_failed(summary, run->config, run->output, err);
}

/* Whether there is a store at the output; anything else is an error. Rank 0 checks for all. Collective. */
static enum status check_output(struct run *run, bool *exists, struct error *err)
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

/* Whether the existing store is complete; another run's store is an error. Collective. */
static enum status compare_output(struct run *run, bool mixed, bool *complete, struct error *err)
{
    char sha[2 * DATASET_SHA256 + 1], *config = NULL;
    enum status rc = OK;
    int done = 0;

    if (run->node->rank == 0) {
        config = config_text(run->config);
        output_dataset_sha256(sha, run->listing.memory);
        struct output_identity mine = {config ? config : "", run->model.sha256, sha};
        rc = output_compare(complete, &run->provenance, run->output, &mine, mixed, err);
        done = *complete;
        free(config);
    }
    rc = agree(run->node->world, rc, err);
    MPI_Bcast(&done, 1, MPI_INT, 0, run->node->world);
    *complete = done;
    return rc;
}

/* Delete the existing store; the parts that it lists go later. Rank 0. */
static enum status delete_output(const struct run *run, struct error *err)
{
    struct output_contents old;
    struct error why = {0};

    if (output_read(&old, run->output, &why) == OK)
        log_info(run->log, "restart deletes a store path=%s complete=%d images=%zu finished=%zu", run->output,
                 (int)old.complete, old.images, old.finished);
    else
        log_info(run->log, "restart deletes a damaged store path=%s reason=\"%s\"", run->output, why.message);
    return output_remove(run->output, err);
}

/* Resume from the sums and parts of an unfinished store, if there is one; remove all other files from the folder of
 * parts. Collective. */
static enum status resume(struct run *run, bool unfinished, struct error *err)
{
    char **names = NULL;
    size_t count = 0, removed;
    enum status rc = OK;

    if (unfinished && run->node->rank == 0)
        rc = state_load(&run->sums, &names, &count, run->output, run->context.end - run->context.first, err);
    TRY(agree(run->node->world, rc, err));
    TRY(parts_adopt(&run->parts, &removed, run->output, names, count, run->node, err));
    if (removed)
        log_info(run->log, "removed files that no store lists folder=%s.parts files=%zu", run->output, removed);
    TRY(run_make_schedule(run, err));
    log_info(run->log, "run %s network=%s images=%zu finished=%zu ranks=%d nodes=%d blas=%s",
             run->before ? "continues" : "begins", run->model.net.name, run->context.end - run->context.first,
             run->before, run->node->nranks, run->node->nnodes, blas_core());
done:
    free(names);
    return rc;
}

/* Epochs until all blocks are done or a stop is requested; every epoch except the last leaves an unfinished store.
 * Collective. */
static enum status compute(struct run *run, struct error *err)
{
    struct epoch_end end = {true, STOP_NONE};
    struct save_summary summary = {0};
    enum status rc = OK;

    progress_init(&run->progress, run->log, run->before, run->context.end - run->context.first, run->node->world);
    run->profile.seconds[TIME_PROFILE_START] = log_seconds() - run->started;
    while (rc == OK && end.more && end.reason == STOP_NONE) {
        rc = run_epoch(run, &end, err);
        double ended = log_seconds();
        if (rc == OK)
            rc = parts_write(&run->parts, &run->rows, run->node, err);
        if (rc == OK)
            rc = run_save(run, &summary, !end.more, err);
        stop_took_save(run->stop, log_seconds() - ended);
        run->profile.seconds[TIME_PROFILE_WRITE] += log_seconds() - ended;
    }
    progress_finish(&run->progress);
    progress_free(&run->progress);
    if (rc == OK) {
        log_profile(run);
        run->stop->reason = end.reason;
    }
    if (rc == OK && end.reason != STOP_NONE)
        log_warn(run->log, "stopped early, the same command continues path=%s finished=%zu reason=\"%s\"", run->output,
                 summary.images, stop_reason_name(end.reason));
    else if (rc == OK)
        rc = agree(run->node->world, run->node->rank == 0 ? conclude(run, &summary, err) : OK, err);
    return rc;
}

/* Under the lock, check the output again; delete the store there, resume it, or leave a complete one alone.
 * Collective. */
static enum status enter_output(struct run *run, const struct run_options *options, bool *complete, struct error *err)
{
    bool exists = false;
    size_t removed;
    enum status rc = OK;

    TRY(parts_open(&run->parts, run->output, run->node, err));
    TRY(check_output(run, &exists, err)); /* another run may have ended since */
    if (exists && options->restart)
        TRY(agree(run->node->world, run->node->rank == 0 ? delete_output(run, err) : OK, err));
    else if (exists)
        TRY(compare_output(run, options->mixed, complete, err));
    if (*complete) { /* a run killed at the last moment may have left parts */
        log_info(run->log, "the store is complete, nothing to do path=%s; --restart computes it again", run->output);
        TRY(parts_adopt(&run->parts, &removed, run->output, NULL, 0, run->node, err));
    } else
        TRY(resume(run, exists && !options->restart, err));
done:
    return rc;
}

enum status run_store(const struct config *config, const struct run_options *options, struct stop *stop,
                      const struct node *node, struct log *log, struct error *err)
{
    struct run run = {.config = config,
                      .output = options->output,
                      .node = node,
                      .log = log,
                      .stop = stop,
                      .parts = {.lock = -1},
                      .started = log_seconds()};
    bool exists = false, complete = false;
    enum status rc = OK;

    TRY(check_output(&run, &exists, err));
    TRY(run_set_up(&run, err));
    TRY(enter_output(&run, options, &complete, err));
    if (!complete)
        TRY(compute(&run, err));
done:
    run_tear_down(&run);
    return rc;
}
