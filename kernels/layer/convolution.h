/* 3x3 convolutions with stride 1 and zero padding 1 of one image, by im2col and OpenBLAS sgemm.
 *
 * Shapes: x [C][H][W], y and s [K][H][W], w [K][C][3][3], all float32 and contiguous. The three operations are the
 * linear maps that a link needs; w is any of a rule's weights. The columns of im2col are built for a band of rows at a
 * time, which bounds their memory. No failure, no allocation; arrays must not overlap; results are the same bits on
 * every call with the same input.
 */
#ifndef NRMFLOW_KERNELS_LAYER_CONVOLUTION_H
#define NRMFLOW_KERNELS_LAYER_CONVOLUTION_H

#include <stdbool.h>
#include <stddef.h>

struct convolution {
    size_t upper, lower; /* channels K and C */
    size_t height, width;
};

/* Floats of scratch memory of the three operations. */
size_t convolution_scratch(struct convolution shape);

/* y[k,p] (+)= sum_{c,dy,dx} w[k,c,dy,dx] x[c, p + (dy-1, dx-1)]; adds to y if `accumulate`, else overwrites it. */
void convolution_forward(float *restrict y, const float *restrict x, const float *restrict w, struct convolution shape,
                         bool accumulate, float *restrict scratch);

/* x[c,q] = sum_{k,dy,dx} w[k,c,dy,dx] s[k, q - (dy-1, dx-1)]: the adjoint of forward. Overwrites x. */
void convolution_backward(float *restrict x, const float *restrict s, const float *restrict w, struct convolution shape,
                          float *restrict scratch);

/* g[k,c,dy,dx] = sum_p s[k,p] x[c, p + (dy-1, dx-1)]: the weight gradient. Overwrites g [K][C][3][3]. */
void convolution_gradient(float *restrict g, const float *restrict s, const float *restrict x, struct convolution shape,
                          float *restrict scratch);

#endif
