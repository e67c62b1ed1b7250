/* The linear map of an edge with any weights of the link's shape, its transpose, and the flow through it. Exact zeros
 * are kept. Dense layers use ops.h; convolutions and averages work in the planar order, whatever the layouts of the
 * variables; adds copy. The weights of adds and averages are one number.
 *
 * Arrays are [n][layout_floats], those of a flow [n][linear_joint_floats]. No failure, no allocation; arrays must not
 * overlap.
 */
#ifndef NRMFLOW_KERNELS_LAYER_LINEAR_H
#define NRMFLOW_KERNELS_LAYER_LINEAR_H

#include "kernels/base/network.h"
#include "kernels/ops/ops.h"

#include <stdbool.h>
#include <stddef.h>

struct linear {
    const struct link *link;
    struct layout lower, upper; /* lower: of the edge's variable */
    const struct ops *ops;
};

/* Floats of scratch memory. */
size_t linear_scratch_floats(const struct link *link);

/* Floats of the flow of one image: K x C, or K of a diagonal link (network_diagonal). */
size_t linear_joint_floats(const struct link *link);

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
