/* Checks of the output's path before a run does any work. Not collective: rank 0 only. */
#ifndef NRMFLOW_PIPELINE_RUN_OUTPUT_H
#define NRMFLOW_PIPELINE_RUN_OUTPUT_H

#include "io/base/error.h"
#include "io/dataset/dataset.h"
#include "pipeline/config/config.h"
#include "pipeline/mpi/provenance.h"

#include <stdbool.h>

/* Check whether a store can be written to `output`, and whether there is one already.
 *
 *   exists  out  there is an nrmflow store
 * Errors: FAIL_CONFIG if the path is empty, is no regular file, is one of the run's inputs, or is a file but no store;
 * FAIL_SYSTEM if its folder is missing or not writable. */
enum status output_check(bool *exists, const char *output, const struct config *config, struct error *err);

/* The listing's checksum in hexadecimal, as stores have it. */
void output_dataset_sha256(char hex[2 * DATASET_SHA256 + 1], const struct dataset_listing *listing);

/* What a store must agree on to be the result of a run. */
struct output_identity {
    const char *config; /* config_text */
    const char *model_sha256, *dataset_sha256;
};

/* Check that an existing store is this run's.
 *
 *   complete    out     the store is complete: nothing is left to do
 *   provenance  in/out  this machine's; joined with that of an unfinished store
 *   mixed       in      an unfinished store of another provenance may be continued
 * Errors: FAIL_MISMATCH naming the first difference and what to do about it; as store_open_read. */
enum status output_compare(bool *complete, struct provenance *provenance, const char *output,
                           const struct output_identity *mine, bool mixed, struct error *err);

/* The contents of an existing store. */
struct output_contents {
    bool complete;
    size_t images, finished;
};

/* Errors: as store_open_read. */
enum status output_read(struct output_contents *out, const char *output, struct error *err);

/* Remove the store durably; a symbolic link stays. Errors: FAIL_SYSTEM. */
enum status output_remove(const char *output, struct error *err);

#endif
