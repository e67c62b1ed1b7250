/* A summary as one JSON object, for `nrmflow info --json` and for reports. */
#ifndef NRMFLOW_PIPELINE_RESULTS_SUMMARY_JSON_H
#define NRMFLOW_PIPELINE_RESULTS_SUMMARY_JSON_H

#include "pipeline/results/summary.h"

#include <jansson.h>

/* Caller frees with json_decref. Numbers that are not finite, and text that is not UTF-8, become null. */
json_t *summary_json(const struct summary *summary);

#endif
