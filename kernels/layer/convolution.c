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

/* One row of columns: the row of the map as a tap sees it, zero outside. */
static void gather_row(float *restrict out, const float *restrict row, struct window_axis across,
                       struct window_span span)
{
    size_t n = span.end - span.first;

    memset(out, 0, span.first * sizeof *out);
    if (across.stride == 1)
        memcpy(out + span.first, row + span.lower, n * sizeof *out);
    else
        for (size_t i = 0; i < n; i++)
            out[span.first + i] = row[span.lower + i * across.stride];
    memset(out + span.end, 0, (across.count - span.end) * sizeof *out);
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

/* columns[c,t][p] = x[c, p + t] for the windows p of the band. */
static void gather_columns(float *restrict columns, const float *restrict x, struct convolution shape, struct band band)
{
    size_t across = shape.across.count, width = shape.across.size, taps = shape.down.taps * shape.across.taps;

    for (size_t c = 0; c < group_lower(shape); c++, x += lower_positions(shape))
        for (size_t tap = 0; tap < taps; tap++, columns += band.rows * across) {
            struct window_span rows = rows_inside(shape.down, band, tap / shape.across.taps);
            struct window_span span = window_span(shape.across, tap % shape.across.taps);
            memset(columns, 0, rows.first * across * sizeof *columns);
            for (size_t r = rows.first; r < rows.end; r++)
                gather_row(columns + r * across, x + (rows.lower + (r - rows.first) * shape.down.stride) * width,
                           shape.across, span);
            memset(columns + rows.end * across, 0, (band.rows - rows.end) * across * sizeof *columns);
        }
}

/* The adjoint of gather_columns, added to x. */
static void scatter_columns(float *restrict x, const float *restrict columns, struct convolution shape,
                            struct band band)
{
    size_t across = shape.across.count, width = shape.across.size, taps = shape.down.taps * shape.across.taps;

    for (size_t c = 0; c < group_lower(shape); c++, x += lower_positions(shape))
        for (size_t tap = 0; tap < taps; tap++, columns += band.rows * across) {
            struct window_span rows = rows_inside(shape.down, band, tap / shape.across.taps);
            struct window_span span = window_span(shape.across, tap % shape.across.taps);
            for (size_t r = rows.first; r < rows.end; r++)
                scatter_row(x + (rows.lower + (r - rows.first) * shape.down.stride) * width, columns + r * across,
                            shape.across, span);
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
