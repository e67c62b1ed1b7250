/* `nrmflow run --dry-run`: what a run would need, from its plan and the time of one block. */
#ifndef NRMFLOW_PIPELINE_RUN_DRY_H
#define NRMFLOW_PIPELINE_RUN_DRY_H

#include "pipeline/run/work.h"
#include "pipeline/stats/flows.h"

struct dry_block_times {
    size_t images;
    double total;                /* seconds of the whole block on this rank */
    double stages[BLOCK_STAGES]; /* of which */
};

/* Compute block `block` on every rank at the same time, only to measure its time. Its rows and sums stay in the run,
 * which must not be stored afterwards. Errors as block_compute, the same on all ranks. Collective. */
enum status dry_time_block(struct dry_block_times *out, struct run_work *work, size_t block, struct error *err);

struct dry_plan {
    const char *output;            /* the store; borrowed, as all text */
    const char *composite, *given; /* keys of the configuration */
    char network[NETWORK_NAME];
    size_t adjacent;     /* adjacent pairs */
    bool between_cuts;   /* flows.h */
    size_t flow_numbers; /* of all adjacent pairs that the network has */
    size_t images, blocks, ranks, nodes;
    size_t rank_bytes, shared_bytes, writing_bytes; /* memory.h */
    size_t sums_bytes;                              /* of the shared ones: the exact sums */
    size_t node_bytes;                              /* of the fullest node */
    size_t store_bytes;                             /* upper bound, before compression */
    double flops;                                   /* of one image by direct convolution, without far flows */
    struct flows_cost far;                          /* of one image */
    double block_seconds;                           /* of the slowest rank */
    double seconds; /* of all blocks on these ranks, without reading the model and writing */
};

/* Plan the run that the configuration describes, and compute one of its first blocks on every rank to measure the
 * time; twice if that was short. Nothing is written. Errors as run_store before its first epoch, and as block_compute.
 * Collective. */
enum status dry_run(struct dry_plan *out, const struct config *config, const char *output, const struct node *node,
                    struct log *log, struct error *err);

void dry_print(const struct dry_plan *plan);

void dry_print_json(const struct dry_plan *plan);

#endif
