/* Winograd's input transforms, and that of the lower variable of flows, for the variants of ops.h: those of lines.h
 * along the rows of a tile and then its columns. */
#ifndef NRMFLOW_KERNELS_OPS_WINOGRAD_INPUT_H
#define NRMFLOW_KERNELS_OPS_WINOGRAD_INPUT_H

#include "kernels/ops/channels.h"
#include "kernels/ops/lines.h"
#include "kernels/ops/ops.h"
#include "kernels/ops/split.h"

enum {
    POINTS = 6,        /* along a line, at most */
    PREFETCH_TILES = 2 /* tiles between the one that is transformed and the one that is prefetched */
};

/* ---- one tile of LANES channels ---------------------------------------------------------------------------------- */

/* From positions to points: of the tile itself (lower), or with its border of one. */
INLINE void spread_line(vec *restrict v, const vec *restrict d, const bool lower, const size_t tile)
{
    if (lower)
        lower_line(v, d, tile);
    else
        input_line(v, d, tile);
}

/* Prefetch the inputs of the tile that is PREFETCH_TILES further in the row. */
INLINE void prefetch_square(const float *x, size_t columns, const size_t side, const size_t tile)
{
#pragma GCC unroll UNROLL
    for (size_t i = 0; i < side; i++)
#pragma GCC unroll UNROLL
        for (size_t j = side - tile; j < side; j++)
            __builtin_prefetch(x + (i * columns + j + PREFETCH_TILES * tile) * OPS_LANES);
}

/* What of a factor counts. */
enum branch { BRANCH_BOTH, BRANCH_POSITIVE, BRANCH_NEGATIVE };

INLINE vec load_branch(const float *x, const float *factor, size_t at, const enum branch branch)
{
    if (branch == BRANCH_BOTH)
        return load_product(x, factor, at);
    vec f = load(factor + at);
    return load(x + at) * keep(branch == BRANCH_POSITIVE ? f > zeros() : f < zeros(), f);
}

/* Where the points of a tile go: floats from a point to the next, and from a part of a factor to the next. */
struct points {
    float *v;
    size_t plane, part;
};

/* A tile of an array with its border: floats from a row to the next, and to the next block of channels. */
struct square {
    const float *x, *factor;
    size_t columns, next;
};

/* `blocks` blocks, of which the points are written together. */
INLINE void spread_tile(struct points to, struct square from, const bool lower, const size_t tile,
                        const enum branch branch, const size_t blocks)
{
    const size_t n = tile + 2, side = lower ? tile : n;
    vec half[2][POINTS * POINTS], in[POINTS], out[2][POINTS] = {{{0}}};

#pragma GCC unroll UNROLL
    for (size_t b = 0; b < blocks; b++)
#pragma GCC unroll UNROLL
        for (size_t i = 0; i < side; i++) {
#pragma GCC unroll UNROLL
            for (size_t j = 0; j < side; j++)
                in[j] = load_branch(from.x, from.factor, b * from.next + (i * from.columns + j) * OPS_LANES, branch);
            spread_line(out[0], in, lower, tile);
#pragma GCC unroll UNROLL
            for (size_t j = 0; j < n; j++)
                half[b][j * POINTS + i] = out[0][j];
        }
    size_t at = 0;
#pragma GCC unroll UNROLL
    for (size_t j = 0; j < n; j++, at = opaque(at + to.plane)) {
#pragma GCC unroll UNROLL
        for (size_t b = 0; b < blocks; b++)
            spread_line(out[b], half[b] + j * POINTS, lower, tile);
#pragma GCC unroll UNROLL
        for (size_t i = 0; i < n; i++) {
            float *point = to.v + at + i * n * to.plane;
            if (lower)
                store(point, out[0][i]);
            else
                put_rows(point, out[0][i], blocks == 2 ? out[1][i] : zeros(), to.part);
        }
    }
}

/* ---- blocks of tiles: channels outside, tiles inside ------------------------------------------------------------- */

struct place {
    size_t image, row, column; /* of the tile */
};

INLINE struct place first_place(const struct ops_tiles *tiles)
{
    size_t row = tiles->first / tiles->across;

    return (struct place){row / tiles->down, row % tiles->down, tiles->first % tiles->across};
}

INLINE void next_place(struct place *at, const struct ops_tiles *tiles)
{
    if (++at->column < tiles->across)
        return;
    at->column = 0;
    if (++at->row == tiles->down)
        *at = (struct place){at->image + 1, 0, 0};
}

/* Number in the block of the first tile of the image after tile i's. */
INLINE size_t end_of_image(const struct ops_tiles *tiles, size_t i)
{
    size_t all = tiles->down * tiles->across, image = (tiles->first + i) / all;

    return smaller(tiles->count, (image + 1) * all - tiles->first);
}

/* Sums of a tile without its border. Floats that belong to no neuron are zero and add nothing. */
INLINE void sum_ledger_tile(struct ledger_sums *sums, const float *x, const float *factor, size_t columns,
                            const size_t tile)
{
    struct chunk_sums chunk = {zeros(), zeros(), zeros()};

#pragma GCC unroll UNROLL
    for (size_t i = 1; i <= tile; i++)
#pragma GCC unroll UNROLL
        for (size_t j = 1; j <= tile; j++) {
            size_t at = (i * columns + j) * OPS_LANES;
            add_ledger_value(&chunk, load(x + at), load(factor + at), load(factor + at));
        }
    close_chunk(sums, &chunk);
}

/* All channels of some blocks of a tile. */
INLINE void spread_blocks(struct points to, struct square from, const bool lower, const size_t tile,
                          const enum branch branch, const size_t blocks)
{
    for (size_t lane = 0; lane < OPS_LANES; lane += LANES) {
        struct points some = {to.v + lane, to.plane, to.part};
        struct square lanes = {from.x + lane, from.factor ? from.factor + lane : NULL, from.columns, from.next};
        spread_tile(some, lanes, lower, tile, branch, blocks);
    }
}

INLINE void sum_ledger_block(struct ledger_sums *sums, const float *x, const float *factor, size_t columns,
                             const size_t tile)
{
    for (size_t lane = 0; lane < OPS_LANES; lane += LANES)
        sum_ledger_tile(&sums[lane / LANES], x + lane, factor + lane, columns, tile);
}

/* The arrays that are transformed, x factor; factor NULL means one. Strides are floats from image to image. */
struct source {
    const float *x, *factor;
    size_t x_stride, factor_stride;
    struct channels_ledger *ledger; /* [images][channels]; NULL: not computed */
    size_t channels;
};

/* Those of tile t of a block: a factor's rows, or floats of the lower variable. */
INLINE struct points points_of(struct points all, size_t block, size_t t, size_t stride, const bool lower)
{
    all.v += (lower ? block * stride * OPS_LANES : rows_at(block, stride)) + t * OPS_LANES;
    return all;
}

/* Tile `at` of an array, from block `block` on. */
INLINE struct square square_of(const struct source *source, struct place at, size_t block,
                               const struct ops_tiles *tiles, const bool lower, const size_t tile)
{
    const size_t border = lower ? 1 : 0, row = block * tiles->rows + at.row * tile + border;
    const size_t from = (row * tiles->columns + at.column * tile + border) * OPS_LANES;
    const float *factor = source->factor ? source->factor + at.image * source->factor_stride + from : NULL;

    return (struct square){source->x + at.image * source->x_stride + from, factor, tiles->columns,
                           tiles->rows * tiles->columns * OPS_LANES};
}

INLINE void prefetch_blocks(struct square from, const bool lower, const size_t tile, const size_t blocks)
{
    const size_t side = lower ? tile : tile + 2;

#pragma GCC unroll UNROLL
    for (size_t b = 0; b < blocks; b++) {
        prefetch_square(from.x + b * from.next, from.columns, side, tile);
        if (from.factor)
            prefetch_square(from.factor + b * from.next, from.columns, side, tile);
    }
}

/* `count` blocks of channels from number b on. */
INLINE void spread_some(struct points all, struct source source, size_t b, const struct ops_tiles *tiles,
                        const bool lower, const size_t tile, const enum branch branch, const size_t count)
{
    struct place at = first_place(tiles);

    for (size_t t = 0; t < tiles->count;) {
        size_t end = end_of_image(tiles, t), image = at.image;
        struct ledger_sums sums[ROW_BLOCKS][OPS_LANES / LANES] = {{{{0}, {0}, {0}}}};
        for (; t < end; t++, next_place(&at, tiles)) {
            struct square from = square_of(&source, at, (lower ? tiles->block : 0) + b, tiles, lower, tile);
            prefetch_blocks(from, lower, tile, count);
            spread_blocks(points_of(all, b, t, tiles->stride, lower), from, lower, tile, branch, count);
            for (size_t i = 0; i < count && !lower && from.factor && source.ledger; i++)
                sum_ledger_block(sums[i], from.x + i * from.next, from.factor + i * from.next, from.columns, tile);
        }
        for (size_t i = 0; i < count && source.ledger; i++)
            close_ledger(source.ledger + image * source.channels + (b + i) * OPS_LANES, sums[i],
                         source.channels - (b + i) * OPS_LANES);
    }
}

INLINE void spread(float *v, struct source source, size_t blocks, size_t plane, const struct ops_tiles *tiles,
                   const bool lower, const size_t tile, const enum branch branch)
{
    const struct points all = {v, plane, tiles->stride * OPS_LANES};
    size_t b = 0;

    for (; !lower && b + ROW_BLOCKS <= blocks; b += ROW_BLOCKS)
        spread_some(all, source, b, tiles, lower, tile, branch, ROW_BLOCKS);
    for (; b < blocks; b++)
        spread_some(all, source, b, tiles, lower, tile, branch, 1);
}

INLINE void spread_either(float *v, struct source source, size_t blocks, size_t plane, const struct ops_tiles *tiles,
                          const bool lower, const size_t tile)
{
    struct source alone = {.x = source.x, .x_stride = source.x_stride};

    if (source.factor)
        spread(v, source, blocks, plane, tiles, lower, tile, BRANCH_BOTH);
    else
        spread(v, alone, blocks, plane, tiles, lower, tile, BRANCH_BOTH);
}

/* x times the positive and the negative values of factor, `blocks` of each; the ledger's sums are of both. */
INLINE void spread_branches(float *v, struct source source, size_t blocks, size_t plane, const struct ops_tiles *tiles,
                            const size_t tile)
{
    spread(v, source, blocks, plane, tiles, false, tile, BRANCH_POSITIVE);
    source.ledger = NULL;
    spread(v + blocks * tiles->stride * OPS_LANES, source, blocks, plane, tiles, false, tile, BRANCH_NEGATIVE);
}

static void winograd_input(float *v, const struct winograd_call *call, size_t blocks, size_t plane,
                           const struct ops_tiles *tiles)
{
    struct source source = {.x = call->x,
                            .factor = call->factor,
                            .x_stride = call->stride.x,
                            .factor_stride = call->stride.factor,
                            .ledger = call->ledger,
                            .channels = tiles->inputs};

    if (call->branches && tiles->tile == 2)
        spread_branches(v, source, blocks, plane, tiles, 2);
    else if (call->branches)
        spread_branches(v, source, blocks, plane, tiles, 4);
    else if (tiles->tile == 2)
        spread_either(v, source, blocks, plane, tiles, false, 2);
    else
        spread_either(v, source, blocks, plane, tiles, false, 4);
}

static void winograd_lower(float *v, const struct winograd_call *call, size_t blocks, size_t plane,
                           const struct ops_tiles *tiles)
{
    struct source source = {.x = call->lower,
                            .factor = call->lower_factor,
                            .x_stride = call->stride.lower,
                            .factor_stride = call->stride.lower};

    if (tiles->tile == 2)
        spread_either(v, source, blocks, plane, tiles, true, 2);
    else
        spread_either(v, source, blocks, plane, tiles, true, 4);
}

#endif
