/* Windows of every channel alone, of one image in the planar order: convolutions that read one channel each, and means.
 *
 * Shapes: x [C][H][W], y and s [K][windows down][windows across]. Channel k reads channel k / (K / C). No failure, no
 * allocation; arrays must not overlap.
 */
#ifndef NRMFLOW_KERNELS_LAYER_DEPTHWISE_H
#define NRMFLOW_KERNELS_LAYER_DEPTHWISE_H

#include "kernels/base/network.h"

#include <stdbool.h>

/* Whether the link is a convolution in several groups that read one channel each. */
bool depthwise_suits(const struct link *link);

/* y[k,p] (+)= sum_t w[k,t] x[c, p + t]; adds to y if `accumulate`, else overwrites it. w [K][height][width]. */
void depthwise_forward(float *restrict y, const float *restrict x, const float *restrict w, const struct link *link,
                       bool accumulate);

/* Its adjoint. Overwrites x. */
void depthwise_backward(float *restrict x, const float *restrict s, const float *restrict w, const struct link *link);

/* y[c,p] (+)= w sum_t x[c, p + t] / n(p), n the positions of window p that count. Sums are in double. */
void depthwise_average(float *restrict y, const float *restrict x, float w, const struct link *link, bool accumulate);

/* Its adjoint. Overwrites x. */
void depthwise_average_backward(float *restrict x, const float *restrict s, float w, const struct link *link);

#endif
