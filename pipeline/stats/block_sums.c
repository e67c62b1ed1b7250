#include "pipeline/stats/block_sums.h"

#include "kernels/base/layout.h"

#include <math.h>

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void fill(double *values, size_t n, double value)
{
    for (size_t i = 0; i < n; i++)
        values[i] = value;
}

static void place_pending(struct block_sums *block_sums, struct arena *arena)
{
    const struct statistics *s = block_sums->statistics;

    for (size_t k = 0; k <= s->measure->net->nlinks; k++) {
        block_sums->pending_at[k] = block_sums->pending_floats;
        block_sums->pending_floats += statistics_moments(s, STATISTICS_MAP, k)->count;
    }
    block_sums->pending = arena_floats(arena, s->measure->options.group * block_sums->pending_floats);
}

void block_sums_place(struct block_sums *block_sums, const struct statistics *s, struct arena *arena)
{
    size_t channels = statistics_channels(s);

    *block_sums = (struct block_sums){.statistics = s};
    moments_book_place(&block_sums->book, &s->plan, arena);
    for (size_t i = 0; i < statistics_in_block(s); i++)
        moments_place(&block_sums->book, &s->moments[i], arena);
    moments_place_section(&block_sums->book, s->highest, arena);
    moments_place_section(&block_sums->book, s->lowest, arena);
    block_sums->values = arena_doubles(arena, channels);
    block_sums->entries = arena_bytes(arena, channels * sizeof *block_sums->entries);
    block_sums->top_least = arena_doubles(arena, channels);
    block_sums->active_least = arena_doubles(arena, channels);
    block_sums->bins = arena_bytes(arena, channels * sizeof *block_sums->bins);
    if (block_sums->top_least) { /* not measuring */
        fill(block_sums->top_least, channels, -INFINITY);
        fill(block_sums->active_least, channels, -INFINITY);
    }
    place_pending(block_sums, arena);
}

/* ---- a block ----------------------------------------------------------------------------------------------------- */

void block_sums_reset(struct block_sums *block_sums, struct sums *sums)
{
    moments_reset(&block_sums->book, sums);
}

enum status block_sums_commit(struct block_sums *block_sums, struct error *err)
{
    return moments_commit(&block_sums->book, err);
}

/* All values of number i of a kind. */
static void add(struct block_sums *block_sums, enum statistics_id id, size_t i, const double *x, double y)
{
    const struct moments *m = statistics_moments(block_sums->statistics, id, i);

    moments_add(&block_sums->book, m, 0, x, y, m->count);
}

static void add_floats(struct block_sums *block_sums, enum statistics_id id, size_t i, const float *x, double y)
{
    const struct moments *m = statistics_moments(block_sums->statistics, id, i);

    moments_add_floats(&block_sums->book, m, 0, x, y, m->count);
}

/* ---- flows ------------------------------------------------------------------------------------------------------- */

/* A flow of an image of this class, if the class has flows of its own. */
static void add_class_flow(struct block_sums *block_sums, enum statistics_id id, size_t i, const float *joint,
                           struct block_sums_case of)
{
    const struct statistics_classes *classes = &block_sums->statistics->options.class_flows;
    const struct moments *m = statistics_moments(block_sums->statistics, id, i);
    size_t row = statistics_class_row(classes, of.class);

    if (row < classes->count) {
        size_t entries = m->count / classes->count;
        moments_add_floats(&block_sums->book, m, row * entries, joint, of.given_mass, entries);
    }
}

void block_sums_flow(struct block_sums *block_sums, size_t link, const float *joint, const double *to_bias,
                     const double *absorbed, struct block_sums_case of)
{
    add_floats(block_sums, STATISTICS_FLOW, link, joint, of.given_mass);
    add(block_sums, STATISTICS_TO_BIAS, link, to_bias, of.given_mass);
    add(block_sums, STATISTICS_ABSORBED, link, absorbed, of.given_mass);
    add_class_flow(block_sums, STATISTICS_CLASS_FLOW, link, joint, of);
}

void block_sums_far(struct block_sums *block_sums, size_t pair, const struct far_flow *flow, struct block_sums_case of)
{
    const struct moments *draws = statistics_moments(block_sums->statistics, STATISTICS_DRAWS, pair);

    add_floats(block_sums, STATISTICS_FAR, pair, flow->joint, of.given_mass);
    add(block_sums, STATISTICS_LOST, pair, flow->lost, of.given_mass);
    add(block_sums, STATISTICS_LEFT_OUT, pair, flow->left_out, of.given_mass);
    for (size_t c = 0; c < draws->count; c++)
        moments_add(&block_sums->book, draws, c, &(double){flow->present[c]}, of.given_mass, 1);
    add_class_flow(block_sums, STATISTICS_CLASS_FAR, pair, flow->joint, of);
}

void block_sums_sampled(struct block_sums *block_sums, size_t pair, size_t channel, double pi, const double *row,
                        double given_mass)
{
    const struct statistics *s = block_sums->statistics;
    struct moments_book *book = &block_sums->book;
    size_t columns = network_shape(s->measure->net, s->options.flows->pairs[pair].pair.lower).channels;
    size_t first = channel * columns;
    double *x = block_sums->values;

    for (size_t c = 0; c < columns; c++)
        x[c] = row[c] / pi;
    moments_add(book, statistics_moments(s, STATISTICS_SAMPLED, pair), first, x, given_mass, columns);
    for (size_t c = 0; c < columns; c++)
        x[c] = x[c] * x[c] * (1 - pi);
    moments_add(book, statistics_moments(s, STATISTICS_SAMPLED_ERROR, pair), first, x, given_mass, columns);
    moments_add(book, statistics_moments(s, STATISTICS_SAMPLED_DRAWS, pair), channel, &(double){1}, given_mass, 1);
    moments_add(book, statistics_moments(s, STATISTICS_CHANCES, pair), channel, &(double){pi < 1}, given_mass, 1);
}

/* ---- channels and neurons ---------------------------------------------------------------------------------------- */

void block_sums_neurons(struct block_sums *block_sums, size_t slot, size_t variable, const float *r, const float *h)
{
    const struct statistics *s = block_sums->statistics;

    if (s->options.maps[variable])
        layout_products_to_planar(block_sums->pending + slot * block_sums->pending_floats +
                                      block_sums->pending_at[variable],
                                  r, h, network_layout(s->measure->net, variable));
}

static void add_channels(struct block_sums *block_sums, const struct measure_result *result)
{
    for (size_t id = 0; id < STATISTICS_KINDS; id++) {
        const struct statistics_kind *kind = statistics_kind((enum statistics_id)id);
        if (kind->scope != OF_CHANNELS)
            continue;
        if (kind->of)
            kind->of(block_sums->values, result->relevance, statistics_channels(block_sums->statistics));
        add(block_sums, (enum statistics_id)id, 0, kind->of ? block_sums->values : result->relevance,
            result->given_mass);
    }
}

static void add_extremes(struct block_sums *block_sums, const double *relevance)
{
    const struct statistics *s = block_sums->statistics;
    double *highest = block_sums->book.block[s->highest], *lowest = block_sums->book.block[s->lowest];

    for (size_t c = 0; c < statistics_channels(s); c++) {
        double x = relevance[c];
        highest[c] = x > highest[c] ? x : highest[c];
        lowest[c] = -x > lowest[c] ? -x : lowest[c];
    }
}

static void count_bins(struct block_sums *block_sums, const struct measure_result *result)
{
    const struct statistics *s = block_sums->statistics;
    size_t bins = s->options.bins, channels = statistics_channels(s);

    for (size_t c = 0; c < channels; c++)
        block_sums->bins[c] = c * bins + statistics_bin(result->relevance[c], bins);
    sums_count(block_sums->book.sums, s->histogram, block_sums->bins, channels);
}

static void offer_tops(struct block_sums *block_sums, const struct measure_result *result, size_t row)
{
    const struct statistics *s = block_sums->statistics;
    struct sums *sums = block_sums->book.sums;
    size_t channels = statistics_channels(s);

    for (size_t c = 0; c < channels; c++)
        block_sums->entries[c] =
            (struct toplist_entry){result->relevance[c], (int64_t)row, (int64_t)result->relevance_position[c]};
    sums_top(sums, s->top, 0, block_sums->entries, block_sums->top_least, channels);
    for (size_t c = 0; c < channels; c++)
        block_sums->entries[c] = (struct toplist_entry){(double)result->activation[c], (int64_t)row,
                                                        (int64_t)result->activation_position[c]};
    sums_top(sums, s->active, 0, block_sums->entries, block_sums->active_least, channels);
}

static void add_class(struct block_sums *block_sums, const struct measure_result *result, size_t class)
{
    const struct statistics *s = block_sums->statistics;
    size_t channels = statistics_channels(s), row = statistics_class_row(&s->options.class_means, class);
    struct moments_book *book = &block_sums->book;
    double y = result->given_mass;

    if (class >= s->options.classes)
        return;
    moments_add(book, statistics_moments(s, STATISTICS_CLASS_IMAGES, 0), class, &(double){1}, y, 1);
    moments_add(book, statistics_moments(s, STATISTICS_CLASS_GIVEN, 0), class, &y, y, 1);
    if (row < s->options.class_means.count)
        moments_add(book, statistics_moments(s, STATISTICS_CLASS_RELEVANCE, 0), row * channels, result->relevance, y,
                    channels);
}

void block_sums_image(struct block_sums *block_sums, size_t slot, const struct measure_result *result, size_t row,
                      size_t class)
{
    const struct statistics *s = block_sums->statistics;
    const float *pending = block_sums->pending + slot * block_sums->pending_floats;
    double y = result->given_mass;

    add(block_sums, STATISTICS_IMAGES, 0, &(double){1}, y);
    add(block_sums, STATISTICS_GIVEN, 0, &y, y);
    add_channels(block_sums, result);
    add_extremes(block_sums, result->relevance);
    for (size_t k = 0; k <= s->measure->net->nlinks; k++)
        add_floats(block_sums, STATISTICS_MAP, k, pending + block_sums->pending_at[k], y);
    if (s->options.bins)
        count_bins(block_sums, result);
    offer_tops(block_sums, result, row);
    add_class(block_sums, result, class);
}
