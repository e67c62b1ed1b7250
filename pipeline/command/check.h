/* `nrmflow check STORE`: whether a store is what it says it is. */
#ifndef NRMFLOW_PIPELINE_COMMAND_CHECK_H
#define NRMFLOW_PIPELINE_COMMAND_CHECK_H

/* List what is wrong with a store; with --table the datasets that stores have. Returns the exit status: COMMAND_FAILED if
 * something is wrong. */
int command_check(int argc, char **argv);

#endif
