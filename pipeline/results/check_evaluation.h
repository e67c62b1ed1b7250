/* Checks the numbers of an evaluation: gains are those of the curves, means and errors those of the images. */
#ifndef NRMFLOW_PIPELINE_RESULTS_CHECK_EVALUATION_H
#define NRMFLOW_PIPELINE_RESULTS_CHECK_EVALUATION_H

#include "pipeline/results/check_context.h"

/* The number of results, each a test's in one place with one order. c->images is set. Errors as check_context.h. */
enum status check_evaluation(struct check *c, size_t *results);

#endif
