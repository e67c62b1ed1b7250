#include "statistics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double HISTOGRAM_LOW = 1e-6, HISTOGRAM_HIGH = 10;

/* ---- the plan ----------------------------------------------------------------------------------------------------- */

static size_t channel_count(const struct measure_plan *measure)
{
    return measure->channel[measure->net->nlinks + 1];
}

static bool conditioned(const struct statistics *s)
{
    return s->measure->options.given != GIVEN_NONE;
}

static size_t flow_entries(const struct statistics *s, size_t k)
{
    const struct link *link = &s->measure->net->links[k];

    return link->upper.channels * link->lower.channels;
}

static void plan_flows(struct statistics *s)
{
    for (size_t k = 0; k < s->measure->net->nlinks; k++) {
        size_t upper = s->measure->net->links[k].upper.channels;
        if (!s->measure->options.flows[k])
            continue;
        s->flow[k] = sums_plan_exact(&s->plan, "flow", flow_entries(s, k), EXACT_VALUE);
        s->flow_square[k] = sums_plan_exact(&s->plan, "flow square", flow_entries(s, k), EXACT_SQUARE);
        if (conditioned(s))
            s->flow_product[k] = sums_plan_exact(&s->plan, "flow product", flow_entries(s, k), EXACT_SQUARE);
        s->to_bias[k] = sums_plan_exact(&s->plan, "to_bias", upper, EXACT_VALUE);
        s->absorbed[k] = sums_plan_exact(&s->plan, "absorbed", upper, EXACT_VALUE);
    }
}

static void plan_channels(struct statistics *s)
{
    size_t channels = channel_count(s->measure);

    s->x = sums_plan_exact(&s->plan, "x", channels, EXACT_VALUE);
    s->square = sums_plan_exact(&s->plan, "square", channels, EXACT_SQUARE);
    s->product = sums_plan_exact(&s->plan, "product", channels, EXACT_SQUARE);
    s->positive = sums_plan_exact(&s->plan, "positive", channels, EXACT_VALUE);
    s->negative = sums_plan_exact(&s->plan, "negative", channels, EXACT_VALUE);
    if (s->options.bins)
        s->histogram = sums_plan_exact(&s->plan, "histogram", channels * s->options.bins, EXACT_COUNT);
    s->highest = sums_plan_max(&s->plan, "highest", channels);
    s->lowest = sums_plan_max(&s->plan, "lowest", channels);
    s->top = sums_plan_top(&s->plan, "top", channels, s->options.top);
    s->active = sums_plan_top(&s->plan, "active", channels, s->options.top);
    for (size_t k = 0; k <= s->measure->net->nlinks; k++)
        if (s->options.maps[k])
            s->map[k] = sums_plan_exact(&s->plan, "map", shape_neurons(network_shape(s->measure->net, k)), EXACT_VALUE);
}

enum status statistics_init(struct statistics *s, const struct measure_plan *measure,
                            const struct statistics_options *options, struct error *err)
{
    double limit = measure->options.variation_limit;

    *s = (struct statistics){.measure = measure, .options = *options};
    if (!exact_plan_fits(options->images, limit))
        return error_set(err, FAIL_LIMIT,
                         "%zu images with relevance up to %g each exceed the range of the exact sums; lower "
                         "run.variation_limit or split the dataset",
                         options->images, limit);
    sums_plan_init(&s->plan, options->images);
    s->images = sums_plan_exact(&s->plan, "images", 1, EXACT_COUNT);
    s->given = sums_plan_exact(&s->plan, "given", 1, EXACT_VALUE);
    s->given_square = sums_plan_exact(&s->plan, "given square", 1, EXACT_SQUARE);
    plan_channels(s);
    if (options->classes) {
        s->class_x = sums_plan_exact(&s->plan, "class x", options->classes * channel_count(measure), EXACT_VALUE);
        s->class_images = sums_plan_exact(&s->plan, "class images", options->classes, EXACT_COUNT);
        s->class_given = sums_plan_exact(&s->plan, "class given", options->classes, EXACT_VALUE);
    }
    plan_flows(s);
    return sums_plan_close(&s->plan, err);
}

void statistics_free(struct statistics *s)
{
    sums_plan_free(&s->plan);
}

/* ---- the tally of a block ------------------------------------------------------------------------------------------- */

static void place_flows(struct tally *tally, const struct statistics *s, struct arena *arena)
{
    for (size_t k = 0; k < s->measure->net->nlinks; k++) {
        size_t upper = s->measure->net->links[k].upper.channels;
        if (!s->measure->options.flows[k])
            continue;
        tally->flow[k] = arena_doubles(arena, flow_entries(s, k));
        tally->flow_square[k] = arena_doubles(arena, flow_entries(s, k));
        if (conditioned(s))
            tally->flow_product[k] = arena_doubles(arena, flow_entries(s, k));
        tally->to_bias[k] = arena_doubles(arena, upper);
        tally->absorbed[k] = arena_doubles(arena, upper);
    }
}

void tally_place(struct tally *tally, const struct statistics *s, struct arena *arena)
{
    size_t channels = channel_count(s->measure);

    *tally = (struct tally){.statistics = s};
    tally->x = arena_doubles(arena, channels);
    tally->square = arena_doubles(arena, channels);
    tally->product = arena_doubles(arena, channels);
    tally->positive = arena_doubles(arena, channels);
    tally->negative = arena_doubles(arena, channels);
    tally->highest = arena_doubles(arena, channels);
    tally->lowest = arena_doubles(arena, channels);
    tally->entries = arena_bytes(arena, channels * sizeof *tally->entries);
    tally->histogram = arena_doubles(arena, channels * s->options.bins);
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
}

static void clear(double *values, size_t n)
{
    memset(values, 0, n * sizeof *values);
}

static void fill(double *values, size_t n, double value)
{
    for (size_t i = 0; i < n; i++)
        values[i] = value;
}

static void reset_flows(struct tally *tally)
{
    const struct statistics *s = tally->statistics;

    for (size_t k = 0; k < s->measure->net->nlinks; k++) {
        size_t upper = s->measure->net->links[k].upper.channels;
        if (!s->measure->options.flows[k])
            continue;
        clear(tally->flow[k], flow_entries(s, k));
        clear(tally->flow_square[k], flow_entries(s, k));
        if (conditioned(s))
            clear(tally->flow_product[k], flow_entries(s, k));
        clear(tally->to_bias[k], upper);
        clear(tally->absorbed[k], upper);
    }
}

void tally_reset(struct tally *tally)
{
    const struct statistics *s = tally->statistics;
    size_t channels = channel_count(s->measure);

    tally->images = tally->given = tally->given_square = 0;
    clear(tally->x, channels);
    clear(tally->square, channels);
    clear(tally->product, channels);
    clear(tally->positive, channels);
    clear(tally->negative, channels);
    clear(tally->histogram, channels * s->options.bins);
    fill(tally->highest, channels, -INFINITY);
    fill(tally->lowest, channels, -INFINITY);
    for (size_t k = 0; k <= s->measure->net->nlinks; k++)
        if (s->options.maps[k])
            clear(tally->map[k], shape_neurons(network_shape(s->measure->net, k)));
    reset_flows(tally);
}

void tally_neurons(struct tally *tally, size_t slot, size_t variable, const float *relevance)
{
    const struct statistics *s = tally->statistics;

    if (s->options.maps[variable])
        memcpy(tally->pending + slot * tally->pending_floats + tally->pending_at[variable], relevance,
               shape_neurons(network_shape(s->measure->net, variable)) * sizeof *relevance);
}

static void add_squares(double *restrict sum, double *restrict square, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double v = (double)x[i];
        sum[i] += v;
        square[i] += v * v;
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

    add_squares(tally->flow[link], tally->flow_square[link], joint, flow_entries(s, link));
    if (conditioned(s))
        add_scaled(tally->flow_product[link], joint, given_mass, flow_entries(s, link));
    add(tally->to_bias[link], to_bias, upper);
    add(tally->absorbed[link], absorbed, upper);
}

/* The lower edge of step i away from zero, 0 <= i <= half. */
static double step_edge(size_t i, size_t half)
{
    if (i == 0)
        return 0;
    return HISTOGRAM_LOW * pow(HISTOGRAM_HIGH / HISTOGRAM_LOW, half > 1 ? (double)(i - 1) / (double)(half - 1) : 0);
}

/* Step away from zero of a magnitude: the first up to HISTOGRAM_LOW, the others growing by a constant factor. */
static size_t step_of(double magnitude, size_t half)
{
    if (magnitude < HISTOGRAM_LOW || half < 2)
        return 0;
    double position = log(magnitude / HISTOGRAM_LOW) / log(HISTOGRAM_HIGH / HISTOGRAM_LOW) * (double)(half - 1);
    return position < (double)(half - 1) ? 1 + (size_t)position : half - 1;
}

static size_t bin_of(double x, size_t bins)
{
    size_t half = bins / 2, step = step_of(fabs(x), half);

    return x < 0 ? half - 1 - step : half + step;
}

void statistics_edges(double *edges, size_t bins)
{
    size_t half = bins / 2;

    for (size_t i = 0; i <= half; i++) {
        edges[half + i] = step_edge(i, half);
        edges[half - i] = -step_edge(i, half);
    }
}

static void tally_channels(struct tally *tally, const struct measure_result *result)
{
    size_t bins = tally->statistics->options.bins;

    for (size_t c = 0; c < channel_count(tally->statistics->measure); c++) {
        double x = result->relevance[c];
        tally->x[c] += x;
        tally->square[c] += x * x;
        tally->product[c] += x * result->given_mass;
        tally->positive[c] += x > 0 ? x : 0;
        tally->negative[c] += x < 0 ? x : 0;
        tally->highest[c] = x > tally->highest[c] ? x : tally->highest[c];
        tally->lowest[c] = -x > tally->lowest[c] ? -x : tally->lowest[c];
        if (bins)
            tally->histogram[c * bins + bin_of(x, bins)] += 1;
    }
}

static void offer_tops(const struct tally *tally, const struct measure_result *result, size_t row, struct sums *sums)
{
    const struct statistics *s = tally->statistics;
    size_t channels = channel_count(s->measure);

    for (size_t c = 0; c < channels; c++)
        tally->entries[c] =
            (struct toplist_entry){result->relevance[c], (int64_t)row, (int64_t)result->relevance_position[c]};
    sums_top(sums, s->top, 0, tally->entries, channels);
    for (size_t c = 0; c < channels; c++)
        tally->entries[c] = (struct toplist_entry){(double)result->activation[c], (int64_t)row,
                                                   (int64_t)result->activation_position[c]};
    sums_top(sums, s->active, 0, tally->entries, channels);
}

enum status tally_image(struct tally *tally, size_t slot, const struct measure_result *result, size_t row, size_t class,
                        struct sums *sums, struct error *err)
{
    const struct statistics *s = tally->statistics;
    size_t channels = channel_count(s->measure);
    const double one = 1;
    enum status rc = OK;

    tally->images += 1;
    tally->given += result->given_mass;
    tally->given_square += result->given_mass * result->given_mass;
    tally_channels(tally, result);
    for (size_t k = 0; k <= s->measure->net->nlinks; k++)
        if (s->options.maps[k])
            add_scaled(tally->map[k], tally->pending + slot * tally->pending_floats + tally->pending_at[k], 1,
                       shape_neurons(network_shape(s->measure->net, k)));
    offer_tops(tally, result, row, sums);
    if (class < s->options.classes) {
        TRY(sums_add(sums, s->class_x, class * channels, result->relevance, channels, err));
        TRY(sums_add(sums, s->class_images, class, &one, 1, err));
        TRY(sums_add(sums, s->class_given, class, &result->given_mass, 1, err));
    }
done:
    return rc;
}

static enum status commit_flows(const struct tally *tally, struct sums *sums, struct error *err)
{
    const struct statistics *s = tally->statistics;
    enum status rc = OK;

    for (size_t k = 0; k < s->measure->net->nlinks; k++) {
        size_t upper = s->measure->net->links[k].upper.channels;
        if (!s->measure->options.flows[k])
            continue;
        TRY(sums_add(sums, s->flow[k], 0, tally->flow[k], flow_entries(s, k), err));
        TRY(sums_add(sums, s->flow_square[k], 0, tally->flow_square[k], flow_entries(s, k), err));
        if (conditioned(s))
            TRY(sums_add(sums, s->flow_product[k], 0, tally->flow_product[k], flow_entries(s, k), err));
        TRY(sums_add(sums, s->to_bias[k], 0, tally->to_bias[k], upper, err));
        TRY(sums_add(sums, s->absorbed[k], 0, tally->absorbed[k], upper, err));
    }
done:
    return rc;
}

enum status tally_commit(const struct tally *tally, struct sums *sums, struct error *err)
{
    const struct statistics *s = tally->statistics;
    size_t channels = channel_count(s->measure);
    enum status rc = OK;

    TRY(sums_add(sums, s->images, 0, &tally->images, 1, err));
    TRY(sums_add(sums, s->given, 0, &tally->given, 1, err));
    TRY(sums_add(sums, s->given_square, 0, &tally->given_square, 1, err));
    TRY(sums_add(sums, s->x, 0, tally->x, channels, err));
    TRY(sums_add(sums, s->square, 0, tally->square, channels, err));
    TRY(sums_add(sums, s->product, 0, tally->product, channels, err));
    TRY(sums_add(sums, s->positive, 0, tally->positive, channels, err));
    TRY(sums_add(sums, s->negative, 0, tally->negative, channels, err));
    if (s->options.bins)
        TRY(sums_add(sums, s->histogram, 0, tally->histogram, channels * s->options.bins, err));
    sums_max(sums, s->highest, 0, tally->highest, channels);
    sums_max(sums, s->lowest, 0, tally->lowest, channels);
    for (size_t k = 0; k <= s->measure->net->nlinks; k++)
        if (s->options.maps[k])
            TRY(sums_add(sums, s->map[k], 0, tally->map[k], shape_neurons(network_shape(s->measure->net, k)), err));
    TRY(commit_flows(tally, sums, err));
done:
    return rc;
}
