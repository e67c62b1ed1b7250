/* Convolutions of one image with windows of any size, stride and padding, in groups of channels, by im2col and OpenBLAS
 * sgemm.
 *
 * Shapes: x [C][H][W], y and s [K][windows down][windows across], w [K][C / groups][height][width], all float32 and
 * contiguous. The three operations are the linear maps that a link needs; w is any of a rule's weights. The columns of
 * im2col are built for a band of rows at a time, which bounds their memory. No failure, no allocation; arrays must not
 * overlap; results are the same bits on every call with the same input.
 */
#ifndef NRMFLOW_KERNELS_LAYER_CONVOLUTION_H
#define NRMFLOW_KERNELS_LAYER_CONVOLUTION_H

#include "kernels/layer/window.h"

#include <stdbool.h>
#include <stddef.h>

struct convolution {
    size_t upper, lower; /* channels K and C */
    size_t groups;
    struct window_axis down, across;
};

struct convolution convolution_of(const struct link *link);

/* Floats of scratch memory of the three operations. */
size_t convolution_scratch(struct convolution shape);

/* y[k,p] (+)= sum_{c,t} w[k,c,t] x[c, p + t], c in the group of k, p + t the position of tap t of window p; adds to y
 * if `accumulate`, else overwrites it. */
void convolution_forward(float *restrict y, const float *restrict x, const float *restrict w, struct convolution shape,
                         bool accumulate, float *restrict scratch);

/* x[c,q] = sum_{k,t} w[k,c,t] s[k, q - t]: the adjoint of forward. Overwrites x. */
void convolution_backward(float *restrict x, const float *restrict s, const float *restrict w, struct convolution shape,
                          float *restrict scratch);

/* g[k,c,t] = sum_p s[k,p] x[c, p + t]: the weight gradient. Overwrites g, which has the shape of w. */
void convolution_gradient(float *restrict g, const float *restrict s, const float *restrict x, struct convolution shape,
                          float *restrict scratch);

#endif
