/* Checks of the output's path before a run does any work. Not collective: rank 0 only. */
#ifndef NRMFLOW_PIPELINE_RUN_PLACE_H
#define NRMFLOW_PIPELINE_RUN_PLACE_H

#include "io/base/error.h"
#include "pipeline/config/config.h"
#include "pipeline/mpi/provenance.h"
#include "pipeline/run/identity.h"

#include <stdbool.h>

/* Check whether a store can be written to `output`, and whether there is one already.
 *
 *   exists   out  there is an nrmflow store, or with `restart` one that is damaged or cut
 *   restart  in   it will be replaced
 * Errors: FAIL_CONFIG if the path is empty, is no regular file, is one of the run's inputs, or is a file but no store;
 * FAIL_FORMAT for a damaged store that is not to be replaced;
 * FAIL_SYSTEM if its folder is missing or not writable. */
enum status place_check(bool *exists, const char *output, const struct config *config, bool restart, struct error *err);

/* Check that an existing store is this run's.
 *
 *   complete    out     the store is complete: nothing is left to do
 *   provenance  in/out  this machine's; joined with that of an unfinished store
 *   mine        in      without keys and advice: every number must agree
 *   mixed       in      an unfinished store of another provenance may be continued
 * Errors: FAIL_MISMATCH naming the first difference and what to do about it; as store_open_read. */
enum status place_compare(bool *complete, struct provenance *provenance, const char *output,
                          const struct identity *mine, bool mixed, struct error *err);

/* The contents of an existing store. */
struct place_contents {
    bool complete;
    size_t images, finished;
};

/* Errors: as store_open_read. */
enum status place_read(struct place_contents *out, const char *output, struct error *err);

/* Remove the store durably; a symbolic link stays. Errors: FAIL_SYSTEM. */
enum status place_remove(const char *output, struct error *err);

#endif
