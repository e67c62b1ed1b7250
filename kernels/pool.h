/* 2x2 max pools with stride 2 of one image: a and r_lower [C][H][W], r_upper [C][H/2][W/2]; a last odd row or column is
 * outside every window and gets no relevance.
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
 * No failure, no allocation; arrays must not overlap.
 */
#ifndef NRMFLOW_POOL_H
#define NRMFLOW_POOL_H

#include "network.h"

#include <stddef.h>

enum pool_mode { POOL_WINNER, POOL_WINNER_LIVE, POOL_FIRST, POOL_PROPORTIONAL };

#define POOL_TIE 2e-5 /* relative to the layer's maximum */

/* y[j] = max of the window. */
void pool_maximum(float *restrict y, const float *restrict a, struct shape lower);

/* r_lower[i] = r(i|j) r_upper[j]. Overwrites r_lower. absorbed [C] or NULL: what the proportional mode's stabilizer
 * takes. */
void pool_back(float *restrict r_lower, double *restrict absorbed, const float *restrict r_upper,
               const float *restrict a, struct shape lower, enum pool_mode mode);

/* v_upper[j] = sum_i v_lower[i] r(i|j): the adjoint. Overwrites v_upper. */
void pool_forward(float *restrict v_upper, const float *restrict v_lower, const float *restrict a, struct shape lower,
                  enum pool_mode mode);

#endif
