#include "kernels/layer/direct.h"

#include "kernels/base/layout.h"
#include "kernels/base/number.h"

#include <string.h>

enum { LANES = OPS_LANES, TAPS = 9, SIDE = 3 };

static struct layout layout_of(struct direct shape)
{
    return layout_blocked((struct shape){shape.channels, shape.height, shape.width});
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

/* The right factor of a product: depth and columns. Forward: lines of planes times channels; adjoint: channels times
 * [tap][plane]. */
struct matrix {
    size_t depth, columns;
};

static struct matrix matrix_of(struct direct shape, bool adjoint)
{
    if (adjoint)
        return (struct matrix){padded(shape.channels), padded(TAPS * shape.planes)};
    return (struct matrix){TAPS * shape.planes, padded(shape.channels)};
}

size_t direct_weights_floats(const struct ops *ops, struct direct shape, bool adjoint)
{
    struct matrix m = matrix_of(shape, adjoint);

    (void)ops;
    return m.depth * m.columns;
}

void direct_pack(float *packed, const float *w, bool adjoint, const struct ops *ops, struct direct shape)
{
    struct matrix m = matrix_of(shape, adjoint);
    size_t width = ops_width(ops, m.columns);

    memset(packed, 0, m.depth * m.columns * sizeof *packed);
    for (size_t k = 0; k < shape.channels; k++)
        for (size_t c = 0; c < shape.planes; c++)
            for (size_t tap = 0; tap < TAPS; tap++, w++) {
                size_t row = adjoint ? k : c * TAPS + tap, column = adjoint ? tap * shape.planes + c : k;
                packed[(column / width * m.depth + row) * width + column % width] = *w;
            }
}

/* ---- rows of the image, with a border ---------------------------------------------------------------------------- */

static size_t line_floats(struct direct shape)
{
    return shape.width + 2;
}

/* lines[c][dy][1 + i] = x[c, y + dy - 1, i], zeros around. */
static void gather_lines(float *lines, const float *x, size_t y, struct direct shape)
{
    size_t width = shape.width;

    for (size_t c = 0; c < shape.planes; c++)
        for (size_t dy = 0; dy < SIDE; dy++, lines += line_floats(shape)) {
            bool inside = y + dy >= 1 && y + dy <= shape.height;
            lines[0] = 0;
            lines[1 + width] = 0;
            if (inside)
                memcpy(lines + 1, x + (c * shape.height + y + dy - 1) * width, width * sizeof *lines);
            else
                memset(lines + 1, 0, width * sizeof *lines);
        }
}

/* ---- rows of the blocked variable -------------------------------------------------------------------------------- */

/* Row y of s * factor: [channels / 16][stride][16]. */
struct row {
    const float *values;
    size_t stride;
};

static struct row row_of(float *buffer, const float *s, const float *factor, size_t y, struct direct shape)
{
    struct layout layout = layout_of(shape);
    size_t plane = layout.rows * layout.columns, first = layout_index(layout, 0, y, 0), n = shape.width * LANES;

    if (!factor)
        return (struct row){s + first, plane};
    for (size_t b = 0; b < padded(shape.channels) / LANES; b++)
        for (size_t i = 0; i < n; i++) {
            size_t at = first + b * plane * LANES + i;
            buffer[b * n + i] = s[at] * factor[at];
        }
    return (struct row){buffer, shape.width};
}

/* Row y of such an array, to be prefetched. */
static struct ops_prefetch_range prefetch_range_of(const float *array, size_t y, struct direct shape)
{
    struct layout layout = layout_of(shape);

    return (struct ops_prefetch_range){.from = array ? array + layout_index(layout, 0, y, 0) : NULL,
                                       .lines = shape.width,
                                       .times = padded(shape.channels) / LANES,
                                       .stride = layout.rows * layout.columns * LANES};
}

/* ---- the three maps ---------------------------------------------------------------------------------------------- */

/* The scratch memory: lines of the image, a row of the variable, and either a row of results with a position before and
 * behind it, or the sums of the gradient. */
struct places {
    float *lines, *row, *results;
};

static struct places place(struct direct shape, float *scratch)
{
    float *row = scratch + padded(SIDE * shape.planes * line_floats(shape));

    return (struct places){scratch, row, row + padded(shape.channels) * shape.width};
}

size_t direct_scratch_floats(struct direct shape)
{
    size_t taps = TAPS * shape.planes;
    size_t results = larger(padded(taps) * line_floats(shape), padded(shape.channels) * taps);

    return padded(SIDE * shape.planes * line_floats(shape)) + padded(shape.channels) * shape.width + results;
}

void direct_forward_row(float *y, const float *x, size_t row, const float *packed, const float *bias,
                        const struct ops *ops, struct direct shape, float *scratch)
{
    struct layout layout = layout_of(shape);
    struct matrix m = matrix_of(shape, false);
    struct ops_product product = {.rows = shape.width,
                                  .depth = m.depth,
                                  .outputs = m.columns,
                                  .width = ops_width(ops, m.columns),
                                  .from_stride = line_floats(shape),
                                  .to_stride = layout.rows * layout.columns};

    gather_lines(scratch, x, row, shape);
    ops->direct_forward(y + layout_index(layout, 0, row, 0), scratch, packed, bias, &product);
}

void direct_forward(float *y, const float *x, const float *packed, const float *bias, const struct ops *ops,
                    struct direct shape, float *scratch)
{
    for (size_t row = 0; row < shape.height; row++)
        direct_forward_row(y, x, row, packed, bias, ops, shape, scratch);
    layout_clear_border(y, layout_of(shape));
}

/* out[c, y + dy - 1, i] += sum_dx results[i + 1 - dx][dy,dx,c], whose first position is number -1. */
static void scatter_row(float *out, const float *results, size_t y, struct direct shape)
{
    size_t stride = line_floats(shape);

    for (size_t dy = 0; dy < SIDE; dy++) {
        if (y + dy < 1 || y + dy > shape.height)
            continue;
        for (size_t c = 0; c < shape.planes; c++) {
            const float *from[SIDE];
            float *to = out + (c * shape.height + y + dy - 1) * shape.width;
            for (size_t dx = 0; dx < SIDE; dx++) {
                size_t column = (dy * SIDE + dx) * shape.planes + c;
                from[dx] = results + (column / LANES * stride + 2 - dx) * LANES + column % LANES;
            }
            for (size_t i = 0; i < shape.width; i++)
                to[i] += from[0][i * LANES] + from[1][i * LANES] + from[2][i * LANES];
        }
    }
}

void direct_backward(float *out, const float *s, const float *factor, const float *packed, const struct ops *ops,
                     struct direct shape, float *scratch)
{
    struct matrix m = matrix_of(shape, true);
    struct places at = place(shape, scratch);
    struct ops_product product = {.rows = shape.width,
                                  .depth = m.depth,
                                  .outputs = m.columns,
                                  .width = ops_width(ops, m.columns),
                                  .to_stride = line_floats(shape)};

    memset(out, 0, shape.planes * shape.height * shape.width * sizeof *out);
    memset(at.results, 0, m.columns * line_floats(shape) * sizeof *at.results);
    for (size_t y = 0; y < shape.height; y++) {
        struct row row = row_of(at.row, s, factor, y, shape);
        struct ops_prefetch_range ranges[2] = {prefetch_range_of(s, y + 1, shape),
                                               prefetch_range_of(factor, y + 1, shape)};
        struct ops_prefetch_cursor cursor = {.ranges = ranges,
                                             .count = y + 1 == shape.height ? 0
                                                      : factor              ? 2
                                                                            : 1,
                                             .panel = packed};
        product.from_stride = row.stride;
        cursor.each = cursor.count * ranges[0].lines * ranges[0].times / ops_product_steps(ops, &product) + 1;
        ops->product(at.results + LANES, row.values, packed, &product, &cursor);
        scatter_row(out, at.results, y, shape);
    }
}

void direct_gradient(float *g, const float *s, const float *factor, const float *x, const struct ops *ops,
                     struct direct shape, float *scratch)
{
    struct places at = place(shape, scratch);
    size_t taps = TAPS * shape.planes;
    struct ops_product product = {
        .rows = shape.width, .depth = padded(shape.channels), .outputs = taps, .to_stride = line_floats(shape)};

    memset(at.results, 0, product.depth * taps * sizeof *at.results);
    for (size_t y = 0; y < shape.height; y++) {
        struct row row = row_of(at.row, s, factor, y, shape);
        product.from_stride = row.stride;
        gather_lines(at.lines, x, y, shape);
        ops->direct_gradient(at.results, row.values, at.lines, &product);
    }
    for (size_t k = 0; k < shape.channels; k++)
        for (size_t tap = 0; tap < taps; tap++)
            *g++ = at.results[(k / LANES * taps + tap) * LANES + k % LANES];
}
