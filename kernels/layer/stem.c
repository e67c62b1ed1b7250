#include "kernels/layer/stem.h"

#include "kernels/base/number.h"

#include <string.h>

enum { LANES = OPS_LANES };

/* Lines of planes that a row of windows sees: one of every plane for every row of the window. */
static size_t lines_of(struct direct shape)
{
    return shape.planes * shape.down.taps;
}

static size_t depth_of(struct direct shape)
{
    return padded(lines_of(shape) * STEM_WIDTH);
}

/* Floats of a line, from the first window's first position on. */
static size_t line_floats(struct direct shape)
{
    return (shape.across.count - 1) * shape.across.stride + STEM_WIDTH;
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

size_t stem_weights_floats(const struct ops *ops, struct direct shape, bool adjoint)
{
    (void)ops, (void)adjoint;
    return depth_of(shape) * padded(shape.channels);
}

void stem_pack(float *packed, const float *w, bool adjoint, const struct ops *ops, struct direct shape)
{
    size_t rows = adjoint ? padded(shape.channels) : depth_of(shape);
    size_t width = ops_width(ops, adjoint ? depth_of(shape) : padded(shape.channels));

    memset(packed, 0, stem_weights_floats(ops, shape, adjoint) * sizeof *packed);
    for (size_t k = 0; k < shape.channels; k++)
        for (size_t line = 0; line < lines_of(shape); line++)
            for (size_t tap = 0; tap < shape.across.taps; tap++, w++) {
                size_t d = line * STEM_WIDTH + tap, row = adjoint ? k : d, column = adjoint ? d : k;
                packed[(column / width * rows + row) * width + column % width] = *w;
            }
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

/* The part of a line that is in the map: from this float on, so many. */
static size_t inside(struct direct shape)
{
    return smaller(shape.across.size, line_floats(shape) - smaller(line_floats(shape), shape.across.before));
}

/* The row of the map that a line of row y of the windows is of; the map's height where it is none. */
static size_t row_of(struct direct shape, size_t y, size_t line)
{
    size_t row = y * shape.down.stride + line % shape.down.taps;

    return row < shape.down.before ? shape.down.size : smaller(row - shape.down.before, shape.down.size);
}

/* v [depth / 16][windows][16]: what row y of the windows sees, zero outside of the map. */
static void gather(float *v, const float *x, size_t y, struct direct shape, float *line)
{
    size_t count = shape.across.count, plane = shape.down.size * shape.across.size;

    memset(v + (depth_of(shape) / LANES - 1) * count * LANES, 0, count * LANES * sizeof *v);
    memset(line, 0, line_floats(shape) * sizeof *line);
    for (size_t l = 0; l < lines_of(shape); l++) {
        size_t row = row_of(shape, y, l);
        float *to = v + l * STEM_WIDTH / LANES * count * LANES + l * STEM_WIDTH % LANES;
        if (row < shape.down.size)
            memcpy(line + shape.across.before, x + l / shape.down.taps * plane + row * shape.across.size,
                   inside(shape) * sizeof *line);
        for (size_t i = 0; i < count; i++)
            if (row < shape.down.size)
                memcpy(to + i * LANES, line + i * shape.across.stride, STEM_WIDTH * sizeof *to);
            else
                memset(to + i * LANES, 0, STEM_WIDTH * sizeof *to);
    }
}

/* Its adjoint, added to out. Neighbouring windows overlap, so that all lines take turns. */
static void scatter(float *out, const float *v, size_t y, struct direct shape, float *lines)
{
    size_t count = shape.across.count, plane = shape.down.size * shape.across.size, floats = line_floats(shape);

    memset(lines, 0, lines_of(shape) * floats * sizeof *lines);
    for (size_t i = 0; i < count; i++)
        for (size_t l = 0; l < lines_of(shape); l++) {
            const float *from = v + (l * STEM_WIDTH / LANES * count + i) * LANES + l * STEM_WIDTH % LANES;
            float *to = lines + l * floats + i * shape.across.stride;
            for (size_t tap = 0; tap < STEM_WIDTH; tap++)
                to[tap] += from[tap];
        }
    for (size_t l = 0; l < lines_of(shape); l++) {
        size_t row = row_of(shape, y, l);
        float *to = out + l / shape.down.taps * plane + row * shape.across.size;
        for (size_t i = 0; i < inside(shape) && row < shape.down.size; i++)
            to[i] += lines[l * floats + shape.across.before + i];
    }
}

/* ---- the three maps ---------------------------------------------------------------------------------------------- */

/* Scratch memory: lines, what is gathered of a row of windows, a row of the variable; and of the gradient its sums, and
 * weights that are one. */
struct places {
    float *lines, *gathered, *row, *sums, *ones;
    size_t floats;
};

static struct places place(struct direct shape, float *scratch)
{
    struct places at = {.lines = scratch};
    size_t pairs = depth_of(shape) * padded(shape.channels);

    at.gathered = at.lines + padded(lines_of(shape) * line_floats(shape));
    at.row = at.gathered + depth_of(shape) * shape.across.count;
    at.sums = at.row + padded(shape.channels) * shape.across.count;
    at.ones = at.sums + pairs;
    at.floats = padded(lines_of(shape) * line_floats(shape)) +
                (depth_of(shape) + padded(shape.channels)) * shape.across.count + 2 * pairs;
    return at;
}

size_t stem_scratch_floats(struct direct shape)
{
    return place(shape, NULL).floats;
}

void stem_forward_row(float *y, const float *x, size_t row, const float *packed, const float *bias,
                      const struct ops *ops, struct direct shape, float *scratch)
{
    struct places at = place(shape, scratch);
    struct layout layout = shape.upper;
    size_t outputs = padded(shape.channels), plane = layout.rows * layout.columns, count = shape.across.count;
    struct ops_product product = {.rows = count,
                                  .depth = depth_of(shape),
                                  .outputs = outputs,
                                  .width = ops_width(ops, outputs),
                                  .from_stride = count,
                                  .to_stride = plane};
    struct ops_prefetch_cursor cursor = {.count = 0, .panel = packed};
    float *to = y + layout_index(layout, 0, row, 0);

    gather(at.gathered, x, row, shape, at.lines);
    ops->product(to, at.gathered, packed, &product, &cursor);
    for (size_t k = 0; k < outputs; k += LANES, to += plane * LANES)
        for (size_t i = 0; i < count * LANES; i++)
            to[i] += bias[k + i % LANES];
}

void stem_forward(float *y, const float *x, const float *packed, const float *bias, const struct ops *ops,
                  struct direct shape, float *scratch)
{
    for (size_t row = 0; row < shape.down.count; row++)
        stem_forward_row(y, x, row, packed, bias, ops, shape, scratch);
    layout_clear_border(y, shape.upper);
}

/* Row y of s factor, [channels / 16][windows][16]. */
static void gather_row(float *to, const float *s, const float *factor, size_t y, const struct ops *ops,
                       struct direct shape)
{
    struct ops_gather plain = {1, 1, false};

    for (size_t k = 0; k < shape.channels; k += LANES, to += shape.across.count * LANES) {
        size_t at = layout_index(shape.upper, k, y, 0);
        ops->positions_gather(to, s + at, factor ? factor + at : NULL, shape.across.count, &plain);
    }
}

void stem_backward(float *out, const float *s, const float *factor, const float *packed, const struct ops *ops,
                   struct direct shape, float *scratch)
{
    struct places at = place(shape, scratch);
    struct ops_product product = {.rows = shape.across.count,
                                  .depth = padded(shape.channels),
                                  .outputs = depth_of(shape),
                                  .width = ops_width(ops, depth_of(shape)),
                                  .from_stride = shape.across.count,
                                  .to_stride = shape.across.count};

    memset(out, 0, shape.planes * shape.down.size * shape.across.size * sizeof *out);
    for (size_t y = 0; y < shape.down.count; y++) {
        struct ops_prefetch_cursor cursor = {.count = 0, .panel = packed};
        gather_row(at.row, s, factor, y, ops, shape);
        ops->product(at.gathered, at.row, packed, &product, &cursor);
        scatter(out, at.gathered, y, shape, at.lines);
    }
}

void stem_gradient(float *g, const float *s, const float *factor, const float *x, const struct ops *ops,
                   struct direct shape, float *scratch)
{
    struct places at = place(shape, scratch);
    size_t depth = depth_of(shape), pairs = depth * padded(shape.channels), taps = shape.across.taps;
    struct ops_product product = {.rows = shape.across.count,
                                  .depth = padded(shape.channels),
                                  .outputs = depth,
                                  .width = ops_width(ops, depth),
                                  .from_stride = shape.across.count,
                                  .to_stride = shape.across.count};
    struct ops_flow flow = {.images = 1, .inputs = shape.channels, .outputs = depth, .points = 1};

    for (size_t i = 0; i < pairs; i++)
        at.ones[i] = 1;
    memset(at.sums, 0, pairs * sizeof *at.sums);
    for (size_t y = 0; y < shape.down.count; y++) {
        gather_row(at.row, s, factor, y, ops, shape);
        gather(at.gathered, x, y, shape, at.lines);
        ops->flow(at.sums, at.row, at.gathered, at.ones, &flow, &product);
    }
    for (size_t k = 0; k < shape.channels; k++)
        for (size_t line = 0; line < lines_of(shape); line++, g += taps)
            memcpy(g, at.sums + k * depth + line * STEM_WIDTH, taps * sizeof *g);
}
