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

/* The windows first <= o < end whose tap t is within the map, and the position of window `first`'s; all zero if there
 * is none. */
struct window_span {
    size_t first, end, lower;
};
struct window_span window_span(struct window_axis axis, size_t tap);

/* The taps first <= t < end of window o that are within the map, and the position of tap `first`; all zero if there is
 * none. */
struct window_span window_taps(struct window_axis axis, size_t window);

/* The positions of window o that are in the map, and with `padding` those in the padding too. */
size_t window_positions(struct window_axis axis, size_t window, bool padding);

#endif
