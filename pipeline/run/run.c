#include "pipeline/run/run.h"

#include "pipeline/mpi/agree.h"
#include "pipeline/mpi/blas.h"
#include "pipeline/run/output.h"
#include "pipeline/run/pixels.h"
#include "pipeline/run/place.h"
#include "pipeline/run/state.h"
#include "pipeline/stats/weak.h"

#include <stdlib.h>
#include <string.h>

/* ---- the loop -------------------------------------------------------------------------------------------------- */

/* How an epoch ended, the same on all ranks. */
struct epoch_end {
    bool more;               /* blocks may be left */
    enum stop_reason reason; /* not STOP_NONE: the run must stop */
};

/* Process blocks until none is left, the epoch is over, or a stop is requested. All ranks meet at the end, also after a
 * failure. Collective. */
static enum status run_epoch(struct run_output *output, struct epoch_end *out, struct error *err)
{
    struct run_work *work = output->work;
    double end = log_seconds() + work->plan->config->run.epoch;
    struct block_outcome outcome;
    enum status rc = OK;
    size_t block, next;
    int reason = (int)stop_poll(output->stop);
    int mine[2] = {reason != STOP_NONE, reason}, any[2]; /* more blocks, stop_reason */

    while (rc == OK && !mine[0] && schedule_next(&output->schedule, &block)) {
        double began = log_seconds();
        block_announce(&work->worker, schedule_ahead(&output->schedule, &next) ? next : SIZE_MAX);
        rc = run_work_compute(&outcome, work, block, err);
        if (rc == OK)
            log_debug(work->log, "block computed epoch=%zu block=%zu", output->parts.epoch, block);
        progress_add(&output->progress,
                     (struct progress_counts){(int64_t)outcome.images, (int64_t)outcome.failed, (int64_t)outcome.met});
        progress_poll(&output->progress);
        stop_took_block(output->stop, log_seconds() - began);
        mine[1] = output->progress.hopeless ? (int)STOP_FAILED : (int)stop_poll(output->stop);
        mine[0] = mine[1] || log_seconds() >= end || rows_full(&work->rows, work->rows_most);
    }
    if (rc != OK || mine[1])
        schedule_close(&output->schedule); /* nobody gets another block */
    double arrived = log_seconds();
    MPI_Allreduce(mine, any, 2, MPI_INT, MPI_MAX, work->node->world);
    output->profile.seconds[TIME_PROFILE_WAIT] += log_seconds() - arrived;
    *out = (struct epoch_end){any[0], (enum stop_reason)any[1]};
    return agree(work->node->world, rc, err);
}

/* ---- the store ------------------------------------------------------------------------------------------------- */

/* Log where the time went, and how to shorten it. Collective. */
static void log_profile(const struct run_output *output)
{
    const struct run_work *work = output->work;
    struct time_profile mine = output->profile, all;
    char line[TIME_PROFILE_LINE];

    mine.seconds[TIME_PROFILE_DECODE] = work->worker.seconds[STAGE_DECODE];
    mine.seconds[TIME_PROFILE_MEASURE] = work->worker.seconds[STAGE_MEASURE];
    mine.seconds[TIME_PROFILE_STATISTICS] = work->worker.seconds[STAGE_STATISTICS];
    MPI_Reduce(mine.seconds, all.seconds, TIME_PROFILE_STAGES, MPI_DOUBLE, MPI_SUM, 0, work->node->world);
    if (work->node->rank != 0)
        return;
    enum time_profile_stage slowest = time_profile_slowest(&all);
    time_profile_line(line, &all);
    log_info(work->log, "time of all ranks %s", line);
    log_info(work->log, "slowest stage=%s share=%.0f%%: %s", time_profile_name(slowest),
             100 * time_profile_share(&all, slowest), time_profile_advice(time_profile_name(slowest)));
}

/* The first failed images have a line each; this one is for all. Rank 0. */
static void log_failed(struct log *log, const struct save_summary *summary)
{
    size_t unread = summary->counts[STORE_IMAGE_UNREAD], unsupported = summary->counts[STORE_IMAGE_UNSUPPORTED];

    if (unread + unsupported > RUN_WORK_REPORTS)
        log_warn(log,
                 "images failed, the first of them are in the log, all in images/status failed=%zu unread=%zu "
                 "unsupported=%zu",
                 unread + unsupported, unread, unsupported);
}

/* Fail because too many of the first images have. Rank 0. */
static enum status end_early(const struct run_output *output, const struct save_summary *summary, struct error *err)
{
    log_failed(output->work->log, summary);
    return error_set(
        err, FAIL_LIMIT,
        "%zu of the first %zu images failed, more than data.max_failed = %g allows, so the run ended early; "
        "%s has them in images/status, and the log the first reasons; mend the cause and start again with "
        "--restart, or raise data.max_failed and continue",
        summary->counts[STORE_IMAGE_UNREAD] + summary->counts[STORE_IMAGE_UNSUPPORTED], summary->images,
        output->work->plan->config->data.max_failed, output->path);
}

/* Log the result; fail if too many images failed. Rank 0. */
static enum status conclude(const struct run_output *output, const struct save_summary *summary, struct error *err)
{
    const struct run_work *work = output->work;
    double seconds = log_seconds() - output->started, done = (double)(summary->images - output->before);
    char weak[WEAK_TEXT];
    size_t excluded = summary->counts[STORE_IMAGE_EXPLODED] + summary->counts[STORE_IMAGE_UNDEFINED];

    log_info(work->log, "store written path=%s images=%zu seconds=%.1f images_per_second=%.2f", output->path,
             summary->images, seconds, done / seconds);
    log_failed(work->log, summary);
    if (excluded)
        log_warn(work->log, "images left out of the sums exploded_or_undefined=%zu; see images/status", excluded);
    if (summary->given.weak) {
        weak_text(weak, summary->given.mean, summary->given.std_error);
        log_warn(work->log, "%s given=\"%s\"", weak, work->plan->config->measure.given);
    }
    if (summary->weak_queries.count)
        log_warn(work->log,
                 "conditions of queries whose mean mass is zero or cannot be told from it queries=%zu first=%s",
                 summary->weak_queries.count, summary->weak_queries.first);
    return save_check_failed(summary, work->plan->config, output->path, err);
}

/* Whether there is a store at the output; anything else is an error. Rank 0 checks for all. Collective. */
static enum status check_output(bool *exists, const char *path, const struct config *config, bool restart,
                                const struct node *node, struct error *err)
{
    enum status rc = OK;
    int found = 0;

    if (node->rank == 0)
        rc = place_check(exists, path, config, restart, err);
    found = *exists;
    rc = agree(node->world, rc, err);
    MPI_Bcast(&found, 1, MPI_INT, 0, node->world);
    *exists = found;
    return rc;
}

/* Whether the existing store is complete; another run's store is an error. Collective. */
static enum status compare_output(struct run_output *output, const struct run_options *options, bool *complete,
                                  struct error *err)
{
    const struct run_plan *plan = output->work->plan;
    const struct node *node = output->work->node;
    const struct identity mine = {plan->config, plan->model.sha256,   plan->dataset_sha256, NULL,
                                  NULL,         plan->listing.memory, plan->images};
    enum status rc = OK;
    int done = 0;

    if (node->rank == 0)
        rc = place_compare(complete, &output->provenance, output->path, &mine, options->mixed, err);
    if (rc == OK && node->rank == 0 && !*complete && !options->same_images)
        rc = survey_compare(&plan->survey, output->path, plan->listing.memory, plan->images, err);
    done = *complete;
    rc = agree(node->world, rc, err);
    MPI_Bcast(&done, 1, MPI_INT, 0, node->world);
    *complete = done;
    return rc;
}

/* Delete the existing store; the parts that it lists go later. Rank 0. */
static enum status delete_output(const struct run_output *output, struct error *err)
{
    struct log *log = output->work->log;
    struct place_contents old;
    struct error why = {0};

    if (place_read(&old, output->path, &why) == OK)
        log_info(log, "restart deletes a store path=%s complete=%d images=%zu finished=%zu", output->path,
                 (int)old.complete, old.images, old.finished);
    else
        log_info(log, "restart deletes a damaged store path=%s reason=\"%s\"", output->path, why.message);
    return place_remove(output->path, err);
}

/* Resume from the sums and parts of an unfinished store, if there is one; remove all other files from the folder of
 * parts. Collective. */
static enum status resume(struct run_output *output, bool unfinished, struct error *err)
{
    struct run_work *work = output->work;
    size_t images = work->plan->images.end - work->plan->images.first;
    char **names = NULL, pixels[PIXELS_LINE];
    size_t count = 0, removed;
    enum status rc = OK;

    if (unfinished && work->node->rank == 0)
        rc = state_load(&work->sums, &names, &count,
                        statistics_moments(&work->plan->statistics, STATISTICS_ACTIVATION, 0)->first, output->path,
                        images, err);
    TRY(agree(work->node->world, rc, err));
    TRY(parts_adopt(&output->parts, &removed, output->path, names, count, work->node, err));
    if (removed)
        log_info(work->log, "removed files that no store lists folder=%s.parts files=%zu", output->path, removed);
    TRY(run_output_schedule(output, err));
    pixels_line(pixels, &work->plan->model.preprocessing, work->plan->model.pixels, work->plan->model.bgr);
    log_info(work->log, "%s", pixels);
    log_info(work->log, "run %s network=%s images=%zu finished=%zu ranks=%d nodes=%d blas=%s",
             output->before ? "continues" : "begins", work->plan->model.net.name, images, output->before,
             work->node->nranks, work->node->nnodes, blas_core());
done:
    free(names);
    return rc;
}

/* Epochs until all blocks are done or a stop is requested; every epoch except the last leaves an unfinished store.
 * Collective. */
static enum status compute(struct run_output *output, struct error *err)
{
    struct run_work *work = output->work;
    size_t images = work->plan->images.end - work->plan->images.first;
    struct epoch_end end = {true, STOP_NONE};
    struct save_summary summary = {0};
    const struct config *config = work->plan->config;
    enum status rc = OK;

    progress_init(&output->progress, work->log, output->before, images,
                  (struct progress_limits){config->data.max_failed, strcmp(config->measure.given, "none") != 0},
                  work->node->world);
    output->profile.seconds[TIME_PROFILE_START] = log_seconds() - output->started;
    while (rc == OK && end.more && end.reason == STOP_NONE) {
        rc = run_epoch(output, &end, err);
        double ended = log_seconds();
        if (rc == OK)
            rc = parts_write(&output->parts, &work->rows, work->node, err);
        if (rc == OK)
            rc = run_output_save(output, &summary, !end.more, err);
        stop_took_save(output->stop, log_seconds() - ended);
        output->profile.seconds[TIME_PROFILE_WRITE] += log_seconds() - ended;
    }
    progress_finish(&output->progress);
    progress_free(&output->progress);
    if (rc == OK && end.reason == STOP_FAILED)
        rc = agree(work->node->world, work->node->rank == 0 ? end_early(output, &summary, err) : OK, err);
    if (rc == OK) {
        log_profile(output);
        output->stop->reason = end.reason;
    }
    if (rc == OK && end.reason != STOP_NONE)
        log_warn(work->log, "stopped early, the same command continues path=%s finished=%zu reason=\"%s\"",
                 output->path, summary.images, stop_reason_name(end.reason));
    else if (rc == OK)
        rc = agree(work->node->world, work->node->rank == 0 ? conclude(output, &summary, err) : OK, err);
    return rc;
}

/* Under the lock, check the output again; delete the store there, resume it, or leave a complete one alone.
 * Collective. */
static enum status enter_output(struct run_output *output, const struct run_options *options, bool *complete,
                                struct error *err)
{
    const struct node *node = output->work->node;
    bool exists = false;
    size_t removed;
    enum status rc = OK;

    /* another run may have ended since */
    TRY(check_output(&exists, output->path, output->work->plan->config, options->restart, node, err));
    if (exists && options->restart)
        TRY(agree(node->world, node->rank == 0 ? delete_output(output, err) : OK, err));
    else if (exists)
        TRY(compare_output(output, options, complete, err));
    if (*complete) { /* a run killed at the last moment may have left parts */
        log_info(output->work->log, "the store is complete, nothing to do path=%s; --restart computes it again",
                 output->path);
        TRY(parts_adopt(&output->parts, &removed, output->path, NULL, 0, node, err));
    } else
        TRY(resume(output, exists && !options->restart, err));
done:
    return rc;
}

enum status run_store(const struct config *config, const struct run_options *options, struct stop *stop,
                      const struct node *node, struct log *log, struct error *err)
{
    struct run_plan plan = {0};
    struct run_work work = {0};
    struct run_output output = {0};
    bool exists = false, complete = false;
    double started = log_seconds();
    enum status rc = OK;

    TRY(check_output(&exists, options->output, config, options->restart, node, err));
    TRY(run_plan_init(&plan, config, NULL, node, log, err));
    TRY(run_work_init(&work, &plan, node, log, err));
    TRY(run_output_init(&output, options->output, &work, err));
    output.stop = stop;
    output.started = started;
    TRY(enter_output(&output, options, &complete, err));
    if (!complete)
        TRY(compute(&output, err));
done:
    run_output_free(&output);
    run_work_free(&work);
    run_plan_free(&plan);
    return rc;
}
