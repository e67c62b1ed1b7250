#include "kernels/layer/depthwise.h"

#include "kernels/layer/window.h"

#include <string.h>

bool depthwise_suits(const struct link *link)
{
    return link->kind == LINK_CONVOLUTION && link->groups > 1 && link->groups == link->lower.channels;
}

/* ---- convolutions ------------------------------------------------------------------------------------------------ */

/* One tap of all windows of a plane. */
static void add_tap(float *restrict y, const float *restrict x, float w, struct window_axis across,
                    struct window_span span)
{
    y += span.first;
    x += span.lower;
    for (size_t i = 0; i < span.end - span.first; i++)
        y[i] += w * x[i * across.stride];
}

static void add_tap_backward(float *restrict x, const float *restrict s, float w, struct window_axis across,
                             struct window_span span)
{
    x += span.lower;
    s += span.first;
    for (size_t i = 0; i < span.end - span.first; i++)
        x[i * across.stride] += w * s[i];
}

void depthwise_forward(float *restrict y, const float *restrict x, const float *restrict w, const struct link *link,
                       bool accumulate)
{
    struct window_axis down = window_down(link), across = window_across(link);
    size_t each = link->upper.channels / link->lower.channels, lower = shape_positions(link->lower);

    if (!accumulate)
        memset(y, 0, shape_neurons(link->upper) * sizeof *y);
    for (size_t k = 0; k < link->upper.channels; k++, y += shape_positions(link->upper))
        for (size_t tap = 0; tap < down.taps * across.taps; tap++, w++) {
            struct window_span rows = window_span(down, tap / across.taps);
            for (size_t r = rows.first; r < rows.end; r++)
                add_tap(y + r * across.count,
                        x + k / each * lower + (rows.lower + (r - rows.first) * down.stride) * across.size, *w, across,
                        window_span(across, tap % across.taps));
        }
}

void depthwise_backward(float *restrict x, const float *restrict s, const float *restrict w, const struct link *link)
{
    struct window_axis down = window_down(link), across = window_across(link);
    size_t each = link->upper.channels / link->lower.channels, lower = shape_positions(link->lower);

    memset(x, 0, shape_neurons(link->lower) * sizeof *x);
    for (size_t k = 0; k < link->upper.channels; k++, s += shape_positions(link->upper))
        for (size_t tap = 0; tap < down.taps * across.taps; tap++, w++) {
            struct window_span rows = window_span(down, tap / across.taps);
            for (size_t r = rows.first; r < rows.end; r++)
                add_tap_backward(x + k / each * lower + (rows.lower + (r - rows.first) * down.stride) * across.size,
                                 s + r * across.count, *w, across, window_span(across, tap % across.taps));
        }
}

/* ---- means ------------------------------------------------------------------------------------------------------- */

static float mean_weight(const struct link *link, size_t y, size_t x, float w)
{
    return w / (float)(window_positions(window_down(link), y, link->count_padding) *
                       window_positions(window_across(link), x, link->count_padding));
}

static float window_sum(const float *plane, size_t width, struct window_span rows, struct window_span columns)
{
    double sum = 0;

    for (size_t r = 0; r < rows.end - rows.first; r++) {
        const float *row = plane + (rows.lower + r) * width + columns.lower;
        for (size_t i = 0; i < columns.end - columns.first; i++)
            sum += (double)row[i];
    }
    return (float)sum;
}

void depthwise_average(float *restrict y, const float *restrict x, float w, const struct link *link, bool accumulate)
{
    struct window_axis down = window_down(link), across = window_across(link);

    for (size_t c = 0; c < link->lower.channels; c++, x += shape_positions(link->lower))
        for (size_t row = 0; row < down.count; row++)
            for (size_t column = 0; column < across.count; column++, y++) {
                float mean = mean_weight(link, row, column, w) *
                             window_sum(x, across.size, window_taps(down, row), window_taps(across, column));
                *y = (accumulate ? *y : 0) + mean;
            }
}

static void add_to_window(float *plane, float v, size_t width, struct window_span rows, struct window_span columns)
{
    for (size_t r = 0; r < rows.end - rows.first; r++) {
        float *row = plane + (rows.lower + r) * width + columns.lower;
        for (size_t i = 0; i < columns.end - columns.first; i++)
            row[i] += v;
    }
}

void depthwise_average_backward(float *restrict x, const float *restrict s, float w, const struct link *link)
{
    struct window_axis down = window_down(link), across = window_across(link);

    memset(x, 0, shape_neurons(link->lower) * sizeof *x);
    for (size_t c = 0; c < link->lower.channels; c++, x += shape_positions(link->lower))
        for (size_t row = 0; row < down.count; row++)
            for (size_t column = 0; column < across.count; column++, s++)
                add_to_window(x, mean_weight(link, row, column, w) * *s, across.size, window_taps(down, row),
                              window_taps(across, column));
}
