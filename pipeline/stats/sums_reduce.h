/* Adding up the sums of several nodes. */
#ifndef NRMFLOW_PIPELINE_STATS_SUMS_REDUCE_H
#define NRMFLOW_PIPELINE_STATS_SUMS_REDUCE_H

#include "pipeline/stats/sums.h"

#include <mpi.h>

/* Combine the sums of all ranks of `holders`, the holders of a node_block. The result is the same to the last bit,
 * however the images were spread over nodes.
 *
 *   into     out  on rank 0 of `holders`: the combined sums, overwritten; may be `mine`, which then needs no second
 *                 block (the others call sums_reset before they add again). Else it has been reset once before.
 *                 NULL elsewhere
 *   mine     in   with the same plan everywhere; complete: call node_barrier before, and add nothing at the same time
 *
 * Collective over `holders`; ranks where it is MPI_COMM_NULL return at once. */
void sums_reduce(struct sums *into, const struct sums *mine, MPI_Comm holders);

#endif
