/* The linear map of a link with any weights of the link's shape, its transpose, and the flow through it. Exact zeros
 * are kept. Dense layers use ops.h; convolutions use im2col in the planar order, whatever the layouts of the variables.
 *
 * Arrays are [n][layout_floats], those of a flow [n][K][C]. No failure, no allocation; arrays must not overlap.
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
    const struct ops *ops;
};

/* Floats of scratch memory that convolutions need. */
size_t linear_scratch_floats(const struct linear *linear);

/* Floats of w: [K][C][3][3] or [K][N]. */
size_t linear_weight_floats(const struct link *link);

/* y (+)= W x: adds to y if `accumulate`, else overwrites it. */
void linear_forward(float *restrict y, const float *restrict x, const float *restrict w, const struct linear *linear,
                    size_t n, bool accumulate, float *restrict scratch);

/* x = W' s. Overwrites x. */
void linear_backward(float *restrict x, const float *restrict s, const float *restrict w, const struct linear *linear,
                     size_t n, float *restrict scratch);

/* joint[k,c] (+)= sum of w s x over the weights w between the channels k and c. */
void linear_flow(float *restrict joint, const float *restrict s, const float *restrict x, const float *restrict w,
                 const struct linear *linear, size_t n, bool accumulate, float *restrict scratch);

#endif
