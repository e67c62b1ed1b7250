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
#ifndef NRMFLOW_WINOGRAD_H
#define NRMFLOW_WINOGRAD_H

#include "channels.h"
#include "ops.h"

struct winograd {
    size_t inputs, outputs; /* channels; outputs of one set */
    size_t sets;            /* of weights: 1 or 2 */
    size_t height, width;
    size_t tile; /* 4 or 2 */
};

/* What becomes of t:
 *   STORE     y[set] = t[set]
 *   MULTIPLY  y[0] = multiplier t[0]; one set
 *   EVALUATE  z = t[0] + bias[0], y[0] = max(z, 0) (NaN stays);
 *             with two sets d = t[1] + bias[1], y[1] = scale / (d + sgn(d) eps), sgn(0) = +1, zero where that divides by
 *             zero and, with `select`, where z is not positive */
enum winograd_output { WINOGRAD_STORE, WINOGRAD_MULTIPLY, WINOGRAD_EVALUATE };

struct winograd_call {
    size_t images;

    /* Floats from an image's array to the next image's; 0 for an array that all share. */
    struct {
        size_t x, factor, y, multiplier, lower; /* lower_factor has lower's */
    } stride;

    const float *x, *factor; /* inputs; factor NULL: one */
    const float *packed[2];  /* winograd_pack, of every set */
    enum winograd_output output;
    float *y[2];             /* of every set; overwritten; NULL: only the flow is wanted */
    const float *multiplier; /* like y[0] */
    const float *bias[2];    /* of every set; zeros up to a multiple of 16 channels */
    const float *scale;      /* likewise */
    float eps;
    bool select;
    bool nonnegative; /* t[1] is a sum of nonnegative terms: noise below zero is cut off */

    /* Unless NULL, of every image's channels: of y[0], [images][outputs], and of what x passes through the factor,
     * [images][inputs]; found on the way. */
    struct channels_summary *summaries;
    struct channels_flow *passed;
    /* The same of y[0] share, unless NULL; share is like y[0]. */
    const float *share;
    struct channels_summary *shared;

    /* Flow of every image, unless joint is NULL: weights packed as adjoint, one set, inputs the upper channels and
     * outputs the lower.
     * joint[k][c] (+)= sum_{p,dy,dx} w[k,c,dy,dx] (x factor)[k,p] (lower lower_factor)[c, p + (dy-1, dx-1)],
     * [images][inputs][outputs]; lower and lower_factor (NULL: one) are like y[0]. */
    float *joint;
    bool accumulate_joint; /* add, else overwrite */
    const float *lower, *lower_factor;
};

/* Floats of the packed weights of one set; they are for tables of the same width only. */
size_t winograd_weights_floats(const struct ops *ops, struct winograd shape);

/* Transform and pack one set: w [outputs][inputs][3][3], or for the adjoint [inputs][outputs][3][3]. Computed in double.
 */
void winograd_pack(float *packed, const float *w, bool adjoint, const struct ops *ops, struct winograd shape);

size_t winograd_scratch_floats(const struct ops *ops, struct winograd shape);

void winograd_run(const struct winograd_call *call, const struct ops *ops, struct winograd shape, float *scratch);

#endif
