/* What a measure costs in floating point operations, a multiplication and an addition counting one each, if all is
 * computed directly from its definition.
 */
#ifndef NRMFLOW_KERNELS_MEASURE_COST_H
#define NRMFLOW_KERNELS_MEASURE_COST_H

#include "kernels/measure/measure.h"

/* One linear map of a link on one image: 2 x 9 C_lower C_upper positions, 2 x inputs x outputs; zero for a pool. */
double cost_map(const struct link *link);

/* Maps that a link's denominators take besides the forward pass: parts whose product with the activation is not the layer's
 * own. Parts whose factor is a constant cost nothing, as they are the same for all images. */
size_t cost_denominators(const struct link_plan *link);

/* The least that one image takes by direct convolution, without a condition and without flows: the forward pass, the
 * convolutions' own denominators, and relevance down through every part of every convolution. (The dense layers' relevance
 * is left out, which is below 1 % and makes the floor lower.) */
double cost_floor(const struct measure_plan *plan);

#endif
