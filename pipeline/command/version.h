/* `nrmflow --version [--json]`: versions of the program and its libraries, and how it was built. */
#ifndef NRMFLOW_PIPELINE_COMMAND_VERSION_H
#define NRMFLOW_PIPELINE_COMMAND_VERSION_H

/* argv[0] is "--version". Not collective: needs no MPI. */
int command_version(int argc, char **argv);

#endif
