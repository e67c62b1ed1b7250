/* How a run was started, and how it could be started to use the whole machine. Not collective. */
#ifndef NRMFLOW_PIPELINE_COMMAND_LAUNCH_H
#define NRMFLOW_PIPELINE_COMMAND_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>

struct launch {
    size_t ranks, cores; /* of the run, and of this machine for this process */
    bool launched;       /* by mpirun, srun or the like */
    bool root;           /* mpirun asks root for --allow-run-as-root */
};

/* Describe this process, one of `ranks`. */
struct launch launch_here(size_t ranks);

/* What to type to use the other cores, with the configuration's path; false if there is nothing to say: the run
 * was launched with a number of ranks, or there are fewer than four cores. */
bool launch_advise(char *out, size_t n, const struct launch *launch, const char *config);

#endif
