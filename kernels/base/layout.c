#include "kernels/base/layout.h"

#include <string.h>

struct layout layout_planar(struct shape shape)
{
    return (struct layout){.shape = shape, .lanes = 1, .rows = shape.height, .columns = shape.width};
}

/* Positions along a side of a plane: whole tiles between two borders. */
static size_t bordered(size_t positions)
{
    return (positions + LAYOUT_TILE - 1) / LAYOUT_TILE * LAYOUT_TILE + 2;
}

struct layout layout_blocked(struct shape shape)
{
    size_t columns = bordered(shape.width);

    return (struct layout){.shape = shape,
                           .lanes = LAYOUT_LANES,
                           .rows = bordered(shape.height),
                           .columns = columns,
                           .origin = (columns + 1) * LAYOUT_LANES};
}

struct layout layout_flat(struct shape shape)
{
    return (struct layout){.shape = shape, .lanes = LAYOUT_LANES, .rows = shape.height, .columns = shape.width};
}

bool layout_bordered(struct layout layout)
{
    return layout.origin > 0;
}

size_t layout_floats(struct layout layout)
{
    size_t blocks = (layout.shape.channels + layout.lanes - 1) / layout.lanes;

    return blocks * layout.lanes * layout.rows * layout.columns;
}

size_t layout_index(struct layout layout, size_t channel, size_t y, size_t x)
{
    size_t block = channel / layout.lanes, lane = channel % layout.lanes;

    return layout.origin + ((block * layout.rows + y) * layout.columns + x) * layout.lanes + lane;
}

void layout_products_to_planar(float *restrict out, const float *restrict x, const float *restrict w,
                               struct layout layout)
{
    for (size_t c = 0; c < layout.shape.channels; c++)
        for (size_t y = 0; y < layout.shape.height; y++) {
            size_t row = layout_index(layout, c, y, 0);
            for (size_t i = row; i < row + layout.shape.width * layout.lanes; i += layout.lanes)
                *out++ = w ? x[i] * w[i] : x[i];
        }
}

void layout_to_planar(float *restrict out, const float *restrict x, struct layout layout)
{
    layout_products_to_planar(out, x, NULL, layout);
}

void layout_from_planar(float *restrict out, const float *restrict planar, struct layout layout)
{
    memset(out, 0, layout_floats(layout) * sizeof *out);
    for (size_t c = 0; c < layout.shape.channels; c++)
        for (size_t y = 0; y < layout.shape.height; y++) {
            float *row = out + layout_index(layout, c, y, 0);
            for (size_t i = 0; i < layout.shape.width; i++)
                row[i * layout.lanes] = *planar++;
        }
}

/* Zeros in every float around the neurons of a plane. */
static void clear_around(float *x, struct layout layout)
{
    size_t row_floats = layout.columns * layout.lanes, plane_floats = layout.rows * row_floats;
    size_t before = layout.origin % row_floats, neurons = layout.shape.width * layout.lanes;

    for (float *plane = x; plane < x + layout_floats(layout); plane += plane_floats)
        for (size_t row = 0; row < layout.rows; row++) {
            float *at = plane + row * row_floats;
            bool inside = row >= layout.origin / row_floats && row - layout.origin / row_floats < layout.shape.height;
            memset(at, 0, (inside ? before : row_floats) * sizeof *x);
            if (inside)
                memset(at + before + neurons, 0, (row_floats - before - neurons) * sizeof *x);
        }
}

void layout_channel_sums(double *restrict sums, const float *restrict x, struct layout layout)
{
    for (size_t c = 0; c < layout.shape.channels; c++) {
        sums[c] = 0;
        for (size_t y = 0; y < layout.shape.height; y++) {
            const float *row = x + layout_index(layout, c, y, 0);
            for (size_t i = 0; i < layout.shape.width; i++)
                sums[c] += (double)row[i * layout.lanes];
        }
    }
}

void layout_clear_border(float *x, struct layout layout)
{
    size_t lanes = layout.lanes, unused = (lanes - layout.shape.channels % lanes) % lanes;

    if (lanes == 1)
        return;
    clear_around(x, layout);
    for (size_t y = 0; y < layout.shape.height && unused; y++) {
        float *last = x + layout_index(layout, layout.shape.channels, y, 0);
        for (size_t i = 0; i < layout.shape.width; i++)
            memset(last + i * lanes, 0, unused * sizeof *last);
    }
}
