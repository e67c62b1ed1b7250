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

    return (struct window_span){first, larger(first, end), first * axis.stride + tap - axis.before};
}

struct window_span window_taps(struct window_axis axis, size_t window)
{
    size_t start = window * axis.stride, first = above(axis.before, start);
    size_t end = smaller(axis.taps, above(axis.size + axis.before, start));

    return (struct window_span){first, larger(first, end), start + first - axis.before};
}

size_t window_positions(struct window_axis axis, size_t window, bool padding)
{
    struct window_span taps = window_taps(axis, window);

    if (!padding)
        return taps.end - taps.first;
    return smaller(axis.taps, above(axis.size + axis.before + axis.after, window * axis.stride));
}

/* ---- sums over taps ---------------------------------------------------------------------------------------------- */

static void find_full(struct window_reach *reach)
{
    ptrdiff_t far = reach->taps ? (ptrdiff_t)(reach->taps - 1) * reach->turn : 0, size = (ptrdiff_t)reach->size;
    ptrdiff_t low = reach->first + (far < 0 ? far : 0), high = reach->first + (far > 0 ? far : 0);
    size_t end = high < size ? (size_t)((size - 1 - high) / reach->step) + 1 : 0;

    reach->full = low < 0 ? smaller((size_t)((-low + reach->step - 1) / reach->step), reach->count) : 0;
    reach->full_end = larger(reach->full, smaller(end, reach->count));
}

struct window_reach window_up(struct window_axis axis)
{
    struct window_reach reach = {.count = axis.count,
                                 .taps = axis.taps,
                                 .size = axis.size,
                                 .first = -(ptrdiff_t)axis.before,
                                 .step = (ptrdiff_t)axis.stride,
                                 .turn = 1,
                                 .weight_step = 1,
                                 .to_step = 1};

    find_full(&reach);
    return reach;
}

struct window_reach window_under(struct window_axis axis, size_t tap)
{
    size_t to = (tap + axis.stride - axis.before % axis.stride) % axis.stride;
    struct window_reach reach = {.count = divide_up(above(axis.size, to), axis.stride),
                                 .taps = divide_up(above(axis.taps, tap), axis.stride),
                                 .size = axis.count,
                                 .first = ((ptrdiff_t)(to + axis.before) - (ptrdiff_t)tap) / (ptrdiff_t)axis.stride,
                                 .step = 1,
                                 .turn = -1,
                                 .weight = tap,
                                 .weight_step = axis.stride,
                                 .to = to,
                                 .to_step = axis.stride};

    find_full(&reach);
    return reach;
}

size_t window_position(const struct window_reach *reach, size_t j, size_t u)
{
    ptrdiff_t at = reach->first + (ptrdiff_t)j * reach->step + (ptrdiff_t)u * reach->turn;

    return at < 0 || at >= (ptrdiff_t)reach->size ? reach->size : (size_t)at;
}
