/* 3x3 convolutions with stride 1 and zero padding 1 of one or more images, by Winograd's minimal filtering F(4x4) or
 * F(2x2) (A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural Networks, 2015, arXiv 1509.09308;
 * docs/explanation/winograd.md).
 *
 *   t[k,p] = sum_{c,dy,dx} w[k,c,dy,dx] (x factor)[c, p + (dy-1, dx-1)]
 *
 * for one or two sets of weights on the same inputs, fused with the elementwise operations that follow (enum
 * winograd_output). As adjoint it is the input gradient, and one more product gives the flow between the
 * channels too.
 *
 * Arrays of variables are in the blocked layout (layout_blocked); floats that belong to no neuron must be zero in
 * inputs and are zero in outputs. F(4x4) needs 4 times fewer multiplications than direct convolution, and its rounding
 * errors are about 1e-6 of the array's maximum. It does not keep exact zeros; F(2x2) does: an output whose 3x3 inputs
 * are all zero is exactly zero. No failure, no allocation; the bits of an image's arrays depend on no other image of
 * the call, those of its sums only on its number in the call and on the number of images. Thread-safe.
 */
#ifndef NRMFLOW_KERNELS_LAYER_WINOGRAD_H
#define NRMFLOW_KERNELS_LAYER_WINOGRAD_H

#include "kernels/layer/channels.h"
#include "kernels/ops/ops.h"

struct winograd {
    size_t inputs, outputs; /* channels; outputs of one set */
    size_t sets;            /* of weights: 1 or 2 */
    size_t height, width;
    size_t tile;   /* 4 or 2 */
    bool adjoint;  /* downward: weights are [inputs][outputs][3][3], and flows can be computed */
    bool branches; /* downward: inputs are twice those, of both branches of gamma (winograd_call) */
};

/* Floats of the packed weights of one set. They serve only the table that they are packed for. */
size_t winograd_weights_floats(const struct ops *ops, struct winograd shape);

/* Transform, in double, and pack one set: w [outputs][inputs][3][3], or for the adjoint [inputs][outputs][3][3]. */
void winograd_pack(float *packed, const float *w, const struct ops *ops, struct winograd shape);

/* The weights of the second branch's inputs, in the same array. */
void winograd_pack_second(float *packed, const float *w, const struct ops *ops, struct winograd shape);

size_t winograd_scratch_floats(const struct ops *ops, struct winograd shape);

void winograd_run(const struct winograd_call *call, const struct ops *ops, struct winograd shape, float *scratch);

#endif
