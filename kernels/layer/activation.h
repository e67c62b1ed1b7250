/* What is applied to a link's z: the formulas are those of enum activation_kind, NaN stays NaN. */
#ifndef NRMFLOW_KERNELS_LAYER_ACTIVATION_H
#define NRMFLOW_KERNELS_LAYER_ACTIVATION_H

#include "kernels/base/layout.h"
#include "kernels/base/network.h"

/* x = activation(x) for n arrays of a variable, [n][layout_floats]. */
void activation_apply(float *x, struct activation activation, struct layout layout, size_t n);

/* Whether the activation is z within bounds that contain zero, and these; -inf .. inf for none. */
bool activation_bounds(float *low, float *high, struct activation activation);

#endif
