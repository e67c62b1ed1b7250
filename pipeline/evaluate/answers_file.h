/* The file of circuits and pruning: a store with /images, of the whole network, and /evaluation. Rank 0 only. */
#ifndef NRMFLOW_PIPELINE_EVALUATE_ANSWERS_FILE_H
#define NRMFLOW_PIPELINE_EVALUATE_ANSWERS_FILE_H

#include "io/base/error.h"
#include "pipeline/evaluate/answers_table.h"

/* A table, as a group of /evaluation. */
struct answers_part {
    const char *name; /* "circuit/edges" */
    struct answers_table table;
};

struct answers_contents {
    const struct run_plan *plan;
    const struct answers_row *rows; /* [images] of the whole network */
    const char *settings;           /* what the figures depend on besides the configuration */
    const struct answers_part *parts;
    size_t nparts;
    const struct answers_record *record; /* of an unfinished evaluation, whose first answers are `rows`; NULL else */
};

/* Check that a file can be written to the path: FAIL_CONFIG if there is one that is no evaluation; else as
 * place_check. */
enum status answers_file_check(const char *path, const struct run_plan *plan, bool restart, struct error *err);

/* Look for an evaluation of these settings at `path`.
 *
 *   complete  out  it is there, and complete
 *   record    out  what an unfinished one knows
 * Errors: as file_read. */
enum status answers_file_read(bool *complete, const char *path, const struct run_plan *plan, const char *settings,
                              struct answers_record *record, struct error *err);

/* Errors: as store_commit; an old file stays whole on failure. */
enum status answers_file_write(const char *path, const struct answers_contents *contents, struct error *err);

#endif
