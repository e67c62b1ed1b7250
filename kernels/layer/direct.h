/* Direct 3x3 convolutions with stride 1 and zero padding 1 between a few planes, such as an image's, and a blocked
 * variable.
 *
 * Shapes: x and out [P][H][W], contiguous; y and s [K][H][W] in the blocked layout (layout_blocked), zero where there
 * is no neuron; w [K][P][3][3]. Planes need not be channels of an image: the parts of a rule have planes of their own.
 * No failure, no allocation; arrays must not overlap; results are the same bits on every call with the same input.
 * Thread-safe.
 */
#ifndef NRMFLOW_KERNELS_LAYER_DIRECT_H
#define NRMFLOW_KERNELS_LAYER_DIRECT_H

#include "kernels/layer/window.h"
#include "kernels/ops/ops.h"

struct direct {
    size_t planes, channels; /* P and K */
    size_t height, width;
    struct window_axis down, across; /* of stem.h only, which reads no height and width */
    struct layout upper;             /* likewise */
};

/* Floats of weights packed for direct_forward or, as adjoint, for direct_backward; for tables of the same width
 * only. */
size_t direct_weights_floats(const struct ops *ops, struct direct shape, bool adjoint);
void direct_pack(float *packed, const float *w, bool adjoint, const struct ops *ops, struct direct shape);

size_t direct_scratch_floats(struct direct shape);

/* y[k,p] = bias[k] + sum_{c,dy,dx} w[k,c,dy,dx] x[c, p + (dy-1, dx-1)]. bias has zeros up to a multiple of 16
 * channels. */
void direct_forward(float *y, const float *x, const float *packed, const float *bias, const struct ops *ops,
                    struct direct shape, float *scratch);

/* One row of it; floats that belong to no neuron stay as they are. */
void direct_forward_row(float *y, const float *x, size_t row, const float *packed, const float *bias,
                        const struct ops *ops, struct direct shape, float *scratch);

/* out[c,q] = sum_{k,dy,dx} w[k,c,dy,dx] (s factor)[k, q - (dy-1, dx-1)]; factor is like s, NULL: one. */
void direct_backward(float *out, const float *s, const float *factor, const float *packed, const struct ops *ops,
                     struct direct shape, float *scratch);

/* g[k,c,dy,dx] = sum_p (s factor)[k,p] x[c, p + (dy-1, dx-1)], [K][P][3][3]: the weight gradient. */
void direct_gradient(float *g, const float *s, const float *factor, const float *x, const struct ops *ops,
                     struct direct shape, float *scratch);

#endif
