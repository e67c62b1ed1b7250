#include "pipeline/stats/far_sums.h"

#include "kernels/base/number.h"

#include <string.h>

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* Result of the largest exact pair. */
static void place_flow(struct far_sums *far_sums, const struct statistics *s, struct arena *arena)
{
    size_t entries = 0, upper = 0, lower = 0;

    for (size_t i = 0; i < s->options.flows->count; i++) {
        const struct flows_pair *p = &s->options.flows->pairs[i];
        if (p->sampled)
            continue;
        entries = larger(entries, statistics_far_entries(s, p->pair));
        upper = larger(upper, network_shape(s->measure->net, p->pair.upper).channels);
        lower = larger(lower, network_shape(s->measure->net, p->pair.lower).channels);
    }
    far_sums->flow =
        (struct far_flow){arena_floats(arena, entries), arena_doubles(arena, upper), arena_doubles(arena, upper),
                          arena_doubles(arena, lower), arena_bytes(arena, upper * sizeof(bool))};
}

void far_sums_place(struct far_sums *far_sums, const struct statistics *s, uint64_t seed, struct arena *arena)
{
    const struct flows *flows = s->options.flows;
    size_t highest = 0;

    *far_sums = (struct far_sums){.statistics = s, .seed = seed};
    if (statistics_far_pairs(s) == 0)
        return;
    place_flow(far_sums, s, arena);
    size_t mark = arena_mark(arena);
    for (size_t i = 0; i < flows->count; i++) {
        arena_release(arena, mark);
        if (!flows->pairs[i].sampled)
            far_place(&far_sums->work[i], s->measure, flows->pairs[i].pair, FLOWS_SWEEP_BYTES, arena);
        else
            highest = larger(highest, flows->pairs[i].pair.upper);
    }
    arena_release(arena, mark);
    if (highest)
        sample_place(&far_sums->sample, s->measure, highest, FLOWS_SWEEP_BYTES, arena);
}

/* ---- sampled rows ------------------------------------------------------------------------------------------------ */

/* The rows of one upper variable on their way into the sums. */
struct delivery {
    struct block_sums *block_sums;
    const struct flows *flows;
    size_t upper;
    double given_mass;
};

static void take_row(void *context, size_t lower, size_t channel, double pi, const double *row)
{
    struct delivery *d = context;

    for (size_t i = 0; i < d->flows->count; i++) {
        const struct flows_pair *p = &d->flows->pairs[i];
        if (p->sampled && p->pair.upper == d->upper && p->pair.lower == lower)
            block_sums_sampled(d->block_sums, i, channel, pi, row, d->given_mass);
    }
}

/* Mark the variables that are sampled from `upper`; false if there is none. */
static bool mark_sampled(bool wanted[NETWORK_MAX_VARIABLES], const struct flows *flows, size_t upper)
{
    bool any = false;

    memset(wanted, 0, NETWORK_MAX_VARIABLES * sizeof *wanted);
    for (size_t i = 0; i < flows->count; i++) {
        const struct flows_pair *p = &flows->pairs[i];
        if (!p->sampled || p->pair.upper != upper)
            continue;
        wanted[p->pair.lower] = true;
        any = true;
    }
    return any;
}

/* ---- an image ---------------------------------------------------------------------------------------------------- */

void far_sums_image(struct far_sums *far_sums, struct block_sums *block_sums, const struct measure_image *image,
                    size_t index, struct block_sums_case of)
{
    const struct flows *flows = far_sums->statistics->options.flows;
    struct delivery delivery = {block_sums, flows, 0, of.given_mass};

    if (statistics_far_pairs(far_sums->statistics) == 0)
        return;
    for (size_t i = 0; i < flows->count; i++) {
        if (flows->pairs[i].sampled)
            continue;
        far_compute(&far_sums->flow, &far_sums->work[i], image);
        block_sums_far(block_sums, i, &far_sums->flow, of);
    }
    for (size_t upper = 1; upper <= far_sums->statistics->measure->top; upper++) {
        bool wanted[NETWORK_MAX_VARIABLES];
        if (!mark_sampled(wanted, flows, upper))
            continue;
        delivery.upper = upper;
        sample_layer(&far_sums->sample, image, index, upper, wanted,
                     (struct sample_options){far_sums->seed, flows->sweeps}, (struct sample_sink){&delivery, take_row});
    }
}
