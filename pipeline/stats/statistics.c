#include "pipeline/stats/statistics.h"

#include "kernels/base/number.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

static const double HISTOGRAM_LOW = 1e-6, HISTOGRAM_HIGH = 10;

/* ---- the table ------------------------------------------------------------------------------------------------- */

static void positive_parts(double *values, const double *relevance, size_t n)
{
    for (size_t i = 0; i < n; i++)
        values[i] = relevance[i] > 0 ? relevance[i] : 0;
}

static void negative_parts(double *values, const double *relevance, size_t n)
{
    for (size_t i = 0; i < n; i++)
        values[i] = relevance[i] < 0 ? relevance[i] : 0;
}

/* Rows are in the order of their scopes; the layout of unfinished stores follows from it. */
static const struct statistics_kind kinds[STATISTICS_KINDS] = {
    [STATISTICS_IMAGES] = {OF_RUN, SHAPE_ONE, "images", MOMENTS_X, EXACT_COUNT},
    [STATISTICS_GIVEN] = {OF_RUN, SHAPE_ONE, "given", MOMENTS_SQUARE, EXACT_VALUE},
    [STATISTICS_RELEVANCE] = {OF_CHANNELS, SHAPE_CHANNEL, "x", MOMENTS_PRODUCT, EXACT_VALUE,
                              .datasets = {{"mean", NUMBER_MEAN},
                                           {"std", NUMBER_STD},
                                           {"std_error", NUMBER_STD_ERROR}}},
    [STATISTICS_POSITIVE] = {OF_CHANNELS, SHAPE_CHANNEL, "positive", MOMENTS_X, EXACT_VALUE, .of = positive_parts,
                             .datasets = {{"mean_positive", NUMBER_RATIO}}},
    [STATISTICS_NEGATIVE] = {OF_CHANNELS, SHAPE_CHANNEL, "negative", MOMENTS_X, EXACT_VALUE, .of = negative_parts,
                             .datasets = {{"mean_negative", NUMBER_RATIO}}},
    [STATISTICS_MAP] = {OF_VARIABLE, SHAPE_NEURON, "map", MOMENTS_X, EXACT_VALUE,
                        .datasets = {{"map_mean", NUMBER_FLOAT}}},
    [STATISTICS_FLOW] = {OF_LINK, SHAPE_FLOW, "flow", MOMENTS_PRODUCT, EXACT_VALUE, .conditional = true,
                         .datasets = {{"mean", NUMBER_MEAN}, {"std_error", NUMBER_STD_ERROR}}},
    [STATISTICS_TO_BIAS] = {OF_LINK, SHAPE_UPPER, "to_bias", MOMENTS_X, EXACT_VALUE,
                            .datasets = {{"to_bias", NUMBER_RATIO}}},
    [STATISTICS_ABSORBED] = {OF_LINK, SHAPE_UPPER, "absorbed", MOMENTS_X, EXACT_VALUE,
                             .datasets = {{"absorbed", NUMBER_RATIO}}},
    [STATISTICS_FAR] = {OF_PAIR, SHAPE_FLOW, "far flow", MOMENTS_PRODUCT, EXACT_VALUE, .conditional = true,
                        .datasets = {{"mean", NUMBER_MEAN}, {"std_error", NUMBER_STD_ERROR}}},
    [STATISTICS_LOST] = {OF_PAIR, SHAPE_UPPER, "lost", MOMENTS_X, EXACT_VALUE, .datasets = {{"lost", NUMBER_RATIO}}},
    [STATISTICS_LEFT_OUT] = {OF_PAIR, SHAPE_UPPER, "left out", MOMENTS_X, EXACT_VALUE, .chosen = true,
                             .datasets = {{"left_out", NUMBER_RATIO}}},
    [STATISTICS_DRAWS] = {OF_PAIR, SHAPE_UPPER, "draws", MOMENTS_X, EXACT_COUNT, .chosen = true,
                          .datasets = {{"draws", NUMBER_COUNT}}},
    [STATISTICS_CLASS_IMAGES] = {OF_CLASSES, SHAPE_CLASS, "class images", MOMENTS_X, EXACT_COUNT},
    [STATISTICS_CLASS_GIVEN] = {OF_CLASSES, SHAPE_CLASS, "class given", MOMENTS_SQUARE, EXACT_VALUE},
    [STATISTICS_CLASS_RELEVANCE] = {OF_CLASSES, SHAPE_CLASS_CHANNEL, "class x", MOMENTS_PRODUCT, EXACT_VALUE,
                                    .conditional = true,
                                    .datasets = {{"class_mean", NUMBER_MEAN}, {"class_std_error", NUMBER_STD_ERROR}}},
    [STATISTICS_CLASS_FLOW] = {OF_CLASS_LINK, SHAPE_CLASS_FLOW, "class flow", MOMENTS_PRODUCT, EXACT_VALUE,
                               .conditional = true,
                               .datasets = {{"class_mean", NUMBER_MEAN}, {"class_std_error", NUMBER_STD_ERROR}}},
    [STATISTICS_CLASS_FAR] = {OF_CLASS_PAIR, SHAPE_CLASS_FLOW, "class far flow", MOMENTS_PRODUCT, EXACT_VALUE,
                              .conditional = true,
                              .datasets = {{"class_mean", NUMBER_MEAN}, {"class_std_error", NUMBER_STD_ERROR}}},
    [STATISTICS_SAMPLED] = {OF_SAMPLED, SHAPE_FLOW, "sampled flow", MOMENTS_PRODUCT, EXACT_VALUE, .conditional = true,
                            .datasets = {{"mean", NUMBER_MEAN}, {"std_error", NUMBER_STD_ERROR}}},
    [STATISTICS_SAMPLED_ERROR] = {OF_SAMPLED, SHAPE_FLOW, "sampling error", MOMENTS_X, EXACT_SQUARE},
    [STATISTICS_SAMPLED_DRAWS] = {OF_SAMPLED, SHAPE_UPPER, "draws", MOMENTS_X, EXACT_COUNT,
                                  .datasets = {{"draws", NUMBER_COUNT}}},
    [STATISTICS_CHANCES] = {OF_SAMPLED, SHAPE_UPPER, "chances", MOMENTS_X, EXACT_COUNT,
                            .datasets = {{"chances", NUMBER_COUNT}}},
};

const struct statistics_kind *statistics_kind(enum statistics_id id)
{
    return &kinds[id];
}

const struct moments *statistics_moments(const struct statistics *s, enum statistics_id id, size_t i)
{
    return &s->moments[s->first[id] + i];
}

size_t statistics_in_block(const struct statistics *s)
{
    size_t id = 0;

    while (kinds[id].scope < STATISTICS_AT_ONCE)
        id++;
    for (size_t i = id; i < STATISTICS_KINDS; i++)
        assert(kinds[i].scope >= STATISTICS_AT_ONCE); /* the rows are in the order of their scopes */
    return s->first[id];
}

/* ---- shapes ---------------------------------------------------------------------------------------------------- */

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

size_t statistics_far_entries(const struct statistics *s, struct far_pair pair)
{
    return network_shape(s->measure->net, pair.upper).channels * network_shape(s->measure->net, pair.lower).channels;
}

size_t statistics_far_pairs(const struct statistics *s)
{
    return s->options.flows ? s->options.flows->count : 0;
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

/* How many statistics a scope has. */
static size_t instances(const struct statistics *s, enum statistics_scope scope)
{
    const size_t nlinks = s->measure->net->nlinks, pairs = statistics_far_pairs(s);
    const size_t counts[STATISTICS_SCOPES] = {
        [OF_RUN] = 1,     [OF_CHANNELS] = 1,        [OF_VARIABLE] = nlinks + 1, [OF_LINK] = nlinks,  [OF_PAIR] = pairs,
        [OF_CLASSES] = 1, [OF_CLASS_LINK] = nlinks, [OF_CLASS_PAIR] = pairs,    [OF_SAMPLED] = pairs};

    return counts[scope];
}

/* Whether the run keeps number i of them. */
static bool wanted(const struct statistics *s, enum statistics_scope scope, size_t i)
{
    bool classes = s->options.classes > 0;

    switch (scope) {
    case OF_RUN:
    case OF_CHANNELS:
        return true;
    case OF_VARIABLE:
        return s->options.maps[i];
    case OF_LINK:
        return s->measure->options.flows[i];
    case OF_PAIR:
        return !s->options.flows->pairs[i].sampled;
    case OF_CLASSES:
        return classes;
    case OF_CLASS_LINK:
        return classes && s->measure->options.flows[i];
    case OF_CLASS_PAIR:
        return classes && !s->options.flows->pairs[i].sampled;
    default:
        return s->options.flows->pairs[i].sampled;
    }
}

/* Entries of a statistic of scope number i. */
static size_t entries_of(const struct statistics *s, const struct statistics_kind *kind, size_t i)
{
    const struct network *net = s->measure->net;
    bool link = kind->scope == OF_LINK || kind->scope == OF_CLASS_LINK;
    size_t upper = 0, flow = 0;

    if (kind->shape >= SHAPE_UPPER) {
        upper =
            link ? net->links[i].upper.channels : network_shape(net, s->options.flows->pairs[i].pair.upper).channels;
        flow = link ? statistics_flow_entries(s, i) : statistics_far_entries(s, s->options.flows->pairs[i].pair);
    }
    switch (kind->shape) {
    case SHAPE_CLASS:
        return s->options.classes;
    case SHAPE_CHANNEL:
        return statistics_channels(s);
    case SHAPE_CLASS_CHANNEL:
        return s->options.class_means.count * statistics_channels(s);
    case SHAPE_NEURON:
        return shape_neurons(network_shape(net, i));
    case SHAPE_UPPER:
        return upper;
    case SHAPE_FLOW:
        return flow;
    case SHAPE_CLASS_FLOW:
        return s->options.class_flows.count * flow;
    default:
        return 1;
    }
}

/* ---- the plan -------------------------------------------------------------------------------------------------- */

static void plan_moments(struct statistics *s, enum statistics_id id, size_t i)
{
    const struct statistics_kind *kind = &kinds[id];
    enum moments_kept kept = kind->conditional && !statistics_conditioned(s) ? MOMENTS_SQUARE : kind->kept;

    if (!kind->chosen || s->options.flows->pairs[i].pair.rows)
        s->moments[s->first[id] + i] = moments_plan(&s->plan, kind->section, entries_of(s, kind, i), kept, kind->bits);
}

static void plan_scope(struct statistics *s, enum statistics_scope scope)
{
    for (size_t i = 0; i < instances(s, scope); i++)
        for (size_t id = 0; id < STATISTICS_KINDS; id++)
            if (kinds[id].scope == scope && wanted(s, scope, i))
                plan_moments(s, (enum statistics_id)id, i);
}

/* What is kept of channels beside moments. */
static void plan_channels(struct statistics *s)
{
    size_t channels = statistics_channels(s);

    if (s->options.bins)
        s->histogram = sums_plan_exact(&s->plan, "histogram", channels * s->options.bins, EXACT_COUNT);
    s->highest = sums_plan_max(&s->plan, "highest", channels);
    s->lowest = sums_plan_max(&s->plan, "lowest", channels);
    s->top = sums_plan_top(&s->plan, "top", channels, s->options.top);
    s->active = sums_plan_top(&s->plan, "active", channels, s->options.top);
}

static enum status allocate(struct statistics *s, struct error *err)
{
    size_t n = 0;

    for (size_t id = 0; id < STATISTICS_KINDS; id++) {
        s->first[id] = n;
        n += instances(s, kinds[id].scope);
    }
    s->moments = calloc(n, sizeof *s->moments);
    return s->moments ? OK : error_set(err, FAIL_SYSTEM, "no memory for the list of %zu statistics", n);
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
    if (allocate(s, err) != OK)
        return FAIL_SYSTEM;
    sums_plan_init(&s->plan, options->blocks);
    for (size_t scope = 0; scope < STATISTICS_SCOPES; scope++) {
        if (scope == STATISTICS_AT_ONCE)
            sums_plan_additions(&s->plan, options->blocks * options->block); /* by single images */
        plan_scope(s, (enum statistics_scope)scope);
        if (scope == OF_CHANNELS)
            plan_channels(s);
    }
    return sums_plan_close(&s->plan, err);
}

void statistics_free(struct statistics *s)
{
    sums_plan_free(&s->plan);
    free(s->moments);
    s->moments = NULL;
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
