/* The files of a run's images: sizes and times, by which a continuation notices that they have changed, and the memory
 * that the largest image takes. */
#ifndef NRMFLOW_PIPELINE_RUN_SURVEY_H
#define NRMFLOW_PIPELINE_RUN_SURVEY_H

#include "io/base/error.h"
#include "io/dataset/dataset.h"
#include "io/store/store.h"
#include "pipeline/config/shard.h"
#include "pipeline/mpi/node.h"

#include <stddef.h>
#include <stdint.h>

struct survey {
    size_t count;       /* images of the run */
    int64_t *bytes;     /* rank 0: [count] sizes of the files; owned, as the next */
    int64_t *time;      /* rank 0: [count] */
    size_t image_bytes; /* memory for reading the largest image, on a rank */
};

/* Survey the images; the ranks share the work.
 *
 *   out  out  to be freed with survey_free, also after a failure
 * Errors, the same on all ranks: FAIL_SYSTEM without memory. Collective. */
enum status survey_images(struct survey *out, const struct dataset_listing *listing, struct shard_images images,
                          const struct preprocessing *p, const struct node *node, struct error *err);

/* Write state/file_bytes and state/file_time of an unfinished store. Rank 0. */
enum status survey_save(struct store *store, const struct survey *survey, struct error *err);

/* Compare the files with those that an unfinished store was begun with; a store of earlier versions does not say.
 *
 *   path  in  the store's, for messages
 * Errors: FAIL_MISMATCH with the first difference; as store_read_int. Rank 0. */
enum status survey_compare(const struct survey *survey, const char *path, const struct dataset_listing *listing,
                           struct shard_images images, struct error *err);

/* All zero is fine. */
void survey_free(struct survey *survey);

#endif
