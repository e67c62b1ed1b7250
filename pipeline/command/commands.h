/* The commands of the program, each in the file of its name; `nrmflow help` and the list of all are in help.h.
 *
 * The commands under "parallel" are collective over MPI_COMM_WORLD, and begin and end MPI themselves; the others
 * need no MPI. */
#ifndef NRMFLOW_PIPELINE_COMMAND_COMMANDS_H
#define NRMFLOW_PIPELINE_COMMAND_COMMANDS_H

#include "pipeline/command/command.h"

/* Parallel. */
extern const struct command command_run;      /* run CONFIG: compute a store; COMMAND_STOPPED if stopped early */
extern const struct command command_query;    /* query CONFIG EXPRESSION: relevance of sets of neurons */
extern const struct command command_map;      /* map CONFIG EXPRESSION: heatmaps of sets of neurons */
extern const struct command command_evaluate; /* evaluate CONFIG: whether relevance is faithful to the network */
extern const struct command command_export;   /* export virelay STORE: files for other programs */
extern const struct command command_bench;    /* bench [CONFIG]: speed on this machine */

/* On one rank, or with the option named here, parallel. */
extern const struct command command_walks;  /* walks STORE: the strongest channel walks; --verify */
extern const struct command command_report; /* report STORE: an HTML page; --images, but on one rank only */

/* On one rank. */
extern const struct command command_info;    /* info STORE: what a store contains */
extern const struct command command_check;   /* check STORE: COMMAND_FAILED if the store has a problem */
extern const struct command command_classes; /* classes STORE [A B]: list or compare classes */
extern const struct command command_merge;   /* merge SHARD ...: one store from the shards of a run */
extern const struct command command_weights; /* weights FILE: COMMAND_FAILED if no known network is in it */
extern const struct command command_version; /* --version */

#endif
