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

static void place_pair(struct far_work *work, const struct statistics *s, size_t pair, struct arena *arena)
{
    far_place(work, s->measure, s->options.flows->pairs[pair].pair, FLOWS_SWEEP_BYTES, arena);
}

/* For all variables that are sampled; nothing if there are none. */
static void place_sample(struct sample_work *work, const struct statistics *s, struct arena *arena)
{
    const struct flows *flows = s->options.flows;
    size_t highest = 0;

    for (size_t i = 0; i < flows->count; i++)
        highest = flows->pairs[i].sampled ? larger(highest, flows->pairs[i].pair.upper) : highest;
    if (highest)
        sample_place(work, s->measure, highest, FLOWS_SWEEP_BYTES, arena);
}

/* Bytes of the pair, or of the sampling, that needs most. */
static size_t most_bytes(const struct statistics *s)
{
    struct arena arena = arena_over(NULL, 0);
    struct far_work work;
    struct sample_work sample;

    for (size_t i = 0; i < s->options.flows->count; i++) {
        arena_release(&arena, 0);
        if (!s->options.flows->pairs[i].sampled)
            place_pair(&work, s, i, &arena);
    }
    arena_release(&arena, 0);
    place_sample(&sample, s, &arena);
    return arena.peak;
}

void far_sums_place(struct far_sums *far_sums, const struct statistics *s, uint64_t seed, struct arena *arena)
{
    *far_sums = (struct far_sums){.statistics = s, .seed = seed};
    if (statistics_far_pairs(s) == 0)
        return;
    place_flow(far_sums, s, arena);
    far_sums->nbytes = most_bytes(s);
    far_sums->memory = arena_bytes(arena, far_sums->nbytes);
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
    const struct statistics *s = far_sums->statistics;
    const struct flows *flows = s->options.flows;
    struct delivery delivery = {block_sums, flows, 0, of.given_mass};
    struct far_work work;
    struct sample_work sample;

    if (statistics_far_pairs(s) == 0)
        return;
    for (size_t i = 0; i < flows->count; i++) {
        struct arena arena = arena_over(far_sums->memory, far_sums->nbytes);
        if (flows->pairs[i].sampled)
            continue;
        place_pair(&work, s, i, &arena);
        far_compute(&far_sums->flow, &work, image);
        block_sums_far(block_sums, i, &far_sums->flow, of);
    }
    struct arena arena = arena_over(far_sums->memory, far_sums->nbytes);
    place_sample(&sample, s, &arena);
    for (size_t upper = 1; upper <= s->measure->top; upper++) {
        bool wanted[NETWORK_MAX_VARIABLES];
        if (!mark_sampled(wanted, flows, upper))
            continue;
        delivery.upper = upper;
        sample_layer(&sample, image, index, upper, wanted, (struct sample_options){far_sums->seed, flows->sweeps},
                     (struct sample_sink){&delivery, take_row});
    }
}
