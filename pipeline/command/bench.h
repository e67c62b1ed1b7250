/* `nrmflow bench [CONFIG] [--json]`: speed against this machine's own floor. */
#ifndef NRMFLOW_PIPELINE_COMMAND_BENCH_H
#define NRMFLOW_PIPELINE_COMMAND_BENCH_H

/* Collective over MPI_COMM_WORLD, which it starts and ends. Returns the exit status. */
int command_bench(int argc, char **argv);

#endif
