/* Saving a run as a store, complete or not. Not collective: world rank 0 only. */
#ifndef NRMFLOW_PIPELINE_RUN_SAVE_H
#define NRMFLOW_PIPELINE_RUN_SAVE_H

#include "io/base/error.h"
#include "io/store/store.h"
#include "pipeline/config/config.h"
#include "pipeline/mpi/provenance.h"
#include "pipeline/run/parts.h"
#include "pipeline/run/plan.h"
#include "pipeline/run/stage.h"
#include "pipeline/stats/finish.h"

/* What a store is written from. All borrowed. */
struct save_inputs {
    const struct run_plan *plan; /* an outline will do */
    const struct provenance *provenance;
    const char *dataset;               /* path */
    char *const *class_names;          /* class_names_load */
    double seconds[BLOCK_STAGES];      /* summed over ranks */
    const struct store_reader *origin; /* a store that says what was done to the pixels; NULL: the plan's model */
};

/* What a store that was written holds. */
struct save_summary {
    size_t images;                /* rows that are finished */
    size_t counts[STORE_NSTATUS]; /* of them, by status */
    struct finish_given given;
    struct queries_weak weak_queries;
};

/* Write the store from all sums and all parts. An unfinished store (not `complete`) has the rows and statistics so
 * far, and the state from which the run continues; a shard's store (data.shard) keeps the sums for a merge.
 * Errors: FAIL_SYSTEM, FAIL_FORMAT (a damaged part). A store that was there before stays whole on failure. */
enum status save_store(struct save_summary *summary, const struct save_inputs *inputs, const struct parts *parts,
                       const struct sums *sums, bool complete, const char *output, struct error *err);

/* Write everything that does not depend on where the rows come from: attributes, names of variables and classes. */
enum status save_head(struct store *store, const struct save_inputs *inputs, struct finish_given given, bool complete,
                      struct error *err);

/* Write those of the root's attributes that record what the numbers were made from, and how. */
enum status save_origin(struct store *store, const struct save_inputs *inputs, struct error *err);

/* Write images/path and images/label of the plan's images, whether they could be read or not. */
enum status save_listing(struct store *store, const struct run_plan *plan, struct error *err);

/* Fail with FAIL_LIMIT if more images failed than data.max_failed allows. */
enum status save_check_failed(const struct save_summary *summary, const struct config *config, const char *output,
                              struct error *err);

#endif
