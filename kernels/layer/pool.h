/* 2x2 max pools with stride 2 of one image. a, r_lower and v_lower have the lower layout, which is blocked; y, r_upper
 * and v_upper have the upper one, blocked or planar. A last odd row or column is in no window and gets no relevance.
 *
 * How a window's relevance is shared among its four positions, r(i|j):
 *   winner        positions a_i >= m - 2e-5 max(a) share equally, m the window's maximum; with m <= 0 the first
 *                 position that has it takes all. Ties are frequent on flat backgrounds; the tolerance keeps the last
 *                 bit from deciding them.
 *   winner_live   the same among positions with a_i > 0 only, if the link below leaves out gamma's negative branch.
 *                 Where m is within the tolerance of zero, `winner` gives dead positions a share too, about 1e-7 of the
 *                 measure, which such a link would have to count as absorbed.
 *   first         the first maximum in row-major order takes all (PyTorch's routing)
 *   proportional  a_i / stab(sum a), stab(z) = z + 1e-6 sgn(z)
 *
 * The forward pass keeps the shares, so a is not needed again: a byte a window, or for `proportional` its four shares
 * and the share that the stabilizer absorbs. No failure, no allocation; arrays must not overlap.
 */
#ifndef NRMFLOW_KERNELS_LAYER_POOL_H
#define NRMFLOW_KERNELS_LAYER_POOL_H

#include "kernels/base/layout.h"
#include "kernels/ops/ops.h"

#include <stddef.h>

#define POOL_TIE 2e-5 /* relative to the layer's maximum */

/* Floats of the shares of all windows. */
size_t pool_shares_floats(struct layout lower, enum pool_mode mode);

/* The layer's maximum, at least zero. */
float pool_largest(const float *a, struct layout lower);

/* y[j] = max of window j, and the shares. `largest` is the maximum of the layer, from pool_largest or summaries. */
void pool_forward(float *restrict y, float *restrict shares, const float *restrict a, float largest,
                  struct layout lower, struct layout upper, enum pool_mode mode, const struct ops *ops);

/* r_lower[i] = r(i|j) r_upper[j]. Overwrites r_lower. absorbed [C], NULL: not computed: what the stabilizer of
 * the proportional mode absorbs. */
void pool_backward(float *restrict r_lower, double *restrict absorbed, const float *restrict r_upper,
                   const float *restrict shares, struct layout lower, struct layout upper, enum pool_mode mode,
                   const struct ops *ops);

/* v_upper[j] = sum_i v_lower[i] r(i|j): the adjoint. Overwrites v_upper. */
void pool_lift(float *restrict v_upper, const float *restrict v_lower, const float *restrict shares,
               struct layout lower, struct layout upper, enum pool_mode mode, const struct ops *ops);

#endif
