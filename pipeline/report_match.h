/* Whether a configuration is that of a store. Not collective. */
#ifndef NRMFLOW_REPORT_MATCH_H
#define NRMFLOW_REPORT_MATCH_H

#include "look.h"
#include "summary.h"

/* Whether the look's model, data and measure are those of a store. Errors: FAIL_MISMATCH naming the first difference. */
enum status report_match(const struct look *look, const struct summary *summary, struct error *err);

#endif
