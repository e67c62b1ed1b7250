/* The commands of the program, each in the file of its name; `nrmflow help` is in help.h.
 *
 * Each takes the command's own arguments, argv[0] being its name, prints results to standard output and errors to
 * standard error, and returns an exit status of command.h. The commands under "parallel" are collective over
 * MPI_COMM_WORLD, and begin and end MPI themselves; the others need no MPI. */
#ifndef NRMFLOW_PIPELINE_COMMAND_COMMANDS_H
#define NRMFLOW_PIPELINE_COMMAND_COMMANDS_H

/* Parallel. */
int command_run(int argc, char **argv);    /* run CONFIG: compute a store; COMMAND_STOPPED if stopped early */
int command_query(int argc, char **argv);  /* query CONFIG EXPRESSION: relevance of sets of neurons */
int command_map(int argc, char **argv);    /* map CONFIG EXPRESSION: heatmaps of sets of neurons */
int command_export(int argc, char **argv); /* export virelay STORE: files for other programs */
int command_bench(int argc, char **argv);  /* bench [CONFIG]: speed on this machine */

/* On one rank, or with the option named here, parallel. */
int command_walks(int argc, char **argv);  /* walks STORE: the strongest channel walks; --verify */
int command_report(int argc, char **argv); /* report STORE: an HTML page; --images, but on one rank only */

/* On one rank. */
int command_info(int argc, char **argv);    /* info STORE: what a store contains */
int command_check(int argc, char **argv);   /* check STORE: COMMAND_FAILED if the store has a problem */
int command_classes(int argc, char **argv); /* classes STORE [A B]: list or compare classes */
int command_merge(int argc, char **argv);   /* merge SHARD ...: one store from the shards of a run */
int command_weights(int argc, char **argv); /* weights FILE: COMMAND_FAILED if no known network is in it */
int command_version(int argc, char **argv); /* --version */

#endif
