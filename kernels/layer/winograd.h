/* 3x3 convolutions with stride 1 and zero padding 1 of one or more images, by Winograd's minimal filtering F(4x4) or F(2x2).
 *
 *   t[k,p] = sum_{c,dy,dx} w[k,c,dy,dx] (x factor)[c, p + (dy-1, dx-1)]
 *
 * for one or two sets of weights on the same inputs, with what follows it fused in; with weights packed as adjoint it is
 * the input gradient, and then the flow between the channels comes along, at the price of one more product.
 *
 * Arrays of variables are in the blocked layout (layout_blocked); what is no neuron must be zero in inputs and is zero in
 * outputs. F(4x4) needs 4 times fewer multiplications than direct convolution, and its rounding errors are about 1e-6 of
 * the array's maximum. It does not keep exact zeros; F(2x2) does: an output whose 3x3 inputs are all zero is exactly zero.
 * No failure, no allocation; the bits of an image's arrays depend on no other image of the call, those of its sums
 * only on its number in it and on how many there are. Thread-safe.
 */
#ifndef NRMFLOW_KERNELS_LAYER_WINOGRAD_H
#define NRMFLOW_KERNELS_LAYER_WINOGRAD_H

#include "kernels/layer/channels.h"
#include "kernels/ops/ops.h"

struct winograd {
    size_t inputs, outputs; /* channels; outputs of one set */
    size_t sets;            /* of weights: 1 or 2 */
    size_t height, width;
    size_t tile; /* 4 or 2 */
};

/* Floats of the packed weights of one set; they are for tables of the same width only. */
size_t winograd_weights_floats(const struct ops *ops, struct winograd shape);

/* Transform and pack one set: w [outputs][inputs][3][3], or for the adjoint [inputs][outputs][3][3]. Computed in double.
 */
void winograd_pack(float *packed, const float *w, bool adjoint, const struct ops *ops, struct winograd shape);

size_t winograd_scratch_floats(const struct ops *ops, struct winograd shape);

void winograd_run(const struct winograd_call *call, const struct ops *ops, struct winograd shape, float *scratch);

#endif
