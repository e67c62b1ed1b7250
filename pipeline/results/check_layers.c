#include "pipeline/results/check_layers.h"

#include "kernels/base/network_words.h"
#include "kernels/base/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the laws of one layer share. */
struct layer {
    struct check *c;
    struct check_layer *layer;
    char group[CHECK_PATH];
    double *max;  /* [channels] */
    double scale; /* of the layer's relevance under the condition, and divided by it */
};

static void report(struct layer *l, const char *name, struct check_offenders offenders, const char *things,
                   const char *what)
{
    char path[CHECK_PATH + STORE_NAME];

    snprintf(path, sizeof path, "%s/%s", l->group, name);
    check_report(l->c, path, offenders, things, what);
}

static enum status read(double **out, struct layer *l, const char *name, size_t ndim, const size_t *dims)
{
    return check_read(out, l->c, l->group, name, ndim, dims);
}

/* ---- moments --------------------------------------------------------------------------------------------------- */

enum { COUNT, STD, ERROR, POSITIVE, NEGATIVE, MIN, MAX, NCOLUMNS };

static void check_channel(struct layer *l, struct check_offenders *o, size_t i, double *const *columns)
{
    const struct check *c = l->c;
    double mean = l->layer->mean[i], positive = columns[POSITIVE][i], negative = columns[NEGATIVE][i];
    double low = columns[MIN][i], high = columns[MAX][i], undivided = mean * c->given_mean;
    double slack = CHECK_LAW * fmax(fabs(low), fabs(high));

    check_offend(&o[COUNT], i, columns[COUNT][i] != (double)c->ok);
    check_offend(&o[POSITIVE], i, !check_near(mean, positive + negative, CHECK_ROUNDING * fabs(positive - negative)));
    check_offend(&o[STD], i, columns[STD][i] < 0 || columns[ERROR][i] < 0);
    if (c->ok == 0)
        return;
    check_offend(&o[MIN], i, !(low <= high));
    check_offend(&o[MAX], i, isfinite(mean) && !(low - slack <= undivided && undivided <= high + slack));
    check_offend(&o[ERROR], i,
                 c->ok > 1 && isfinite(mean) && !(isfinite(columns[STD][i]) && isfinite(columns[ERROR][i])));
}

static enum status check_moments(struct layer *l)
{
    static const char *const names[NCOLUMNS] = {"count",         "std", "std_error", "mean_positive",
                                                "mean_negative", "min", "max"};
    double *columns[NCOLUMNS] = {0};
    struct check_offenders o[NCOLUMNS] = {0};
    size_t channels = l->layer->channels;
    enum status rc = OK;

    TRY(read(&l->layer->mean, l, "mean", 1, &channels));
    for (size_t i = 0; i < NCOLUMNS; i++)
        TRY(read(&columns[i], l, names[i], 1, &channels));
    for (size_t i = 0; i < channels; i++)
        check_channel(l, o, i, columns);
    report(l, "count", o[COUNT], "channels", "is not the number of images that are ok");
    report(l, "mean", o[POSITIVE], "channels", "is not mean_positive + mean_negative");
    report(l, "std", o[STD], "channels", "or std_error is negative");
    report(l, "min", o[MIN], "channels", "is above max, or not a number");
    report(l, "mean", o[MAX], "channels", "times the mean of images/given_mass is not between min and max");
    report(l, "std_error", o[ERROR], "channels", "or std is not finite");
    l->max = columns[MAX];
    columns[MAX] = NULL;
done:
    for (size_t i = 0; i < NCOLUMNS; i++)
        free(columns[i]);
    return rc;
}

/* Stores of earlier versions do not have it. */
static enum status check_activation(struct layer *l)
{
    size_t channels = l->layer->channels, tops[] = {channels, STORE_ANY};
    double *mean = NULL, *top = NULL;
    struct check_offenders numbers = {0}, high = {0};
    char path[CHECK_PATH + 16];
    enum status rc = OK;

    if (!check_has(l->c, l->group, "activation_mean") || l->c->ok == 0)
        return OK;
    TRY(read(&mean, l, "activation_mean", 1, &channels));
    snprintf(path, sizeof path, "%s/active_value", l->group);
    TRY(store_read_real(&top, l->c->reader, path, 2, tops, l->c->err));
    for (size_t i = 0; i < channels; i++) {
        double highest = tops[1] ? top[i * tops[1]] : (double)INFINITY;
        check_offend(&numbers, i, !isfinite(mean[i]));
        check_offend(&high, i, mean[i] > highest + CHECK_LAW * fmax(fabs(mean[i]), fabs(highest)));
    }
    report(l, "activation_mean", numbers, "channels", "is not finite");
    report(l, "activation_mean", high, "channels", "is above the highest activation, active_value");
done:
    free(mean);
    free(top);
    return rc;
}

/* Whether the walks of the condition all pass this layer, so that it sums to one: those that start at the input pass
 * all cuts. Under a condition of sets that is known without the network for the logits only. */
static bool sums_to_one(const struct layer *l)
{
    const struct check *c = l->c;
    const char *given = c->config.measure.given;
    size_t k = (size_t)(l->layer - c->layers);

    if (strcmp(given, "input") == 0)
        return !c->net || c->net->cut[k];
    return strcmp(given, "none") != 0 && k == c->nlayers - 1;
}

static void check_sum(struct layer *l)
{
    const struct check *c = l->c;
    bool plain = strcmp(c->config.measure.given, "none") == 0;
    double sum = 0, want = plain ? l->layer->mass : 1;
    char path[CHECK_PATH + 8];

    if (c->ok == 0 || c->given_mean == 0 || !(plain || sums_to_one(l)))
        return;
    for (size_t i = 0; i < l->layer->channels; i++)
        sum += l->layer->mean[i];
    snprintf(path, sizeof path, "%s/mean", l->group);
    if (!check_near(sum, want, CHECK_LAW * l->scale))
        store_problem_add(c->problems, path, "sums to %.9g, not to %.9g%s", sum, want,
                          plain ? ", the mean of images/mass" : "");
}

/* What the layer's attributes say of the network. */
static enum status check_place(struct layer *l)
{
    const struct network *net = l->c->net;
    size_t k = (size_t)(l->layer - l->c->layers);
    char *kind = NULL;
    int64_t cut = 0;
    enum status rc = OK;

    if (!net)
        return OK;
    TRY(store_get_int(&cut, l->c->reader, l->group, "cut", l->c->err));
    TRY(store_get_text(&kind, l->c->reader, l->group, "kind", l->c->err));
    if ((cut != 0) != net->cut[k] || strcmp(kind, network_variable_word(net, k)) != 0)
        store_problem_add(l->c->problems, l->group, "the attributes cut and kind are not those of /network");
done:
    free(kind);
    return rc;
}

/* ---- histogram, classes, maps ---------------------------------------------------------------------------------- */

static enum status check_histogram(struct layer *l)
{
    size_t any[] = {l->layer->channels, STORE_ANY};
    double *bins = NULL, *edges = NULL, sum;
    struct check_offenders wrong = {0}, order = {0};
    char path[CHECK_PATH + 16];
    enum status rc = OK;

    if (!check_has(l->c, l->group, "histogram"))
        return OK;
    snprintf(path, sizeof path, "%s/histogram", l->group);
    TRY(store_read_real(&bins, l->c->reader, path, 2, any, l->c->err));
    TRY(read(&edges, l, "histogram_edges", 1, (size_t[]){any[1] + 1}));
    for (size_t i = 0; i < any[0]; i++) {
        sum = 0;
        for (size_t b = 0; b < any[1]; b++)
            sum += bins[i * any[1] + b];
        check_offend(&wrong, i, sum != (double)l->c->ok);
    }
    for (size_t b = 0; b < any[1]; b++)
        check_offend(&order, b, !(edges[b] < edges[b + 1]));
    report(l, "histogram", wrong, "channels", "does not count every image that is ok once");
    report(l, "histogram_edges", order, "edges", "are not ascending");
done:
    free(bins);
    free(edges);
    return rc;
}

/* Images by class, as their rows have it; the same in every layer. */
static enum status check_class_count(struct layer *l)
{
    double *counts = NULL, *own = NULL;
    struct check_offenders wrong = {0};
    enum status rc = OK;

    if (!check_has(l->c, l->group, "class_count"))
        return OK;
    TRY(read(&counts, l, "class_count", 1, &l->c->classes));
    TRY(check_allocate(&own, l->c->classes, l->c));
    for (size_t i = 0; i < l->c->images; i++)
        if (l->c->class[i] >= 0)
            own[l->c->class[i]]++;
    for (size_t k = 0; k < l->c->classes; k++)
        check_offend(&wrong, k, counts[k] != own[k]);
    report(l, "class_count", wrong, "classes", "is not the number of its images that are ok");
done:
    free(counts);
    free(own);
    return rc;
}

/* Where all images are in classes with means, these average to the mean. */
static enum status check_class_mean(struct layer *l)
{
    struct check *c = l->c;
    size_t dims[] = {c->classes, l->layer->channels};
    double *means = NULL, *mass = NULL, total = 0;
    struct check_offenders wrong = {0};
    bool whole = c->ok > 0 && c->given_mean != 0;
    enum status rc = OK;

    if (!check_has(c, l->group, "class_mean"))
        return OK;
    TRY(read(&means, l, "class_mean", 2, dims));
    TRY(check_allocate(&mass, c->classes, c));
    for (size_t i = 0; i < c->images; i++) {
        whole = whole && (c->class[i] >= 0 || !check_is_ok(c, i));
        if (c->class[i] >= 0)
            mass[c->class[i]] += c->given[i];
    }
    for (size_t k = 0; k < dims[0]; k++)
        for (size_t i = 0; whole && mass[k] != 0 && i < dims[1]; i++)
            whole = isfinite(means[k * dims[1] + i]);
    for (size_t k = 0; k < dims[0]; k++)
        total += mass[k];
    for (size_t i = 0; whole && i < dims[1]; i++) {
        double sum = 0, size = 0;
        for (size_t k = 0; k < dims[0]; k++) {
            sum += mass[k] != 0 ? means[k * dims[1] + i] * mass[k] : 0;
            size += mass[k] != 0 ? fabs(means[k * dims[1] + i] * mass[k]) : 0;
        }
        check_offend(&wrong, i, !check_near(sum / total, l->layer->mean[i], CHECK_LAW * size / fabs(total)));
    }
    report(l, "class_mean", wrong, "channels", "does not average to the mean over all images");
done:
    free(means);
    free(mass);
    return rc;
}

static enum status check_map(struct layer *l)
{
    size_t dims[] = {l->layer->channels, STORE_ANY, STORE_ANY};
    double *map = NULL;
    struct check_offenders wrong = {0};
    char path[CHECK_PATH + 16];
    enum status rc = OK;

    if (!check_has(l->c, l->group, "map_mean"))
        return OK;
    snprintf(path, sizeof path, "%s/map_mean", l->group);
    TRY(store_read_real(&map, l->c->reader, path, 3, dims, l->c->err));
    size_t positions = dims[1] * dims[2];
    for (size_t i = 0; i < dims[0]; i++) {
        double sum = 0, size = 0;
        for (size_t p = 0; p < positions; p++) {
            sum += map[i * positions + p];
            size += fabs(map[i * positions + p]);
        }
        check_offend(&wrong, i, !check_near(sum, l->layer->mean[i], CHECK_LAW * size));
    }
    report(l, "map_mean", wrong, "channels", "does not sum to the channel's mean");
done:
    free(map);
    return rc;
}

/* ---- lists of images --------------------------------------------------------------------------------------------- */

struct tops {
    int64_t *image, *position;
    double *value;
    size_t dims[2];
};

static void check_list(struct layer *l, struct check_offenders *places, struct check_offenders *order,
                       const struct tops *tops, size_t channel)
{
    for (size_t r = 0; r < tops->dims[1]; r++) {
        size_t at = channel * tops->dims[1] + r;
        int64_t image = tops->image[at];
        bool used = image >= 0 && image < (int64_t)l->c->images && l->c->status[image] == STORE_IMAGE_OK;
        bool unused = image == -1 && tops->position[at] == -1 && isnan(tops->value[at]) && r >= l->c->ok;
        check_offend(places, channel, !unused && !(used && tops->position[at] >= 0 && !isnan(tops->value[at])));
        check_offend(order, channel, r > 0 && tops->value[at] > tops->value[at - 1]);
    }
}

/* A list of top images; the highest relevance is also `max`. */
static enum status check_tops(struct layer *l, const char *prefix, bool relevance)
{
    struct tops tops = {.dims = {l->layer->channels, STORE_ANY}};
    struct check_offenders places = {0}, order = {0}, first = {0};
    char path[CHECK_PATH + 16], name[32];
    enum status rc = OK;

    snprintf(path, sizeof path, "%s/%s_image", l->group, prefix);
    TRY(store_read_int(&tops.image, l->c->reader, path, 2, tops.dims, l->c->err));
    snprintf(path, sizeof path, "%s/%s_position", l->group, prefix);
    TRY(store_read_int(&tops.position, l->c->reader, path, 2, tops.dims, l->c->err));
    snprintf(name, sizeof name, "%s_value", prefix);
    TRY(read(&tops.value, l, name, 2, tops.dims));
    for (size_t i = 0; i < tops.dims[0]; i++) {
        check_list(l, &places, &order, &tops, i);
        if (relevance && tops.dims[1] && l->c->ok)
            check_offend(&first, i, tops.value[i * tops.dims[1]] != l->max[i]);
    }
    report(l, name, order, "channels", "is not in descending order");
    report(l, name, first, "channels", "does not begin with max");
    snprintf(name, sizeof name, "%s_image", prefix);
    report(l, name, places, "channels", "names an image that is not ok, or an unused place is not -1, -1, NaN");
done:
    free(tops.image);
    free(tops.position);
    free(tops.value);
    return rc;
}

/* ---- rows ------------------------------------------------------------------------------------------------------ */

/* Mean of the rows of the images that are ok, which are rounded to float32. */
static enum status check_relevance(struct layer *l)
{
    struct check *c = l->c;
    size_t channels = l->layer->channels, step = 1 + (CHECK_ROWS * 64) / (channels + 1);
    double *rows = NULL, *sums = NULL; /* of values, then of their size */
    struct check_offenders numbers = {0}, wrong = {0};
    char path[CHECK_PATH + 16];
    enum status rc = OK;

    if (!check_has(c, l->group, "relevance"))
        return OK;
    snprintf(path, sizeof path, "%s/relevance", l->group);
    TRY(check_allocate(&rows, step * channels, c));
    TRY(check_allocate(&sums, 2 * channels, c));
    for (size_t first = 0; first < c->images; first += step) {
        size_t nrows = smaller(c->images - first, step);
        TRY(store_read_rows(rows, c->reader, path, first, nrows, channels, c->err));
        for (size_t i = 0; i < nrows * channels; i++) {
            bool ok = check_is_ok(c, first + i / channels);
            check_offend(&numbers, first + i / channels, ok ? !isfinite(rows[i]) : !isnan(rows[i]));
            sums[i % channels] += ok ? rows[i] : 0;
            sums[channels + i % channels] += ok ? fabs(rows[i]) : 0;
        }
    }
    for (size_t i = 0; c->ok && c->given_mean != 0 && i < channels; i++) {
        double mass = (double)c->ok * c->given_mean;
        check_offend(&wrong, i,
                     !check_near(sums[i] / mass, l->layer->mean[i], CHECK_LAW * sums[channels + i] / fabs(mass)));
    }
    report(l, "relevance", numbers, "images", "must be finite for images that are ok, and NaN for others");
    report(l, "relevance", wrong, "channels", "does not average to the mean");
done:
    free(rows);
    free(sums);
    return rc;
}

enum status check_layer(struct check *c, struct check_layer *layer)
{
    struct layer l = {.c = c, .layer = layer, .scale = fmax(1, layer->variation / fabs(c->given_mean))};
    enum status rc = OK;

    snprintf(l.group, sizeof l.group, "layers/%s", layer->name);
    TRY(check_moments(&l));
    TRY(check_activation(&l));
    check_sum(&l);
    TRY(check_place(&l));
    TRY(check_histogram(&l));
    TRY(check_class_count(&l));
    TRY(check_class_mean(&l));
    TRY(check_map(&l));
    TRY(check_tops(&l, "top", true));
    TRY(check_tops(&l, "active", false));
    TRY(check_relevance(&l));
done:
    free(l.max);
    return rc;
}
