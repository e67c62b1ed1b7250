/* Checks the numbers of an evaluation: gains are those of the curves, means and errors those of the images. */
#ifndef NRMFLOW_PIPELINE_RESULTS_CHECK_EVALUATION_H
#define NRMFLOW_PIPELINE_RESULTS_CHECK_EVALUATION_H

#include "pipeline/results/check_context.h"

/* Which images a statistic is over, [3][images]: all that are ok, and the halves of them with the smaller and the
 * larger p. c->images and c->status are set; caller frees it. Errors as check_context.h. */
enum status check_evaluation_halves(bool **member, struct check *c);

/* The group of the same place by relevance: "evaluation/channels/fc6/random" to "evaluation/channels/fc6/relevance". */
void check_evaluation_baseline(char group[CHECK_PATH], const char *own);

/* The number of results, each a test's in one place with one order. c->images is set. Errors as check_context.h. */
enum status check_evaluation(struct check *c, size_t *results);

#endif
