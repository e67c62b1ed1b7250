/* How long a block of a run takes: one is computed for the clock alone. */
#ifndef NRMFLOW_PIPELINE_RUN_CALIBRATE_H
#define NRMFLOW_PIPELINE_RUN_CALIBRATE_H

#include "pipeline/run/internal.h"

struct calibrate_times {
    size_t images;
    double total;                /* seconds of the whole block on this rank */
    double stages[BLOCK_STAGES]; /* of which */
};

/* Compute block `block` on every rank at the same time. Its rows and sums stay in the run, which must not be stored
 * afterwards. Errors as block_compute, the same on all ranks. Collective. */
enum status calibrate_block(struct calibrate_times *out, struct run *run, size_t block, struct error *err);

#endif
