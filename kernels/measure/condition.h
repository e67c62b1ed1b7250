/* The sets of a measure's condition and the sweep up from them. Only for measure.c. */
#ifndef NRMFLOW_KERNELS_MEASURE_CONDITION_H
#define NRMFLOW_KERNELS_MEASURE_CONDITION_H

#include "kernels/measure/measure.h"

/* M of a variable whose turn it is on the way down, for n images, if M is not R: within the variable's set, from R at
 * the highest set; zero where no edge carries any. m may be r, and then stays. */
void measure_finish_condition(float *m, const struct measure_plan *plan, size_t variable, const float *r, size_t n);

/* out = v within the variable's set and zero elsewhere, for n images; out may be v. Without a set, out stays as it
 * is. */
void measure_apply_mask(float *out, const struct measure_plan *plan, size_t variable, const float *v, size_t n);

/* h from the condition's lowest set up to the logits: image by image below plan->evaluated, of the whole group
 * above. */
void measure_sweep_up(const struct measure_result *results, const struct measure_plan *plan,
                      struct measure_workspace *work);

#endif
