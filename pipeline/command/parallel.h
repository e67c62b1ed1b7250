/* Commands that compute on all ranks. */
#ifndef NRMFLOW_PIPELINE_COMMAND_PARALLEL_H
#define NRMFLOW_PIPELINE_COMMAND_PARALLEL_H

#include "io/base/error.h"
#include "pipeline/mpi/node.h"
#include "pipeline/util/log.h"

/* Initialise MPI, do the work of a command, and finalise MPI. `work` is collective; rank 0 prints.
 *
 *   arguments  in  passed to `work`
 *   log        in  (of `work`) warnings, on standard error
 * Returns the exit status: COMMAND_FAILED, with a message from rank 0, if `work` failed or output was lost. */
int command_parallel(enum status (*work)(const void *arguments, const struct node *node, struct log *log,
                                         struct error *err),
                     const void *arguments);

#endif
