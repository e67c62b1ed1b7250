/* One rank's flows of far pairs. It sweeps through every image that is OK, and adds the flows to the block's sums. Not
 * collective. */
#ifndef NRMFLOW_PIPELINE_STATS_FAR_SUMS_H
#define NRMFLOW_PIPELINE_STATS_FAR_SUMS_H

#include "kernels/base/arena.h"
#include "kernels/measure/far.h"
#include "kernels/measure/sample.h"
#include "pipeline/stats/block_sums.h"
#include "pipeline/stats/flows.h"
#include "pipeline/stats/statistics.h"

/* Working memory, placed in an arena. Pairs are computed one after another and share it: each is placed anew. */
struct far_sums {
    const struct statistics *statistics; /* borrowed */
    uint64_t seed;
    void *memory; /* [nbytes] of the pair, or of the sampling, that is computed */
    size_t nbytes;
    struct far_flow flow; /* of one exact pair */
};

/* Place it; with an arena over NULL, only compute its size. Without far pairs it is empty. */
void far_sums_place(struct far_sums *far_sums, const struct statistics *s, uint64_t seed, struct arena *arena);

/* Add the far flows of an image that is OK.
 *
 *   block_sums  in/out  the block's
 *   image       in      as the measure passes it to its sink
 *   index       in      the image's number in the whole dataset; together with the seed it determines the draws
 *   of          in      its condition and class */
void far_sums_image(struct far_sums *far_sums, struct block_sums *block_sums, const struct measure_image *image,
                    size_t index, struct block_sums_case of);

#endif
