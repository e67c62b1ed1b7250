/* One rank's work on a block of images: read, decode, measure, add up, keep the rows. Not collective. */
#ifndef NRMFLOW_PIPELINE_RUN_BLOCK_H
#define NRMFLOW_PIPELINE_RUN_BLOCK_H

#include "io/base/error.h"
#include "io/dataset/dataset.h"
#include "pipeline/config/config.h"
#include "pipeline/run/model.h"
#include "pipeline/run/reader.h"
#include "pipeline/run/rows.h"
#include "pipeline/run/stage.h"
#include "pipeline/stats/block_sums.h"
#include "pipeline/stats/far_sums.h"
#include "pipeline/stats/queries.h"
#include "pipeline/stats/statistics.h"
#include "pipeline/stats/sums.h"
#include "pipeline/util/log.h"

/* Images of one dense product; a part of the result's definition, as the block size is. */
enum { BLOCK_GROUP = 8 };

/* Gets every image that is OK, with its number in the dataset, after its queries. */
struct block_watcher {
    void *context;
    void (*image)(void *context, size_t index, const struct measure_result *result, const struct measure_image *image);
};

/* What the blocks of a run have in common. */
struct block_context {
    const struct config *config;
    const struct model *model;
    const struct dataset_listing *listing;
    const struct statistics *statistics;
    const struct queries *queries;
    struct block_watcher watcher; /* all zero: none */
    struct log *log;
    size_t first, end; /* the run's images; row r of the store is image first + r */
};

/* Images of a block by what became of them. */
struct block_outcome {
    size_t images, failed, excluded; /* excluded: exploded or undefined */
};

/* A rank's memory and state. */
struct block_worker {
    const struct block_context *context; /* borrowed */
    struct reader *reader;               /* owned */
    size_t announced;                    /* the block after the one in work; SIZE_MAX if it is not known */
    void *memory;                        /* owned: everything below */
    size_t nbytes;
    float *inputs; /* [2][BLOCK_GROUP][neurons of the input] the reader's */
    struct measure_result results[BLOCK_GROUP];
    int label[BLOCK_GROUP];
    struct measure_workspace workspace;
    struct block_sums block_sums;
    struct queries_work queries;
    size_t start; /* image of slot 0 of the group in work */
    struct far_sums far_sums;
    double seconds[BLOCK_STAGES];
};

/* Bytes of working memory that a worker will allocate. */
size_t block_worker_bytes(const struct block_context *context);

/* Set up a worker. Errors: FAIL_SYSTEM, FAIL_LIMIT without memory, or as dataset_open. Caller frees with block_worker_free,
 * also after a failure. */
enum status block_worker_init(struct block_worker *worker, const struct block_context *context, struct error *err);

void block_worker_free(struct block_worker *worker);

/* Name the block that will follow the next one to be computed, or SIZE_MAX: its first images are read meanwhile. */
void block_announce(struct block_worker *worker, size_t block);

/* First and last + 1 image of block `block` within the run; blocks are cut by index in the whole dataset. */
void block_range(const struct block_context *context, size_t block, size_t *first, size_t *end);

/* Compute a block. Images that fail are rows with a status and a line in the log.
 *
 *   outcome  out  counts
 *   rows     in/out  gets one block more
 *   sums     in/out  the node's; added to at the end of the block, and by class during it
 * Errors, after which the run must end: FAIL_SYSTEM (no memory), FAIL_LIMIT (sums). */
enum status block_compute(struct block_outcome *outcome, struct block_worker *worker, size_t block, struct rows *rows,
                          struct sums *sums, struct error *err);

#endif
