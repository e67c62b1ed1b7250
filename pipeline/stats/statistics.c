#include "pipeline/stats/statistics.h"

#include "io/store/store.h"
#include "kernels/base/number.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

static const double HISTOGRAM_LOW = 1e-6, HISTOGRAM_HIGH = 10;

/* ---- the table ------------------------------------------------------------------------------------------------- */

/* Rows are in the order of their scopes; the layout of unfinished stores follows from it. */
static const struct statistics_kind kinds[STATISTICS_KINDS] = {
    [STATISTICS_IMAGES] = {OF_RUN, SHAPE_ONE, "images", MOMENTS_X, EXACT_COUNT},
    [STATISTICS_GIVEN] = {OF_RUN, SHAPE_ONE, "given", MOMENTS_SQUARE, EXACT_VALUE},
    [STATISTICS_RELEVANCE] = {OF_CHANNELS, SHAPE_CHANNEL, "x", MOMENTS_PRODUCT, EXACT_VALUE,
                              .datasets = {{"mean", NUMBER_MEAN},
                                           {"std", NUMBER_STD},
                                           {"std_error", NUMBER_STD_ERROR}}},
    [STATISTICS_FUNCTION] = {OF_FUNCTION, SHAPE_CHANNEL, NULL, MOMENTS_X, EXACT_VALUE},
    [STATISTICS_ACTIVATION] = {OF_ACTIVATION, SHAPE_CHANNEL, "activation", MOMENTS_X, EXACT_VALUE,
                               .datasets = {{"activation_mean", NUMBER_AVERAGE}}},
    [STATISTICS_MAP] = {OF_VARIABLE, SHAPE_NEURON, "map", MOMENTS_X, EXACT_VALUE,
                        .datasets = {{"map_mean", NUMBER_FLOAT}}},
    [STATISTICS_FLOW] = {OF_ADJACENT, SHAPE_FLOW, "flow", MOMENTS_PRODUCT, EXACT_VALUE, .conditional = true,
                         .datasets = {{"mean", NUMBER_MEAN}, {"std_error", NUMBER_STD_ERROR}}},
    [STATISTICS_TO_BIAS] = {OF_ADJACENT, SHAPE_UPPER, "to_bias", MOMENTS_X, EXACT_VALUE, .of_link = true,
                            .datasets = {{"to_bias", NUMBER_RATIO}}},
    [STATISTICS_ABSORBED] = {OF_ADJACENT, SHAPE_UPPER, "absorbed", MOMENTS_X, EXACT_VALUE, .of_link = true,
                             .datasets = {{"absorbed", NUMBER_RATIO}}},
    [STATISTICS_FAR] = {OF_PAIR, SHAPE_FLOW, "far flow", MOMENTS_PRODUCT, EXACT_VALUE, .conditional = true,
                        .datasets = {{"mean", NUMBER_MEAN}, {"std_error", NUMBER_STD_ERROR}}},
    [STATISTICS_LOST] = {OF_PAIR, SHAPE_UPPER, "lost", MOMENTS_X, EXACT_VALUE, .datasets = {{"lost", NUMBER_RATIO}}},
    [STATISTICS_LEFT_OUT] = {OF_PAIR, SHAPE_UPPER, "left out", MOMENTS_X, EXACT_VALUE, .chosen = true,
                             .datasets = {{"left_out", NUMBER_RATIO}}},
    [STATISTICS_DRAWS] = {OF_PAIR, SHAPE_UPPER, "draws", MOMENTS_X, EXACT_COUNT, .chosen = true,
                          .datasets = {{"draws", NUMBER_COUNT}}},
    [STATISTICS_AROUND] = {OF_PAIR, SHAPE_LOWER, "around", MOMENTS_X, EXACT_VALUE, .goes_around = true,
                           .datasets = {{"around", NUMBER_RATIO}}},
    [STATISTICS_CLASS_IMAGES] = {OF_CLASSES, SHAPE_CLASS, "class images", MOMENTS_X, EXACT_COUNT},
    [STATISTICS_CLASS_GIVEN] = {OF_CLASSES, SHAPE_CLASS, "class given", MOMENTS_SQUARE, EXACT_VALUE},
    [STATISTICS_CLASS_RELEVANCE] = {OF_CLASSES, SHAPE_CLASS_CHANNEL, "class x", MOMENTS_PRODUCT, EXACT_VALUE,
                                    .conditional = true,
                                    .datasets = {{"class_mean", NUMBER_MEAN}, {"class_std_error", NUMBER_STD_ERROR}}},
    [STATISTICS_CLASS_FLOW] = {OF_CLASS_ADJACENT, SHAPE_CLASS_FLOW, "class flow", MOMENTS_PRODUCT, EXACT_VALUE,
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

void statistics_forget(struct statistics *s, enum statistics_id id)
{
    s->moments[s->first[id]].kept = MOMENTS_NONE;
}

static enum statistics_id kind_of(const struct statistics *s, size_t at)
{
    size_t id = 0;

    while (id + 1 < STATISTICS_KINDS && s->first[id + 1] <= at)
        id++;
    return (enum statistics_id)id;
}

bool statistics_in_block(const struct statistics *s, size_t at)
{
    enum statistics_id id = kind_of(s, at);

    return kinds[id].scope < STATISTICS_AT_ONCE && !(s->by_rows && id == STATISTICS_FLOW);
}

/* ---- shapes ---------------------------------------------------------------------------------------------------- */

size_t statistics_channels(const struct statistics *s)
{
    return s->channel[s->measure->net->nlinks + 1];
}

bool statistics_conditioned(const struct statistics *s)
{
    return s->measure->options.given != GIVEN_NONE;
}

size_t statistics_far_entries(const struct statistics *s, struct far_pair pair)
{
    return network_shape(s->measure->net, pair.upper).channels * network_shape(s->measure->net, pair.lower).channels;
}

size_t statistics_adjacent_pairs(const struct statistics *s)
{
    return s->options.flows ? s->options.flows->nadjacent : 0;
}

size_t statistics_far_pairs(const struct statistics *s)
{
    return s->options.flows ? s->options.flows->count : 0;
}

size_t statistics_first_of_link(const struct statistics *s, size_t i)
{
    const struct flows_adjacent *pairs = s->options.flows->adjacent;

    while (i > 0 && pairs[i - 1].link == pairs[i].link)
        i--;
    return i;
}

/* How many statistics a scope has. */
static size_t instances(const struct statistics *s, enum statistics_scope scope)
{
    const size_t adjacent = statistics_adjacent_pairs(s), far = statistics_far_pairs(s);
    size_t functions;

    store_functions(&functions);
    const size_t counts[STATISTICS_SCOPES] = {[OF_RUN] = 1,
                                              [OF_CHANNELS] = 1,
                                              [OF_FUNCTION] = functions,
                                              [OF_ACTIVATION] = 1,
                                              [OF_VARIABLE] = s->measure->net->nlinks + 1,
                                              [OF_ADJACENT] = adjacent,
                                              [OF_PAIR] = far,
                                              [OF_CLASSES] = 1,
                                              [OF_CLASS_ADJACENT] = adjacent,
                                              [OF_CLASS_PAIR] = far,
                                              [OF_SAMPLED] = far};

    return counts[scope];
}

size_t statistics_count(const struct statistics *s)
{
    size_t n = 0;

    for (size_t id = 0; id < STATISTICS_KINDS; id++)
        n += instances(s, kinds[id].scope);
    return n;
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

/* Whether the run keeps number i of them. */
static bool wanted(const struct statistics *s, enum statistics_scope scope, size_t i)
{
    bool classes = s->options.classes > 0;

    switch (scope) {
    case OF_RUN:
    case OF_CHANNELS:
    case OF_FUNCTION:
    case OF_ACTIVATION:
        return true;
    case OF_VARIABLE:
        return s->options.maps[i] && !s->options.left_out[i];
    case OF_ADJACENT:
        return true;
    case OF_PAIR:
        return !s->options.flows->pairs[i].sampled;
    case OF_CLASSES:
    case OF_CLASS_ADJACENT:
        return classes;
    case OF_CLASS_PAIR:
        return classes && !s->options.flows->pairs[i].sampled;
    default:
        return s->options.flows->pairs[i].sampled;
    }
}

/* Entries of the shapes of a pair: of a scope's number i, C_upper, C_lower and those of its flow. */
struct pair_shape {
    size_t upper, lower, flow;
};

static struct pair_shape pair_shape(const struct statistics *s, enum statistics_scope scope, size_t i)
{
    const struct network *net = s->measure->net;
    bool adjacent = scope == OF_ADJACENT || scope == OF_CLASS_ADJACENT;
    struct far_pair ends = adjacent ? flows_ends(&s->options.flows->adjacent[i]) : s->options.flows->pairs[i].pair;

    return (struct pair_shape){network_shape(net, ends.upper).channels, network_shape(net, ends.lower).channels,
                               adjacent ? flows_entries(net, &s->options.flows->adjacent[i])
                                        : statistics_far_entries(s, ends)};
}

/* Entries of a statistic of scope number i. */
static size_t entries_of(const struct statistics *s, const struct statistics_kind *kind, size_t i)
{
    struct pair_shape pair = {0};

    if (kind->shape >= SHAPE_UPPER)
        pair = pair_shape(s, kind->scope, i);
    switch (kind->shape) {
    case SHAPE_CLASS:
        return s->options.classes;
    case SHAPE_CHANNEL:
        return statistics_channels(s);
    case SHAPE_CLASS_CHANNEL:
        return s->options.class_means.count * statistics_channels(s);
    case SHAPE_NEURON:
        return shape_neurons(network_shape(s->measure->net, i));
    case SHAPE_UPPER:
        return pair.upper;
    case SHAPE_LOWER:
        return pair.lower;
    case SHAPE_FLOW:
        return pair.flow;
    case SHAPE_CLASS_FLOW:
        return s->options.class_flows.count * pair.flow;
    default:
        return 1;
    }
}

/* ---- the plan -------------------------------------------------------------------------------------------------- */

/* Whether number i of a kind that its scope has is kept. */
static bool applies(const struct statistics *s, const struct statistics_kind *kind, size_t i)
{
    return (!kind->chosen || s->options.flows->pairs[i].pair.rows) &&
           (!kind->goes_around || !s->measure->net->cut[s->options.flows->pairs[i].pair.upper]) &&
           (!kind->of_link || statistics_first_of_link(s, i) == i);
}

static const char *section_name(const struct statistics_kind *kind, size_t i)
{
    size_t functions;

    return kind->scope == OF_FUNCTION ? store_functions(&functions)[i].name : kind->section;
}

static void plan_moments(struct statistics *s, enum statistics_id id, size_t i)
{
    const struct statistics_kind *kind = &kinds[id];
    enum moments_kept kept = kind->conditional && !statistics_conditioned(s) ? MOMENTS_SQUARE : kind->kept;
    size_t at = s->first[id] + i, blocks = s->options.blocks;

    sums_plan_additions(&s->plan, statistics_in_block(s, at) ? blocks : blocks * s->options.block);
    if (applies(s, kind, i))
        s->moments[at] = moments_plan(&s->plan, section_name(kind, i), entries_of(s, kind, i), kept, kind->bits);
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

    sums_plan_additions(&s->plan, s->options.blocks);
    if (s->options.bins)
        s->histogram = sums_plan_exact(&s->plan, "histogram", channels * s->options.bins, EXACT_COUNT);
    s->highest = sums_plan_max(&s->plan, "highest", channels);
    s->lowest = sums_plan_max(&s->plan, "lowest", channels);
    s->top = sums_plan_top(&s->plan, "top", channels, s->options.top);
    s->active = sums_plan_top(&s->plan, "active", channels, s->options.top);
}

static enum status allocate(struct statistics *s, struct error *err)
{
    size_t n = 0, pairs = statistics_adjacent_pairs(s);

    for (size_t id = 0; id < STATISTICS_KINDS; id++) {
        s->first[id] = n;
        n += instances(s, kinds[id].scope);
    }
    s->moments = calloc(n, sizeof *s->moments);
    s->columns = calloc(pairs + 1, sizeof *s->columns);
    if (!s->moments || !s->columns)
        return error_set(err, FAIL_SYSTEM, "no memory for the list of %zu statistics", n);
    for (size_t i = 0; i < pairs; i++)
        if (columns_init(&s->columns[i], s->measure->net, &s->options.flows->adjacent[i], err) != OK)
            return FAIL_SYSTEM;
    return OK;
}

/* The channels of the variables with statistics, and whether flows are too large for sums of a block. */
static void count_entries(struct statistics *s)
{
    const struct network *net = s->measure->net;
    size_t entries = 0;

    for (size_t k = 0; k <= net->nlinks; k++) {
        size_t channels = s->measure->channel[k + 1] - s->measure->channel[k];
        s->channel[k + 1] = s->channel[k] + (s->options.left_out[k] ? 0 : channels);
    }
    for (size_t i = 0; i < statistics_adjacent_pairs(s); i++)
        entries += flows_entries(net, &s->options.flows->adjacent[i]);
    s->by_rows = entries > s->options.most_in_block;
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
    count_entries(s);
    sums_plan_init(&s->plan, options->blocks);
    for (size_t scope = 0; scope < STATISTICS_SCOPES; scope++) {
        plan_scope(s, (enum statistics_scope)scope);
        if (scope == OF_ACTIVATION)
            plan_channels(s);
    }
    return sums_plan_close(&s->plan, err);
}

void statistics_free(struct statistics *s)
{
    sums_plan_free(&s->plan);
    for (size_t i = 0; s->columns && i < statistics_adjacent_pairs(s); i++)
        columns_free(&s->columns[i]);
    free(s->columns);
    free(s->moments);
    s->columns = NULL;
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
