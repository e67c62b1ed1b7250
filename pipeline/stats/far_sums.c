#include "pipeline/stats/far_sums.h"

#include "kernels/base/number.h"

#include <string.h>

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* Result of the largest exact pair. */
static void place_flow(struct far_sums *far_sums, const struct statistics *s, struct arena *arena)
{
    size_t entries = 0, upper = 0;

    for (size_t i = 0; i < s->options.flows->count; i++) {
        const struct flows_pair *p = &s->options.flows->pairs[i];
        if (p->sampled)
            continue;
        entries = larger(entries, statistics_far_entries(s, p->pair));
        upper = larger(upper, network_shape(s->measure->net, p->pair.upper).channels);
    }
    far_sums->flow = (struct far_flow){arena_floats(arena, entries), arena_doubles(arena, upper),
                                       arena_doubles(arena, upper), arena_bytes(arena, upper * sizeof(bool))};
}

void far_sums_place(struct far_sums *far_sums, const struct statistics *s, uint64_t seed, struct arena *arena)
{
    const struct flows *flows = s->options.flows;
    size_t channels = 0, highest = 0;

    *far_sums = (struct far_sums){.statistics = s, .seed = seed};
    if (statistics_far_pairs(s) == 0)
        return;
    for (size_t k = 0; k <= s->measure->net->nlinks; k++)
        channels = larger(channels, network_shape(s->measure->net, k).channels);
    far_sums->numbers = arena_doubles(arena, channels);
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
    struct far_sums *far_sums;
    struct sums *sums;
    size_t upper;
    double given_mass;
    enum status rc;
    struct error *err;
};

static enum status add_row(const struct delivery *d, const struct statistics_far *far, size_t channel, size_t columns,
                           double pi, const double *row)
{
    double *x = d->far_sums->numbers;
    const double one = 1, chance = pi < 1;
    size_t first = channel * columns;
    enum status rc = OK;

    for (size_t c = 0; c < columns; c++)
        x[c] = row[c] / pi;
    TRY(sums_add(d->sums, far->flow, first, x, columns, d->err));
    for (size_t c = 0; c < columns; c++)
        x[c] *= x[c];
    TRY(sums_add(d->sums, far->square, first, x, columns, d->err));
    for (size_t c = 0; c < columns; c++)
        x[c] *= 1 - pi;
    TRY(sums_add(d->sums, far->error, first, x, columns, d->err));
    for (size_t c = 0; c < columns; c++)
        x[c] = row[c] / pi * d->given_mass;
    if (statistics_conditioned(d->far_sums->statistics))
        TRY(sums_add(d->sums, far->product, first, x, columns, d->err));
    TRY(sums_add(d->sums, far->draws, channel, &one, 1, d->err));
    TRY(sums_add(d->sums, far->chances, channel, &chance, 1, d->err));
done:
    return rc;
}

static void take_row(void *context, size_t lower, size_t channel, double pi, const double *row)
{
    struct delivery *d = context;
    const struct statistics *s = d->far_sums->statistics;

    for (size_t i = 0; i < s->options.flows->count && d->rc == OK; i++) {
        const struct flows_pair *p = &s->options.flows->pairs[i];
        if (p->sampled && p->pair.upper == d->upper && p->pair.lower == lower)
            d->rc = add_row(d, &s->far[i], channel, network_shape(s->measure->net, lower).channels, pi, row);
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

static enum status sweep_exact(struct far_sums *far_sums, struct block_sums *block_sums, struct sums *sums, size_t pair,
                               const struct measure_image *image, double given_mass, size_t class, struct error *err)
{
    far_compute(&far_sums->flow, &far_sums->work[pair], image);
    block_sums_far(block_sums, pair, &far_sums->flow, given_mass);
    return block_sums_class_far(block_sums, pair, far_sums->flow.joint, given_mass, class, sums, err);
}

enum status far_sums_image(struct far_sums *far_sums, struct block_sums *block_sums, struct sums *sums,
                           const struct measure_image *image, size_t index, double given_mass, size_t class,
                           struct error *err)
{
    const struct flows *flows = far_sums->statistics->options.flows;
    struct delivery delivery = {.far_sums = far_sums, .sums = sums, .given_mass = given_mass, .rc = OK, .err = err};
    enum status rc = OK;

    if (statistics_far_pairs(far_sums->statistics) == 0)
        return OK;
    for (size_t i = 0; i < flows->count; i++)
        if (!flows->pairs[i].sampled)
            TRY(sweep_exact(far_sums, block_sums, sums, i, image, given_mass, class, err));
    for (size_t upper = 1; upper <= far_sums->statistics->measure->top; upper++) {
        bool wanted[NETWORK_MAX_VARIABLES];
        if (!mark_sampled(wanted, flows, upper))
            continue;
        delivery.upper = upper;
        sample_layer(&far_sums->sample, image, index, upper, wanted,
                     (struct sample_options){far_sums->seed, flows->sweeps}, (struct sample_sink){&delivery, take_row});
        TRY(delivery.rc);
    }
done:
    return rc;
}
