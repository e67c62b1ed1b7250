/* Arrays of which every rank has computed some elements, put together. */
#ifndef NRMFLOW_PIPELINE_MPI_GATHER_H
#define NRMFLOW_PIPELINE_MPI_GATHER_H

#include "pipeline/mpi/node.h"

#include <stddef.h>

/* Put the parts of all ranks together on rank 0.
 *
 *   out     out  [nbytes] on rank 0; NULL elsewhere
 *   own     in   [nbytes], all zero but what this rank, and no other, has computed
 * Collective. */
void gather_parts(void *out, const void *own, size_t nbytes, const struct node *node);

#endif
