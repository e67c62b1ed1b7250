/* Sums over the positions of channels for the variants of ops.h, see channels.h: a few values in float32, and those sums in
 * double. */
#ifndef NRMFLOW_KERNELS_OPS_CHANNELS_H
#define NRMFLOW_KERNELS_OPS_CHANNELS_H

#include "kernels/ops/ops.h"
#include "kernels/ops/vector.h"

#include <math.h>

INLINE size_t at_most(size_t n, size_t most)
{
    return n < most ? n : most;
}

/* ---- what passes a factor ----------------------------------------------------------------------------------------- */

/* Sums of what passes the factor, of LANES channels. */
struct passing {
    wide flow, magnitude, idle;
};

/* Of a few values. */
struct chunk_sums {
    vec flow, magnitude, idle;
};

INLINE void pass_value(struct chunk_sums *chunk, vec r, vec c, vec other)
{
    chunk->flow += r * c;
    chunk->magnitude += r * magnitude(c);
    chunk->idle += keep((c == zeros()) & (other == zeros()), r);
}

INLINE void close_chunk(struct passing *sums, const struct chunk_sums *chunk)
{
    sums->flow += widened(chunk->flow);
    sums->magnitude += widened(chunk->magnitude);
    sums->idle += widened(chunk->idle);
}

/* Add the sums of a block's channels to those of their image. */
static void close_passing(struct channels_ledger *to, const struct passing *sums, size_t channels)
{
    for (size_t lane = 0; lane < at_most(channels, OPS_LANES); lane++) {
        const struct passing *from = &sums[lane / LANES];
        to[lane].flow += from->flow[lane % LANES];
        to[lane].magnitude += from->magnitude[lane % LANES];
        to[lane].idle += from->idle[lane % LANES];
    }
}

static void channels_pass(struct channels_ledger *out, const float *r, const float *c, const float *other,
                          const struct ops_block *block)
{
    struct passing sums[OPS_LANES / LANES] = {{{0}, {0}, {0}}};

    for (size_t y = 0; y < block->height; y++)
        for (size_t x = 0; x < block->width; x += CHANNELS_CHUNK)
            for (size_t lane = 0; lane < OPS_LANES; lane += LANES) {
                struct chunk_sums chunk = {zeros(), zeros(), zeros()};
                for (size_t i = x; i < at_most(block->width, x + CHANNELS_CHUNK); i++) {
                    size_t at = y * block->row + i * OPS_LANES + lane;
                    pass_value(&chunk, load(r + at), load(c + at), load(other + at));
                }
                close_chunk(&sums[lane / LANES], &chunk);
            }
    close_passing(out, sums, block->channels);
}

/* ---- summaries ---------------------------------------------------------------------------------------------------- */

/* Summary of the values of LANES channels. */
struct summing {
    wide value, magnitude;
    vec most;
    mask position;
};

/* Sums of a block's channels of an image start at zero, but the largest values are those so far, and padding has none. */
static void open_summing(struct summing *s, const struct channels_summary *so_far, size_t channels)
{
    for (size_t i = 0; i < OPS_LANES / LANES; i++)
        s[i] = (struct summing){.most = zeros() + INFINITY};
    for (size_t lane = 0; lane < at_most(channels, OPS_LANES); lane++) {
        s[lane / LANES].most[lane % LANES] = so_far[lane].largest;
        s[lane / LANES].position[lane % LANES] = (int32_t)so_far[lane].position;
    }
}

/* A part of a map: values are those of x, times those of factor unless that is NULL. */
struct patch {
    const float *x, *factor;
    size_t stride;        /* floats from a row to the next */
    size_t rows, columns; /* no more than CHANNELS_CHUNK values */
    size_t position;      /* y W + x of the first */
    size_t width;         /* W */
};

INLINE vec load_product(const float *x, const float *factor, size_t at)
{
    return factor ? load(x + at) * load(factor + at) : load(x + at);
}

/* Of equal values the first position counts, in whatever order they come. */
static __attribute__((noinline)) void find_largest(struct summing *s, const struct patch *patch)
{
    for (size_t i = 0; i < patch->rows; i++)
        for (size_t j = 0; j < patch->columns; j++) {
            vec value = load_product(patch->x, patch->factor, i * patch->stride + j * OPS_LANES);
            mask here = (mask){0} + (int32_t)(patch->position + i * patch->width + j);
            mask better = (value > s->most) | ((value == s->most) & (here < s->position));
            s->most = (vec)((better & (mask)value) | (~better & (mask)s->most));
            s->position = (better & here) | (~better & s->position);
        }
}

/* Add a patch, whose values [rows][stride] are at hand. Few have a channel's largest value so far, and only in those it is
 * looked up where that is. */
INLINE void sum_patch(struct summing *s, const struct patch *patch, const vec *values, const size_t stride,
                      const size_t rows, const size_t columns)
{
    vec value = zeros(), size = zeros(), most = zeros() - INFINITY;

#pragma GCC unroll UNROLL
    for (size_t i = 0; i < rows; i++) {
        vec row = values[i * stride], row_size = magnitude(row);
        most = larger(row, most);
#pragma GCC unroll UNROLL
        for (size_t j = 1; j < columns; j++) {
            row += values[i * stride + j];
            row_size += magnitude(values[i * stride + j]);
            most = larger(values[i * stride + j], most);
        }
        value += row;
        size += row_size;
    }
    s->value += widened(value);
    s->magnitude += widened(size);
    if (any((most > s->most) | ((most == s->most) & ((mask){0} + (int32_t)patch->position < s->position))))
        find_largest(s, patch);
}

static void close_summing(struct channels_summary *to, const struct summing *s, size_t channels)
{
    for (size_t lane = 0; lane < at_most(channels, OPS_LANES); lane++) {
        const struct summing *from = &s[lane / LANES];
        to[lane].value += from->value[lane % LANES];
        to[lane].magnitude += from->magnitude[lane % LANES];
        to[lane].largest = from->most[lane % LANES];
        to[lane].position = (uint32_t)from->position[lane % LANES];
    }
}

static void channels_summary(struct channels_summary *out, const float *v, const float *w,
                             const struct ops_block *block)
{
    struct summing sums[OPS_LANES / LANES];

    open_summing(sums, out, block->channels);
    for (size_t y = 0; y < block->height; y++)
        for (size_t x = 0; x < block->width; x += CHANNELS_CHUNK)
            for (size_t lane = 0; lane < OPS_LANES; lane += LANES) {
                size_t from = y * block->row + x * OPS_LANES + lane;
                struct patch patch = {.x = v + from,
                                      .factor = w ? w + from : NULL,
                                      .rows = 1,
                                      .columns = at_most(block->width - x, CHANNELS_CHUNK),
                                      .position = y * block->width + x};
                vec values[CHANNELS_CHUNK];
                for (size_t i = 0; i < patch.columns; i++)
                    values[i] = load_product(patch.x, patch.factor, i * OPS_LANES);
                sum_patch(&sums[lane / LANES], &patch, values, CHANNELS_CHUNK, 1, patch.columns);
            }
    close_summing(out, sums, block->channels);
}

#endif
