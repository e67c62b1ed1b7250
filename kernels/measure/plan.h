/* Sizes that follow from a plan. Only for the files that compute a measure. */
#ifndef NRMFLOW_KERNELS_MEASURE_PLAN_H
#define NRMFLOW_KERNELS_MEASURE_PLAN_H

#include "kernels/measure/measure.h"

/* Floats of variable k of one image, in its layout. */
size_t measure_variable_floats(const struct measure_plan *plan, size_t k);

/* Whether the variable feeds a pool: then its activations are not kept, since the pool's shares suffice. */
bool measure_feeds_pool(const struct measure_plan *plan, size_t k);

/* Entries of a link's flow matrix, and the number of images whose matrices are computed together: in dense layers as
 * many as memory allows, since every time the weights are read again. */
size_t measure_joint_entries(const struct measure_plan *plan, size_t link);
size_t measure_joints_at_once(const struct measure_plan *plan, size_t link);

#endif
