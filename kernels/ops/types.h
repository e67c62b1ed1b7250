/* What the loops of ops.h take and give, as far as the layers above give it on: pool.h, channels.h and winograd.h in
 * kernels/layer explain the operations. */
#ifndef NRMFLOW_KERNELS_OPS_TYPES_H
#define NRMFLOW_KERNELS_OPS_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a pool's window shares its relevance: see kernels/layer/pool.h. */
enum pool_mode { POOL_WINNER, POOL_WINNER_LIVE, POOL_FIRST, POOL_PROPORTIONAL };

enum { CHANNELS_CHUNK = 16 /* values that are summed in float32 */ };

struct channels_summary {
    double value, magnitude; /* sums of v and |v| */
    float largest;           /* v at its first maximum */
    uint32_t position;       /* y W + x of it */
};

struct channels_ledger {
    double flow, magnitude; /* sums of r c and r |c| */
    double idle;            /* sum of r where neither c nor `other` acts */
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
    struct channels_ledger *passed;
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

#endif
