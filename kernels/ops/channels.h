/* Sums over the positions of channels for the variants of ops.h (kernels/layer/channels.h): chunks of a few values are
 * summed in float32, the chunks' sums in double. */
#ifndef NRMFLOW_KERNELS_OPS_CHANNELS_H
#define NRMFLOW_KERNELS_OPS_CHANNELS_H

#include "kernels/base/number.h"
#include "kernels/ops/ops.h"
#include "kernels/ops/vector.h"

#include <math.h>

/* ---- sums for the ledger ----------------------------------------------------------------------------------------- */

/* struct channels_ledger of LANES channels. */
struct ledger_sums {
    wide flow, magnitude, dead_mass;
};

/* The same of one chunk. */
struct chunk_sums {
    vec flow, magnitude, dead_mass;
};

INLINE void add_ledger_value(struct chunk_sums *chunk, vec r, vec c, vec other)
{
    chunk->flow += r * c;
    chunk->magnitude += r * magnitude(c);
    chunk->dead_mass += keep((c == zeros()) & (other == zeros()), r);
}

INLINE void close_chunk(struct ledger_sums *sums, const struct chunk_sums *chunk)
{
    sums->flow += widened(chunk->flow);
    sums->magnitude += widened(chunk->magnitude);
    sums->dead_mass += widened(chunk->dead_mass);
}

/* Add the sums of a block's channels to those of the image. */
static void close_ledger(struct channels_ledger *to, const struct ledger_sums *sums, size_t channels)
{
    for (size_t lane = 0; lane < smaller(channels, OPS_LANES); lane++) {
        const struct ledger_sums *from = &sums[lane / LANES];
        to[lane].flow += from->flow[lane % LANES];
        to[lane].magnitude += from->magnitude[lane % LANES];
        to[lane].dead_mass += from->dead_mass[lane % LANES];
    }
}

static void channels_ledger(struct channels_ledger *out, const float *r, const float *c, const float *other,
                            const struct ops_block *block)
{
    struct ledger_sums sums[OPS_LANES / LANES] = {{{0}, {0}, {0}}};

    for (size_t y = 0; y < block->height; y++)
        for (size_t x = 0; x < block->width; x += CHANNELS_CHUNK)
            for (size_t lane = 0; lane < OPS_LANES; lane += LANES) {
                struct chunk_sums chunk = {zeros(), zeros(), zeros()};
                for (size_t i = x; i < smaller(block->width, x + CHANNELS_CHUNK); i++) {
                    size_t at = y * block->row + i * OPS_LANES + lane;
                    add_ledger_value(&chunk, load(r + at), load(c + at), load(other + at));
                }
                close_chunk(&sums[lane / LANES], &chunk);
            }
    close_ledger(out, sums, block->channels);
}

/* ---- summaries --------------------------------------------------------------------------------------------------- */

/* Summary of the values of LANES channels. */
struct summary {
    wide value, magnitude;
    vec largest;
    mask position;
};

/* Start a block's channels of one image: the sums at zero, the largest values at those found so far. Lanes of padding
 * have no largest value. */
static void open_summary(struct summary *s, const struct channels_summary *so_far, size_t channels)
{
    for (size_t i = 0; i < OPS_LANES / LANES; i++)
        s[i] = (struct summary){.largest = zeros() + INFINITY};
    for (size_t lane = 0; lane < smaller(channels, OPS_LANES); lane++) {
        s[lane / LANES].largest[lane % LANES] = so_far[lane].largest;
        s[lane / LANES].position[lane % LANES] = (int32_t)so_far[lane].position;
    }
}

/* A part of a map: the values x factor; factor NULL means one. */
struct patch {
    const float *x, *factor;
    size_t stride;        /* floats from a row to the next */
    size_t rows, columns; /* at most CHANNELS_CHUNK values */
    size_t position;      /* y W + x of the first */
    size_t width;         /* W */
};

INLINE vec load_product(const float *x, const float *factor, size_t at)
{
    return factor ? load(x + at) * load(factor + at) : load(x + at);
}

/* Of equal values the first position counts, in whatever order the patches come. */
static __attribute__((noinline)) void find_largest(struct summary *s, const struct patch *patch)
{
    for (size_t i = 0; i < patch->rows; i++)
        for (size_t j = 0; j < patch->columns; j++) {
            vec value = load_product(patch->x, patch->factor, i * patch->stride + j * OPS_LANES);
            mask here = (mask){0} + (int32_t)(patch->position + i * patch->width + j);
            mask better = (value > s->largest) | ((value == s->largest) & (here < s->position));
            s->largest = (vec)((better & (mask)value) | (~better & (mask)s->largest));
            s->position = (better & here) | (~better & s->position);
        }
}

/* Add a patch whose values [rows][stride] are in registers. Few patches raise a channel's largest value; only those are
 * searched for its position. */
INLINE void sum_patch(struct summary *s, const struct patch *patch, const vec *values, const size_t stride,
                      const size_t rows, const size_t columns)
{
    vec value = zeros(), size = zeros(), most = zeros() - INFINITY;

#pragma GCC unroll UNROLL
    for (size_t i = 0; i < rows; i++) {
        vec row = values[i * stride], row_size = magnitude(row);
        most = maximum(row, most);
#pragma GCC unroll UNROLL
        for (size_t j = 1; j < columns; j++) {
            row += values[i * stride + j];
            row_size += magnitude(values[i * stride + j]);
            most = maximum(values[i * stride + j], most);
        }
        value += row;
        size += row_size;
    }
    s->value += widened(value);
    s->magnitude += widened(size);
    if (any((most > s->largest) | ((most == s->largest) & ((mask){0} + (int32_t)patch->position < s->position))))
        find_largest(s, patch);
}

static void close_summary(struct channels_summary *to, const struct summary *s, size_t channels)
{
    for (size_t lane = 0; lane < smaller(channels, OPS_LANES); lane++) {
        const struct summary *from = &s[lane / LANES];
        to[lane].value += from->value[lane % LANES];
        to[lane].magnitude += from->magnitude[lane % LANES];
        to[lane].largest = from->largest[lane % LANES];
        to[lane].position = (uint32_t)from->position[lane % LANES];
    }
}

static void channels_summary(struct channels_summary *out, const float *v, const float *w,
                             const struct ops_block *block)
{
    struct summary sums[OPS_LANES / LANES];

    open_summary(sums, out, block->channels);
    for (size_t y = 0; y < block->height; y++)
        for (size_t x = 0; x < block->width; x += CHANNELS_CHUNK)
            for (size_t lane = 0; lane < OPS_LANES; lane += LANES) {
                size_t from = y * block->row + x * OPS_LANES + lane;
                struct patch patch = {.x = v + from,
                                      .factor = w ? w + from : NULL,
                                      .rows = 1,
                                      .columns = smaller(block->width - x, CHANNELS_CHUNK),
                                      .position = block->position + y * block->width + x};
                vec values[CHANNELS_CHUNK];
                for (size_t i = 0; i < patch.columns; i++)
                    values[i] = load_product(patch.x, patch.factor, i * OPS_LANES);
                sum_patch(&sums[lane / LANES], &patch, values, CHANNELS_CHUNK, 1, patch.columns);
            }
    close_summary(out, sums, block->channels);
}

#endif
