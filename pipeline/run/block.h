/* One rank's work on a block of images: read, decode, measure, add to the sums, keep the rows. Not collective. */
#ifndef NRMFLOW_PIPELINE_RUN_BLOCK_H
#define NRMFLOW_PIPELINE_RUN_BLOCK_H

#include "io/base/error.h"
#include "pipeline/run/plan.h"
#include "pipeline/run/reader.h"
#include "pipeline/run/rows.h"
#include "pipeline/run/stage.h"
#include "pipeline/stats/block_sums.h"
#include "pipeline/stats/far_sums.h"
#include "pipeline/stats/queries.h"
#include "pipeline/stats/statistics.h"
#include "pipeline/stats/sums.h"
#include "pipeline/util/log.h"

/* Is called with every image that is OK, after its queries; `index` is its number in the dataset. */
struct block_watcher {
    void *context;
    void (*image)(void *context, size_t index, const struct measure_result *result, const struct measure_image *image);
};

/* Images of a block, counted. */
struct block_outcome {
    size_t images, failed, excluded; /* excluded: exploded or undefined */
    size_t met;                      /* the condition has mass in the image */
};

/* A rank's memory and state. */
struct block_worker {
    const struct run_plan *plan;  /* borrowed */
    struct log *log;              /* borrowed */
    struct block_watcher watcher; /* to be set after block_worker_init; all zero: none */
    struct reader *reader;        /* owned */
    size_t announced;             /* the block after the current one; SIZE_MAX if it is not known */
    void *memory;                 /* owned: everything below */
    size_t nbytes;
    float *inputs; /* [2][images of a group][neurons of the input] for the reader */
    struct measure_result results[BLOCK_GROUP];
    int label[BLOCK_GROUP];
    struct measure_workspace workspace;
    struct block_sums block_sums;
    struct queries_work queries;
    size_t start; /* image of slot 0 of the current group */
    struct far_sums far_sums;
    double seconds[BLOCK_STAGES];
    size_t reports; /* failed images that are still logged; all of them unless it is set after block_worker_init */
};

/* Bytes of working memory that a worker allocates. */
size_t block_worker_bytes(const struct run_plan *plan);

/* Set up a worker. Errors: FAIL_SYSTEM or FAIL_LIMIT without memory; as dataset_open. Caller frees with
 * block_worker_free, also after a failure. */
enum status block_worker_init(struct block_worker *worker, const struct run_plan *plan, struct log *log,
                              struct error *err);

/* All zero is fine. */
void block_worker_free(struct block_worker *worker);

/* Choose the target of an image with this label, -1: none. False with `target = label` if it has none. */
bool block_target(struct measure_target *target, const struct config *config, int label);

/* Announce the block that follows the next one to be computed, or SIZE_MAX. Its first images are read in the
 * background. */
void block_announce(struct block_worker *worker, size_t block);

/* Compute a block. An image that fails becomes a row with a status and, unless there are too many, a line in the log.
 *
 *   outcome  out  counts
 *   rows     in/out  grows by one block
 *   sums     in/out  the node's; the block is added at its end, except sums by class, histogram, top lists and sampled
 *                    rows
 * Errors, after which the run must end: FAIL_SYSTEM (no memory), FAIL_LIMIT (sums). */
enum status block_compute(struct block_outcome *outcome, struct block_worker *worker, size_t block, struct rows *rows,
                          struct sums *sums, struct error *err);

#endif
