/* Sums over the positions of every channel of one variable of one image, in its layout. Chunks of CHANNELS_CHUNK values
 * are summed in float32 and their sums in double, so the error is below 2e-6 of the sum of magnitudes, and usually a
 * hundredth of that. Nothing here allocates or fails. */
#ifndef NRMFLOW_KERNELS_LAYER_CHANNELS_H
#define NRMFLOW_KERNELS_LAYER_CHANNELS_H

#include "kernels/base/layout.h"
#include "kernels/ops/ops.h"

/* The summary of no values. */
extern const struct channels_summary channels_nothing;

/* Summaries out [C] of v = x w; w NULL means one. x, w [layout_floats]. */
void channels_summarise(struct channels_summary *restrict out, const float *restrict x, const float *restrict w,
                        struct layout layout, const struct ops *ops);

/* The ledger's sums out [C] with relevance r and coefficients c of one term. dead_mass counts where both c and `other`,
 * the coefficients of another term or c itself, are zero. r, c, other [layout_floats]. */
void channels_ledger(struct channels_ledger *restrict out, const float *restrict r, const float *c, const float *other,
                     struct layout layout, const struct ops *ops);

#endif
