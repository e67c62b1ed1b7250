/* Sizes that follow from a plan. Only for the files that compute a measure. */
#ifndef NRMFLOW_KERNELS_MEASURE_PLAN_H
#define NRMFLOW_KERNELS_MEASURE_PLAN_H

#include "kernels/measure/measure.h"

/* Floats of variable k of one image, in its layout. */
size_t measure_variable_floats(const struct measure_plan *plan, size_t k);

/* Floats of link_scratch.sum for an image, to add up what edges between these variables carry; 0 in a chain. */
size_t measure_sum_floats(const struct measure_plan *plan, size_t lowest, size_t highest);

/* Whether only a pool reads the variable: then its activations are not kept, since the pool's shares suffice. Those of
 * the input are. */
bool measure_feeds_pool(const struct measure_plan *plan, size_t k);

/* Entries of an edge's flow, and the number of images whose flows are computed together: in the dense layers at the end
 * as many as memory allows, since every time the weights are read again. */
size_t measure_joint_entries(const struct measure_plan *plan, size_t edge);
size_t measure_joints_at_once(const struct measure_plan *plan, size_t edge);

#endif
