/* Checks a store's flows, queries and classes. Errors as check_context.h. */
#ifndef NRMFLOW_PIPELINE_RESULTS_CHECK_FLOWS_H
#define NRMFLOW_PIPELINE_RESULTS_CHECK_FLOWS_H

#include "pipeline/results/check_context.h"

/* The layers have been checked: their means are there. */
enum status check_flow(struct check *c, const char *pair);

/* Without check_images before, as for a store of maps, only the status is there. */
enum status check_query(struct check *c, const char *name);

enum status check_classes(struct check *c);

#endif
