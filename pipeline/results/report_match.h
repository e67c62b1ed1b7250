/* Whether a configuration is that of a store. Not collective. */
#ifndef NRMFLOW_PIPELINE_RESULTS_REPORT_MATCH_H
#define NRMFLOW_PIPELINE_RESULTS_REPORT_MATCH_H

#include "pipeline/results/summary.h"
#include "pipeline/run/probe.h"

/* Whether the probe's model, data and measure are those of a store. Errors: FAIL_MISMATCH naming the first difference. */
enum status report_match(const struct probe *probe, const struct summary *summary, struct error *err);

#endif
