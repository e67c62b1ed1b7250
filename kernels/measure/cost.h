/* Floating-point operations of a measure if everything is computed directly from its definition. A multiplication and
 * an addition count one each.
 */
#ifndef NRMFLOW_KERNELS_MEASURE_COST_H
#define NRMFLOW_KERNELS_MEASURE_COST_H

#include "kernels/measure/measure.h"

/* One linear map of a link on one image: 2 x 9 C_lower C_upper positions, 2 x inputs x outputs; zero for a pool. */
double cost_map(const struct link *link);

/* Linear maps of a link's denominators besides the forward pass: one for every part that is not the layer's own W a.
 * Parts with a constant x cost nothing, since they are the same for all images. */
size_t cost_denominators(const struct link_plan *link);

/* Operations of one image by direct convolution, without a condition and flows: the forward pass, and denominators and
 * backward pass of every part of every convolution. (The backward pass of the dense layers, below 1 %, is left out.) */
double cost_floor(const struct measure_plan *plan);

#endif
