/* The instruction set that all ranks use. */
#ifndef NRMFLOW_PIPELINE_MPI_ISA_H
#define NRMFLOW_PIPELINE_MPI_ISA_H

#include "io/base/error.h"
#include "kernels/ops/ops.h"
#include "pipeline/mpi/node.h"

/* The kernels of the environment's NRMFLOW_ISA, or the best that every rank's processor has. Errors: FAIL_CONFIG if a
 * rank does not have what is asked for. Collective. */
enum status isa_choose(const struct ops **ops, const struct node *node, struct error *err);

#endif
