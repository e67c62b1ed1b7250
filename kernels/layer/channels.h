/* Sums over the positions of every channel of one variable of one image, in its layout. Sums run over chunks in float32
 * and over those in double, so their error is below 2e-6 of the sum of magnitudes, and usually a hundredth of that.
 * Nothing here allocates or fails. */
#ifndef NRMFLOW_KERNELS_LAYER_CHANNELS_H
#define NRMFLOW_KERNELS_LAYER_CHANNELS_H

#include "kernels/base/layout.h"
#include "kernels/ops/ops.h"

/* Of no values. */
extern const struct channels_summary channels_nothing;

/* Of v = x, or v = x w where w is not NULL: out [C]; x, w [layout_floats]. */
void channels_summarise(struct channels_summary *restrict out, const float *restrict x, const float *restrict w,
                        struct layout layout, const struct ops *ops);

/* What passes the coefficients c: out [C]; r, c, other [layout_floats]; `other` may be c. */
void channels_ledger(struct channels_ledger *restrict out, const float *restrict r, const float *c, const float *other,
                     struct layout layout, const struct ops *ops);

#endif
