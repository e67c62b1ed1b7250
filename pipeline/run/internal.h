/* The state of a run, shared by its files and by others that compute blocks: dry run, probe, merge, bench. */
#ifndef NRMFLOW_PIPELINE_RUN_INTERNAL_H
#define NRMFLOW_PIPELINE_RUN_INTERNAL_H

#include "pipeline/config/shard.h"
#include "pipeline/mpi/progress.h"
#include "pipeline/mpi/provenance.h"
#include "pipeline/mpi/schedule.h"
#include "pipeline/run/block.h"
#include "pipeline/run/parts.h"
#include "pipeline/run/run.h"
#include "pipeline/run/save.h"
#include "pipeline/run/time_profile.h"

/* A run, in the order in which it is set up. */
struct run {
    const struct config *config;
    const char *output;
    const struct node *node;
    struct log *log;
    struct stop *stop;                 /* NULL except in run_store */
    const struct model_random *random; /* instead of the configuration's weights, for bench; NULL otherwise */
    struct model model;
    struct node_block listing;
    struct statistics statistics;
    struct queries queries;
    struct node_block sums_memory;
    struct sums sums;          /* the node's */
    struct shard_images whole; /* images of all shards together */
    struct block_context context;
    struct block_worker worker;
    struct rows_layout layout;
    struct rows rows;
    struct schedule schedule;
    struct progress progress;
    struct time_profile profile; /* of this rank, without the stages of blocks: the worker has these */
    struct parts parts;
    char **class_names; /* rank 0 */
    struct provenance provenance;
    size_t rows_most; /* bytes of rows that a rank keeps */
    size_t before;    /* images that were finished when this run began */
    double started;
};

/* Set up everything that does not depend on an earlier run's results: model, dataset, plan, memory. run->config,
 * output, node and log are set before. run_tear_down frees the rest, also after a failure. Collective. */
enum status run_set_up(struct run *run, struct error *err);

/* Plan queries, rows and sums. run->config, whole, context and model are set before; the model's weights are not
 * needed. Not collective. */
enum status run_plan(struct run *run, struct error *err);

/* Plan the blocks that hold images of the run and are not in part files; sets run->before. Collective. */
enum status run_make_schedule(struct run *run, struct error *err);

/* Make everything so far durable: rank 0 writes the store, complete or not, from all sums and all parts. Collective. */
enum status run_save(struct run *run, struct save_summary *summary, bool complete, struct error *err);

/* Collective. */
void run_tear_down(struct run *run);

#endif
