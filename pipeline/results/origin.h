/* The run that a store came from, and whether a configuration is that run's: for commands that compute more about the
 * images of a store. Not collective. */
#ifndef NRMFLOW_PIPELINE_RESULTS_ORIGIN_H
#define NRMFLOW_PIPELINE_RESULTS_ORIGIN_H

#include "io/dataset/dataset.h"
#include "io/store/store.h"
#include "pipeline/config/config.h"

#include <stdbool.h>

struct origin {
    const struct store_reader *reader; /* borrowed */
    const char *path;                  /* of the store, for messages; borrowed */
    struct config config;              /* of the run */
};

/* Read the configuration of a store's run. Caller frees with origin_free, also after a failure.
 * Errors: FAIL_FORMAT, FAIL_CONFIG (a damaged store), FAIL_SYSTEM. */
enum status origin_read(struct origin *out, const struct store_reader *reader, const char *path, struct error *err);

/* All zero is fine. */
void origin_free(struct origin *origin);

/* Whether a configuration with a model of this checksum asks for the store's measure, condition apart.
 *
 *   by_class  in  whether images must be in the same classes, too
 * Errors: FAIL_CONFIG naming what is different. */
enum status origin_compare(const struct origin *origin, const struct config *mine, const char *model_sha256,
                           bool by_class, struct error *err);

/* Whether a listing is that of the store's dataset; whether the store is complete, and is of its images from `first` on. */
bool origin_same_dataset(const struct origin *origin, const struct dataset_listing *listing);
bool origin_same_images(const struct origin *origin, const struct dataset_listing *listing, size_t first, size_t count);

#endif
