/* The section "How far to trust this" of a report: an evaluation's figures. Not collective. */
#ifndef NRMFLOW_PIPELINE_ANALYSIS_REPORT_EVALUATION_H
#define NRMFLOW_PIPELINE_ANALYSIS_REPORT_EVALUATION_H

#include "io/base/error.h"
#include "io/store/store.h"

#include <jansson.h>

/* Add "evaluation" to the page's object: settings, verdicts, and for every result its means, errors, differences and
 * mean curves of p.
 *
 *   store  in  of the report
 *   path   in  of the evaluation
 * Errors: FAIL_FORMAT if the file is no evaluation; FAIL_MISMATCH if it is of another model; as store_open_read. */
enum status report_evaluation_add(json_t *json, const struct store_reader *store, const char *path, struct error *err);

#endif
