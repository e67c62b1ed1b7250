/* 2x2 max pools with stride 2 of one image: a, r_lower and v_lower in the lower layout, which is blocked, y, r_upper and
 * v_upper in the upper one, of any kind; a last odd row or column is outside every window and gets no relevance.
 *
 * How a window's relevance is shared among its four positions, r(i|j):
 *   winner        positions a_i >= m - 2e-5 max(a) share equally, m the window's maximum; with m <= 0 the first position
 *                 that has it takes all. The tolerance keeps ties, frequent on flat backgrounds, off the last bit.
 *   winner_live   the same among positions with a_i > 0 only. For links below that leave out gamma's negative branch: the
 *                 definition lets dead positions share where m is within the tolerance of zero, about 1e-7 of the
 *                 measure, and such a link would have to call their share absorbed.
 *   first         the first maximum in row-major order takes all (PyTorch's routing)
 *   proportional  a_i / stab(sum a), stab(z) = z + 1e-6 sgn(z)
 *
 * The shares are kept from the forward pass, so that nobody needs a again: a byte for a window, or for `proportional`
 * its four shares and what the stabilizer takes. No failure, no allocation; arrays must not overlap.
 */
#ifndef NRMFLOW_KERNELS_LAYER_POOL_H
#define NRMFLOW_KERNELS_LAYER_POOL_H

#include "kernels/base/layout.h"
#include "kernels/ops/ops.h"

#include <stddef.h>

#define POOL_TIE 2e-5 /* relative to the layer's maximum */

/* Floats that the shares of all windows take. */
size_t pool_shares_floats(struct layout lower, enum pool_mode mode);

/* The layer's maximum, at least zero. */
float pool_largest(const float *a, struct layout lower);

/* y[j] = max of the window; and the shares. `largest` is that of the layer. */
void pool_forward(float *restrict y, float *restrict shares, const float *restrict a, float largest,
                  struct layout lower, struct layout upper, enum pool_mode mode, const struct ops *ops);

/* r_lower[i] = r(i|j) r_upper[j]. Overwrites r_lower. absorbed [C] or NULL: what the proportional mode's stabilizer
 * takes. */
void pool_backward(float *restrict r_lower, double *restrict absorbed, const float *restrict r_upper,
                   const float *restrict shares, struct layout lower, struct layout upper, enum pool_mode mode,
                   const struct ops *ops);

/* v_upper[j] = sum_i v_lower[i] r(i|j): the adjoint. Overwrites v_upper. */
void pool_lift(float *restrict v_upper, const float *restrict v_lower, const float *restrict shares,
               struct layout lower, struct layout upper, enum pool_mode mode, const struct ops *ops);

#endif
