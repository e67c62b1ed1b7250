#include "pipeline/stats/block_sums.h"

#include <math.h>
#include <string.h>

/* ---- the tally of a block -------------------------------------------------------------------------------------- */

static void clear(double *values, size_t n)
{
    memset(values, 0, n * sizeof *values);
}

static void fill(double *values, size_t n, double value)
{
    for (size_t i = 0; i < n; i++)
        values[i] = value;
}

static void place_flows(struct tally *tally, const struct statistics *s, struct arena *arena)
{
    for (size_t k = 0; k < s->measure->net->nlinks; k++) {
        size_t upper = s->measure->net->links[k].upper.channels;
        if (!s->measure->options.flows[k])
            continue;
        tally->flow[k] = arena_doubles(arena, statistics_flow_entries(s, k));
        tally->flow_square[k] = arena_doubles(arena, statistics_flow_entries(s, k));
        if (statistics_conditioned(s))
            tally->flow_product[k] = arena_doubles(arena, statistics_flow_entries(s, k));
        tally->to_bias[k] = arena_doubles(arena, upper);
        tally->absorbed[k] = arena_doubles(arena, upper);
    }
}

static void place_far(struct tally *tally, const struct statistics *s, struct arena *arena)
{
    for (size_t i = 0; i < statistics_far_pairs(s); i++) {
        const struct flows_pair *p = &s->options.flows->pairs[i];
        size_t entries = statistics_far_entries(s, p->pair);
        size_t upper = network_shape(s->measure->net, p->pair.upper).channels;
        if (p->sampled)
            continue; /* into the exact sums at once */
        tally->far[i] = (struct tally_far){.flow = arena_doubles(arena, entries),
                                           .square = arena_doubles(arena, entries),
                                           .lost = arena_doubles(arena, upper),
                                           .left_out = arena_doubles(arena, upper),
                                           .draws = arena_doubles(arena, upper)};
        if (statistics_conditioned(s))
            tally->far[i].product = arena_doubles(arena, entries);
    }
}

void tally_place(struct tally *tally, const struct statistics *s, struct arena *arena)
{
    size_t channels = statistics_channels(s);

    *tally = (struct tally){.statistics = s};
    tally->x = arena_doubles(arena, channels);
    tally->square = arena_doubles(arena, channels);
    tally->product = arena_doubles(arena, channels);
    tally->positive = arena_doubles(arena, channels);
    tally->negative = arena_doubles(arena, channels);
    tally->highest = arena_doubles(arena, channels);
    tally->lowest = arena_doubles(arena, channels);
    tally->entries = arena_bytes(arena, channels * sizeof *tally->entries);
    tally->products = arena_doubles(arena, s->options.classes ? TALLY_CHUNK : 0);
    tally->top_least = arena_doubles(arena, channels);
    tally->active_least = arena_doubles(arena, channels);
    tally->bins = arena_bytes(arena, channels * sizeof *tally->bins);
    if (tally->top_least) { /* not measuring */
        fill(tally->top_least, channels, -INFINITY);
        fill(tally->active_least, channels, -INFINITY);
    }
    for (size_t k = 0; k <= s->measure->net->nlinks; k++) {
        size_t neurons = shape_neurons(network_shape(s->measure->net, k));
        if (!s->options.maps[k])
            continue;
        tally->map[k] = arena_doubles(arena, neurons);
        tally->pending_at[k] = tally->pending_floats;
        tally->pending_floats += neurons;
    }
    tally->pending = arena_floats(arena, s->measure->options.group * tally->pending_floats);
    place_flows(tally, s, arena);
    place_far(tally, s, arena);
}

static void reset_flows(struct tally *tally)
{
    const struct statistics *s = tally->statistics;

    for (size_t k = 0; k < s->measure->net->nlinks; k++) {
        size_t upper = s->measure->net->links[k].upper.channels;
        if (!s->measure->options.flows[k])
            continue;
        clear(tally->flow[k], statistics_flow_entries(s, k));
        clear(tally->flow_square[k], statistics_flow_entries(s, k));
        if (statistics_conditioned(s))
            clear(tally->flow_product[k], statistics_flow_entries(s, k));
        clear(tally->to_bias[k], upper);
        clear(tally->absorbed[k], upper);
    }
}

static void reset_far(struct tally *tally)
{
    const struct statistics *s = tally->statistics;

    for (size_t i = 0; i < statistics_far_pairs(s); i++) {
        const struct flows_pair *p = &s->options.flows->pairs[i];
        size_t entries = statistics_far_entries(s, p->pair);
        size_t upper = network_shape(s->measure->net, p->pair.upper).channels;
        if (p->sampled)
            continue;
        clear(tally->far[i].flow, entries);
        clear(tally->far[i].square, entries);
        if (statistics_conditioned(s))
            clear(tally->far[i].product, entries);
        clear(tally->far[i].lost, upper);
        clear(tally->far[i].left_out, upper);
        clear(tally->far[i].draws, upper);
    }
}

void tally_reset(struct tally *tally)
{
    const struct statistics *s = tally->statistics;
    size_t channels = statistics_channels(s);

    tally->images = tally->given = tally->given_square = 0;
    clear(tally->x, channels);
    clear(tally->square, channels);
    clear(tally->product, channels);
    clear(tally->positive, channels);
    clear(tally->negative, channels);
    fill(tally->highest, channels, -INFINITY);
    fill(tally->lowest, channels, -INFINITY);
    for (size_t k = 0; k <= s->measure->net->nlinks; k++)
        if (s->options.maps[k])
            clear(tally->map[k], shape_neurons(network_shape(s->measure->net, k)));
    reset_flows(tally);
    reset_far(tally);
}

void tally_neurons(struct tally *tally, size_t slot, size_t variable, const float *r, const float *h)
{
    const struct statistics *s = tally->statistics;

    if (s->options.maps[variable])
        layout_products_to_planar(tally->pending + slot * tally->pending_floats + tally->pending_at[variable], r, h,
                                  network_layout(s->measure->net, variable));
}

static void add_squares(double *restrict sum, double *restrict square, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double v = (double)x[i];
        sum[i] += v;
        square[i] += v * v;
    }
}

/* The same and the sum of x y, in one pass: flows are larger than the caches. */
static void add_products(double *restrict sum, double *restrict square, double *restrict product,
                         const float *restrict x, double y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double v = (double)x[i];
        sum[i] += v;
        square[i] += v * v;
        product[i] += v * y;
    }
}

static void add_scaled(double *restrict sum, const float *restrict x, double factor, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += factor * (double)x[i];
}

static void add(double *restrict sum, const double *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += x[i];
}

void tally_flow(struct tally *tally, size_t link, const float *joint, const double *to_bias, const double *absorbed,
                double given_mass)
{
    const struct statistics *s = tally->statistics;
    size_t upper = s->measure->net->links[link].upper.channels;

    if (statistics_conditioned(s))
        add_products(tally->flow[link], tally->flow_square[link], tally->flow_product[link], joint, given_mass,
                     statistics_flow_entries(s, link));
    else
        add_squares(tally->flow[link], tally->flow_square[link], joint, statistics_flow_entries(s, link));
    add(tally->to_bias[link], to_bias, upper);
    add(tally->absorbed[link], absorbed, upper);
}

void tally_far(struct tally *tally, size_t pair, const struct far_flow *flow, double given_mass)
{
    const struct statistics *s = tally->statistics;
    struct far_pair p = s->options.flows->pairs[pair].pair;
    size_t entries = statistics_far_entries(s, p), upper = network_shape(s->measure->net, p.upper).channels;

    if (statistics_conditioned(s))
        add_products(tally->far[pair].flow, tally->far[pair].square, tally->far[pair].product, flow->joint, given_mass,
                     entries);
    else
        add_squares(tally->far[pair].flow, tally->far[pair].square, flow->joint, entries);
    add(tally->far[pair].lost, flow->lost, upper);
    add(tally->far[pair].left_out, flow->left_out, upper);
    for (size_t c = 0; c < upper; c++)
        tally->far[pair].draws[c] += flow->present[c];
}

static void tally_channels(struct tally *tally, const struct measure_result *result)
{
    for (size_t c = 0; c < statistics_channels(tally->statistics); c++) {
        double x = result->relevance[c];
        tally->x[c] += x;
        tally->square[c] += x * x;
        tally->product[c] += x * result->given_mass;
        tally->positive[c] += x > 0 ? x : 0;
        tally->negative[c] += x < 0 ? x : 0;
        tally->highest[c] = x > tally->highest[c] ? x : tally->highest[c];
        tally->lowest[c] = -x > tally->lowest[c] ? -x : tally->lowest[c];
    }
}

static void count_bins(const struct tally *tally, const struct measure_result *result, struct sums *sums)
{
    const struct statistics *s = tally->statistics;
    size_t bins = s->options.bins, channels = statistics_channels(s);

    for (size_t c = 0; c < channels; c++)
        tally->bins[c] = c * bins + statistics_bin(result->relevance[c], bins);
    sums_count(sums, s->histogram, tally->bins, channels);
}

static void offer_tops(const struct tally *tally, const struct measure_result *result, size_t row, struct sums *sums)
{
    const struct statistics *s = tally->statistics;
    size_t channels = statistics_channels(s);

    for (size_t c = 0; c < channels; c++)
        tally->entries[c] =
            (struct toplist_entry){result->relevance[c], (int64_t)row, (int64_t)result->relevance_position[c]};
    sums_top(sums, s->top, 0, tally->entries, tally->top_least, channels);
    for (size_t c = 0; c < channels; c++)
        tally->entries[c] = (struct toplist_entry){(double)result->activation[c], (int64_t)row,
                                                   (int64_t)result->activation_position[c]};
    sums_top(sums, s->active, 0, tally->entries, tally->active_least, channels);
}

/* Sums of x, x^2 and, under a condition, x y of some values of one image of a class. */
static enum status add_chunk(struct tally *tally, struct sums *sums, const size_t sections[3], size_t first,
                             const double *x, double y, size_t n, struct error *err)
{
    enum status rc = OK;

    TRY(sums_add(sums, sections[0], first, x, n, err));
    for (size_t i = 0; i < n; i++)
        tally->products[i] = x[i] * x[i];
    TRY(sums_add(sums, sections[1], first, tally->products, n, err));
    if (!statistics_conditioned(tally->statistics))
        return OK;
    for (size_t i = 0; i < n; i++)
        tally->products[i] = x[i] * y;
    TRY(sums_add(sums, sections[2], first, tally->products, n, err));
done:
    return rc;
}

/* A flow of an image of this class, if the class has flows of its own. */
static enum status add_class_flow(struct tally *tally, const size_t sections[3], const float *joint, size_t entries,
                                  double given_mass, size_t class, struct sums *sums, struct error *err)
{
    const struct statistics_classes *classes = &tally->statistics->options.class_flows;
    size_t row = statistics_class_row(classes, class);
    double x[TALLY_CHUNK];
    enum status rc = OK;

    for (size_t first = 0; first < entries && row < classes->count; first += TALLY_CHUNK) {
        size_t n = entries - first < TALLY_CHUNK ? entries - first : TALLY_CHUNK;
        for (size_t i = 0; i < n; i++)
            x[i] = (double)joint[first + i];
        TRY(add_chunk(tally, sums, sections, row * entries + first, x, given_mass, n, err));
    }
done:
    return rc;
}

enum status tally_class_flow(struct tally *tally, size_t link, const float *joint, double given_mass, size_t class,
                             struct sums *sums, struct error *err)
{
    const struct statistics *s = tally->statistics;
    const size_t sections[] = {s->class_flow[link], s->class_flow_square[link], s->class_flow_product[link]};

    return add_class_flow(tally, sections, joint, statistics_flow_entries(s, link), given_mass, class, sums, err);
}

enum status tally_class_far(struct tally *tally, size_t pair, const float *joint, double given_mass, size_t class,
                            struct sums *sums, struct error *err)
{
    const struct statistics *s = tally->statistics;
    const struct statistics_far *far = &s->far[pair];
    const size_t sections[] = {far->class_flow, far->class_square, far->class_product};

    return add_class_flow(tally, sections, joint, statistics_far_entries(s, s->options.flows->pairs[pair].pair),
                          given_mass, class, sums, err);
}

static enum status tally_class(struct tally *tally, const struct measure_result *result, size_t class,
                               struct sums *sums, struct error *err)
{
    const struct statistics *s = tally->statistics;
    size_t channels = statistics_channels(s), row = statistics_class_row(&s->options.class_means, class);
    const size_t sections[] = {s->class_x, s->class_square, s->class_product};
    const double one = 1, y = result->given_mass, square = y * y;
    enum status rc = OK;

    if (class >= s->options.classes)
        return OK;
    TRY(sums_add(sums, s->class_images, class, &one, 1, err));
    TRY(sums_add(sums, s->class_given, class, &y, 1, err));
    TRY(sums_add(sums, s->class_given_square, class, &square, 1, err));
    for (size_t first = 0; first < channels && row < s->options.class_means.count; first += TALLY_CHUNK) {
        size_t n = channels - first < TALLY_CHUNK ? channels - first : TALLY_CHUNK;
        TRY(add_chunk(tally, sums, sections, row * channels + first, result->relevance + first, y, n, err));
    }
done:
    return rc;
}

enum status tally_image(struct tally *tally, size_t slot, const struct measure_result *result, size_t row, size_t class,
                        struct sums *sums, struct error *err)
{
    const struct statistics *s = tally->statistics;

    tally->images += 1;
    tally->given += result->given_mass;
    tally->given_square += result->given_mass * result->given_mass;
    tally_channels(tally, result);
    for (size_t k = 0; k <= s->measure->net->nlinks; k++)
        if (s->options.maps[k])
            add_scaled(tally->map[k], tally->pending + slot * tally->pending_floats + tally->pending_at[k], 1,
                       shape_neurons(network_shape(s->measure->net, k)));
    if (s->options.bins)
        count_bins(tally, result, sums);
    offer_tops(tally, result, row, sums);
    return tally_class(tally, result, class, sums, err);
}

static enum status commit_flows(const struct tally *tally, struct sums *sums, struct error *err)
{
    const struct statistics *s = tally->statistics;
    enum status rc = OK;

    for (size_t k = 0; k < s->measure->net->nlinks; k++) {
        size_t upper = s->measure->net->links[k].upper.channels;
        if (!s->measure->options.flows[k])
            continue;
        TRY(sums_add(sums, s->flow[k], 0, tally->flow[k], statistics_flow_entries(s, k), err));
        TRY(sums_add(sums, s->flow_square[k], 0, tally->flow_square[k], statistics_flow_entries(s, k), err));
        if (statistics_conditioned(s))
            TRY(sums_add(sums, s->flow_product[k], 0, tally->flow_product[k], statistics_flow_entries(s, k), err));
        TRY(sums_add(sums, s->to_bias[k], 0, tally->to_bias[k], upper, err));
        TRY(sums_add(sums, s->absorbed[k], 0, tally->absorbed[k], upper, err));
    }
done:
    return rc;
}

static enum status commit_far(const struct tally *tally, struct sums *sums, struct error *err)
{
    const struct statistics *s = tally->statistics;
    enum status rc = OK;

    for (size_t i = 0; i < statistics_far_pairs(s); i++) {
        const struct flows_pair *p = &s->options.flows->pairs[i];
        const struct statistics_far *far = &s->far[i];
        size_t entries = statistics_far_entries(s, p->pair);
        size_t upper = network_shape(s->measure->net, p->pair.upper).channels;
        if (p->sampled)
            continue;
        TRY(sums_add(sums, far->flow, 0, tally->far[i].flow, entries, err));
        TRY(sums_add(sums, far->square, 0, tally->far[i].square, entries, err));
        if (statistics_conditioned(s))
            TRY(sums_add(sums, far->product, 0, tally->far[i].product, entries, err));
        TRY(sums_add(sums, far->lost, 0, tally->far[i].lost, upper, err));
        if (!p->pair.rows)
            continue;
        TRY(sums_add(sums, far->left_out, 0, tally->far[i].left_out, upper, err));
        TRY(sums_add(sums, far->draws, 0, tally->far[i].draws, upper, err));
    }
done:
    return rc;
}

enum status tally_commit(const struct tally *tally, struct sums *sums, struct error *err)
{
    const struct statistics *s = tally->statistics;
    size_t channels = statistics_channels(s);
    enum status rc = OK;

    TRY(sums_add(sums, s->images, 0, &tally->images, 1, err));
    TRY(sums_add(sums, s->given, 0, &tally->given, 1, err));
    TRY(sums_add(sums, s->given_square, 0, &tally->given_square, 1, err));
    TRY(sums_add(sums, s->x, 0, tally->x, channels, err));
    TRY(sums_add(sums, s->square, 0, tally->square, channels, err));
    TRY(sums_add(sums, s->product, 0, tally->product, channels, err));
    TRY(sums_add(sums, s->positive, 0, tally->positive, channels, err));
    TRY(sums_add(sums, s->negative, 0, tally->negative, channels, err));
    sums_max(sums, s->highest, 0, tally->highest, channels);
    sums_max(sums, s->lowest, 0, tally->lowest, channels);
    for (size_t k = 0; k <= s->measure->net->nlinks; k++)
        if (s->options.maps[k])
            TRY(sums_add(sums, s->map[k], 0, tally->map[k], shape_neurons(network_shape(s->measure->net, k)), err));
    TRY(commit_flows(tally, sums, err));
    TRY(commit_far(tally, sums, err));
done:
    return rc;
}
