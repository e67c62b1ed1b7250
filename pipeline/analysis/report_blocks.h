/* The residual blocks of a report: which share of the measure takes which way into each add. Not collective. */
#ifndef NRMFLOW_PIPELINE_ANALYSIS_REPORT_BLOCKS_H
#define NRMFLOW_PIPELINE_ANALYSIS_REPORT_BLOCKS_H

#include "io/store/store.h"
#include "pipeline/results/layers.h"
#include "pipeline/results/summary.h"

#include <jansson.h>

/* Adds, from the input up, whose ways the store has flows of: [{"name", "ways": [{"from", "steps", "share"}]}]. A way's
 * steps are the layers with rules on the longest path from it down to the next cut, itself among them: none of a plain
 * skip; its share is the sum of its mean flow. Ways have fewest steps first.
 *
 *   out  out  a new reference, NULL on failure
 * Errors: as flow_matrix_open and store_read_rows; FAIL_SYSTEM without memory. */
enum status report_blocks(json_t **out, const struct store_reader *reader, const struct summary *summary,
                          const struct layers *layers, struct error *err);

#endif
