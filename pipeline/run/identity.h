/* Whether a store belongs to a run: the one comparison of a store's configuration, weights and dataset with a run's.
 * How the shards of a merge agree with each other is in merge_parts.c. Not collective. */
#ifndef NRMFLOW_PIPELINE_RUN_IDENTITY_H
#define NRMFLOW_PIPELINE_RUN_IDENTITY_H

#include "io/base/error.h"
#include "io/dataset/dataset.h"
#include "io/store/store.h"
#include "pipeline/config/config.h"
#include "pipeline/config/shard.h"

enum { IDENTITY_SHA256 = 2 * DATASET_SHA256 + 1 };

/* What the numbers of a run depend on, besides the machine (mpi/provenance.h). All borrowed. */
struct identity {
    const struct config *config;
    const char *model_sha256, *dataset_sha256; /* NULL: may differ */
    const char *const *keys;                   /* "section.key", ended by NULL, that must agree; NULL: every key that
                                                * changes a number of the store */
    const char *advice;                        /* end of the message */
    const struct dataset_listing *listing;     /* to name the first difference between datasets; NULL: only say so */
    struct shard_images images;                /* those of the run in it */
};

/* Compare a store with a run.
 *
 *   path  in  the store's, for messages
 * Errors: FAIL_MISMATCH naming the first difference; FAIL_FORMAT, FAIL_SYSTEM. */
enum status identity_compare(const struct store_reader *store, const char *path, const struct identity *mine,
                             struct error *err);

/* The listing's checksum in hexadecimal, as stores have it. */
void identity_dataset_sha256(char hex[IDENTITY_SHA256], const struct dataset_listing *listing);

#endif
