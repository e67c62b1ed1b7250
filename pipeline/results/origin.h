/* The run that a store came from: whether the store has all of its images, and whether a configuration describes the
 * same run. For commands that show a store's numbers, or compute more about its images. Not collective.
 */
#ifndef NRMFLOW_PIPELINE_RESULTS_ORIGIN_H
#define NRMFLOW_PIPELINE_RESULTS_ORIGIN_H

#include "io/store/store.h"
#include "pipeline/config/config.h"

#include <stdbool.h>
#include <stddef.h>

/* ---- of which command, complete or not --------------------------------------------------------------------------- */

/* Open the store of a run, whose layers a command shows. Caller ends it with store_close, also after a failure.
 * Errors: as store_open_read; FAIL_CONFIG for a file of `evaluate` or `map`, which are stores without layers. */
enum status origin_open(struct store_reader **out, const char *path, struct error *err);

/* Whether a store is one of these two. */
bool origin_is_evaluation(const struct store_reader *store);
bool origin_is_map(const struct store_reader *store);

/* The attribute `complete`. */
bool origin_complete(const struct store_reader *store);

/* Whether a store is unfinished, or one shard of a run; message[n] explains it, and is "" otherwise. */
bool origin_describe_partial(char *message, size_t n, const struct store_reader *store);

/* Warn of such a store on standard error: "nrmflow: warning: out/demo.h5 is unfinished: ..." */
void origin_warn_partial(const struct store_reader *store, const char *path);

/* ---- the same run ---------------------------------------------------------------------------------------------- */

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

/* Check that a configuration with a model of this checksum asks for the store's measure, whatever the condition.
 *
 *   by_class  in  images must be in the same classes, too
 * Errors: FAIL_MISMATCH naming the first difference. */
enum status origin_compare(const struct origin *origin, const struct config *mine, const char *model_sha256,
                           bool by_class, struct error *err);

/* Check that a listing is that of the store's dataset. Errors: FAIL_MISMATCH. */
enum status origin_compare_dataset(const struct origin *origin, const char *dataset_sha256, struct error *err);

/* Whether the store is complete, of this dataset, and of its images first .. first + count - 1. */
bool origin_same_images(const struct origin *origin, const char *dataset_sha256, size_t first, size_t count);

/* Check that an evaluation is of a store's weights and measure, with its condition.
 *
 *   path  in  the evaluation's
 * Errors: FAIL_FORMAT if it is none; FAIL_MISMATCH; as store_get_text and origin_read. */
enum status origin_compare_evaluation(const struct store_reader *evaluation, const char *path,
                                      const struct store_reader *store, struct error *err);

#endif
