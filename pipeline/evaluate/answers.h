/* What a network answers to the images of a run: a forward pass of each, shared by the ranks.
 *
 * The target of an image is the class that the first call of answers_compute finds, which is to be that of the whole
 * network. The bits of an answer do not depend on the number of ranks.
 */
#ifndef NRMFLOW_PIPELINE_EVALUATE_ANSWERS_H
#define NRMFLOW_PIPELINE_EVALUATE_ANSWERS_H

#include "io/base/error.h"
#include "kernels/ablation/ablation.h"
#include "pipeline/evaluate/answers_record.h"
#include "pipeline/mpi/node.h"
#include "pipeline/run/plan.h"
#include "pipeline/run/reader.h"
#include "pipeline/util/log.h"

#include <stdint.h>

/* Images that a rank asks at once; a rank takes batch after batch, and hands in its answers after several. */
enum { ANSWERS_BATCH = BLOCK_GROUP, ANSWERS_CHUNK = 8 * ANSWERS_BATCH };

/* A rank's memory and state. */
struct answers {
    const struct run_plan *plan;   /* borrowed, as node, log and record */
    struct answers_record *record; /* NULL: answers are not kept */
    const struct node *node;
    struct log *log;
    struct reader *reader;
    void *memory;            /* owned: what follows */
    float *inputs;           /* [2][images at once][neurons of the input] for the reader */
    struct ablation copies;  /* of the network to be asked */
    int32_t *targets;        /* [images] of this rank's; -1: not known */
    struct answers_row *own; /* [images] zero but for this rank's */
};

/* Prepare to ask a network.
 *
 *   measure  in      plan of the run's model or of a variant, with the same network; borrowed; its weights may change
 *                    between calls
 *   record   in/out  knows answers of an earlier evaluation, and gets those of this one; NULL: none is kept
 * Caller frees with answers_free, also after a failure.
 * Errors, the same on all ranks: FAIL_SYSTEM without memory; FAIL_CONFIG for a network of one logit; as
 * dataset_open. Collective. */
enum status answers_init(struct answers *answers, const struct run_plan *plan, const struct measure_plan *measure,
                         struct answers_record *record, const struct node *node, struct log *log, struct error *err);

/* Ask all images of the run.
 *
 *   rows  out  [images] on rank 0; NULL elsewhere
 *   hook  in   sees the images on their way, several at a time (ablation.h)
 * Errors, the same on all ranks: FAIL_RESOURCE if the dataset can no longer be read; as answers_record_add. Collective;
 * on return, no rank
 * uses the network any more. */
enum status answers_compute(struct answers_row *rows, struct answers *answers, struct ablation_hook hook,
                            struct error *err);

/* Seconds that the slowest rank takes for a batch of images, ANSWERS_BATCH at most: measured by asking the first ones
 * of the run, for nothing but the time. Errors, the same on all ranks: as answers_compute. Collective. */
enum status answers_time(double *seconds, struct answers *answers, struct ablation_hook hook, struct error *err);

/* What it costs to ask many networks, in seconds of the slowest rank. */
struct answers_cost {
    size_t networks;  /* besides the whole one */
    double change;    /* to make one of them */
    double batch;     /* to ask it ANSWERS_BATCH images */
    size_t own;       /* images that have networks of their own */
    double own_image; /* to measure one of them and to ask all its networks */
};

/* Seconds of the whole work on images shared by ranks. */
double answers_cost_seconds(const struct answers_cost *cost, size_t images, size_t ranks);

/* Fill a row from the logits z, [classes]. */
void answers_fill(struct answers_row *row, const float *z, size_t classes, size_t target);

/* All zero is fine. Not collective. */
void answers_free(struct answers *answers);

/* ---- over images ------------------------------------------------------------------------------------------------- */

/* A mean over images and its standard error (n - 1); NaN where there are too few. */
struct answers_mean {
    double value, error;
    size_t images; /* that it is over */
};

/* Over the images that were read. */
struct answers_summary {
    size_t images;
    struct answers_mean accuracy;  /* share that is classified as labelled, of the images with a label */
    struct answers_mean agreement; /* share that is classified as by the whole network */
    struct answers_mean outcome[CURVE_OUTCOMES];
};

/* Which images: all of the run, or those of a class: by label, or by target where there are no labels; -1: all. */
struct answers_choice {
    const struct run_plan *plan;
    int class;
};

/* Summarise answers, or what they exceed others by, image by image, where both were read.
 *
 *   rows, less  in  [images] of rank 0; less NULL: nothing */
struct answers_summary answers_summarise(const struct answers_row *rows, const struct answers_row *less,
                                         struct answers_choice choice);

#endif
