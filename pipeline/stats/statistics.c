#include "pipeline/stats/statistics.h"

#include "kernels/base/number.h"

#include <math.h>

static const double HISTOGRAM_LOW = 1e-6, HISTOGRAM_HIGH = 10;

/* ---- the plan -------------------------------------------------------------------------------------------------- */

size_t statistics_channels(const struct statistics *s)
{
    return s->measure->channel[s->measure->net->nlinks + 1];
}

bool statistics_conditioned(const struct statistics *s)
{
    return s->measure->options.given != GIVEN_NONE;
}

size_t statistics_flow_entries(const struct statistics *s, size_t k)
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
        s->flow[k] = sums_plan_exact(&s->plan, "flow", statistics_flow_entries(s, k), EXACT_VALUE);
        s->flow_square[k] = sums_plan_exact(&s->plan, "flow square", statistics_flow_entries(s, k), EXACT_SQUARE);
        if (statistics_conditioned(s))
            s->flow_product[k] = sums_plan_exact(&s->plan, "flow product", statistics_flow_entries(s, k), EXACT_SQUARE);
        s->to_bias[k] = sums_plan_exact(&s->plan, "to_bias", upper, EXACT_VALUE);
        s->absorbed[k] = sums_plan_exact(&s->plan, "absorbed", upper, EXACT_VALUE);
    }
}

size_t statistics_far_entries(const struct statistics *s, struct far_pair pair)
{
    return network_shape(s->measure->net, pair.upper).channels * network_shape(s->measure->net, pair.lower).channels;
}

size_t statistics_far_pairs(const struct statistics *s)
{
    return s->options.flows ? s->options.flows->count : 0;
}

static void plan_far(struct statistics *s)
{
    for (size_t i = 0; i < statistics_far_pairs(s); i++) {
        const struct flows_pair *p = &s->options.flows->pairs[i];
        struct statistics_far *far = &s->far[i];
        size_t entries = statistics_far_entries(s, p->pair);
        size_t upper = network_shape(s->measure->net, p->pair.upper).channels;
        if (p->sampled)
            continue;
        far->flow = sums_plan_exact(&s->plan, "far flow", entries, EXACT_VALUE);
        far->square = sums_plan_exact(&s->plan, "far flow square", entries, EXACT_SQUARE);
        if (statistics_conditioned(s))
            far->product = sums_plan_exact(&s->plan, "far flow product", entries, EXACT_SQUARE);
        far->lost = sums_plan_exact(&s->plan, "lost", upper, EXACT_VALUE);
        if (!p->pair.rows)
            continue;
        far->left_out = sums_plan_exact(&s->plan, "left out", upper, EXACT_VALUE);
        far->draws = sums_plan_exact(&s->plan, "draws", upper, EXACT_COUNT);
    }
}

static void plan_sampled(struct statistics *s)
{
    for (size_t i = 0; i < statistics_far_pairs(s); i++) {
        const struct flows_pair *p = &s->options.flows->pairs[i];
        struct statistics_far *far = &s->far[i];
        size_t entries = statistics_far_entries(s, p->pair);
        size_t upper = network_shape(s->measure->net, p->pair.upper).channels;
        if (!p->sampled)
            continue;
        far->flow = sums_plan_exact(&s->plan, "sampled flow", entries, EXACT_VALUE);
        far->square = sums_plan_exact(&s->plan, "sampled flow square", entries, EXACT_SQUARE);
        if (statistics_conditioned(s))
            far->product = sums_plan_exact(&s->plan, "sampled flow product", entries, EXACT_SQUARE);
        far->error = sums_plan_exact(&s->plan, "sampling error", entries, EXACT_SQUARE);
        far->draws = sums_plan_exact(&s->plan, "draws", upper, EXACT_COUNT);
        far->chances = sums_plan_exact(&s->plan, "chances", upper, EXACT_COUNT);
    }
}

size_t statistics_class_row(const struct statistics_classes *classes, size_t class)
{
    size_t first = 0, end = classes->count;

    if (!classes->items)
        return smaller(class, classes->count);
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (classes->items[middle] < class)
            first = middle + 1;
        else
            end = middle;
    }
    return first < classes->count && classes->items[first] == class ? first : classes->count;
}

size_t statistics_class_at(const struct statistics_classes *classes, size_t row)
{
    return classes->items ? classes->items[row] : row;
}

static void plan_class_far(struct statistics *s, struct statistics_far *far, size_t entries)
{
    if (entries == 0)
        return;
    far->class_flow = sums_plan_exact(&s->plan, "class far flow", entries, EXACT_VALUE);
    far->class_square = sums_plan_exact(&s->plan, "class far flow square", entries, EXACT_SQUARE);
    if (statistics_conditioned(s))
        far->class_product = sums_plan_exact(&s->plan, "class far flow product", entries, EXACT_SQUARE);
}

/* Products only under a condition: without one they are the sums. */
static void plan_classes(struct statistics *s)
{
    size_t classes = s->options.classes, sums = s->options.class_means.count * statistics_channels(s);

    if (classes == 0)
        return;
    s->class_images = sums_plan_exact(&s->plan, "class images", classes, EXACT_COUNT);
    s->class_given = sums_plan_exact(&s->plan, "class given", classes, EXACT_VALUE);
    s->class_given_square = sums_plan_exact(&s->plan, "class given square", classes, EXACT_SQUARE);
    s->class_x = sums_plan_exact(&s->plan, "class x", sums, EXACT_VALUE);
    s->class_square = sums_plan_exact(&s->plan, "class square", sums, EXACT_SQUARE);
    if (statistics_conditioned(s))
        s->class_product = sums_plan_exact(&s->plan, "class product", sums, EXACT_SQUARE);
    for (size_t k = 0; k < s->measure->net->nlinks; k++) {
        size_t entries = s->options.class_flows.count * statistics_flow_entries(s, k);
        if (!s->measure->options.flows[k])
            continue;
        s->class_flow[k] = sums_plan_exact(&s->plan, "class flow", entries, EXACT_VALUE);
        s->class_flow_square[k] = sums_plan_exact(&s->plan, "class flow square", entries, EXACT_SQUARE);
        if (statistics_conditioned(s))
            s->class_flow_product[k] = sums_plan_exact(&s->plan, "class flow product", entries, EXACT_SQUARE);
    }
    for (size_t i = 0; i < statistics_far_pairs(s); i++)
        if (!s->options.flows->pairs[i].sampled)
            plan_class_far(s, &s->far[i],
                           s->options.class_flows.count * statistics_far_entries(s, s->options.flows->pairs[i].pair));
}

static void plan_channels(struct statistics *s)
{
    size_t channels = statistics_channels(s);

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
    if (options->flows && options->flows->sampled && options->flows->sweeps < 1)
        limit /= options->flows->sweeps; /* rows are divided by their probability */
    if (!exact_plan_fits(options->blocks * options->block, limit))
        return error_set(err, FAIL_LIMIT,
                         "%zu images with relevance up to %g each exceed the range of the exact sums; lower "
                         "run.variation_limit, raise measure.sweeps if it is below one, or split the dataset",
                         options->blocks * options->block, limit);
    sums_plan_init(&s->plan, options->blocks);
    s->images = sums_plan_exact(&s->plan, "images", 1, EXACT_COUNT);
    s->given = sums_plan_exact(&s->plan, "given", 1, EXACT_VALUE);
    s->given_square = sums_plan_exact(&s->plan, "given square", 1, EXACT_SQUARE);
    plan_channels(s);
    plan_flows(s);
    plan_far(s);
    sums_plan_additions(&s->plan, options->blocks * options->block); /* the others are added to by single images */
    plan_classes(s);
    plan_sampled(s);
    return sums_plan_close(&s->plan, err);
}

void statistics_free(struct statistics *s)
{
    sums_plan_free(&s->plan);
}

/* ---- histograms ------------------------------------------------------------------------------------------------ */

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

size_t statistics_bin(double x, size_t bins)
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
