#include "kernels/layer/window.h"

#include "kernels/base/number.h"

struct window_axis window_down(const struct link *link)
{
    return (struct window_axis){.size = link->lower.height,
                                .count = link->upper.height,
                                .taps = link->window.height,
                                .stride = link->window.down,
                                .before = link->window.top,
                                .after = link->window.bottom};
}

struct window_axis window_across(const struct link *link)
{
    return (struct window_axis){.size = link->lower.width,
                                .count = link->upper.width,
                                .taps = link->window.width,
                                .stride = link->window.across,
                                .before = link->window.left,
                                .after = link->window.right};
}

/* a - b, not below zero */
static size_t above(size_t a, size_t b)
{
    return a > b ? a - b : 0;
}

static size_t divide_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

struct window_span window_span(struct window_axis axis, size_t tap)
{
    size_t first = smaller(divide_up(above(axis.before, tap), axis.stride), axis.count);
    size_t end = smaller(divide_up(above(axis.size + axis.before, tap), axis.stride), axis.count);

    if (first >= end)
        return (struct window_span){0, 0, 0};
    return (struct window_span){first, end, first * axis.stride + tap - axis.before};
}

struct window_span window_taps(struct window_axis axis, size_t window)
{
    size_t start = window * axis.stride, first = above(axis.before, start);
    size_t end = smaller(axis.taps, above(axis.size + axis.before, start));

    if (first >= end)
        return (struct window_span){0, 0, 0};
    return (struct window_span){first, end, start + first - axis.before};
}

size_t window_positions(struct window_axis axis, size_t window, bool padding)
{
    struct window_span taps = window_taps(axis, window);

    if (!padding)
        return taps.end - taps.first;
    return smaller(axis.taps, above(axis.size + axis.before + axis.after, window * axis.stride));
}
