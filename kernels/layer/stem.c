#include "kernels/layer/stem.h"

#include "kernels/base/number.h"

#include <string.h>

enum { LANES = OPS_LANES, WIDTH = 2 * LANES /* of panels of the adjoint: narrower ones are slower */ };

/* Lines of planes that a row of windows sees: one of every plane for every row of the window. */
static size_t lines_of(struct direct shape)
{
    return shape.planes * shape.down.taps;
}

/* Taps of all lines, as rows of a factor's depth; and as columns of a result. */
static size_t depth_of(struct direct shape)
{
    return padded(lines_of(shape) * STEM_WIDTH);
}

static size_t columns_of(struct direct shape)
{
    return (lines_of(shape) * STEM_WIDTH + WIDTH - 1) / WIDTH * WIDTH;
}

/* Floats of a line, from the first window's first position on. */
static size_t line_floats(struct direct shape)
{
    return (shape.across.count - 1) * shape.across.stride + STEM_WIDTH;
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

size_t stem_weights_floats(const struct ops *ops, struct direct shape, bool adjoint)
{
    (void)ops;
    return (adjoint ? columns_of(shape) : depth_of(shape)) * padded(shape.channels);
}

void stem_pack(float *packed, const float *w, bool adjoint, const struct ops *ops, struct direct shape)
{
    size_t rows = adjoint ? padded(shape.channels) : depth_of(shape);
    size_t width = ops_width(ops, adjoint ? columns_of(shape) : padded(shape.channels));

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

/* v [columns / 16][windows][16]: what row y of the windows sees, zero outside of the map. */
static void gather(float *v, const float *x, size_t y, struct direct shape, float *line)
{
    size_t count = shape.across.count, plane = shape.down.size * shape.across.size;
    size_t whole = lines_of(shape) * STEM_WIDTH / LANES;

    memset(v + whole * count * LANES, 0, (columns_of(shape) / LANES - whole) * count * LANES * sizeof *v);
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

/* to += from, the taps of a line of a window. */
static void add_taps(float *to, const float *from)
{
    float sums[STEM_WIDTH], taps[STEM_WIDTH];

    memcpy(sums, to, sizeof sums);
    memcpy(taps, from, sizeof taps);
    for (size_t tap = 0; tap < STEM_WIDTH; tap++)
        sums[tap] += taps[tap];
    memcpy(to, sums, sizeof sums);
}

/* Add windows to their line. Those that are `apart` do not overlap, so that no sum waits for the one before it. */
static void add_windows(float *line, const float *v, struct direct shape)
{
    size_t stride = shape.across.stride, apart = (STEM_WIDTH + stride - 1) / stride;

    for (size_t first = 0; first < apart; first++)
        for (size_t i = first; i < shape.across.count; i += apart)
            add_taps(line + i * stride, v + i * LANES);
}

/* The adjoint of gather, added to out. */
static void scatter(float *out, const float *v, size_t y, struct direct shape, float *line)
{
    size_t plane = shape.down.size * shape.across.size;

    for (size_t l = 0; l < lines_of(shape); l++) {
        size_t row = row_of(shape, y, l), at = l * STEM_WIDTH;
        float *to = out + l / shape.down.taps * plane + row * shape.across.size;
        if (row == shape.down.size)
            continue;
        memset(line, 0, line_floats(shape) * sizeof *line);
        add_windows(line, v + at / LANES * shape.across.count * LANES + at % LANES, shape);
        for (size_t i = 0; i < inside(shape); i++)
            to[i] += line[shape.across.before + i];
    }
}

/* ---- the three maps ---------------------------------------------------------------------------------------------- */

/* Scratch memory: a line, what is gathered of a row of windows, a row of the variable; and of the gradient its sums,
 * and weights that are one. */
struct places {
    float *line, *gathered, *row, *sums, *ones;
    size_t floats;
};

static struct places place(struct direct shape, float *scratch)
{
    struct places at = {.line = scratch};
    size_t pairs = columns_of(shape) * padded(shape.channels);

    at.gathered = at.line + padded(line_floats(shape));
    at.row = at.gathered + columns_of(shape) * shape.across.count;
    at.sums = at.row + padded(shape.channels) * shape.across.count;
    at.ones = at.sums + pairs;
    at.floats =
        padded(line_floats(shape)) + (columns_of(shape) + padded(shape.channels)) * shape.across.count + 2 * pairs;
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

    gather(at.gathered, x, row, shape, at.line);
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
    struct ops_gather plain = {.step = 1, .scale = 1};

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
                                  .outputs = columns_of(shape),
                                  .width = ops_width(ops, columns_of(shape)),
                                  .from_stride = shape.across.count,
                                  .to_stride = shape.across.count};

    memset(out, 0, shape.planes * shape.down.size * shape.across.size * sizeof *out);
    for (size_t y = 0; y < shape.down.count; y++) {
        struct ops_prefetch_cursor cursor = {.count = 0, .panel = packed};
        gather_row(at.row, s, factor, y, ops, shape);
        ops->product(at.gathered, at.row, packed, &product, &cursor);
        scatter(out, at.gathered, y, shape, at.line);
    }
}

void stem_gradient(float *g, const float *s, const float *factor, const float *x, const struct ops *ops,
                   struct direct shape, float *scratch)
{
    struct places at = place(shape, scratch);
    size_t columns = columns_of(shape), pairs = columns * padded(shape.channels), taps = shape.across.taps;
    struct ops_product product = {.rows = shape.across.count,
                                  .depth = padded(shape.channels),
                                  .outputs = columns,
                                  .width = ops_width(ops, columns),
                                  .from_stride = shape.across.count,
                                  .to_stride = shape.across.count};
    struct ops_flow flow = {.images = 1, .inputs = shape.channels, .outputs = columns, .points = 1};

    for (size_t i = 0; i < pairs; i++)
        at.ones[i] = 1;
    memset(at.sums, 0, pairs * sizeof *at.sums);
    for (size_t y = 0; y < shape.down.count; y++) {
        gather_row(at.row, s, factor, y, ops, shape);
        gather(at.gathered, x, y, shape, at.line);
        ops->flow(at.sums, at.row, at.gathered, at.ones, &flow, &product);
    }
    for (size_t k = 0; k < shape.channels; k++)
        for (size_t line = 0; line < lines_of(shape); line++, g += taps)
            memcpy(g, at.sums + k * columns + line * STEM_WIDTH, taps * sizeof *g);
}
