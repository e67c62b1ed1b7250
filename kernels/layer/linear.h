/* The linear map of a link with any weights of the link's shape, its transpose, and the flow through it, exact zeros kept:
 * dense layers by ops.h, convolutions by im2col in the planar order, whatever the layouts of the variables.
 *
 * Arrays are [n][layout_floats]. No failure, no allocation; arrays must not overlap.
 */
#ifndef NRMFLOW_KERNELS_LAYER_LINEAR_H
#define NRMFLOW_KERNELS_LAYER_LINEAR_H

#include "kernels/base/network.h"
#include "kernels/ops/ops.h"

#include <stdbool.h>
#include <stddef.h>

struct linear {
    const struct link *link;
    struct layout lower, upper;
};

/* Floats of scratch memory that convolutions need. */
size_t linear_scratch_floats(const struct linear *linear);

/* Floats of w: [K][C][3][3] or [K][N]. */
size_t linear_weight_floats(const struct link *link);

/* y (+)= W x. Convolutions, whose y is blocked, overwrite or add likewise. */
void linear_forward(float *restrict y, const float *restrict x, const float *restrict w, const struct linear *linear,
                    const struct ops *ops, size_t n, bool accumulate, float *restrict scratch);

/* x = W' s. Overwrites x. */
void linear_backward(float *restrict x, const float *restrict s, const float *restrict w, const struct linear *linear,
                     const struct ops *ops, size_t n, float *restrict scratch);

/* joint[k,c] (+)= sum over the weights w between the channels k and c of w s x: [n][K][C]. */
void linear_flow(float *restrict joint, const float *restrict s, const float *restrict x, const float *restrict w,
                 const struct linear *linear, const struct ops *ops, size_t n, bool accumulate,
                 float *restrict scratch);

#endif
