/* `nrmflow check`: whether a store is valid and consistent.
 *
 * The form is compared with the table that the writer uses (io/store/check.h). Then the numbers are compared with each
 * other: ledgers and layers sum to one, row and column sums of flows are marginals, means and counts are those of the
 * rows, failed images have no numbers. Not collective; the calling rank reads, and reads datasets with a row for every
 * image in pieces.
 */
#ifndef NRMFLOW_PIPELINE_RESULTS_CHECK_H
#define NRMFLOW_PIPELINE_RESULTS_CHECK_H

#include "io/store/check.h"

/* The condition of the run, if its mean mass cannot be told from zero (pipeline/stats/weak.h). */
struct check_weak {
    bool is_weak;
    double mean, std_error;
};

struct check_result {
    struct store_problems problems;
    size_t images, layers, flows, queries;
    size_t results; /* of an evaluation */
    bool complete;
    struct check_weak weak;
    bool numbers; /* have been checked: false if the form is too damaged to read them */
};

/* Check a store.
 *
 *   out  out  caller frees with check_free, also after a failure
 * Errors: FAIL_SYSTEM, and those of store_open_read for what is no store at all. */
enum status check_store(struct check_result *out, const char *path, struct error *err);

void check_free(struct check_result *result);

#endif
