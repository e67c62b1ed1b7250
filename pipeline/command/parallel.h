/* Commands that compute on all ranks. */
#ifndef NRMFLOW_PIPELINE_COMMAND_PARALLEL_H
#define NRMFLOW_PIPELINE_COMMAND_PARALLEL_H

#include "io/base/error.h"
#include "pipeline/mpi/node.h"
#include "pipeline/util/log.h"

/* Do the work of a command between the beginning and the end of MPI. `work` is collective, and rank 0 prints.
 *
 *   arguments  in  handed on to it
 *   log        in  of warnings, on standard error
 * Returns the exit status: COMMAND_FAILED, with a message by rank 0, if it failed or its output did not get there. */
int command_parallel(enum status (*work)(const void *arguments, const struct node *node, struct log *log,
                                         struct error *err),
                     const void *arguments);

#endif
