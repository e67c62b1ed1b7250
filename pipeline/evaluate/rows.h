/* The rows of an evaluation: computed by all ranks, kept by rank 0.
 *
 * A unit of work is one image, so a row has the same bits whichever rank computes it. */
#ifndef NRMFLOW_PIPELINE_EVALUATE_ROWS_H
#define NRMFLOW_PIPELINE_EVALUATE_ROWS_H

#include "io/base/error.h"
#include "pipeline/evaluate/work.h"
#include "pipeline/mpi/progress.h"
#include "pipeline/mpi/schedule.h"
#include "pipeline/run/stop.h"

struct evaluate_rows {
    const struct design *design; /* borrowed, as node and log */
    const struct node *node;
    struct log *log;
    float *rows;     /* rank 0: [images][design->row], NaN where an image is not finished; owned */
    float *mine;     /* [nmine][design->row] of this rank's epoch; owned */
    size_t *indices; /* [nmine] of the images; owned */
    size_t nmine, capacity;
    struct schedule schedule;
    struct progress progress;
};

/* Without an image finished. Errors, the same on all ranks: FAIL_SYSTEM. Collective. Caller frees with
 * evaluate_rows_free, also after a failure. */
enum status evaluate_rows_init(struct evaluate_rows *rows, const struct design *design, const struct node *node,
                               struct log *log, struct error *err);

/* All zero is fine. Collective. */
void evaluate_rows_free(struct evaluate_rows *rows);

/* Schedule the images that are not finished on rank 0, and begin to show progress. Errors as schedule_init.
 * Collective. */
enum status evaluate_rows_start(struct evaluate_rows *rows, struct error *err);

/* Compute images for an epoch (run.epoch), until none is left or a stop is requested, and bring them to rank 0.
 *
 *   more    out  images may be left
 *   reason  out  not STOP_NONE: the evaluation must stop
 * Errors, the same on all ranks: as compute_image. Collective. */
enum status evaluate_rows_epoch(struct evaluate_rows *rows, struct evaluate_work *work, struct stop *stop, bool *more,
                                enum stop_reason *reason, struct error *err);

/* Mean activations of all channels over the images that can be read, [all channels], the same on all ranks and for any
 * number of them. Errors: as evaluate_work_activations; FAIL_SYSTEM. Collective. */
enum status evaluate_rows_means(double *means, struct evaluate_rows *rows, struct evaluate_work *work,
                                struct error *err);

#endif
