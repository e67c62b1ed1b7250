/* Copies of channels between arrays of different layouts. No failure, no allocation; arrays must not overlap. */
#ifndef NRMFLOW_KERNELS_LAYER_TRANSFER_H
#define NRMFLOW_KERNELS_LAYER_TRANSFER_H

#include "kernels/base/layout.h"

#include <stdbool.h>
#include <stddef.h>

/* Channel to_first + i to_step of `to` comes from channel from_first + i from_step of `from`, for i < count. The maps
 * have the same size. */
struct transfer {
    struct layout to, from;
    size_t to_first, to_step, from_first, from_step, count;
};

/* out (+)= x in those channels; floats of other channels, and those that belong to no neuron, stay as they are. */
void transfer_channels(float *restrict out, const float *restrict x, const struct transfer *transfer, bool accumulate);

/* out (+)= w x of the whole variable, [layout_floats]; adds to out if `accumulate`, else overwrites it. */
void transfer_all(float *restrict out, struct layout to, const float *restrict x, struct layout from, float w,
                  bool accumulate);

#endif
