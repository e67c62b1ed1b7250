/* The plan of a run: which images, what is computed of them, and what is kept.
 *
 * It follows from the configuration, the model and the list of images; no image has been read. Who wants to know
 * something about a run (memory, size, a merge, the same images again) needs the plan alone; work.h computes.
 */
#ifndef NRMFLOW_PIPELINE_RUN_PLAN_H
#define NRMFLOW_PIPELINE_RUN_PLAN_H

#include "io/base/error.h"
#include "io/dataset/dataset.h"
#include "pipeline/config/config.h"
#include "pipeline/config/shard.h"
#include "pipeline/mpi/node.h"
#include "pipeline/mpi/provenance.h"
#include "pipeline/run/identity.h"
#include "pipeline/run/model.h"
#include "pipeline/run/rows.h"
#include "pipeline/run/survey.h"
#include "pipeline/stats/queries.h"
#include "pipeline/stats/statistics.h"
#include "pipeline/util/log.h"

/* Most images of one dense product: measure_group_size. Like the block size their number affects the last bits of the
 * results. */
enum { BLOCK_GROUP = 8 };

/* Members borrow from each other: a plan must not be moved. */
struct run_plan {
    const struct config *config; /* borrowed */
    struct model model;
    struct provenance provenance; /* of this machine; zero in an outline */
    struct node_block listing;    /* of the dataset; empty in an outline */
    size_t dataset_count;         /* images of the whole dataset */
    char dataset_sha256[IDENTITY_SHA256];
    struct shard_images whole;  /* images of all shards together */
    struct shard_images images; /* of this run; row r of the store is image images.first + r */
    struct survey survey;       /* of their files; zero in an outline */
    struct queries queries;
    struct statistics statistics;
    struct rows_layout layout;
    char **class_names; /* rank 0: [classes] owned */
};

/* Load the model into node memory, list the dataset, and plan.
 *
 *   plan    out  borrows the configuration; to be freed with run_plan_free, also after a failure
 *   random  in   a model in place of the configuration's weights; NULL but for measurements
 * Errors, the same on all ranks: as model_load and dataset_scan; FAIL_CONFIG where a key does not fit the dataset or
 * the network. Collective. */
enum status run_plan_init(struct run_plan *plan, const struct config *config, const struct model_random *random,
                          const struct node *node, struct log *log, struct error *err);

/* A plan without weights, dataset and class names, for the sums and rows that other runs have computed.
 *
 *   plan    out  as above; dataset_count and dataset_sha256 are the caller's to set
 *   images  in   the run's
 * Errors: FAIL_CONFIG, FAIL_LIMIT, FAIL_SYSTEM. Not collective. */
enum status run_plan_outline(struct run_plan *plan, const struct config *config, const struct network *net,
                             struct shard_images images, struct error *err);

/* The last two steps of run_plan_init. Both are not collective and need the configuration and the network; the first
 * one the listing, too. It chooses the images, and checks that labels can be taken for classes where the
 * configuration does so. The second one plans queries, rows and sums of these images. Errors as above. */
enum status run_plan_images(struct run_plan *plan, struct log *log, struct error *err);
enum status run_plan_sums(struct run_plan *plan, struct error *err);

/* All zero is fine. Not collective. */
void run_plan_free(struct run_plan *plan);

/* Classes of the network. */
size_t run_plan_classes(const struct run_plan *plan);

/* Blocks are cut by index in the whole dataset, so the first block of a run need not be block 0, nor be whole. */

/* Number of the first block with images of the run, and how many blocks have some. */
size_t run_plan_first_block(const struct run_plan *plan);
size_t run_plan_blocks(const struct run_plan *plan);

/* The run's images in block `block`; none if first >= end. */
struct shard_images run_plan_block(const struct run_plan *plan, size_t block);

#endif
