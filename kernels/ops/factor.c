#include "kernels/ops/factor.h"

#include <string.h>

enum { LANES = OPS_LANES, TILE = 16, TILE_DEPTH = 32, TILE_FLOATS = TILE * TILE_DEPTH / 2 /* as in tiles.h */ };

static bool split(const struct ops *ops)
{
    return ops->parts > 1;
}

static size_t rounded_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

const struct ops *factor_vectors(const struct ops *ops)
{
    return ops->vectors ? ops->vectors : ops;
}

size_t factor_depth(const struct ops *ops, size_t channels)
{
    return rounded_up(channels, split(ops) ? TILE_DEPTH : LANES);
}

size_t factor_stride(const struct ops *ops, size_t rows)
{
    return split(ops) ? rounded_up(rows, TILE) : rows | 1;
}

size_t factor_blocks(const struct ops *ops)
{
    return split(ops) ? TILE_DEPTH / LANES : 1;
}

size_t factor_floats(const struct ops *ops, size_t depth, size_t stride)
{
    return factor_depth(ops, depth) * stride * (split(ops) ? ops->parts : 2) / 2;
}

size_t factor_rows_at(const struct ops *ops, size_t block, size_t stride)
{
    return block / factor_blocks(ops) * ops->parts * stride * LANES;
}

void factor_clear_rows(float *to, size_t n, const struct ops *ops, size_t stride)
{
    for (size_t p = 0; p < ops->parts; p++)
        memset(to + p * stride * LANES, 0, n * LANES * sizeof *to);
}

struct factor_panels factor_panels(const struct ops *ops, size_t channels, size_t outputs)
{
    return (struct factor_panels){factor_depth(ops, channels), outputs, ops_width(ops, outputs)};
}

size_t factor_panels_floats(const struct ops *ops, struct factor_panels panels)
{
    return panels.depth * panels.outputs * (split(ops) ? ops->parts : 2) / 2;
}

size_t factor_panels_at(const struct ops *ops, struct factor_panels panels, size_t row, size_t column)
{
    if (split(ops))
        return (column / TILE * panels.depth + row) / TILE_DEPTH * ops->parts * TILE_FLOATS;
    return (column / panels.width * panels.depth + row) * panels.width;
}

/* The nearest number of 8 bits, the upper half of a float's bits, and the rest; not rounded for the last part, as in
 * split.h. */
static uint16_t upper_half(float *rest, bool last)
{
    uint32_t bits;
    float part;

    memcpy(&bits, rest, sizeof bits);
    bits = (last ? bits : bits + 0x8000) & 0xffff0000;
    memcpy(&part, &bits, sizeof part);
    *rest -= part;
    return (uint16_t)(bits >> 16);
}

void factor_panels_put(float *to, float value, const struct ops *ops, struct factor_panels panels, size_t row,
                       size_t column)
{
    if (!split(ops)) {
        to[factor_panels_at(ops, panels, row, column) + column % panels.width] = value;
        return;
    }
    char *tile = (char *)(to + factor_panels_at(ops, panels, row / TILE_DEPTH * TILE_DEPTH, column));
    size_t half = (row % LANES * TILE + column % TILE) * 2 + row % TILE_DEPTH / LANES;

    for (size_t p = 0; p < ops->parts; p++, tile += TILE_FLOATS * sizeof *to) {
        uint16_t part = upper_half(&value, p + 1 == ops->parts);
        memcpy(tile + half * sizeof part, &part, sizeof part);
    }
}
