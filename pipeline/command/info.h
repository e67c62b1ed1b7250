/* `nrmflow info STORE [--json]`: what is in a store. */
#ifndef NRMFLOW_PIPELINE_COMMAND_INFO_H
#define NRMFLOW_PIPELINE_COMMAND_INFO_H

/* Run the command: prints to standard output, errors to standard error.
 *
 *   argc, argv  in  the command's own: argv[0] is "info"
 * Returns the exit status: 0, 1 if the store cannot be read or the output not be written, 2 for wrong arguments.
 * Not collective: needs no MPI. */
int command_info(int argc, char **argv);

#endif
