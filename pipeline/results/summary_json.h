/* A summary as one JSON object: what `nrmflow info --json` prints and a report holds. */
#ifndef NRMFLOW_PIPELINE_RESULTS_SUMMARY_JSON_H
#define NRMFLOW_PIPELINE_RESULTS_SUMMARY_JSON_H

#include "pipeline/results/summary.h"

#include <jansson.h>

/* The caller ends it with json_decref. Numbers that are not finite, and text that is not UTF-8, become null. */
json_t *summary_json(const struct summary *summary);

#endif
