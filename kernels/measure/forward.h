/* The forward pass of a group of images and the relevance at the logits. Only for measure.c. */
#ifndef NRMFLOW_KERNELS_MEASURE_FORWARD_H
#define NRMFLOW_KERNELS_MEASURE_FORWARD_H

#include "kernels/measure/measure.h"

/* Activations and coefficients of the group, and the highest activation of every channel of the images that are there:
 * image by image below plan->evaluated, of the whole group above. */
void measure_forward(struct measure_result *results, const struct measure_plan *plan, const float *const *inputs,
                     struct measure_workspace *work);

/* Relevance R(i_L) of the logits of one image, whose array is zero before: one at the target, or both shares of a
 * contrast. Fills predicted, target, logit and probability; the status becomes MEASURE_UNDEFINED for a contrast without
 * a measure. */
void measure_start(struct measure_result *result, const struct measure_plan *plan, struct measure_target target,
                   size_t slot, struct measure_workspace *work);

#endif
