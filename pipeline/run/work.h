/* What computes a run's blocks: the plan, and the memory of this rank and node for it. It leaves no store; output.h
 * does. */
#ifndef NRMFLOW_PIPELINE_RUN_WORK_H
#define NRMFLOW_PIPELINE_RUN_WORK_H

#include "io/base/error.h"
#include "pipeline/mpi/node.h"
#include "pipeline/run/block.h"
#include "pipeline/run/plan.h"
#include "pipeline/run/rows.h"
#include "pipeline/stats/sums.h"
#include "pipeline/util/log.h"

/* Failed images that have a line of their own in the log, on all ranks together. */
enum { RUN_WORK_REPORTS = 20 };

/* Members borrow from each other: it must not be moved. */
struct run_work {
    const struct run_plan *plan; /* borrowed, as node and log */
    const struct node *node;
    struct log *log;
    struct node_block sums_memory;
    struct sums sums; /* the node's, in this memory */
    struct block_worker worker;
    struct rows rows; /* of the blocks that this rank has computed; */
    size_t rows_most; /* at most so many bytes */
};

/* Place a plan in memory, and say in the log how much it takes.
 *
 *   work  out  to be freed with run_work_free, also after a failure
 * Errors, the same on all ranks: FAIL_CONFIG beyond run.memory; as block_worker_init. Collective. */
enum status run_work_init(struct run_work *work, const struct run_plan *plan, const struct node *node, struct log *log,
                          struct error *err);

/* All zero is fine. Not collective; before run_plan_free. */
void run_work_free(struct run_work *work);

/* block_compute for block `block`, with the rows and sums of this work. Not collective. */
enum status run_work_compute(struct block_outcome *outcome, struct run_work *work, size_t block, struct error *err);

#endif
