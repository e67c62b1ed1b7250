#include "pipeline/stats/finish.h"

#include "kernels/base/network_words.h"
#include "kernels/base/number.h"
#include "pipeline/stats/weak.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATH = 256, NAME = 64 };

/* Of y over n images, kept as these statistics, or over those of a class. */
static struct moments_given given_of(const struct statistics *s, const struct sums *sums, enum statistics_id images,
                                     enum statistics_id given, size_t i)
{
    size_t y = statistics_moments(s, given, 0)->first;

    return (struct moments_given){sums_value(sums, statistics_moments(s, images, 0)->first, i), sums_value(sums, y, i),
                                  sums_value(sums, y + 1, i)};
}

static struct moments_given given_of_run(const struct statistics *s, const struct sums *sums)
{
    return given_of(s, sums, STATISTICS_IMAGES, STATISTICS_GIVEN, 0);
}

static struct moments_given given_of_class(const struct statistics *s, const struct sums *sums, size_t class)
{
    return given_of(s, sums, STATISTICS_CLASS_IMAGES, STATISTICS_CLASS_GIVEN, class);
}

struct finish_given finish_given(const struct statistics *s, const struct sums *sums)
{
    struct moments_given given = given_of_run(s, sums);
    double mean = given.y / given.n, error = moments_given_error(given);

    return (struct finish_given){mean, error, weak_mean(mean, error)};
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* What the writers share: where to write, and memory for the largest array. */
struct writer {
    struct store *store;
    const struct statistics *s;
    const struct sums *sums;
    struct moments_given given;
    char group[FLOWS_NAME + 16];
    bool diagonal;  /* the flow is that of a diagonal pair, whose datasets have names of their own */
    double *values; /* [largest number of elements] */
    void *other;    /* the same room for other types */
    struct error *err;
};

/* Name of the dataset of a kind's number. */
static const char *name_of(char name[NAME], const struct writer *w, const struct statistics_kind *kind, size_t number)
{
    bool diagonal = w->diagonal && (kind->shape == SHAPE_FLOW || kind->shape == SHAPE_CLASS_FLOW);

    snprintf(name, NAME, "%s%s", diagonal ? "diagonal_" : "", kind->datasets[number].name);
    return name;
}

static enum status put(struct writer *w, const char *name, const void *data, size_t ndim, const size_t *dims)
{
    char path[PATH];

    snprintf(path, sizeof path, "%s/%s", w->group, name);
    return store_write(w->store, path, data, ndim, dims, w->err);
}

static size_t product(size_t ndim, const size_t *dims)
{
    size_t n = 1;

    for (size_t i = 0; i < ndim; i++)
        n *= dims[i];
    return n;
}

static void to_floats(float *to, const double *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (float)from[i];
}

static double number_at(const struct writer *w, enum statistics_number number, const struct moments *m, size_t i,
                        struct moments_given given)
{
    if (number == NUMBER_RATIO || number == NUMBER_FLOAT)
        return sums_value(w->sums, m->first, i) / given.y;
    if (number == NUMBER_AVERAGE)
        return sums_value(w->sums, m->first, i) / given.n;
    struct moments_ratio r = moments_ratio_at(m, w->sums, i, given);
    return number == NUMBER_MEAN ? r.mean : number == NUMBER_STD ? r.std : r.std_error;
}

static enum status put_counts(struct writer *w, const char *name, size_t section, size_t first, size_t ndim,
                              const size_t *dims)
{
    uint64_t *counts = w->other;

    for (size_t i = 0; i < product(ndim, dims); i++)
        counts[i] = (uint64_t)sums_exact_data(w->sums, section)[first + i];
    return put(w, name, counts, ndim, dims);
}

/* A dataset of these dims from entries first, first + 1, ... of moments. */
static enum status put_dataset(struct writer *w, struct statistics_dataset dataset, const struct moments *m,
                               size_t first, size_t ndim, const size_t *dims)
{
    size_t n = product(ndim, dims);

    if (dataset.number == NUMBER_COUNT)
        return put_counts(w, dataset.name, m->first, first, ndim, dims);
    for (size_t i = 0; i < n; i++)
        w->values[i] = number_at(w, dataset.number, m, first + i, w->given);
    if (dataset.number != NUMBER_FLOAT)
        return put(w, dataset.name, w->values, ndim, dims);
    to_floats(w->other, w->values, n);
    return put(w, dataset.name, w->other, ndim, dims);
}

/* The datasets of all that is kept of number i of a scope, from entries first, first + 1, ... `dims` are those of
 * the scope's largest shape; what is kept per upper channel has only the first, per lower channel only the second. */
static enum status put_scope(struct writer *w, enum statistics_scope scope, size_t i, size_t first, size_t ndim,
                             const size_t *dims)
{
    enum status rc = OK;

    for (size_t id = 0; id < STATISTICS_KINDS; id++) {
        const struct statistics_kind *kind = statistics_kind((enum statistics_id)id);
        if (kind->scope != scope)
            continue;
        size_t of = kind->of_link ? statistics_first_of_link(w->s, i) : i;
        const struct moments *m = statistics_moments(w->s, (enum statistics_id)id, of);
        char name[NAME];
        bool upper = kind->shape == SHAPE_UPPER, lower = kind->shape == SHAPE_LOWER;
        for (size_t j = 0; m->kept && j < STATISTICS_DATASETS && kind->datasets[j].name; j++)
            TRY(put_dataset(w, (struct statistics_dataset){name_of(name, w, kind, j), kind->datasets[j].number}, m,
                            first, upper || lower ? 1 : ndim, dims + lower));
    }
done:
    return rc;
}

/* Means of functions of the relevance of a layer's channels. */
static enum status put_functions(struct writer *w, size_t first, size_t channels)
{
    size_t functions;
    const struct store_function *function = store_functions(&functions);
    enum status rc = OK;

    for (size_t i = 0; i < functions; i++)
        TRY(put_dataset(w, (struct statistics_dataset){function[i].name, NUMBER_RATIO},
                        statistics_moments(w->s, STATISTICS_FUNCTION, i), first, 1, &channels));
done:
    return rc;
}

static enum status put_extreme(struct writer *w, const char *name, size_t section, double sign, size_t first, size_t n)
{
    const double *extremes = sums_max_data(w->sums, section) + first;

    for (size_t i = 0; i < n; i++)
        w->values[i] = isinf(extremes[i]) ? NAN : sign * extremes[i];
    return put(w, name, w->values, 1, &n);
}

/* Three datasets of one kind of top list: <prefix>_image, _value, _position. */
static enum status put_tops(struct writer *w, const char *prefix, size_t section, size_t first, size_t channels)
{
    size_t dims[] = {channels, w->s->options.top}, n = product(2, dims);
    const struct toplist_entry *entries = sums_top_data(w->sums, section) + first * dims[1];
    int64_t *numbers = w->other;
    char name[32];
    enum status rc = OK;

    for (size_t i = 0; i < n; i++)
        numbers[i] = entries[i].image;
    snprintf(name, sizeof name, "%s_image", prefix);
    TRY(put(w, name, numbers, 2, dims));
    for (size_t i = 0; i < n; i++)
        numbers[i] = entries[i].position;
    snprintf(name, sizeof name, "%s_position", prefix);
    TRY(put(w, name, numbers, 2, dims));
    for (size_t i = 0; i < n; i++)
        w->values[i] = entries[i].value;
    snprintf(name, sizeof name, "%s_value", prefix);
    TRY(put(w, name, w->values, 2, dims));
done:
    return rc;
}

/* Rows are classes of the network, NaN for those without means of their own. */
static enum status put_class_means(struct writer *w, struct statistics_dataset dataset, size_t variable)
{
    const struct statistics *s = w->s;
    const struct statistics_classes *classes = &s->options.class_means;
    const struct moments *m = statistics_moments(s, STATISTICS_CLASS_RELEVANCE, 0);
    size_t dims[] = {s->options.classes, network_shape(s->measure->net, variable).channels};

    for (size_t class = 0; class < dims[0]; class ++) {
        size_t row = statistics_class_row(classes, class);
        size_t first = row * statistics_channels(s) + s->channel[variable];
        struct moments_given given = given_of_class(s, w->sums, class);
        for (size_t c = 0; c < dims[1]; c++)
            w->values[class * dims[1] + c] =
                row < classes->count ? number_at(w, dataset.number, m, first + c, given) : NAN;
    }
    return put(w, dataset.name, w->values, 2, dims);
}

/* Of a flow of this shape, ndim at most 2; rows are the classes with flows of their own. */
static enum status put_class_flow(struct writer *w, struct statistics_dataset dataset, const struct moments *m,
                                  size_t ndim, const size_t *shape)
{
    const struct statistics_classes *classes = &w->s->options.class_flows;
    size_t dims[] = {classes->count, shape[0], ndim > 1 ? shape[1] : 1}, entries = product(ndim, shape);
    float *values = malloc(classes->count * entries * sizeof *values);

    if (!values)
        return error_set(w->err, FAIL_SYSTEM, "no memory for the flows of %zu classes", classes->count);
    for (size_t i = 0; i < classes->count * entries; i++) {
        struct moments_given given = given_of_class(w->s, w->sums, statistics_class_at(classes, i / entries));
        values[i] = (float)number_at(w, dataset.number, m, i, given);
    }
    enum status rc = put(w, dataset.name, values, ndim + 1, dims);
    free(values);
    return rc;
}

/* Of number i of a kind. */
static enum status put_class_flows(struct writer *w, enum statistics_id id, size_t i, size_t ndim, const size_t *shape)
{
    const struct statistics_kind *kind = statistics_kind(id);
    char name[NAME];
    enum status rc = OK;

    for (size_t j = 0; w->s->options.class_flows.count && kind->datasets[j].name; j++)
        TRY(put_class_flow(w, (struct statistics_dataset){name_of(name, w, kind, j), kind->datasets[j].number},
                           statistics_moments(w->s, id, i), ndim, shape));
done:
    return rc;
}

static enum status put_classes(struct writer *w, size_t variable)
{
    const struct statistics_dataset *datasets = statistics_kind(STATISTICS_CLASS_RELEVANCE)->datasets;
    size_t images = statistics_moments(w->s, STATISTICS_CLASS_IMAGES, 0)->first;
    enum status rc = OK;

    for (size_t j = 0; datasets[j].name; j++)
        TRY(put_class_means(w, datasets[j], variable));
    TRY(put_counts(w, "class_count", images, 0, 1, &w->s->options.classes));
done:
    return rc;
}

static enum status put_histogram(struct writer *w, size_t first, size_t channels)
{
    size_t bins = w->s->options.bins, dims[] = {channels, bins}, edges = bins + 1;
    enum status rc = OK;

    statistics_edges(w->values, bins);
    TRY(put(w, "histogram_edges", w->values, 1, &edges));
    TRY(put_counts(w, "histogram", w->s->histogram, first * bins, 2, dims));
done:
    return rc;
}

/* The rule of the link that writes a variable, if it has one. */
static enum status put_rule(struct writer *w, size_t variable)
{
    const struct measure_plan *measure = w->s->measure;
    char text[RULE_TEXT];

    if (variable == 0 || !network_has_rule(&measure->net->links[variable - 1]))
        return OK;
    rule_text(text, measure->options.rules[variable - 1]);
    return store_set_text(w->store, w->group, "rule", text, w->err);
}

static enum status put_layer(struct writer *w, size_t variable)
{
    const struct statistics *s = w->s;
    struct shape shape = network_shape(s->measure->net, variable);
    size_t first = s->channel[variable], n = shape.channels, neurons[] = {n, shape.height, shape.width};
    uint64_t *counts = w->other;
    enum status rc = OK;

    snprintf(w->group, sizeof w->group, "layers/%s", network_variable(s->measure->net, variable));
    for (size_t c = 0; c < n; c++)
        counts[c] = (uint64_t)w->given.n;
    TRY(put(w, "count", counts, 1, &n));
    TRY(put_scope(w, OF_CHANNELS, 0, first, 1, &n));
    TRY(put_functions(w, first, n));
    TRY(put_scope(w, OF_ACTIVATION, 0, first, 1, &n));
    TRY(put_extreme(w, "min", s->lowest, -1, first, n));
    TRY(put_extreme(w, "max", s->highest, 1, first, n));
    if (s->options.bins)
        TRY(put_histogram(w, first, n));
    TRY(put_tops(w, "top", s->top, first, n));
    TRY(put_tops(w, "active", s->active, first, n));
    if (s->options.classes)
        TRY(put_classes(w, variable));
    TRY(put_scope(w, OF_VARIABLE, variable, 0, 3, neurons));
    TRY(store_set_int(w->store, w->group, "cut", s->measure->net->cut[variable], w->err));
    TRY(store_set_text(w->store, w->group, "kind", network_variable_word(s->measure->net, variable), w->err));
    TRY(put_rule(w, variable));
done:
    return rc;
}

static enum status put_lower_channels(struct writer *w, const struct columns *columns)
{
    columns_lower(w->other, columns);
    return put(w, "diagonal_lower", w->other, 1, &columns->upper);
}

static enum status put_adjacent(struct writer *w, size_t i)
{
    const struct columns *columns = &w->s->columns[i];
    size_t dims[] = {columns->upper, columns->lower}, ndim = columns->pair.diagonal ? 1 : 2;
    char name[FLOWS_NAME];
    enum status rc = OK;

    flows_name(name, w->s->measure->net, flows_ends(&columns->pair));
    snprintf(w->group, sizeof w->group, "flows/%s", name);
    w->diagonal = columns->pair.diagonal;
    TRY(put_scope(w, OF_ADJACENT, i, 0, ndim, dims));
    TRY(put_class_flows(w, STATISTICS_CLASS_FLOW, i, ndim, dims));
    if (w->diagonal)
        TRY(put_lower_channels(w, columns));
    TRY(store_set_text(w->store, w->group, "method", "exact", w->err));
done:
    w->diagonal = false;
    return rc;
}

/* Standard error against the exact mean of these images: sqrt(sum J^2 (1 - pi) / pi^2) / sum y; NaN in rows that were
 * never drawn. */
static enum status put_sampling_error(struct writer *w, size_t pair, const size_t *dims)
{
    const exact_int *draws = sums_exact_data(w->sums, statistics_moments(w->s, STATISTICS_SAMPLED_DRAWS, pair)->first);
    size_t error = statistics_moments(w->s, STATISTICS_SAMPLED_ERROR, pair)->first;

    for (size_t i = 0; i < product(2, dims); i++) {
        bool drawn = draws[i / dims[1]] != 0;
        w->values[i] = drawn ? sqrt(sums_value(w->sums, error, i)) / fabs(w->given.y) : NAN;
    }
    return put(w, "sampling_error", w->values, 2, dims);
}

static enum status put_far(struct writer *w, size_t i)
{
    const struct network *net = w->s->measure->net;
    const struct flows_pair *p = &w->s->options.flows->pairs[i];
    size_t dims[] = {network_shape(net, p->pair.upper).channels, network_shape(net, p->pair.lower).channels};
    char name[FLOWS_NAME];
    enum status rc = OK;

    flows_name(name, net, p->pair);
    snprintf(w->group, sizeof w->group, "flows/%s", name);
    TRY(put_scope(w, p->sampled ? OF_SAMPLED : OF_PAIR, i, 0, 2, dims));
    if (p->sampled)
        TRY(put_sampling_error(w, i, dims));
    else
        TRY(put_class_flows(w, STATISTICS_CLASS_FAR, i, 2, dims));
    TRY(store_set_text(w->store, w->group, "method", p->sampled ? "sampled" : "exact", w->err));
done:
    return rc;
}

/* Doubles of the largest dataset. */
static size_t largest_array(const struct statistics *s)
{
    const struct network *net = s->measure->net;
    size_t most = s->options.bins + 1;

    for (size_t k = 0; k <= net->nlinks; k++) {
        struct shape shape = network_shape(net, k);
        size_t columns[] = {s->options.bins, s->options.classes, s->options.top, 1};
        for (size_t i = 0; i < 4; i++)
            most = larger(most, shape.channels * columns[i]);
        if (s->options.maps[k])
            most = larger(most, shape_neurons(shape));
    }
    for (size_t i = 0; i < statistics_adjacent_pairs(s); i++)
        most = larger(most, flows_entries(net, &s->options.flows->adjacent[i]));
    for (size_t i = 0; i < statistics_far_pairs(s); i++)
        most = larger(most, statistics_far_entries(s, s->options.flows->pairs[i].pair));
    return larger(most, s->options.classes);
}

/* Flows by class come in one array of their own. */
size_t finish_bytes(const struct statistics *s)
{
    size_t most = largest_array(s);

    return most * (sizeof(double) + sizeof(uint64_t)) + s->options.class_flows.count * most * sizeof(float);
}

static enum status put_class_table(struct writer *w)
{
    const struct statistics_classes *flows = &w->s->options.class_flows;
    size_t n = w->s->options.classes;
    int32_t *numbers = w->other;
    enum status rc = OK;

    snprintf(w->group, sizeof w->group, "classes");
    TRY(put_counts(w, "count", statistics_moments(w->s, STATISTICS_CLASS_IMAGES, 0)->first, 0, 1, &n));
    for (size_t c = 0; c < n; c++) {
        struct moments_given given = given_of_class(w->s, w->sums, c);
        w->values[c] = given.y / given.n;
    }
    TRY(put(w, "given_mass", w->values, 1, &n));
    for (size_t c = 0; c < n; c++)
        w->values[c] = moments_given_error(given_of_class(w->s, w->sums, c));
    TRY(put(w, "given_std_error", w->values, 1, &n));
    for (size_t i = 0; i < flows->count; i++)
        numbers[i] = (int32_t)statistics_class_at(flows, i);
    if (flows->count)
        TRY(store_write(w->store, "flow_class", numbers, 1, &flows->count, w->err));
done:
    return rc;
}

enum status finish_statistics(struct store *store, const struct statistics *s, const struct sums *sums,
                              struct error *err)
{
    const struct network *net = s->measure->net;
    size_t most = largest_array(s);
    struct writer w = {.store = store, .s = s, .sums = sums, .given = given_of_run(s, sums), .err = err};
    enum status rc = OK;

    w.values = calloc(most, sizeof *w.values);
    w.other = calloc(most, sizeof(uint64_t));
    if (!w.values || !w.other)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for %zu numbers of the store", 2 * most));
    for (size_t k = 0; k <= net->nlinks; k++)
        if (!s->options.left_out[k])
            TRY(put_layer(&w, k));
    for (size_t i = 0; i < statistics_adjacent_pairs(s); i++)
        TRY(put_adjacent(&w, i));
    for (size_t i = 0; i < statistics_far_pairs(s); i++)
        TRY(put_far(&w, i));
    if (s->options.classes)
        TRY(put_class_table(&w));
done:
    free(w.values);
    free(w.other);
    return rc;
}
