/* The section "How far to trust this" of a report: an evaluation's figures. Not collective. */
#ifndef NRMFLOW_PIPELINE_ANALYSIS_REPORT_EVALUATION_H
#define NRMFLOW_PIPELINE_ANALYSIS_REPORT_EVALUATION_H

#include "io/base/error.h"
#include "io/store/store.h"
#include "pipeline/util/option.h"

#include <jansson.h>

/* Add "evaluations" to the page's object, an entry for every file: its name, settings, verdicts, if it is complete, of
 * how many images, how many of them are ok, and "results". A result is of a test, a place and an order. It has
 * "fraction" and either means, errors, differences and mean curves of p, or "answers" of circuits and of pruned
 * networks: values and errors by fraction. NaN is null.
 *
 *   store  in  of the report
 *   paths  in  of the evaluations
 * Errors: FAIL_FORMAT if a file is no evaluation; FAIL_MISMATCH if it is of another model; as store_open_read. */
enum status report_evaluation_add(json_t *json, const struct store_reader *store, const struct option_list *paths,
                                  struct error *err);

#endif
