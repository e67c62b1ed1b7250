/* The instruction set that all ranks use. */
#ifndef NRMFLOW_PIPELINE_MPI_ISA_H
#define NRMFLOW_PIPELINE_MPI_ISA_H

#include "io/base/error.h"
#include "kernels/ops/ops.h"
#include "pipeline/mpi/node.h"

/* The kernels that the environment variable NRMFLOW_ISA names, or else the best ones that every rank's processor
 * supports. Errors: FAIL_CONFIG if a rank's processor does not support the named ones. Collective. */
enum status isa_choose(const struct ops **ops, const struct node *node, struct error *err);

#endif
