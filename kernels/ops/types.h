/* Arguments and results of the loops of ops.h that the headers of kernels/layer use too; pool.h, channels.h and
 * winograd.h there explain the operations. */
#ifndef NRMFLOW_KERNELS_OPS_TYPES_H
#define NRMFLOW_KERNELS_OPS_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a pool shares the relevance of a window: see kernels/layer/pool.h. */
enum pool_mode { POOL_WINNER, POOL_WINNER_LIVE, POOL_FIRST, POOL_PROPORTIONAL };

enum { CHANNELS_CHUNK = 16 /* values that are summed in float32 */ };

struct channels_summary {
    double value, magnitude; /* sums of v and |v| */
    float largest;           /* v at its first maximum */
    uint32_t position;       /* y W + x of it */
};

struct channels_ledger {
    double flow, magnitude; /* sums of r c and r |c| */
    double dead_mass;       /* sum of r where c and `other` are both zero */
};

/* What is computed from the convolution t:
 *   STORE     y[set] = t[set]
 *   MULTIPLY  y[0] = multiplier t[0]; one set
 *   EVALUATE  z = t[0] + bias[0], y[0] = max(z, 0) (NaN stays);
 *             with two sets d = t[1] + bias[1], y[1] = scale / (d + sgn(d) eps), sgn(0) = +1; zero where the
 *             denominator is zero and, with `select`, where z is not positive
 * Two sets for both branches of gamma, W + g W+ and W + g W-, whose sum is 2 + g times W:
 *   BRANCHES  d = t + bias of either set, z = (d[0] + d[1]) / (2 + g), y[0] = max(z, 0) with `select`, else z;
 *             y[1] = scale / (d + sgn(d) eps) of the first set where z > 0, else of the second; |d| is at least |z|
 *   CHOOSE    y[0] = multiplier t[0] where the multiplier is positive, else multiplier t[1] */
enum winograd_output { WINOGRAD_STORE, WINOGRAD_MULTIPLY, WINOGRAD_EVALUATE, WINOGRAD_BRANCHES, WINOGRAD_CHOOSE };

struct winograd_call {
    size_t images;

    /* Floats from the array of one image to that of the next; 0 for an array that all images share. */
    struct {
        size_t x, factor, y, multiplier, lower; /* lower_factor has lower's */
    } stride;

    /* Inputs; factor NULL: one. `branches`: x times the positive, and x times the negative values of factor, one after
     * the other: twice as many inputs, for weights of both branches. */
    const float *x, *factor;
    bool branches;
    const float *packed[2]; /* weights of every set, from winograd_pack */
    enum winograd_output output;
    float *y[2];             /* of every set; overwritten; NULL: only the flow is computed */
    const float *multiplier; /* like y[0] */
    const float *bias[2];    /* of every set; zeros up to a multiple of 16 channels */
    const float *scale;      /* likewise */
    float eps, gamma;
    bool select;
    bool nonnegative; /* t[1] is a sum of nonnegative terms: rounding noise below zero becomes zero */

    /* Sums computed on the way, overwritten; NULL: not computed. Of the channels of y[0], [images][outputs], and the
     * ledger's sums with r = x and c = factor, [images][inputs]. */
    struct channels_summary *summaries;
    struct channels_ledger *ledger;
    /* Summaries of y[0] weight, [images][outputs]; NULL: not computed. weight is like y[0]. */
    const float *weight;
    struct channels_summary *weighted;

    /* Flow of every image; joint NULL: not computed. Needs weights packed as adjoint and one set; inputs are the upper
     * channels, outputs the lower ones.
     * joint[k][c] (+)= sum_{p,dy,dx} w[k,c,dy,dx] (x factor)[k,p] (lower lower_factor)[c, p + (dy-1, dx-1)],
     * [images][inputs][outputs]; lower and lower_factor (NULL: one) are like y[0]. */
    float *joint;
    bool accumulate_joint; /* add, else overwrite */
    const float *lower, *lower_factor;
};

#endif
