/* Max pools of one image with windows of any size, stride and padding, overlapping or not; padding is absent. Variables
 * may have any layout. The shares r(i|j) are those of pool.h, among all positions of a window that are in the map.
 *
 * The forward pass keeps the shares: a bit for every position that wins, in 16-bit words, or for the proportional mode
 * the share of every position and that which the stabilizer absorbs. No failure, no allocation; arrays must not
 * overlap.
 */
#ifndef NRMFLOW_KERNELS_LAYER_POOL_WINDOW_H
#define NRMFLOW_KERNELS_LAYER_POOL_WINDOW_H

#include "kernels/base/network.h"
#include "kernels/layer/pool.h"

#include <stddef.h>

struct pool_window {
    const struct link *link;
    struct layout lower, upper;
    enum pool_mode mode;
};

/* Floats of the shares of all windows. */
size_t pool_window_shares(const struct link *link, enum pool_mode mode);

/* y[j] = max of window j, and the shares; `largest` as in pool_forward. */
void pool_window_forward(float *restrict y, float *restrict shares, const float *restrict a, float largest,
                         const struct pool_window *pool);

/* r_lower[i] = sum_j r(i|j) r_upper[j]. Overwrites r_lower. absorbed [C] as in pool_backward. */
void pool_window_backward(float *restrict r_lower, double *restrict absorbed, const float *restrict r_upper,
                          const float *restrict shares, const struct pool_window *pool);

/* v_upper[j] = sum_i v_lower[i] r(i|j): the adjoint. Overwrites v_upper. */
void pool_window_lift(float *restrict v_upper, const float *restrict v_lower, const float *restrict shares,
                      const struct pool_window *pool);

#endif
