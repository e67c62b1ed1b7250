#include "pipeline/stats/block_sums.h"

#include "kernels/base/number.h"

#include <math.h>
#include <string.h>

/* ---- the sums of a block ---------------------------------------------------------------------------------------- */

static void clear(double *values, size_t n)
{
    memset(values, 0, n * sizeof *values);
}

static void fill(double *values, size_t n, double value)
{
    for (size_t i = 0; i < n; i++)
        values[i] = value;
}

static void place_flows(struct block_sums *block_sums, const struct statistics *s, struct arena *arena)
{
    for (size_t k = 0; k < s->measure->net->nlinks; k++) {
        size_t upper = s->measure->net->links[k].upper.channels;
        if (!s->measure->options.flows[k])
            continue;
        block_sums->flow[k] = arena_doubles(arena, statistics_flow_entries(s, k));
        block_sums->flow_square[k] = arena_doubles(arena, statistics_flow_entries(s, k));
        if (statistics_conditioned(s))
            block_sums->flow_product[k] = arena_doubles(arena, statistics_flow_entries(s, k));
        block_sums->to_bias[k] = arena_doubles(arena, upper);
        block_sums->absorbed[k] = arena_doubles(arena, upper);
    }
}

static void place_far(struct block_sums *block_sums, const struct statistics *s, struct arena *arena)
{
    for (size_t i = 0; i < statistics_far_pairs(s); i++) {
        const struct flows_pair *p = &s->options.flows->pairs[i];
        size_t entries = statistics_far_entries(s, p->pair);
        size_t upper = network_shape(s->measure->net, p->pair.upper).channels;
        if (p->sampled)
            continue; /* into the exact sums at once */
        block_sums->far[i] = (struct block_sums_far){.flow = arena_doubles(arena, entries),
                                                     .square = arena_doubles(arena, entries),
                                                     .lost = arena_doubles(arena, upper),
                                                     .left_out = arena_doubles(arena, upper),
                                                     .draws = arena_doubles(arena, upper)};
        if (statistics_conditioned(s))
            block_sums->far[i].product = arena_doubles(arena, entries);
    }
}

void block_sums_place(struct block_sums *block_sums, const struct statistics *s, struct arena *arena)
{
    size_t channels = statistics_channels(s);

    *block_sums = (struct block_sums){.statistics = s};
    block_sums->x = arena_doubles(arena, channels);
    block_sums->square = arena_doubles(arena, channels);
    block_sums->product = arena_doubles(arena, channels);
    block_sums->positive = arena_doubles(arena, channels);
    block_sums->negative = arena_doubles(arena, channels);
    block_sums->highest = arena_doubles(arena, channels);
    block_sums->lowest = arena_doubles(arena, channels);
    block_sums->entries = arena_bytes(arena, channels * sizeof *block_sums->entries);
    block_sums->products = arena_doubles(arena, s->options.classes ? BLOCK_SUMS_CHUNK : 0);
    block_sums->top_least = arena_doubles(arena, channels);
    block_sums->active_least = arena_doubles(arena, channels);
    block_sums->bins = arena_bytes(arena, channels * sizeof *block_sums->bins);
    if (block_sums->top_least) { /* not measuring */
        fill(block_sums->top_least, channels, -INFINITY);
        fill(block_sums->active_least, channels, -INFINITY);
    }
    for (size_t k = 0; k <= s->measure->net->nlinks; k++) {
        size_t neurons = shape_neurons(network_shape(s->measure->net, k));
        if (!s->options.maps[k])
            continue;
        block_sums->map[k] = arena_doubles(arena, neurons);
        block_sums->pending_at[k] = block_sums->pending_floats;
        block_sums->pending_floats += neurons;
    }
    block_sums->pending = arena_floats(arena, s->measure->options.group * block_sums->pending_floats);
    place_flows(block_sums, s, arena);
    place_far(block_sums, s, arena);
}

static void reset_flows(struct block_sums *block_sums)
{
    const struct statistics *s = block_sums->statistics;

    for (size_t k = 0; k < s->measure->net->nlinks; k++) {
        size_t upper = s->measure->net->links[k].upper.channels;
        if (!s->measure->options.flows[k])
            continue;
        clear(block_sums->flow[k], statistics_flow_entries(s, k));
        clear(block_sums->flow_square[k], statistics_flow_entries(s, k));
        if (statistics_conditioned(s))
            clear(block_sums->flow_product[k], statistics_flow_entries(s, k));
        clear(block_sums->to_bias[k], upper);
        clear(block_sums->absorbed[k], upper);
    }
}

static void reset_far(struct block_sums *block_sums)
{
    const struct statistics *s = block_sums->statistics;

    for (size_t i = 0; i < statistics_far_pairs(s); i++) {
        const struct flows_pair *p = &s->options.flows->pairs[i];
        size_t entries = statistics_far_entries(s, p->pair);
        size_t upper = network_shape(s->measure->net, p->pair.upper).channels;
        if (p->sampled)
            continue;
        clear(block_sums->far[i].flow, entries);
        clear(block_sums->far[i].square, entries);
        if (statistics_conditioned(s))
            clear(block_sums->far[i].product, entries);
        clear(block_sums->far[i].lost, upper);
        clear(block_sums->far[i].left_out, upper);
        clear(block_sums->far[i].draws, upper);
    }
}

void block_sums_reset(struct block_sums *block_sums)
{
    const struct statistics *s = block_sums->statistics;
    size_t channels = statistics_channels(s);

    block_sums->images = block_sums->given = block_sums->given_square = 0;
    clear(block_sums->x, channels);
    clear(block_sums->square, channels);
    clear(block_sums->product, channels);
    clear(block_sums->positive, channels);
    clear(block_sums->negative, channels);
    fill(block_sums->highest, channels, -INFINITY);
    fill(block_sums->lowest, channels, -INFINITY);
    for (size_t k = 0; k <= s->measure->net->nlinks; k++)
        if (s->options.maps[k])
            clear(block_sums->map[k], shape_neurons(network_shape(s->measure->net, k)));
    reset_flows(block_sums);
    reset_far(block_sums);
}

void block_sums_neurons(struct block_sums *block_sums, size_t slot, size_t variable, const float *r, const float *h)
{
    const struct statistics *s = block_sums->statistics;

    if (s->options.maps[variable])
        layout_products_to_planar(block_sums->pending + slot * block_sums->pending_floats +
                                      block_sums->pending_at[variable],
                                  r, h, network_layout(s->measure->net, variable));
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

void block_sums_flow(struct block_sums *block_sums, size_t link, const float *joint, const double *to_bias,
                     const double *absorbed, double given_mass)
{
    const struct statistics *s = block_sums->statistics;
    size_t upper = s->measure->net->links[link].upper.channels;

    if (statistics_conditioned(s))
        add_products(block_sums->flow[link], block_sums->flow_square[link], block_sums->flow_product[link], joint,
                     given_mass, statistics_flow_entries(s, link));
    else
        add_squares(block_sums->flow[link], block_sums->flow_square[link], joint, statistics_flow_entries(s, link));
    add(block_sums->to_bias[link], to_bias, upper);
    add(block_sums->absorbed[link], absorbed, upper);
}

void block_sums_far(struct block_sums *block_sums, size_t pair, const struct far_flow *flow, double given_mass)
{
    const struct statistics *s = block_sums->statistics;
    struct far_pair p = s->options.flows->pairs[pair].pair;
    size_t entries = statistics_far_entries(s, p), upper = network_shape(s->measure->net, p.upper).channels;

    if (statistics_conditioned(s))
        add_products(block_sums->far[pair].flow, block_sums->far[pair].square, block_sums->far[pair].product,
                     flow->joint, given_mass, entries);
    else
        add_squares(block_sums->far[pair].flow, block_sums->far[pair].square, flow->joint, entries);
    add(block_sums->far[pair].lost, flow->lost, upper);
    add(block_sums->far[pair].left_out, flow->left_out, upper);
    for (size_t c = 0; c < upper; c++)
        block_sums->far[pair].draws[c] += flow->present[c];
}

static void block_sums_channels(struct block_sums *block_sums, const struct measure_result *result)
{
    for (size_t c = 0; c < statistics_channels(block_sums->statistics); c++) {
        double x = result->relevance[c];
        block_sums->x[c] += x;
        block_sums->square[c] += x * x;
        block_sums->product[c] += x * result->given_mass;
        block_sums->positive[c] += x > 0 ? x : 0;
        block_sums->negative[c] += x < 0 ? x : 0;
        block_sums->highest[c] = x > block_sums->highest[c] ? x : block_sums->highest[c];
        block_sums->lowest[c] = -x > block_sums->lowest[c] ? -x : block_sums->lowest[c];
    }
}

static void count_bins(const struct block_sums *block_sums, const struct measure_result *result, struct sums *sums)
{
    const struct statistics *s = block_sums->statistics;
    size_t bins = s->options.bins, channels = statistics_channels(s);

    for (size_t c = 0; c < channels; c++)
        block_sums->bins[c] = c * bins + statistics_bin(result->relevance[c], bins);
    sums_count(sums, s->histogram, block_sums->bins, channels);
}

static void offer_tops(const struct block_sums *block_sums, const struct measure_result *result, size_t row,
                       struct sums *sums)
{
    const struct statistics *s = block_sums->statistics;
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

/* Sums of x, x^2 and, under a condition, x y of some values of one image of a class. */
static enum status add_chunk(struct block_sums *block_sums, struct sums *sums, const size_t sections[3], size_t first,
                             const double *x, double y, size_t n, struct error *err)
{
    enum status rc = OK;

    TRY(sums_add(sums, sections[0], first, x, n, err));
    for (size_t i = 0; i < n; i++)
        block_sums->products[i] = x[i] * x[i];
    TRY(sums_add(sums, sections[1], first, block_sums->products, n, err));
    if (!statistics_conditioned(block_sums->statistics))
        return OK;
    for (size_t i = 0; i < n; i++)
        block_sums->products[i] = x[i] * y;
    TRY(sums_add(sums, sections[2], first, block_sums->products, n, err));
done:
    return rc;
}

/* A flow of an image of this class, if the class has flows of its own. */
static enum status add_class_flow(struct block_sums *block_sums, const size_t sections[3], const float *joint,
                                  size_t entries, double given_mass, size_t class, struct sums *sums, struct error *err)
{
    const struct statistics_classes *classes = &block_sums->statistics->options.class_flows;
    size_t row = statistics_class_row(classes, class);
    double x[BLOCK_SUMS_CHUNK];
    enum status rc = OK;

    for (size_t first = 0; first < entries && row < classes->count; first += BLOCK_SUMS_CHUNK) {
        size_t n = smaller(entries - first, BLOCK_SUMS_CHUNK);
        for (size_t i = 0; i < n; i++)
            x[i] = (double)joint[first + i];
        TRY(add_chunk(block_sums, sums, sections, row * entries + first, x, given_mass, n, err));
    }
done:
    return rc;
}

enum status block_sums_class_flow(struct block_sums *block_sums, size_t link, const float *joint, double given_mass,
                                  size_t class, struct sums *sums, struct error *err)
{
    const struct statistics *s = block_sums->statistics;
    const size_t sections[] = {s->class_flow[link], s->class_flow_square[link], s->class_flow_product[link]};

    return add_class_flow(block_sums, sections, joint, statistics_flow_entries(s, link), given_mass, class, sums, err);
}

enum status block_sums_class_far(struct block_sums *block_sums, size_t pair, const float *joint, double given_mass,
                                 size_t class, struct sums *sums, struct error *err)
{
    const struct statistics *s = block_sums->statistics;
    const struct statistics_far *far = &s->far[pair];
    const size_t sections[] = {far->class_flow, far->class_square, far->class_product};

    return add_class_flow(block_sums, sections, joint, statistics_far_entries(s, s->options.flows->pairs[pair].pair),
                          given_mass, class, sums, err);
}

static enum status block_sums_class(struct block_sums *block_sums, const struct measure_result *result, size_t class,
                                    struct sums *sums, struct error *err)
{
    const struct statistics *s = block_sums->statistics;
    size_t channels = statistics_channels(s), row = statistics_class_row(&s->options.class_means, class);
    const size_t sections[] = {s->class_x, s->class_square, s->class_product};
    const double one = 1, y = result->given_mass, square = y * y;
    enum status rc = OK;

    if (class >= s->options.classes)
        return OK;
    TRY(sums_add(sums, s->class_images, class, &one, 1, err));
    TRY(sums_add(sums, s->class_given, class, &y, 1, err));
    TRY(sums_add(sums, s->class_given_square, class, &square, 1, err));
    for (size_t first = 0; first < channels && row < s->options.class_means.count; first += BLOCK_SUMS_CHUNK) {
        size_t n = smaller(channels - first, BLOCK_SUMS_CHUNK);
        TRY(add_chunk(block_sums, sums, sections, row * channels + first, result->relevance + first, y, n, err));
    }
done:
    return rc;
}

enum status block_sums_image(struct block_sums *block_sums, size_t slot, const struct measure_result *result,
                             size_t row, size_t class, struct sums *sums, struct error *err)
{
    const struct statistics *s = block_sums->statistics;

    block_sums->images += 1;
    block_sums->given += result->given_mass;
    block_sums->given_square += result->given_mass * result->given_mass;
    block_sums_channels(block_sums, result);
    for (size_t k = 0; k <= s->measure->net->nlinks; k++)
        if (s->options.maps[k])
            add_scaled(block_sums->map[k],
                       block_sums->pending + slot * block_sums->pending_floats + block_sums->pending_at[k], 1,
                       shape_neurons(network_shape(s->measure->net, k)));
    if (s->options.bins)
        count_bins(block_sums, result, sums);
    offer_tops(block_sums, result, row, sums);
    return block_sums_class(block_sums, result, class, sums, err);
}

static enum status commit_flows(const struct block_sums *block_sums, struct sums *sums, struct error *err)
{
    const struct statistics *s = block_sums->statistics;
    enum status rc = OK;

    for (size_t k = 0; k < s->measure->net->nlinks; k++) {
        size_t upper = s->measure->net->links[k].upper.channels;
        if (!s->measure->options.flows[k])
            continue;
        TRY(sums_add(sums, s->flow[k], 0, block_sums->flow[k], statistics_flow_entries(s, k), err));
        TRY(sums_add(sums, s->flow_square[k], 0, block_sums->flow_square[k], statistics_flow_entries(s, k), err));
        if (statistics_conditioned(s))
            TRY(sums_add(sums, s->flow_product[k], 0, block_sums->flow_product[k], statistics_flow_entries(s, k), err));
        TRY(sums_add(sums, s->to_bias[k], 0, block_sums->to_bias[k], upper, err));
        TRY(sums_add(sums, s->absorbed[k], 0, block_sums->absorbed[k], upper, err));
    }
done:
    return rc;
}

static enum status commit_far(const struct block_sums *block_sums, struct sums *sums, struct error *err)
{
    const struct statistics *s = block_sums->statistics;
    enum status rc = OK;

    for (size_t i = 0; i < statistics_far_pairs(s); i++) {
        const struct flows_pair *p = &s->options.flows->pairs[i];
        const struct statistics_far *far = &s->far[i];
        size_t entries = statistics_far_entries(s, p->pair);
        size_t upper = network_shape(s->measure->net, p->pair.upper).channels;
        if (p->sampled)
            continue;
        TRY(sums_add(sums, far->flow, 0, block_sums->far[i].flow, entries, err));
        TRY(sums_add(sums, far->square, 0, block_sums->far[i].square, entries, err));
        if (statistics_conditioned(s))
            TRY(sums_add(sums, far->product, 0, block_sums->far[i].product, entries, err));
        TRY(sums_add(sums, far->lost, 0, block_sums->far[i].lost, upper, err));
        if (!p->pair.rows)
            continue;
        TRY(sums_add(sums, far->left_out, 0, block_sums->far[i].left_out, upper, err));
        TRY(sums_add(sums, far->draws, 0, block_sums->far[i].draws, upper, err));
    }
done:
    return rc;
}

enum status block_sums_commit(const struct block_sums *block_sums, struct sums *sums, struct error *err)
{
    const struct statistics *s = block_sums->statistics;
    size_t channels = statistics_channels(s);
    enum status rc = OK;

    TRY(sums_add(sums, s->images, 0, &block_sums->images, 1, err));
    TRY(sums_add(sums, s->given, 0, &block_sums->given, 1, err));
    TRY(sums_add(sums, s->given_square, 0, &block_sums->given_square, 1, err));
    TRY(sums_add(sums, s->x, 0, block_sums->x, channels, err));
    TRY(sums_add(sums, s->square, 0, block_sums->square, channels, err));
    TRY(sums_add(sums, s->product, 0, block_sums->product, channels, err));
    TRY(sums_add(sums, s->positive, 0, block_sums->positive, channels, err));
    TRY(sums_add(sums, s->negative, 0, block_sums->negative, channels, err));
    sums_max(sums, s->highest, 0, block_sums->highest, channels);
    sums_max(sums, s->lowest, 0, block_sums->lowest, channels);
    for (size_t k = 0; k <= s->measure->net->nlinks; k++)
        if (s->options.maps[k])
            TRY(sums_add(sums, s->map[k], 0, block_sums->map[k], shape_neurons(network_shape(s->measure->net, k)),
                         err));
    TRY(commit_flows(block_sums, sums, err));
    TRY(commit_far(block_sums, sums, err));
done:
    return rc;
}
