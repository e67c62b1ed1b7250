/* `nrmflow walks STORE`: the channel walks of largest joint relevance through chosen layers. */
#ifndef NRMFLOW_PIPELINE_COMMAND_WALKS_H
#define NRMFLOW_PIPELINE_COMMAND_WALKS_H

/* With --verify collective over MPI_COMM_WORLD, else MPI is not started. */
int command_walks(int argc, char **argv);

#endif
