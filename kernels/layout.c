#include "layout.h"

#include <string.h>

struct layout layout_planar(struct shape shape)
{
    return (struct layout){.shape = shape, .lanes = 1, .rows = shape.height, .columns = shape.width};
}

/* Positions of a plane's side: whole tiles between two borders. */
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
    size_t blocks = (layout.shape.channels + layout.lanes - 1) / layout.lanes, lanes = layout.lanes;
    size_t plane = layout.rows * layout.columns * lanes, row = layout.shape.width * lanes;
    size_t unused = blocks * lanes - layout.shape.channels;
    float *free = x;

    if (lanes == 1)
        return;
    for (size_t b = 0; b < blocks; b++)
        for (size_t y = 0; y < layout.shape.height; y++) {
            float *start = x + layout_index(layout, b * lanes, y, 0);
            memset(free, 0, (size_t)(start - free) * sizeof *free);
            free = start + row;
        }
    memset(free, 0, (size_t)(x + blocks * plane - free) * sizeof *free);
    for (size_t y = 0; y < layout.shape.height && unused; y++) {
        float *last = x + layout_index(layout, layout.shape.channels, y, 0);
        for (size_t i = 0; i < layout.shape.width; i++)
            memset(last + i * lanes, 0, unused * sizeof *last);
    }
}

void layout_fill(float *restrict x, const float *restrict value, struct layout layout)
{
    memset(x, 0, layout_floats(layout) * sizeof *x);
    for (size_t c = 0; c < layout.shape.channels; c++)
        for (size_t y = 0; y < layout.shape.height; y++) {
            float *row = x + layout_index(layout, c, y, 0);
            for (size_t i = 0; i < layout.shape.width; i++)
                row[i * layout.lanes] = value[c];
        }
}
