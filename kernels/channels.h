/* Sums over the positions of every channel of one variable of one image, in its layout. Sums run over chunks in float32
 * and over those in double, so their error is below 2e-6 of the sum of magnitudes, and usually a hundredth of that.
 * Nothing here allocates or fails. */
#ifndef NRMFLOW_CHANNELS_H
#define NRMFLOW_CHANNELS_H

#include "layout.h"
#include "ops.h"

#include <stdint.h>

enum { CHANNELS_CHUNK = 16 /* values that are summed in float32 */ };

struct channels_summary {
    double value, magnitude; /* sums of v and |v| */
    float largest;           /* v at its first maximum */
    uint32_t position;       /* y W + x of it */
};

/* Of no values. */
extern const struct channels_summary channels_nothing;

/* Of v = x, or v = x w where w is not NULL: out [C]; x, w [layout_floats]. */
void channels_summarise(struct channels_summary *restrict out, const float *restrict x, const float *restrict w,
                        struct layout layout, const struct ops *ops);

struct channels_flow {
    double flow, magnitude; /* sums of r c and r |c| */
    double idle;            /* sum of r where neither c nor `other` acts */
};

/* What passes the coefficients c: out [C]; r, c, other [layout_floats]; `other` may be c. */
void channels_flow(struct channels_flow *restrict out, const float *restrict r, const float *c, const float *other,
                   struct layout layout, const struct ops *ops);

#endif
