/* Winograd's output transforms for the variants of ops.h, and what follows them (enum winograd_output). */
#ifndef NRMFLOW_KERNELS_OPS_WINOGRAD_H
#define NRMFLOW_KERNELS_OPS_WINOGRAD_H

#include "kernels/ops/winograd_input.h"

/* One vector of t [tile][tile]. */
INLINE void output_tile(vec *restrict t, const float *m, size_t plane, const size_t tile)
{
    const size_t n = tile + 2;
    vec half[4 * POINTS], in[POINTS], out[4];

    size_t at = 0;
#pragma GCC unroll UNROLL
    for (size_t j = 0; j < n; j++, at = opaque(at + plane)) {
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
            t[i * tile + j] = out[j];
    }
}

/* ---- outputs (enum winograd_output) ------------------------------------------------------------------------------ */

/* scale / stab(d); zero where stab(d) is zero */
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
    float *square;        /* y[1] of WINOGRAD_EVALUATE, before it is stored */
};

INLINE void put(float *to, size_t stride, const vec *t, const size_t tile, const size_t rows, const size_t columns)
{
#pragma GCC unroll UNROLL
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll UNROLL
        for (size_t j = 0; j < columns; j++)
            store(to + i * stride + j * OPS_LANES, t[i * tile + j]);
}

INLINE void multiply(vec *t, const float *by, size_t stride, const size_t tile, const size_t rows, const size_t columns)
{
#pragma GCC unroll UNROLL
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll UNROLL
        for (size_t j = 0; j < columns; j++)
            t[i * tile + j] *= load(by + i * stride + j * OPS_LANES);
}

INLINE void add_bias(vec *t, vec bias, const size_t tile)
{
#pragma GCC unroll UNROLL
    for (size_t i = 0; i < tile * tile; i++)
        t[i] = rectified(t[i] + bias);
}

/* A tile of all channels of a block, [tile tile][OPS_LANES]. */
typedef float square_floats[16 * OPS_LANES];

/* The second output of WINOGRAD_EVALUATE, the coefficients, of LANES channels; `value` is the first. */
INLINE void put_factors(float *square, const struct winograd_call *call, const vec *value, const vec *d, size_t channel,
                        const size_t tile)
{
    const vec bias = load(call->bias[1] + channel), scale = load(call->scale + channel);

#pragma GCC unroll UNROLL
    for (size_t i = 0; i < tile * tile; i++) {
        vec second = call->nonnegative ? rectified(d[i]) : d[i];
        second = stabilized_inverse(second + bias, call->eps, scale);
        store(square + i * OPS_LANES, call->select ? keep(value[i] > zeros(), second) : second);
    }
}

/* Store the neurons of a square, which are not read soon. Only whole cache lines are worth storing past the caches. */
INLINE void put_square(float *to, size_t stride, const float *square, const bool past, const size_t tile,
                       const size_t rows, const size_t columns)
{
#pragma GCC unroll UNROLL
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll UNROLL
        for (size_t j = 0; j < columns; j++) {
            const float *line = square + (i * tile + j) * OPS_LANES;
            float *at = to + i * stride + j * OPS_LANES;
            if (past) {
                store_line_past_caches(at, line);
                continue;
            }
            for (size_t lane = 0; lane < OPS_LANES; lane += LANES)
                store(at + lane, load(line + lane));
        }
}

/* Of the channels of a block: of y[0], and of y[0] weight. */
struct tile_sums {
    struct summary own[OPS_LANES / LANES], weighted[OPS_LANES / LANES];
};

/* A tile's values at the points, which are `plane` floats apart: of the first and of the second set (NULL: one set). */
struct products {
    const float *first, *second;
    size_t plane;
};

/* Both branches of gamma: z in t, and in d the coefficient of the branch that acts: none where z is zero. */
INLINE void choose_branch(vec *t, vec *d, const struct winograd_call *call, size_t channel, const size_t tile)
{
    const vec first = load(call->bias[0] + channel), second = load(call->bias[1] + channel);
    const vec inverse = zeros() + 1 / (2 + call->gamma), scale = load(call->scale + channel);

#pragma GCC unroll UNROLL
    for (size_t i = 0; i < tile * tile; i++) {
        vec positive = t[i] + first, negative = d[i] + second, z = (positive + negative) * inverse;
        mask up = z > zeros();
        t[i] = call->select ? rectified(z) : z;
        d[i] = keep(up, maximum(positive, z)) + keep(~up, -maximum(-negative, -z));
        d[i] = keep(z != zeros(), stabilized_inverse(d[i], call->eps, scale));
    }
}

/* t becomes multiplier t or multiplier d. */
INLINE void multiply_branch(vec *t, const vec *d, const float *by, size_t stride, const size_t tile, const size_t rows,
                            const size_t columns)
{
#pragma GCC unroll UNROLL
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll UNROLL
        for (size_t j = 0; j < columns; j++) {
            vec m = load(by + i * stride + j * OPS_LANES);
            mask up = m > zeros();
            t[i * tile + j] = m * (keep(up, t[i * tile + j]) + keep(~up, d[i * tile + j]));
        }
}

/* LANES channels of a tile by both branches' weights, of which so many rows and columns are neurons. */
INLINE void finish_branches(const struct winograd_call *call, const struct products m, const struct target *to,
                            struct summary *own, const size_t tile, const size_t rows, const size_t columns)
{
    struct patch patch = {.x = call->y[0] + to->at,
                          .stride = to->stride,
                          .rows = rows,
                          .columns = columns,
                          .position = to->position,
                          .width = to->width};
    vec t[16], d[16];

    output_tile(t, m.first, m.plane, tile);
    output_tile(d, m.second, m.plane, tile);
    if (call->output == WINOGRAD_CHOOSE) {
        multiply_branch(t, d, call->multiplier + to->multiplier, to->stride, tile, rows, columns);
    } else {
        choose_branch(t, d, call, to->channel, tile);
        put(call->y[1] + to->at, to->stride, d, tile, rows, columns);
    }
    put(call->y[0] + to->at, to->stride, t, tile, rows, columns);
    if (call->summaries)
        sum_patch(own, &patch, t, tile, rows, columns);
}

/* LANES channels of a tile, of which so many rows and columns are neurons. */
INLINE void finish_vector(const struct winograd_call *call, const struct products m, const struct target *to,
                          struct summary *own, struct summary *weighted, const size_t tile, const size_t rows,
                          const size_t columns)
{
    struct patch patch = {.x = call->y[0] + to->at,
                          .stride = to->stride,
                          .rows = rows,
                          .columns = columns,
                          .position = to->position,
                          .width = to->width};
    vec t[16], d[16];

    output_tile(t, m.first, m.plane, tile);
    if (call->output == WINOGRAD_EVALUATE)
        add_bias(t, load(call->bias[0] + to->channel), tile);
    if (call->output == WINOGRAD_MULTIPLY)
        multiply(t, call->multiplier + to->multiplier, to->stride, tile, rows, columns);
    put(call->y[0] + to->at, to->stride, t, tile, rows, columns);
    if (call->summaries)
        sum_patch(own, &patch, t, tile, rows, columns);
    if (m.second) {
        output_tile(d, m.second, m.plane, tile);
        if (call->output == WINOGRAD_EVALUATE)
            put_factors(to->square, call, t, d, to->channel, tile);
        else
            put(call->y[1] + to->at, to->stride, d, tile, rows, columns);
    }
    if (call->weighted) {
        patch.factor = call->weight + to->at;
        multiply(t, patch.factor, to->stride, tile, rows, columns);
        sum_patch(weighted, &patch, t, tile, rows, columns);
    }
}

INLINE void open_sums(struct tile_sums *sums, const struct winograd_call *call, size_t first, size_t channels)
{
    if (call->summaries)
        open_summary(sums->own, call->summaries + first, channels);
    if (call->weighted)
        open_summary(sums->weighted, call->weighted + first, channels);
}

INLINE void close_sums(const struct winograd_call *call, const struct tile_sums *sums, size_t first, size_t channels)
{
    if (call->summaries)
        close_summary(call->summaries + first, sums->own, channels);
    if (call->weighted)
        close_summary(call->weighted + first, sums->weighted, channels);
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
                           .rows = smaller(tiles->height - at.row * tile, tile),
                           .columns = smaller(tiles->width - at.column * tile, tile),
                           .position = at.row * tile * tiles->width + at.column * tile,
                           .width = tiles->width};
}

/* A tile's results of all channels of a block. */
INLINE void finish_tile(const struct winograd_call *call, const struct products m, const struct target to,
                        const struct ops_tiles *tiles, struct tile_sums *sums, const size_t tile)
{
    const bool branches = call->output == WINOGRAD_BRANCHES || call->output == WINOGRAD_CHOOSE;

    prefetch_square(call->y[0] + to.at, tiles->columns, tile, tile);
    if (call->output == WINOGRAD_MULTIPLY || call->output == WINOGRAD_CHOOSE)
        prefetch_square(call->multiplier + to.multiplier, tiles->columns, tile, tile);
    if (call->weighted)
        prefetch_square(call->weight + to.at, tiles->columns, tile, tile);
    if (call->y[1] && call->output != WINOGRAD_EVALUATE)
        prefetch_square(call->y[1] + to.at, tiles->columns, tile, tile);
    square_floats square = {0};
    for (size_t i = 0; i < OPS_LANES / LANES; i++) {
        const size_t lane = i * LANES;
        const struct products vector = {m.first + lane, m.second ? m.second + lane : NULL, m.plane};
        struct target own = to;
        own.at += lane;
        own.multiplier += lane;
        own.channel += lane;
        own.square = square + lane;
        if (branches && to.rows == tile && to.columns == tile)
            finish_branches(call, vector, &own, &sums->own[i], tile, tile, tile);
        else if (branches)
            finish_branches(call, vector, &own, &sums->own[i], tile, to.rows, to.columns);
        else if (to.rows == tile && to.columns == tile)
            finish_vector(call, vector, &own, &sums->own[i], &sums->weighted[i], tile, tile, tile);
        else
            finish_vector(call, vector, &own, &sums->own[i], &sums->weighted[i], tile, to.rows, to.columns);
    }
    if (call->output != WINOGRAD_EVALUATE || !m.second)
        return;
    const bool past = ((uintptr_t)call->y[1] | call->stride.y * sizeof(float)) % (LANES * sizeof(float)) == 0;
    if (to.rows == tile && to.columns == tile)
        put_square(call->y[1] + to.at, to.stride, square, past, tile, tile, tile);
    else
        put_square(call->y[1] + to.at, to.stride, square, past, tile, to.rows, to.columns);
}

INLINE void finish(const struct winograd_call *call, const float *m, size_t blocks, size_t plane,
                   const struct ops_tiles *tiles, const size_t tile)
{
    const float *second = call->packed[1] ? m + blocks * tiles->stride * OPS_LANES : NULL;

    for (size_t b = 0; b < blocks; b++) {
        struct place at = first_place(tiles);
        for (size_t i = 0; i < tiles->count;) {
            size_t end = end_of_image(tiles, i), block = tiles->block + b;
            size_t first = at.image * tiles->outputs + block * OPS_LANES;
            size_t channels = tiles->outputs - block * OPS_LANES;
            struct tile_sums sums;
            open_sums(&sums, call, first, channels);
            for (; i < end; i++, next_place(&at, tiles)) {
                size_t from = (b * tiles->stride + i) * OPS_LANES;
                struct products products = {m + from, second ? second + from : NULL, plane};
                finish_tile(call, products, target_of(call, at, block, tiles, tile), tiles, &sums, tile);
            }
            close_sums(call, &sums, first, channels);
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
