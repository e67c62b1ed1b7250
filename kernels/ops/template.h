/* A table of ops.h: what a variant includes after it has defined LANES and PANEL, floats of a vector and of the widest
 * panel, UNROLLED, how often loops are unrolled at most, and OPS_AVX2 or OPS_AVX512, whose instructions it may use. */
#ifndef NRMFLOW_KERNELS_OPS_TEMPLATE_H
#define NRMFLOW_KERNELS_OPS_TEMPLATE_H

#include "kernels/ops/channels.h"
#include "kernels/ops/dense.h"
#include "kernels/ops/direct.h"
#include "kernels/ops/pool.h"
#include "kernels/ops/product.h"
#include "kernels/ops/winograd.h"

/* Members of the table. */
#define OPS_MEMBERS                                                                                                    \
    .width = PANEL, .rows = ROWS, .channels_summary = channels_summary, .channels_pass = channels_pass,                \
    .winograd_input = winograd_input, .winograd_lower = winograd_lower, .winograd_output = winograd_output,            \
    .product = product, .flow = flow, .direct_forward = direct_forward, .direct_finish = direct_finish,                \
    .direct_gradient = direct_gradient, .dense_forward = dense_forward, .dense_backward = dense_backward,              \
    .dense_flow = dense_flow, .windows_forward = windows_forward, .windows_backward = windows_backward,                \
    .windows_lift = windows_lift

#endif
