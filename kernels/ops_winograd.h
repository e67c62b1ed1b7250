/* Winograd transforms for the variants of ops.h: F(4x4, 3x3) with the points 0, +-P, +-Q, infinity, and F(2x2, 3x3) with
 * 0, 1, -1, infinity. Of one line, with n = m + 2 points:
 *
 *   outputs = A' ((G weights) * (B' inputs)),   A' [m][n], G [n][3] (in winograd.c), B' [n][n]
 *
 * and of a tile, along its rows and then its columns. All constants are exact in float32. Values of F(2x2) depend on
 * nothing but their own 3x3 inputs, those of F(4x4) on the whole tile by rounding.
 */
#ifndef NRMFLOW_OPS_WINOGRAD_H
#define NRMFLOW_OPS_WINOGRAD_H

#include "ops_channels.h"
#include "winograd.h"

enum {
    POINTS = 6, /* the most along a line */
    AHEAD = 2   /* tiles from the one at work to the one that is brought near */
};

#define P1 0.75f
#define Q1 1.5f
#define P2 (P1 * P1)
#define Q2 (Q1 * Q1)
#define P3 (P2 * P1)
#define Q3 (Q2 * Q1)

/* ---- one line: tile is 2 or 4, and known when this is compiled ---------------------------------------------------- */

/* B' d */
INLINE void input_line(vec *restrict v, const vec *restrict d, const size_t tile)
{
    if (tile == 2) {
        v[0] = d[0] - d[2];
        v[1] = d[1] + d[2];
        v[2] = d[2] - d[1];
        v[3] = d[3] - d[1];
        return;
    }
    vec even = d[4] - Q2 * d[2], odd = d[3] - Q2 * d[1];
    v[1] = even + P1 * odd;
    v[2] = even - P1 * odd;
    even = d[4] - P2 * d[2];
    odd = d[3] - P2 * d[1];
    v[3] = even + Q1 * odd;
    v[4] = even - Q1 * odd;
    v[0] = d[4] - (P2 + Q2) * d[2] + P2 * Q2 * d[0];
    v[5] = d[5] - (P2 + Q2) * d[3] + P2 * Q2 * d[1];
}

/* A' m */
INLINE void output_line(vec *restrict t, const vec *restrict m, const size_t tile)
{
    vec even = m[1] + m[2], odd = m[1] - m[2];

    if (tile == 2) {
        t[0] = m[0] + even;
        t[1] = odd + m[3];
        return;
    }
    vec even_q = m[3] + m[4], odd_q = m[3] - m[4];
    t[0] = m[0] + even + even_q;
    t[1] = P1 * odd + Q1 * odd_q;
    t[2] = P2 * even + Q2 * even_q;
    t[3] = m[5] + P3 * odd + Q3 * odd_q;
}

/* A t */
INLINE void lower_line(vec *restrict m, const vec *restrict t, const size_t tile)
{
    m[0] = t[0];
    if (tile == 2) {
        m[1] = t[0] + t[1];
        m[2] = t[0] - t[1];
        m[3] = t[1];
        return;
    }
    vec even = t[0] + P2 * t[2], odd = t[1] + P2 * t[3];
    m[1] = even + P1 * odd;
    m[2] = even - P1 * odd;
    even = t[0] + Q2 * t[2];
    odd = t[1] + Q2 * t[3];
    m[3] = even + Q1 * odd;
    m[4] = even - Q1 * odd;
    m[5] = t[3];
}

/* ---- one tile of LANES channels ------------------------------------------------------------------------------------ */

INLINE vec load_product(const float *x, const float *factor, size_t at)
{
    return factor ? load(x + at) * load(factor + at) : load(x + at);
}

/* From a square of positions to the points: the tile itself (lower), or with its border of one. */
INLINE void spread_line(vec *restrict v, const vec *restrict d, const bool lower, const size_t tile)
{
    if (lower)
        lower_line(v, d, tile);
    else
        input_line(v, d, tile);
}

/* Bring near what the tile AHEAD tiles further in the row will use. */
INLINE void prefetch_square(const float *x, size_t columns, const size_t side, const size_t tile)
{
#pragma GCC unroll UNROLL
    for (size_t i = 0; i < side; i++)
#pragma GCC unroll UNROLL
        for (size_t j = side - tile; j < side; j++)
            __builtin_prefetch(x + (i * columns + j + AHEAD * tile) * OPS_LANES);
}

INLINE void spread_tile(float *v, size_t plane, const float *x, const float *factor, size_t columns, const bool lower,
                        const size_t tile)
{
    const size_t n = tile + 2, side = lower ? tile : n;
    vec half[POINTS * POINTS], in[POINTS], out[POINTS];

#pragma GCC unroll UNROLL
    for (size_t i = 0; i < side; i++) {
#pragma GCC unroll UNROLL
        for (size_t j = 0; j < side; j++)
            in[j] = load_product(x, factor, (i * columns + j) * OPS_LANES);
        spread_line(out, in, lower, tile);
#pragma GCC unroll UNROLL
        for (size_t j = 0; j < n; j++)
            half[j * POINTS + i] = out[j];
    }
    size_t at = 0;
#pragma GCC unroll UNROLL
    for (size_t j = 0; j < n; j++, at = anew(at + plane)) {
        spread_line(out, half + j * POINTS, lower, tile);
#pragma GCC unroll UNROLL
        for (size_t i = 0; i < n; i++)
            store(v + at + i * n * plane, out[i]);
    }
}

/* One vector of t [tile][tile][16]. */
INLINE void output_tile(float *t, const float *m, size_t plane, const size_t tile)
{
    const size_t n = tile + 2;
    vec half[4 * POINTS], in[POINTS], out[4];

    size_t at = 0;
#pragma GCC unroll UNROLL
    for (size_t j = 0; j < n; j++, at = anew(at + plane)) {
#pragma GCC unroll UNROLL
        for (size_t i = 0; i < n; i++)
            in[i] = load(m + at + i * n * plane);
        output_line(out, in, tile);
#pragma GCC unroll UNROLL
        for (size_t i = 0; i < tile; i++)
            half[i * POINTS + j] = out[i];
    }
#pragma GCC unroll UNROLL
    for (size_t i = 0; i < tile; i++) {
        output_line(out, half + i * POINTS, tile);
#pragma GCC unroll UNROLL
        for (size_t j = 0; j < tile; j++)
            store(t + (i * tile + j) * OPS_LANES, out[j]);
    }
}

/* ---- blocks of tiles: channels outside, tiles inside --------------------------------------------------------------- */

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

/* Of a tile without its border; floats that are no neuron's are zero and add nothing. */
INLINE void tally_passing(struct passing *sums, const float *x, const float *factor, size_t columns, const size_t tile)
{
    struct tally tally = {zeros(), zeros(), zeros()};

#pragma GCC unroll UNROLL
    for (size_t i = 1; i <= tile; i++)
#pragma GCC unroll UNROLL
        for (size_t j = 1; j <= tile; j++) {
            size_t at = (i * columns + j) * OPS_LANES;
            pass_value(&tally, load(x + at), load(factor + at), load(factor + at));
        }
    close_tally(sums, &tally);
}

/* What is spread over the points: x, and factor unless that is NULL, of images so many floats apart. */
struct source {
    const float *x, *factor;
    size_t x_stride, factor_stride;
    struct channels_flow *passed; /* [images][channels]; NULL: not asked for */
    size_t channels;
};

INLINE void spread(float *v, struct source source, size_t blocks, size_t plane, const struct ops_tiles *tiles,
                   const bool lower, const size_t tile)
{
    const size_t border = lower ? 1 : 0;

    for (size_t b = 0; b < blocks; b++) {
        struct place at = first_place(tiles);
        struct passing sums[OPS_LANES / LANES] = {{{0}, {0}, {0}}};
        for (size_t t = 0; t < tiles->count; t++) {
            size_t row = b * tiles->rows + at.row * tile + border, column = at.column * tile + border;
            size_t from = (row * tiles->columns + column) * OPS_LANES, to = (b * tiles->stride + t) * OPS_LANES;
            const float *x = source.x + at.image * source.x_stride + from;
            const float *factor = source.factor ? source.factor + at.image * source.factor_stride + from : NULL;
            prefetch_square(x, tiles->columns, lower ? tile : tile + 2, tile);
            if (factor)
                prefetch_square(factor, tiles->columns, lower ? tile : tile + 2, tile);
            for (size_t lane = 0; lane < OPS_LANES; lane += LANES)
                spread_tile(v + to + lane, plane, x + lane, factor ? factor + lane : NULL, tiles->columns, lower, tile);
            for (size_t lane = 0; lane < OPS_LANES && !lower && factor && source.passed; lane += LANES)
                tally_passing(&sums[lane / LANES], x + lane, factor + lane, tiles->columns, tile);
            size_t image = at.image;
            next_place(&at, tiles);
            if (source.passed && (at.image != image || t + 1 == tiles->count))
                close_passing(source.passed + image * source.channels + b * OPS_LANES, sums,
                              source.channels - b * OPS_LANES);
        }
    }
}

INLINE void spread_either(float *v, struct source source, size_t blocks, size_t plane, const struct ops_tiles *tiles,
                          const bool lower, const size_t tile)
{
    struct source alone = {.x = source.x, .x_stride = source.x_stride};

    if (source.factor)
        spread(v, source, blocks, plane, tiles, lower, tile);
    else
        spread(v, alone, blocks, plane, tiles, lower, tile);
}

static void winograd_input(float *v, const struct winograd_call *call, size_t blocks, size_t plane,
                           const struct ops_tiles *tiles)
{
    struct source source = {.x = call->x,
                            .factor = call->factor,
                            .x_stride = call->stride.x,
                            .factor_stride = call->stride.factor,
                            .passed = call->passed,
                            .channels = tiles->inputs};

    if (tiles->tile == 2)
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

/* ---- outputs: what becomes of t ------------------------------------------------------------------------------------ */

/* scale / stab(d), zero where that would divide by zero */
INLINE vec stabilized_inverse(vec d, float least, vec scale)
{
    vec eps = zeros() + least;
    mask sign = (d < zeros()) & INT32_MIN;
    vec stable = d + (vec)((mask)eps ^ sign);

    return keep(stable != zeros(), scale / stable);
}

/* max(z, 0), NaN kept */
INLINE vec rectified(vec z)
{
    return keep(~(z <= zeros()), z);
}

/* A tile's place in the output arrays. */
struct target {
    size_t at;            /* float of its first position in y */
    size_t multiplier;    /* likewise */
    size_t stride;        /* floats from a row to the next */
    size_t channel;       /* the first of the block */
    size_t rows, columns; /* that are neurons */
    size_t position;      /* y W + x of its first */
    size_t width;         /* W */
};

/* LANES channels of t and, unless NULL, d, [tile][tile][16], to where they are neurons. */
INLINE void put(const struct winograd_call *call, const float *t, const float *d, struct target to, size_t tile,
                struct summing *s)
{
    for (size_t i = 0; i < to.rows; i++) {
        struct few_sums sums = {zeros(), zeros()};
        for (size_t j = 0; j < to.columns; j++) {
            size_t row = i * to.stride + j * OPS_LANES, from = (i * tile + j) * OPS_LANES;
            vec value = load(t + from);
            if (call->output == WINOGRAD_MULTIPLY)
                value *= load(call->multiplier + to.multiplier + row);
            sum_value(s, &sums, value, to.position + i * to.width + j);
            store(call->y[0] + to.at + row, value);
            if (d)
                store(call->y[1] + to.at + row, load(d + from));
        }
        close_few(s, &sums);
    }
}

/* The same for WINOGRAD_EVALUATE. */
INLINE void put_evaluated(const struct winograd_call *call, const float *t, const float *d, struct target to,
                          size_t tile, struct summing *s)
{
    const vec bias = load(call->bias[0] + to.channel);
    const bool past = ((uintptr_t)call->y[1] | call->stride.y * sizeof(float)) % (LANES * sizeof(float)) == 0;
    const vec bias_2 = d ? load(call->bias[1] + to.channel) : bias, scale = d ? load(call->scale + to.channel) : bias;

    for (size_t i = 0; i < to.rows; i++) {
        struct few_sums sums = {zeros(), zeros()};
        for (size_t j = 0; j < to.columns; j++) {
            size_t at = to.at + i * to.stride + j * OPS_LANES, from = (i * tile + j) * OPS_LANES;
            vec value = rectified(load(t + from) + bias);
            sum_value(s, &sums, value, to.position + i * to.width + j);
            store(call->y[0] + at, value);
            if (!d)
                continue;
            vec second = call->nonnegative ? rectified(load(d + from)) : load(d + from);
            second = stabilized_inverse(second + bias_2, call->eps, scale);
            second = call->select ? keep(value > zeros(), second) : second;
            if (past)
                store_past_caches(call->y[1] + at, second);
            else
                store(call->y[1] + at, second);
        }
        close_few(s, &sums);
    }
}

/* Summary of a tile's values, which are in y by now, times their shares. */
INLINE void sum_shared(const struct winograd_call *call, struct target to, struct summing *s)
{
    for (size_t i = 0; i < to.rows; i++) {
        struct few_sums sums = {zeros(), zeros()};
        for (size_t j = 0; j < to.columns; j++) {
            size_t at = to.at + i * to.stride + j * OPS_LANES;
            sum_value(s, &sums, load(call->y[0] + at) * load(call->share + at), to.position + i * to.width + j);
        }
        close_few(s, &sums);
    }
}

INLINE struct target target_of(const struct winograd_call *call, struct place at, size_t block,
                               const struct ops_tiles *tiles, const size_t tile)
{
    size_t row = block * tiles->rows + at.row * tile + 1, column = at.column * tile + 1;
    size_t first = (row * tiles->columns + column) * OPS_LANES;

    return (struct target){.at = at.image * call->stride.y + first,
                           .multiplier = at.image * call->stride.multiplier + first,
                           .stride = tiles->columns * OPS_LANES,
                           .channel = block * OPS_LANES,
                           .rows = at_most(tiles->height - at.row * tile, tile),
                           .columns = at_most(tiles->width - at.column * tile, tile),
                           .position = at.row * tile * tiles->width + at.column * tile,
                           .width = tiles->width};
}

/* Of the channels of a block: of y[0], and times its shares. */
struct block_sums {
    struct summing own[OPS_LANES / LANES], shared[OPS_LANES / LANES];
};

/* A tile's results of all channels of a block. */
INLINE void finish_tile(const struct winograd_call *call, const float *m, const float *second, size_t plane,
                        struct target to, const struct ops_tiles *tiles, const size_t tile, struct block_sums *sums)
{
    float t[16 * OPS_LANES], d[16 * OPS_LANES];

    prefetch_square(call->y[0] + to.at, tiles->columns, tile, tile);
    if (call->output == WINOGRAD_MULTIPLY)
        prefetch_square(call->multiplier + to.multiplier, tiles->columns, tile, tile);
    if (call->shared)
        prefetch_square(call->share + to.at, tiles->columns, tile, tile);
    if (second && call->output != WINOGRAD_EVALUATE)
        prefetch_square(call->y[1] + to.at, tiles->columns, tile, tile);
    for (size_t lane = 0; lane < OPS_LANES; lane += LANES) {
        struct target own = to;
        own.at += lane;
        own.multiplier += lane;
        own.channel += lane;
        output_tile(t, m + lane, plane, tile);
        if (second)
            output_tile(d, second + lane, plane, tile);
        if (call->output == WINOGRAD_EVALUATE)
            put_evaluated(call, t, second ? d : NULL, own, tile, &sums->own[lane / LANES]);
        else
            put(call, t, second ? d : NULL, own, tile, &sums->own[lane / LANES]);
        if (call->shared)
            sum_shared(call, own, &sums->shared[lane / LANES]);
    }
}

INLINE void finish(const struct winograd_call *call, const float *m, size_t blocks, size_t plane,
                   const struct ops_tiles *tiles, const size_t tile)
{
    const float *second = call->y[1] ? m + blocks * tiles->stride * OPS_LANES : NULL;

    for (size_t b = 0; b < blocks; b++) {
        struct place at = first_place(tiles);
        struct block_sums sums;
        for (size_t i = 0; i < OPS_LANES / LANES; i++)
            sums.own[i] = sums.shared[i] = nothing_summed();
        for (size_t i = 0; i < tiles->count; i++) {
            size_t from = (b * tiles->stride + i) * OPS_LANES, image = at.image;
            finish_tile(call, m + from, second ? second + from : NULL, plane, target_of(call, at, b, tiles, tile),
                        tiles, tile, &sums);
            next_place(&at, tiles);
            if (at.image == image && i + 1 < tiles->count)
                continue;
            size_t first = image * tiles->outputs + b * OPS_LANES, channels = tiles->outputs - b * OPS_LANES;
            if (call->summaries)
                close_summing(call->summaries + first, sums.own, channels);
            if (call->shared)
                close_summing(call->shared + first, sums.shared, channels);
        }
    }
}

static void winograd_output(const struct winograd_call *call, const float *m, size_t blocks, size_t plane,
                            const struct ops_tiles *tiles)
{
    if (tiles->tile == 2)
        finish(call, m, blocks, plane, tiles, 2);
    else
        finish(call, m, blocks, plane, tiles, 4);
}

#endif
