/* The stores that a merge combines: their attributes, and whether they belong together. Not collective. */
#ifndef NRMFLOW_PIPELINE_RUN_MERGE_PARTS_H
#define NRMFLOW_PIPELINE_RUN_MERGE_PARTS_H

#include "io/base/error.h"
#include "pipeline/config/config.h"
#include "pipeline/config/shard.h"
#include "pipeline/mpi/provenance.h"

#include <stdbool.h>
#include <stddef.h>

/* One shard. */
struct merge_part {
    const char *path; /* borrowed */
    struct config_shard shard;
    size_t first, rows; /* its first image in the dataset, and how many */
    size_t dataset_count;
    char *config; /* text, as that of a run over all shards */
    char *model_sha256, *dataset_sha256;
    struct provenance provenance;
};

/* All shards of a run, in their order. */
struct merge_parts {
    size_t count;
    struct merge_part *parts;     /* [count] owned */
    struct config config;         /* of a run over all of them; that of the first shard where they may differ */
    struct provenance provenance; /* all of theirs */
    struct shard_images whole;
};

/* Read the stores' attributes, and check that they are the finished shards of one run, each of them once.
 *
 *   out    out  to be freed with merge_parts_free, also after a failure
 *   mixed  in   shards may come from different machines (mpi/provenance.h)
 * Errors: FAIL_MISMATCH with the reason why they do not belong together; FAIL_CONFIG (no shard), FAIL_FORMAT,
 * FAIL_SYSTEM. */
enum status merge_parts_read(struct merge_parts *out, const char *const *paths, size_t count, bool mixed,
                             struct error *err);

/* All zero is fine. */
void merge_parts_free(struct merge_parts *parts);

#endif
