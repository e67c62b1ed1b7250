/* `nrmflow check`: whether a store is what it says it is.
 *
 * First its form, against the table that the writer uses (store/check.h); then its numbers, against each other: ledgers
 * and layers sum to one, sums of flows are marginals, means and counts are those of the rows, failed images have no
 * numbers. Not collective; reads on the calling rank, blocks of rows at a time where a dataset has a row for every image.
 */
#ifndef NRMFLOW_PIPELINE_RESULTS_CHECK_H
#define NRMFLOW_PIPELINE_RESULTS_CHECK_H

#include "io/store/check.h"

struct check_result {
    struct store_problems problems;
    size_t images, layers, flows, queries;
    bool complete;
    bool numbers; /* looked at; they are not where the form keeps from reading them */
};

/* Check a store.
 *
 *   out  out  caller frees with check_free, also after a failure
 * Errors: FAIL_SYSTEM, and those of store_open_read for what is no store at all. */
enum status check_store(struct check_result *out, const char *path, struct error *err);

void check_free(struct check_result *result);

#endif
