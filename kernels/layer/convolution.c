#include "kernels/layer/convolution.h"

#include "kernels/base/number.h"

#include <string.h>

#include <cblas.h>

enum { COLUMN_FLOATS = 1 << 21 /* 8 MiB of columns at a time */ };

struct convolution convolution_of(const struct link *link)
{
    return (struct convolution){.upper = link->upper.channels,
                                .lower = link->lower.channels,
                                .groups = link->groups,
                                .down = window_down(link),
                                .across = window_across(link)};
}

/* ---- bands of one group's windows -------------------------------------------------------------------------------- */

/* Channels of one group, and the rows of its columns. */
static size_t group_upper(struct convolution shape)
{
    return shape.upper / shape.groups;
}

static size_t group_lower(struct convolution shape)
{
    return shape.lower / shape.groups;
}

static size_t depth_of(struct convolution shape)
{
    return group_lower(shape) * shape.down.taps * shape.across.taps;
}

static size_t upper_positions(struct convolution shape)
{
    return shape.down.count * shape.across.count;
}

static size_t lower_positions(struct convolution shape)
{
    return shape.down.size * shape.across.size;
}

/* Rows of output in one band. */
static size_t band_rows(struct convolution shape)
{
    size_t rows = COLUMN_FLOATS / (depth_of(shape) * shape.across.count);

    return smaller(larger(rows, 1), shape.down.count);
}

/* Windows of one position each, which are their own columns. */
static bool is_pointwise(struct window_axis axis)
{
    return axis.taps == 1 && axis.stride == 1 && axis.before == 0 && axis.count == axis.size;
}

static bool is_its_columns(struct convolution shape)
{
    return is_pointwise(shape.down) && is_pointwise(shape.across);
}

size_t convolution_scratch(struct convolution shape)
{
    return is_its_columns(shape) ? 0 : depth_of(shape) * shape.across.count * band_rows(shape);
}

/* The rows of one band, and which of them have their tap row within the map. */
struct band {
    size_t first, rows;
};

static struct window_span rows_inside(struct window_axis down, struct band band, size_t tap)
{
    struct window_span all = window_span(down, tap);
    size_t first = larger(all.first, band.first), end = smaller(all.end, band.first + band.rows);

    if (first >= end)
        return (struct window_span){0, 0, 0};
    return (struct window_span){first - band.first, end - band.first, all.lower + (first - all.first) * down.stride};
}

/* One tap of the windows of a band: the rows and columns that see the map. */
struct tap {
    struct window_span rows, span;
    size_t shift; /* of columns: the tap's number */
};

static struct tap tap_of(struct convolution shape, struct band band, size_t tap)
{
    return (struct tap){rows_inside(shape.down, band, tap / shape.across.taps),
                        window_span(shape.across, tap % shape.across.taps), tap % shape.across.taps};
}

/* Rows of a map that windows with stride one see shifted, all at once; what comes from neighbouring rows is cleared. */
static void gather_shifted(float *restrict out, const float *restrict in, size_t rows, struct window_axis across,
                           struct tap tap)
{
    size_t n = rows * across.count, left = larger(across.before, tap.shift) - tap.shift;
    size_t right = larger(tap.shift, across.before) - across.before;

    if (left + right < n)
        memcpy(out + left, in + right, (n - left - right) * sizeof *out);
    for (size_t r = 0; r < rows; r++, out += across.count) {
        for (size_t i = 0; i < tap.span.first; i++)
            out[i] = 0;
        for (size_t i = tap.span.end; i < across.count; i++)
            out[i] = 0;
    }
}

/* One row of columns: the row of the map as a tap sees it, zero outside. */
static void gather_row(float *restrict out, const float *restrict row, struct window_axis across,
                       struct window_span span)
{
    memset(out, 0, across.count * sizeof *out);
    for (size_t i = 0; i < span.end - span.first; i++)
        out[span.first + i] = row[span.lower + i * across.stride];
}

/* Its adjoint, added to the row of the map. */
static void scatter_row(float *restrict row, const float *restrict in, struct window_axis across,
                        struct window_span span)
{
    size_t n = span.end - span.first;

    row += span.lower;
    in += span.first;
    if (across.stride == 1)
        for (size_t i = 0; i < n; i++)
            row[i] += in[i];
    else
        for (size_t i = 0; i < n; i++)
            row[i * across.stride] += in[i];
}

/* The rows of one channel's map that a tap sees. */
static void gather_tap(float *restrict out, const float *restrict map, struct convolution shape, struct band band,
                       struct tap tap)
{
    size_t across = shape.across.count, width = shape.across.size, rows = tap.rows.end - tap.rows.first;
    bool shifted = shape.across.stride == 1 && shape.down.stride == 1 && across == width;

    map += tap.rows.lower * width;
    memset(out, 0, tap.rows.first * across * sizeof *out);
    out += tap.rows.first * across;
    if (shifted)
        gather_shifted(out, map, rows, shape.across, tap);
    for (size_t r = 0; r < rows && !shifted; r++)
        gather_row(out + r * across, map + r * shape.down.stride * width, shape.across, tap.span);
    memset(out + rows * across, 0, (band.rows - tap.rows.end) * across * sizeof *out);
}

static void scatter_tap(float *restrict map, const float *restrict in, struct convolution shape, struct tap tap)
{
    size_t across = shape.across.count, width = shape.across.size;

    map += tap.rows.lower * width;
    in += tap.rows.first * across;
    for (size_t r = 0; r < tap.rows.end - tap.rows.first; r++)
        scatter_row(map + r * shape.down.stride * width, in + r * across, shape.across, tap.span);
}

/* columns[c,t][p] = x[c, p + t] for the windows p of the band. */
static void gather_columns(float *restrict columns, const float *restrict x, struct convolution shape, struct band band)
{
    size_t n = band.rows * shape.across.count, taps = shape.down.taps * shape.across.taps;

    for (size_t t = 0; t < taps; t++) {
        struct tap tap = tap_of(shape, band, t);
        for (size_t c = 0; c < group_lower(shape); c++)
            gather_tap(columns + (c * taps + t) * n, x + c * lower_positions(shape), shape, band, tap);
    }
}

/* The adjoint of gather_columns, added to x. */
static void scatter_columns(float *restrict x, const float *restrict columns, struct convolution shape,
                            struct band band)
{
    size_t n = band.rows * shape.across.count, taps = shape.down.taps * shape.across.taps;

    for (size_t t = 0; t < taps; t++) {
        struct tap tap = tap_of(shape, band, t);
        for (size_t c = 0; c < group_lower(shape); c++)
            scatter_tap(x + c * lower_positions(shape), columns + (c * taps + t) * n, shape, tap);
    }
}

/* Columns as a matrix: its rows are so many floats apart. */
struct columns {
    const float *values;
    size_t stride;
};

static struct columns columns_of(float *restrict scratch, const float *restrict x, struct convolution shape,
                                 struct band band)
{
    if (is_its_columns(shape))
        return (struct columns){x + band.first * shape.across.count, lower_positions(shape)};
    gather_columns(scratch, x, shape, band);
    return (struct columns){scratch, band.rows * shape.across.count};
}

/* ---- the operations on one group --------------------------------------------------------------------------------- */

static void forward_band(float *restrict y, const float *restrict w, struct columns columns, struct convolution shape,
                         struct band band, bool accumulate)
{
    int depth = (int)depth_of(shape), n = (int)(band.rows * shape.across.count);

    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)group_upper(shape), n, depth, 1, w, depth,
                columns.values, (int)columns.stride, accumulate ? 1 : 0, y + band.first * shape.across.count,
                (int)upper_positions(shape));
}

static void backward_band(float *restrict x, const float *restrict s, const float *restrict w, struct convolution shape,
                          struct band band, float *restrict scratch)
{
    int depth = (int)depth_of(shape), n = (int)(band.rows * shape.across.count);
    bool direct = is_its_columns(shape);
    float *target = direct ? x + band.first * shape.across.count : scratch;

    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, depth, n, (int)group_upper(shape), 1, w, depth,
                s + band.first * shape.across.count, (int)upper_positions(shape), 0, target,
                direct ? (int)lower_positions(shape) : n);
    if (!direct)
        scatter_columns(x, scratch, shape, band);
}

static void gradient_band(float *restrict g, const float *restrict s, struct columns columns, struct convolution shape,
                          struct band band)
{
    int depth = (int)depth_of(shape), n = (int)(band.rows * shape.across.count);

    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)group_upper(shape), depth, n, 1,
                s + band.first * shape.across.count, (int)upper_positions(shape), columns.values, (int)columns.stride,
                band.first ? 1 : 0, g, depth);
}

/* ---- all groups -------------------------------------------------------------------------------------------------- */

static size_t next_band(struct band *band, struct convolution shape)
{
    band->rows = smaller(band_rows(shape), shape.down.count - band->first);
    return band->rows;
}

void convolution_forward(float *restrict y, const float *restrict x, const float *restrict w, struct convolution shape,
                         bool accumulate, float *restrict scratch)
{
    for (size_t g = 0; g < shape.groups; g++) {
        for (struct band band = {0, 0}; next_band(&band, shape); band.first += band.rows)
            forward_band(y, w, columns_of(scratch, x, shape, band), shape, band, accumulate);
        x += group_lower(shape) * lower_positions(shape);
        y += group_upper(shape) * upper_positions(shape);
        w += group_upper(shape) * depth_of(shape);
    }
}

void convolution_backward(float *restrict x, const float *restrict s, const float *restrict w, struct convolution shape,
                          float *restrict scratch)
{
    memset(x, 0, shape.lower * lower_positions(shape) * sizeof *x);
    for (size_t g = 0; g < shape.groups; g++) {
        for (struct band band = {0, 0}; next_band(&band, shape); band.first += band.rows)
            backward_band(x, s, w, shape, band, scratch);
        x += group_lower(shape) * lower_positions(shape);
        s += group_upper(shape) * upper_positions(shape);
        w += group_upper(shape) * depth_of(shape);
    }
}

void convolution_gradient(float *restrict g, const float *restrict s, const float *restrict x, struct convolution shape,
                          float *restrict scratch)
{
    for (size_t group = 0; group < shape.groups; group++) {
        for (struct band band = {0, 0}; next_band(&band, shape); band.first += band.rows)
            gradient_band(g, s, columns_of(scratch, x, shape, band), shape, band);
        x += group_lower(shape) * lower_positions(shape);
        s += group_upper(shape) * upper_positions(shape);
        g += group_upper(shape) * depth_of(shape);
    }
}
