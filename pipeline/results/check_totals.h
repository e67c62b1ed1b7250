/* Checks laws of several flows together: those of all adjacent pairs of a link sum, with what goes to its bias and what
 * it absorbs, to the relevance of the layer that it writes; those of all pairs whose channels come from a layer sum to
 * that layer's. They can be checked where the store has all of these pairs. */
#ifndef NRMFLOW_PIPELINE_RESULTS_CHECK_TOTALS_H
#define NRMFLOW_PIPELINE_RESULTS_CHECK_TOTALS_H

#include "pipeline/results/check_context.h"

/* Count the pairs that every layer has in the network. */
void check_expect_flows(struct check *c);

/* Whether two layers are an adjacent pair whose laws are those of several. */
bool check_is_adjacent(const struct check *c, const struct check_layer *lower, const struct check_layer *upper);

/* Add a pair's sums, [channels] of the layer, to one of its totals.
 *
 *   group  in  of the flow
 * Errors: FAIL_SYSTEM. */
enum status check_total_add(struct check *c, struct check_total *total, const char *group, const double *sums,
                            size_t channels, double size);

/* Compare the totals that are complete with the layers. */
void check_totals(struct check *c);

#endif
