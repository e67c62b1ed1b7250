/* Stores whose statistics an evaluation tests on other images. Not collective. */
#ifndef NRMFLOW_PIPELINE_EVALUATE_SOURCES_H
#define NRMFLOW_PIPELINE_EVALUATE_SOURCES_H

#include "io/base/error.h"
#include "io/base/sha256.h"
#include "io/store/store.h"
#include "pipeline/run/plan.h"

/* Open a store of the plan's model that was made of other images than the plan's. Warns on standard error of one that
 * is unfinished.
 *
 *   out  out  caller ends it with store_close
 * Errors: FAIL_MISMATCH for another model, or images in common, whose range the message says; as store_open_read and
 * origin_read. */
enum status sources_open(struct store_reader **out, const char *path, const struct run_plan *plan, struct error *err);

/* A checksum of the run that a store came from, and of how far it has come: the same wherever the store lies.
 * Errors: as store_open_read and store_get_text. */
enum status sources_identity(char hex[SHA256_HEX], const char *path, struct error *err);

/* The images that a store's means are over, or those of a class; -1: all. Errors: as store_read_int and origin_read. */
enum status sources_images(size_t *count, const struct store_reader *reader, const char *path, int class,
                           struct error *err);

/* A store, and its path for messages; both borrowed. */
struct sources_store {
    const struct store_reader *reader;
    const char *path;
};

/* A statistic of the channels of a variable, such as "mean", [channels]. Caller frees it.
 * Errors: FAIL_CONFIG if the store does not have it; as store_read_real. */
enum status sources_read_channels(double **out, const struct sources_store *store, const struct network *net,
                                  size_t variable, const char *column, struct error *err);

/* Divide the scores of a layer, [n], by the sum of their magnitudes, unless that is zero. */
void sources_make_unit(double *score, size_t n);

#endif
