/* What the files of a run share; no part of its interface. */
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

/* Everything that a run has, in the order in which it comes to be. */
struct run {
    const struct config *config;
    const char *output;
    const struct node *node;
    struct log *log;
    struct stop *stop;                 /* NULL but for run_store */
    const struct model_random *random; /* in place of the configuration's weights; NULL but for measurements */
    struct model model;
    struct node_block listing;
    struct statistics statistics;
    struct queries queries;
    struct node_block sums_memory;
    struct sums sums;          /* the node's */
    struct shard_images whole; /* the images of all shards */
    struct block_context context;
    struct block_worker worker;
    struct rows_layout layout;
    struct rows rows;
    struct schedule schedule;
    struct progress progress;
    struct time_profile profile; /* of this rank, without the stages of blocks, which the worker has */
    struct parts parts;
    char **class_names; /* rank 0 */
    struct provenance provenance;
    size_t rows_most; /* bytes of rows that a rank keeps */
    size_t before;    /* images that were finished when this run began */
    double started;
};

/* Everything that does not depend on what an earlier run has left: model, dataset, plan, memory. Collective.
 * run->config, output, node and log are set; run_tear_down frees the rest, also after a failure. */
enum status run_set_up(struct run *run, struct error *err);

/* Plan queries, rows and sums. run->config, whole and context are set, and the model, whose weights are not needed. Not
 * collective. */
enum status run_plan(struct run *run, struct error *err);

/* Plan the blocks that hold images of the run and are not in part files; sets run->before. Collective. */
enum status run_make_schedule(struct run *run, struct error *err);

/* Make everything so far durable: rank 0 writes the store, complete or not, from all sums and all parts. Collective. */
enum status run_save(struct run *run, struct save_summary *summary, bool complete, struct error *err);

/* Collective. */
void run_tear_down(struct run *run);

#endif
