/* The loops of ops.h for one instruction set. A variant (generic.c, avx2.c, avx512.c, amx.c) includes this file after
 * it has defined
 *
 *   LANES      floats of a vector: 8 or 16
 *   PANEL      floats of the widest panel: 16 or 64, a multiple of LANES
 *   UNROLLED   how often loops over a register tile are unrolled at most: 16, or 1 where the compiler splits vectors
 *   OPS_AVX2, OPS_AVX512   one of them, or none, for the intrinsics that the variant may use
 *   OPS_TILES  products of factors in parts of floats (split.h, tiles.h)
 *
 * Everything marked INLINE is a template: its parameters of type `const size_t` or `const bool` that stand last (rows,
 * vectors, columns, images, count, taps, tile, lower) get literals from the callers, so that inlining makes them
 * compile-time constants. Loops over them carry `#pragma GCC unroll`, and arrays indexed by their counters
 * (sum[ROWS][VECTORS]) then are registers, not memory. A call with a variable instead of a literal is correct but slow;
 * only channels_summary and the edges of maps do that.
 */
#ifndef NRMFLOW_KERNELS_OPS_TEMPLATE_H
#define NRMFLOW_KERNELS_OPS_TEMPLATE_H

#include "kernels/ops/channels.h"
#include "kernels/ops/dense.h"
#include "kernels/ops/direct.h"
#include "kernels/ops/pool.h"
#include "kernels/ops/positions.h"
#include "kernels/ops/product.h"
#include "kernels/ops/winograd.h"

#ifdef OPS_TILES
#include "kernels/ops/tiles.h"
#define FACTOR_PRODUCT tile_product
#else
#define FACTOR_PRODUCT product
#endif

/* Members of the table. */
#define OPS_MEMBERS                                                                                                    \
    .width = PANEL, .rows = ROWS, .parts = PARTS, .factor_product = FACTOR_PRODUCT, .factor_rows = factor_rows,        \
    .channels_summary = channels_summary, .channels_ledger = channels_ledger, .winograd_input = winograd_input,        \
    .winograd_lower = winograd_lower, .winograd_output = winograd_output, .product = product, .flow = flow,            \
    .direct_forward = direct_forward, .direct_finish = direct_finish, .direct_gradient = direct_gradient,              \
    .dense_forward = dense_forward, .dense_backward = dense_backward, .dense_flow = dense_flow,                        \
    .windows_forward = windows_forward, .windows_backward = windows_backward, .windows_lift = windows_lift,            \
    .positions_gather = positions_gather, .positions_evaluate = positions_evaluate,                                    \
    .positions_multiply = positions_multiply, .positions_accumulate = positions_accumulate,                            \
    .positions_sum = positions_sum, .window_forward = window_forward, .window_backward = window_backward,              \
    .window_lift = window_lift

#endif
