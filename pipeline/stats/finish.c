#include "pipeline/stats/finish.h"

#include "kernels/base/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATH = 128 };

/* ---- the formulas ---------------------------------------------------------------------------------------------- */

/* Covariance of two quantities from their sums and the sum of their products; rounding can make a variance negative. */
static double covariance(double n, double x, double y, double xy)
{
    return (xy - x * y / n) / (n - 1);
}

struct finish_ratio finish_ratio(struct finish_moments m, double x, double xx, double xy)
{
    double ratio = x / m.y, mean_y = fabs(m.y / m.n), var_x = covariance(m.n, x, x, xx);
    double spread = var_x - 2 * ratio * covariance(m.n, x, m.y, xy) + ratio * ratio * covariance(m.n, m.y, m.y, m.yy);

    if (m.n < 1)
        return (struct finish_ratio){NAN, NAN, NAN};
    if (m.n < 2)
        return (struct finish_ratio){ratio, NAN, NAN};
    return (struct finish_ratio){ratio, sqrt(fmax(var_x, 0)) / mean_y, sqrt(fmax(spread, 0) / m.n) / mean_y};
}

static struct finish_moments moments_of(const struct statistics *s, const struct sums *sums)
{
    return (struct finish_moments){sums_value(sums, s->images, 0), sums_value(sums, s->given, 0),
                                   sums_value(sums, s->given_square, 0)};
}

/* Standard error of the mean of y. */
static double standard_error(struct finish_moments m)
{
    return m.n >= 2 ? sqrt(fmax(covariance(m.n, m.y, m.y, m.yy), 0) / m.n) : NAN;
}

struct finish_given finish_given(const struct statistics *s, const struct sums *sums)
{
    struct finish_moments m = moments_of(s, sums);
    double mean = m.y / m.n, error = standard_error(m);

    return (struct finish_given){m.n, mean, error, fabs(mean) < 3 * error};
}

/* Moments of the condition over the images of a class. */
static struct finish_moments moments_of_class(const struct statistics *s, const struct sums *sums, size_t class)
{
    return (struct finish_moments){sums_value(sums, s->class_images, class), sums_value(sums, s->class_given, class),
                                   sums_value(sums, s->class_given_square, class)};
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* What the writers share: where to write, and memory for the largest array. */
struct writer {
    struct store *store;
    const struct statistics *s;
    const struct sums *sums;
    struct finish_moments m;
    char group[PATH / 2];
    double *values; /* [largest number of elements] */
    void *other;    /* the same room for other types */
    struct error *err;
};

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

/* Sums divided by the sum of y, which is the ratio of the means. */
static enum status put_ratio(struct writer *w, const char *name, size_t section, size_t first, size_t ndim,
                             const size_t *dims)
{
    for (size_t i = 0; i < product(ndim, dims); i++)
        w->values[i] = sums_value(w->sums, section, first + i) / w->m.y;
    return put(w, name, w->values, ndim, dims);
}

/* One of finish_ratio's numbers for every entry. Without a condition y is one and there is no section of products. */
enum moment { MOMENT_MEAN, MOMENT_STD, MOMENT_ERROR };

struct moment_sections {
    size_t x, square, product;
    bool conditioned;
};

static enum status put_moment(struct writer *w, const char *name, enum moment which, struct moment_sections sections,
                              size_t first, size_t ndim, const size_t *dims)
{
    for (size_t i = 0; i < product(ndim, dims); i++) {
        double x = sums_value(w->sums, sections.x, first + i), square = sums_value(w->sums, sections.square, first + i);
        double xy = sections.conditioned ? sums_value(w->sums, sections.product, first + i) : x;
        struct finish_ratio r = finish_ratio(w->m, x, square, xy);
        w->values[i] = which == MOMENT_MEAN ? r.mean : which == MOMENT_STD ? r.std : r.std_error;
    }
    return put(w, name, w->values, ndim, dims);
}

static enum status put_extreme(struct writer *w, const char *name, size_t section, double sign, size_t first, size_t n)
{
    const double *extremes = sums_max_data(w->sums, section) + first;

    for (size_t i = 0; i < n; i++)
        w->values[i] = isinf(extremes[i]) ? NAN : sign * extremes[i];
    return put(w, name, w->values, 1, &n);
}

static enum status put_counts(struct writer *w, const char *name, size_t section, size_t first, size_t ndim,
                              const size_t *dims)
{
    uint64_t *counts = w->other;

    for (size_t i = 0; i < product(ndim, dims); i++)
        counts[i] = (uint64_t)sums_exact_data(w->sums, section)[first + i];
    return put(w, name, counts, ndim, dims);
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

/* Mean, deviation and error of sum i of a class's sections. */
static struct finish_ratio class_ratio(const struct writer *w, struct moment_sections sections, size_t class, size_t i)
{
    double x = sums_value(w->sums, sections.x, i), square = sums_value(w->sums, sections.square, i);

    return finish_ratio(moments_of_class(w->s, w->sums, class), x, square,
                        sections.conditioned ? sums_value(w->sums, sections.product, i) : x);
}

/* Rows are classes of the network, NaN for those without means of their own. */
static enum status put_class_means(struct writer *w, const char *name, enum moment which, size_t variable)
{
    const struct statistics *s = w->s;
    const struct statistics_classes *classes = &s->options.class_means;
    struct moment_sections x = {s->class_x, s->class_square, s->class_product, statistics_conditioned(s)};
    size_t dims[] = {s->options.classes, network_shape(s->measure->net, variable).channels};

    for (size_t class = 0; class < dims[0]; class ++) {
        size_t row = statistics_class_row(classes, class);
        size_t first = row * statistics_channels(s) + s->measure->channel[variable];
        for (size_t c = 0; c < dims[1]; c++) {
            struct finish_ratio r = {NAN, NAN, NAN};
            if (row < classes->count)
                r = class_ratio(w, x, class, first + c);
            w->values[class * dims[1] + c] = which == MOMENT_MEAN ? r.mean : r.std_error;
        }
    }
    return put(w, name, w->values, 2, dims);
}

static enum status put_classes(struct writer *w, size_t variable)
{
    enum status rc = OK;

    TRY(put_class_means(w, "class_mean", MOMENT_MEAN, variable));
    TRY(put_class_means(w, "class_std_error", MOMENT_ERROR, variable));
    TRY(put_counts(w, "class_count", w->s->class_images, 0, 1, &w->s->options.classes));
done:
    return rc;
}

/* Means and errors by class of a flow of this shape (upper, lower); rows are the classes with flows of their own. */
static enum status put_class_flow(struct writer *w, const char *name, enum moment which, struct moment_sections x,
                                  const size_t *shape)
{
    const struct statistics_classes *classes = &w->s->options.class_flows;
    size_t dims[] = {classes->count, shape[0], shape[1]}, entries = product(2, shape);
    float *values = malloc(classes->count * entries * sizeof *values);

    if (!values)
        return error_set(w->err, FAIL_SYSTEM, "no memory for the flows of %zu classes", classes->count);
    for (size_t i = 0; i < classes->count * entries; i++) {
        struct finish_ratio r = class_ratio(w, x, statistics_class_at(classes, i / entries), i);
        values[i] = (float)(which == MOMENT_MEAN ? r.mean : r.std_error);
    }
    enum status rc = put(w, name, values, 3, dims);
    free(values);
    return rc;
}

static enum status put_class_flows(struct writer *w, struct moment_sections x, const size_t *shape)
{
    enum status rc = OK;

    if (w->s->options.class_flows.count == 0)
        return OK;
    TRY(put_class_flow(w, "class_mean", MOMENT_MEAN, x, shape));
    TRY(put_class_flow(w, "class_std_error", MOMENT_ERROR, x, shape));
done:
    return rc;
}

static enum status put_map(struct writer *w, size_t variable)
{
    struct shape shape = network_shape(w->s->measure->net, variable);
    size_t dims[] = {shape.channels, shape.height, shape.width};
    float *map = w->other;

    for (size_t i = 0; i < shape_neurons(shape); i++)
        map[i] = (float)(sums_value(w->sums, w->s->map[variable], i) / w->m.y);
    return put(w, "map_mean", map, 3, dims);
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

static enum status put_layer(struct writer *w, size_t variable)
{
    const struct statistics *s = w->s;
    size_t first = s->measure->channel[variable], n = network_shape(s->measure->net, variable).channels;
    struct moment_sections x = {s->x, s->square, s->product, true};
    uint64_t *counts = w->other;
    enum status rc = OK;

    snprintf(w->group, sizeof w->group, "layers/%s", network_variable(s->measure->net, variable));
    for (size_t c = 0; c < n; c++)
        counts[c] = (uint64_t)w->m.n;
    TRY(put(w, "count", counts, 1, &n));
    TRY(put_moment(w, "mean", MOMENT_MEAN, x, first, 1, &n));
    TRY(put_moment(w, "std", MOMENT_STD, x, first, 1, &n));
    TRY(put_moment(w, "std_error", MOMENT_ERROR, x, first, 1, &n));
    TRY(put_ratio(w, "mean_positive", s->positive, first, 1, &n));
    TRY(put_ratio(w, "mean_negative", s->negative, first, 1, &n));
    TRY(put_extreme(w, "min", s->lowest, -1, first, n));
    TRY(put_extreme(w, "max", s->highest, 1, first, n));
    if (s->options.bins)
        TRY(put_histogram(w, first, n));
    TRY(put_tops(w, "top", s->top, first, n));
    TRY(put_tops(w, "active", s->active, first, n));
    if (s->options.classes)
        TRY(put_classes(w, variable));
    if (s->options.maps[variable])
        TRY(put_map(w, variable));
done:
    return rc;
}

static enum status put_flow(struct writer *w, size_t k)
{
    const struct network *net = w->s->measure->net;
    size_t below = network_weighted_below(net, k);
    size_t dims[] = {net->links[k].upper.channels, net->links[k].lower.channels};
    bool conditioned = statistics_conditioned(w->s);
    struct moment_sections x = {w->s->flow[k], w->s->flow_square[k], w->s->flow_product[k], conditioned};
    struct moment_sections by_class = {w->s->class_flow[k], w->s->class_flow_square[k], w->s->class_flow_product[k],
                                       conditioned};
    enum status rc = OK;

    snprintf(w->group, sizeof w->group, "flows/%s-%s", below == net->nlinks ? "input" : net->links[below].name,
             net->links[k].name);
    TRY(put_moment(w, "mean", MOMENT_MEAN, x, 0, 2, dims));
    TRY(put_moment(w, "std_error", MOMENT_ERROR, x, 0, 2, dims));
    TRY(put_ratio(w, "to_bias", w->s->to_bias[k], 0, 1, dims));
    TRY(put_ratio(w, "absorbed", w->s->absorbed[k], 0, 1, dims));
    TRY(put_class_flows(w, by_class, dims));
    TRY(store_set_text(w->store, w->group, "method", "exact", w->err));
done:
    return rc;
}

/* Standard error against the exact mean of these images: sqrt(sum J^2 (1 - pi) / pi^2) / sum y; NaN in rows that were
 * never drawn. */
static enum status put_sampling_error(struct writer *w, const struct statistics_far *far, const size_t *dims)
{
    for (size_t i = 0; i < product(2, dims); i++) {
        bool drawn = sums_exact_data(w->sums, far->draws)[i / dims[1]] != 0;
        w->values[i] = drawn ? sqrt(sums_value(w->sums, far->error, i)) / fabs(w->m.y) : NAN;
    }
    return put(w, "sampling_error", w->values, 2, dims);
}

static enum status put_far(struct writer *w, size_t i)
{
    const struct network *net = w->s->measure->net;
    const struct flows_pair *p = &w->s->options.flows->pairs[i];
    const struct statistics_far *far = &w->s->far[i];
    bool conditioned = statistics_conditioned(w->s);
    struct moment_sections x = {far->flow, far->square, far->product, conditioned};
    struct moment_sections by_class = {far->class_flow, far->class_square, far->class_product, conditioned};
    size_t dims[] = {network_shape(net, p->pair.upper).channels, network_shape(net, p->pair.lower).channels};
    char name[FLOWS_NAME];
    enum status rc = OK;

    flows_name(name, net, p->pair);
    snprintf(w->group, sizeof w->group, "flows/%s", name);
    TRY(put_moment(w, "mean", MOMENT_MEAN, x, 0, 2, dims));
    TRY(put_moment(w, "std_error", MOMENT_ERROR, x, 0, 2, dims));
    if (!p->sampled) {
        TRY(put_ratio(w, "lost", far->lost, 0, 1, dims));
        TRY(put_class_flows(w, by_class, dims));
    }
    if (p->pair.rows)
        TRY(put_ratio(w, "left_out", far->left_out, 0, 1, dims));
    if (p->pair.rows || p->sampled)
        TRY(put_counts(w, "draws", far->draws, 0, 1, dims));
    if (p->sampled) {
        TRY(put_counts(w, "chances", far->chances, 0, 1, dims));
        TRY(put_sampling_error(w, far, dims));
    }
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
        if (k > 0 && s->measure->options.flows[k - 1])
            most = larger(most, shape.channels * net->links[k - 1].lower.channels);
    }
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
    TRY(put_counts(w, "count", w->s->class_images, 0, 1, &n));
    for (size_t c = 0; c < n; c++)
        w->values[c] = sums_value(w->sums, w->s->class_given, c) / sums_value(w->sums, w->s->class_images, c);
    TRY(put(w, "given_mass", w->values, 1, &n));
    for (size_t c = 0; c < n; c++)
        w->values[c] = standard_error(moments_of_class(w->s, w->sums, c));
    TRY(put(w, "given_std_error", w->values, 1, &n));
    for (size_t i = 0; i < flows->count; i++)
        numbers[i] = (int32_t)statistics_class_at(flows, i);
    if (flows->count)
        TRY(put(w, "flow_class", numbers, 1, &flows->count));
done:
    return rc;
}

enum status finish_statistics(struct store *store, const struct statistics *s, const struct sums *sums,
                              struct error *err)
{
    const struct network *net = s->measure->net;
    size_t most = largest_array(s);
    struct writer w = {.store = store, .s = s, .sums = sums, .m = moments_of(s, sums), .err = err};
    enum status rc = OK;

    w.values = calloc(most, sizeof *w.values);
    w.other = calloc(most, sizeof(uint64_t));
    if (!w.values || !w.other)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for %zu numbers of the store", 2 * most));
    for (size_t k = 0; k <= net->nlinks; k++)
        TRY(put_layer(&w, k));
    for (size_t k = 0; k < net->nlinks; k++)
        if (s->measure->options.flows[k])
            TRY(put_flow(&w, k));
    for (size_t i = 0; i < statistics_far_pairs(s); i++)
        TRY(put_far(&w, i));
    if (s->options.classes)
        TRY(put_class_table(&w));
done:
    free(w.values);
    free(w.other);
    return rc;
}
