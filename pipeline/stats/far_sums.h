/* One rank's flows of far pairs. It sweeps through every image that is OK, adds exact pairs to the sums of the block,
 * and sampled rows directly to the node's exact sums. Not collective. */
#ifndef NRMFLOW_PIPELINE_STATS_FAR_SUMS_H
#define NRMFLOW_PIPELINE_STATS_FAR_SUMS_H

#include "io/base/error.h"
#include "kernels/base/arena.h"
#include "kernels/measure/far.h"
#include "kernels/measure/sample.h"
#include "pipeline/stats/block_sums.h"
#include "pipeline/stats/flows.h"
#include "pipeline/stats/statistics.h"
#include "pipeline/stats/sums.h"

/* Working memory, placed in an arena. Pairs are computed one after another and share it. */
struct far_sums {
    const struct statistics *statistics; /* borrowed */
    uint64_t seed;
    struct far_work work[FLOWS_MAX]; /* of exact pairs */
    struct sample_work sample;
    struct far_flow flow; /* of one exact pair */
    double *numbers;      /* [channels of the widest variable] scratch */
};

/* Place it; with an arena over NULL, only compute its size. Without far pairs it is empty. */
void far_sums_place(struct far_sums *far_sums, const struct statistics *s, uint64_t seed, struct arena *arena);

/* Add the far flows of an image that is OK.
 *
 *   block_sums  in/out  the block's
 *   sums        in/out  the node's
 *   image       in      as the measure passes it to its sink
 *   index       in      the image's number in the whole dataset; together with the seed it determines the draws
 *   given_mass  in      mass of the condition, complete
 *   class       in      for the sums by class of exact pairs; SIZE_MAX if the image has none
 * Errors: FAIL_LIMIT as sums_add. */
enum status far_sums_image(struct far_sums *far_sums, struct block_sums *block_sums, struct sums *sums,
                           const struct measure_image *image, size_t index, double given_mass, size_t class,
                           struct error *err);

#endif
