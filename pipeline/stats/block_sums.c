#include "pipeline/stats/block_sums.h"

#include "io/store/store.h"
#include "kernels/base/layout.h"
#include "kernels/base/number.h"

#include <math.h>
#include <string.h>

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

static bool leaves_out(const struct statistics *s)
{
    return statistics_channels(s) < s->measure->channel[s->measure->net->nlinks + 1];
}

/* Room for the widest row of a flow that is put together from edges. */
static void place_row(struct block_sums *block_sums, struct arena *arena)
{
    const struct statistics *s = block_sums->statistics;
    size_t widest = 0;

    for (size_t i = 0; i < statistics_adjacent_pairs(s); i++)
        if (!s->columns[i].whole)
            widest = larger(widest, larger(s->columns[i].upper, s->columns[i].lower));
    block_sums->row = arena_doubles(arena, widest);
}

static void place_kept(struct block_sums *block_sums, struct arena *arena)
{
    size_t channels = leaves_out(block_sums->statistics) ? statistics_channels(block_sums->statistics) : 0;

    block_sums->kept = (struct block_sums_channels){
        arena_doubles(arena, channels), arena_doubles(arena, channels), arena_floats(arena, channels),
        arena_bytes(arena, channels * sizeof(uint32_t)), arena_bytes(arena, channels * sizeof(uint32_t))};
}

void block_sums_place(struct block_sums *block_sums, const struct statistics *s, struct arena *arena)
{
    size_t channels = statistics_channels(s);

    *block_sums = (struct block_sums){.statistics = s};
    moments_book_place(&block_sums->book, &s->plan, arena);
    for (size_t i = 0; i < statistics_count(s); i++)
        if (statistics_in_block(s, i))
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
    place_row(block_sums, arena);
    place_kept(block_sums, arena);
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

/* The row of a class with flows of its own; the number of such classes for any other. */
static size_t class_row(const struct statistics *s, struct block_sums_case of)
{
    return statistics_class_row(&s->options.class_flows, of.class);
}

/* A flow of an image of this class, if the class has flows of its own. */
static void add_class_flow(struct block_sums *block_sums, enum statistics_id id, size_t i, const float *joint,
                           struct block_sums_case of)
{
    const struct statistics *s = block_sums->statistics;
    const struct moments *m = statistics_moments(s, id, i);
    size_t row = class_row(s, of), classes = s->options.class_flows.count;

    if (row < classes) {
        size_t entries = m->count / classes;
        moments_add_floats(&block_sums->book, m, row * entries, joint, of.given_mass, entries);
    }
}

/* The flow of a pair whose channels are some of an edge's, or those of several edges: row by row. */
static void add_rows(struct block_sums *block_sums, size_t pair, struct block_sums_case of)
{
    const struct statistics *s = block_sums->statistics;
    const struct columns *columns = &s->columns[pair];
    const struct moments *flow = statistics_moments(s, STATISTICS_FLOW, pair);
    const struct moments *class_flow = statistics_moments(s, STATISTICS_CLASS_FLOW, pair);
    size_t class = class_row(s, of), width = columns->pair.diagonal ? columns->upper : columns->lower;

    for (size_t k = 0; k < flow->count / width; k++) {
        columns_row(block_sums->row, columns, block_sums->joints, k);
        moments_add(&block_sums->book, flow, k * width, block_sums->row, of.given_mass, width);
        if (class < s->options.class_flows.count)
            moments_add(&block_sums->book, class_flow, class * flow->count + k * width, block_sums->row, of.given_mass,
                        width);
    }
}

static void add_pair(struct block_sums *block_sums, size_t pair, struct block_sums_case of)
{
    const struct columns *columns = &block_sums->statistics->columns[pair];
    const float *joint = block_sums->joints[columns->items[0].edge];

    if (!columns->whole) {
        add_rows(block_sums, pair, of);
        return;
    }
    add_floats(block_sums, STATISTICS_FLOW, pair, joint, of.given_mass);
    add_class_flow(block_sums, STATISTICS_CLASS_FLOW, pair, joint, of);
}

/* Whether no further edge of its link has a flow. */
static bool is_last(const struct statistics *s, size_t edge)
{
    const struct link *link = &s->measure->net->links[s->measure->net->edges[edge].link];

    for (size_t e = edge + 1; e < link->first_edge + link->nedges; e++)
        if (s->measure->options.flows[e])
            return false;
    return true;
}

void block_sums_flow(struct block_sums *block_sums, size_t edge, const float *joint, const double *to_bias,
                     const double *absorbed, struct block_sums_case of)
{
    const struct statistics *s = block_sums->statistics;
    size_t link = s->measure->net->edges[edge].link;

    block_sums->joints[edge] = joint;
    if (!is_last(s, edge))
        return;
    for (size_t i = 0; i < statistics_adjacent_pairs(s); i++) {
        if (s->options.flows->adjacent[i].link != link)
            continue;
        add_pair(block_sums, i, of);
        add(block_sums, STATISTICS_TO_BIAS, i, to_bias, of.given_mass);
        add(block_sums, STATISTICS_ABSORBED, i, absorbed, of.given_mass);
    }
}

void block_sums_far(struct block_sums *block_sums, size_t pair, const struct far_flow *flow, struct block_sums_case of)
{
    const struct moments *draws = statistics_moments(block_sums->statistics, STATISTICS_DRAWS, pair);

    add_floats(block_sums, STATISTICS_FAR, pair, flow->joint, of.given_mass);
    add(block_sums, STATISTICS_LOST, pair, flow->lost, of.given_mass);
    add(block_sums, STATISTICS_LEFT_OUT, pair, flow->left_out, of.given_mass);
    add(block_sums, STATISTICS_AROUND, pair, flow->around, of.given_mass);
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

/* The channels with statistics: those of the result, or copies of them. */
static struct block_sums_channels kept_channels(struct block_sums *block_sums, const struct measure_result *result)
{
    const struct statistics *s = block_sums->statistics;
    struct block_sums_channels kept = block_sums->kept;

    if (!leaves_out(s))
        return (struct block_sums_channels){result->relevance, result->activation_mean, result->activation,
                                            result->relevance_position, result->activation_position};
    for (size_t k = 0; k <= s->measure->net->nlinks; k++) {
        size_t from = s->measure->channel[k], to = s->channel[k], n = s->channel[k + 1] - to;
        memcpy(kept.relevance + to, result->relevance + from, n * sizeof *kept.relevance);
        memcpy(kept.activation_mean + to, result->activation_mean + from, n * sizeof *kept.activation_mean);
        memcpy(kept.activation + to, result->activation + from, n * sizeof *kept.activation);
        memcpy(kept.relevance_position + to, result->relevance_position + from, n * sizeof(uint32_t));
        memcpy(kept.activation_position + to, result->activation_position + from, n * sizeof(uint32_t));
    }
    return kept;
}

static void add_channels(struct block_sums *block_sums, const struct block_sums_channels *of, double given_mass)
{
    size_t channels = statistics_channels(block_sums->statistics), functions;
    const struct store_function *function = store_functions(&functions);

    add(block_sums, STATISTICS_RELEVANCE, 0, of->relevance, given_mass);
    add(block_sums, STATISTICS_ACTIVATION, 0, of->activation_mean, given_mass);
    for (size_t i = 0; i < functions; i++) {
        for (size_t c = 0; c < channels; c++)
            block_sums->values[c] = function[i].of(of->relevance[c]);
        add(block_sums, STATISTICS_FUNCTION, i, block_sums->values, given_mass);
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

static void count_bins(struct block_sums *block_sums, const double *relevance)
{
    const struct statistics *s = block_sums->statistics;
    size_t bins = s->options.bins, channels = statistics_channels(s);

    for (size_t c = 0; c < channels; c++)
        block_sums->bins[c] = c * bins + statistics_bin(relevance[c], bins);
    sums_count(block_sums->book.sums, s->histogram, block_sums->bins, channels);
}

static void offer_tops(struct block_sums *block_sums, const struct block_sums_channels *of, size_t row)
{
    const struct statistics *s = block_sums->statistics;
    struct sums *sums = block_sums->book.sums;
    size_t channels = statistics_channels(s);

    for (size_t c = 0; c < channels; c++)
        block_sums->entries[c] =
            (struct toplist_entry){of->relevance[c], (int64_t)row, (int64_t)of->relevance_position[c]};
    sums_top(sums, s->top, 0, block_sums->entries, block_sums->top_least, channels);
    for (size_t c = 0; c < channels; c++)
        block_sums->entries[c] =
            (struct toplist_entry){(double)of->activation[c], (int64_t)row, (int64_t)of->activation_position[c]};
    sums_top(sums, s->active, 0, block_sums->entries, block_sums->active_least, channels);
}

static void add_class(struct block_sums *block_sums, const double *relevance, double y, size_t class)
{
    const struct statistics *s = block_sums->statistics;
    size_t channels = statistics_channels(s), row = statistics_class_row(&s->options.class_means, class);
    struct moments_book *book = &block_sums->book;

    if (class >= s->options.classes)
        return;
    moments_add(book, statistics_moments(s, STATISTICS_CLASS_IMAGES, 0), class, &(double){1}, y, 1);
    moments_add(book, statistics_moments(s, STATISTICS_CLASS_GIVEN, 0), class, &y, y, 1);
    if (row < s->options.class_means.count)
        moments_add(book, statistics_moments(s, STATISTICS_CLASS_RELEVANCE, 0), row * channels, relevance, y, channels);
}

void block_sums_image(struct block_sums *block_sums, size_t slot, const struct measure_result *result, size_t row,
                      size_t class)
{
    const struct statistics *s = block_sums->statistics;
    const float *pending = block_sums->pending + slot * block_sums->pending_floats;
    struct block_sums_channels kept = kept_channels(block_sums, result);
    double y = result->given_mass;

    add(block_sums, STATISTICS_IMAGES, 0, &(double){1}, y);
    add(block_sums, STATISTICS_GIVEN, 0, &y, y);
    add_channels(block_sums, &kept, y);
    add_extremes(block_sums, kept.relevance);
    for (size_t k = 0; k <= s->measure->net->nlinks; k++)
        add_floats(block_sums, STATISTICS_MAP, k, pending + block_sums->pending_at[k], y);
    if (s->options.bins)
        count_bins(block_sums, kept.relevance);
    offer_tops(block_sums, &kept, row);
    add_class(block_sums, kept.relevance, y, class);
}
