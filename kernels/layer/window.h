/* Windows in one direction: `count` windows of `taps` positions, `stride` apart, over `size` positions with padding
 * before the first and after the last. Window o has tap t at position o stride + t - before. */
#ifndef NRMFLOW_KERNELS_LAYER_WINDOW_H
#define NRMFLOW_KERNELS_LAYER_WINDOW_H

#include "kernels/base/network.h"

#include <stdbool.h>
#include <stddef.h>

struct window_axis {
    size_t size, count, taps, stride, before, after;
};

/* The two directions of a link's windows. */
struct window_axis window_down(const struct link *link);
struct window_axis window_across(const struct link *link);

/* The windows first <= o < end whose tap t is within the map, and the position of window `first`'s. */
struct window_span {
    size_t first, end, lower;
};
struct window_span window_span(struct window_axis axis, size_t tap);

/* The taps first <= t < end of window o that are within the map, and the position of tap `first`. */
struct window_span window_taps(struct window_axis axis, size_t window);

/* The positions of window o that are in the map, and with `padding` those in the padding too. */
size_t window_positions(struct window_axis axis, size_t window, bool padding);

/* Sums over the taps that are somewhere: output j has tap u at position first + j step + u turn, if that is one of
 * `size`, with weight number weight + u weight_step, and is itself at to + j to_step.
 *
 *   full .. full_end  outputs all of whose taps are at a position
 *
 * Upwards the outputs are windows. Downwards they are the positions at which tap number `tap` < stride of a window can
 * be, and every stride-th after that; without taps they are in no window. */
struct window_reach {
    size_t count, taps, size;
    ptrdiff_t first, step, turn;
    size_t weight, weight_step;
    size_t to, to_step;
    size_t full, full_end;
};
struct window_reach window_up(struct window_axis axis);
struct window_reach window_under(struct window_axis axis, size_t tap);

/* The position of output j's tap u; `size` if it is none. */
size_t window_position(const struct window_reach *reach, size_t j, size_t u);

#endif
