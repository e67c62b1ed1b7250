/* Sums over the positions of channels for the variants of ops.h, see channels.h: a few values in float32, and those sums in
 * double. */
#ifndef NRMFLOW_OPS_CHANNELS_H
#define NRMFLOW_OPS_CHANNELS_H

#include "channels.h"
#include "ops_vector.h"

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
struct tally {
    vec flow, magnitude, idle;
};

INLINE void pass_value(struct tally *tally, vec r, vec c, vec other)
{
    tally->flow += r * c;
    tally->magnitude += r * magnitude(c);
    tally->idle += keep((c == zeros()) & (other == zeros()), r);
}

INLINE void close_tally(struct passing *sums, const struct tally *tally)
{
    sums->flow += widened(tally->flow);
    sums->magnitude += widened(tally->magnitude);
    sums->idle += widened(tally->idle);
}

/* Add the sums of a block's channels to those of their image, and start again. */
static void close_passing(struct channels_flow *to, struct passing *sums, size_t channels)
{
    for (size_t lane = 0; lane < at_most(channels, OPS_LANES); lane++) {
        const struct passing *from = &sums[lane / LANES];
        to[lane].flow += from->flow[lane % LANES];
        to[lane].magnitude += from->magnitude[lane % LANES];
        to[lane].idle += from->idle[lane % LANES];
    }
    for (size_t i = 0; i < OPS_LANES / LANES; i++)
        sums[i] = (struct passing){{0}, {0}, {0}};
}

static void channels_pass(struct channels_flow *out, const float *r, const float *c, const float *other,
                          const struct ops_block *block)
{
    struct passing sums[OPS_LANES / LANES] = {{{0}, {0}, {0}}};

    for (size_t y = 0; y < block->height; y++)
        for (size_t x = 0; x < block->width; x += CHANNELS_CHUNK)
            for (size_t lane = 0; lane < OPS_LANES; lane += LANES) {
                struct tally tally = {zeros(), zeros(), zeros()};
                for (size_t i = x; i < at_most(block->width, x + CHANNELS_CHUNK); i++) {
                    size_t at = y * block->row + i * OPS_LANES + lane;
                    pass_value(&tally, load(r + at), load(c + at), load(other + at));
                }
                close_tally(&sums[lane / LANES], &tally);
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

INLINE struct summing nothing_summed(void)
{
    return (struct summing){.most = zeros() - INFINITY, .position = (mask){0} + INT32_MAX};
}

/* Sums of a few values. */
struct few_sums {
    vec value, magnitude;
};

/* One more value; of equal ones the first position counts, in whatever order they come. */
INLINE void sum_value(struct summing *s, struct few_sums *few, vec value, size_t position)
{
    mask here = (mask){0} + (int32_t)position;
    mask better = (value > s->most) | ((value == s->most) & (here < s->position));

    few->value += value;
    few->magnitude += magnitude(value);
    s->most = (vec)((better & (mask)value) | (~better & (mask)s->most));
    s->position = (better & here) | (~better & s->position);
}

INLINE void close_few(struct summing *s, const struct few_sums *few)
{
    s->value += widened(few->value);
    s->magnitude += widened(few->magnitude);
}

/* Add the summary of a block's channels to those of their image, and start again. */
static void close_summing(struct channels_summary *to, struct summing *s, size_t channels)
{
    for (size_t lane = 0; lane < at_most(channels, OPS_LANES); lane++) {
        const struct summing *from = &s[lane / LANES];
        float most = from->most[lane % LANES];
        uint32_t position = (uint32_t)from->position[lane % LANES];
        to[lane].value += from->value[lane % LANES];
        to[lane].magnitude += from->magnitude[lane % LANES];
        if (most > to[lane].largest || (most == to[lane].largest && position < to[lane].position)) {
            to[lane].largest = most;
            to[lane].position = position;
        }
    }
    for (size_t i = 0; i < OPS_LANES / LANES; i++)
        s[i] = nothing_summed();
}

static void channels_summary(struct channels_summary *out, const float *v, const float *w,
                             const struct ops_block *block)
{
    struct summing sums[OPS_LANES / LANES];

    for (size_t i = 0; i < OPS_LANES / LANES; i++)
        sums[i] = nothing_summed();
    for (size_t y = 0; y < block->height; y++)
        for (size_t x = 0; x < block->width; x += CHANNELS_CHUNK)
            for (size_t lane = 0; lane < OPS_LANES; lane += LANES) {
                struct few_sums few = {zeros(), zeros()};
                for (size_t i = x; i < at_most(block->width, x + CHANNELS_CHUNK); i++) {
                    size_t at = y * block->row + i * OPS_LANES + lane;
                    vec value = w ? load(v + at) * load(w + at) : load(v + at);
                    sum_value(&sums[lane / LANES], &few, value, y * block->width + i);
                }
                close_few(&sums[lane / LANES], &few);
            }
    close_summing(out, sums, block->channels);
}

#endif
