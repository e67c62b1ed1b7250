#include "pipeline/results/check_flows.h"

#include "pipeline/results/check_totals.h"
#include "pipeline/stats/queries.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- flows ----------------------------------------------------------------------------------------------------- */

/* What the laws of one flow share. */
struct flow {
    struct check *c;
    char group[CHECK_PATH];
    const char *name; /* of the flow's numbers: mean, or diagonal_mean */
    struct check_layer *upper, *lower;
    size_t dims[2], ndim;
    double *mean;      /* [upper][lower], or [upper] of a diagonal pair */
    int64_t *diagonal; /* [upper] lower channels of a diagonal pair; else NULL */
    double *rows;      /* [upper] sums, with what goes elsewhere */
    double *columns;   /* [lower] sums */
    double size;       /* sum of |mean|, or one if that is less */
    bool sampled, adjacent;
};

static void report(struct flow *f, const char *name, struct check_offenders offenders, const char *things,
                   const char *what)
{
    char path[CHECK_PATH + STORE_NAME];

    snprintf(path, sizeof path, "%s/%s", f->group, name);
    check_report(f->c, path, offenders, things, what);
}

static struct check_layer *find_layer(struct check *c, const char *name)
{
    const struct check_layer *found = check_find_layer(c, name);

    return found ? &c->layers[found - c->layers] : NULL;
}

/* Entries of the flow. */
static size_t entries(const struct flow *f)
{
    return f->ndim == 1 ? f->dims[0] : f->dims[0] * f->dims[1];
}

/* The lower channels of a diagonal pair. */
static enum status read_diagonal(struct flow *f)
{
    char path[CHECK_PATH + 16];
    struct check_offenders outside = {0};
    enum status rc = OK;

    if (f->ndim == 2)
        return OK;
    snprintf(path, sizeof path, "%s/diagonal_lower", f->group);
    TRY(store_read_int(&f->diagonal, f->c->reader, path, 1, f->dims, f->c->err));
    for (size_t u = 0; u < f->dims[0]; u++) {
        bool bad = f->diagonal[u] < -1 || f->diagonal[u] >= (int64_t)f->dims[1];
        check_offend(&outside, u, bad);
        f->diagonal[u] = bad ? -1 : f->diagonal[u];
    }
    report(f, "diagonal_lower", outside, "upper channels", "is no channel of the lower layer");
done:
    return rc;
}

/* "conv4_3-conv5_1": the layers, the lower one first. */
static enum status find_layers(struct flow *f, const char *pair)
{
    char lower[STORE_NAME];
    const char *dash = strchr(pair, '-');
    enum status rc = OK;

    snprintf(lower, sizeof lower, "%.*s", dash ? (int)(dash - pair) : 0, pair);
    f->lower = find_layer(f->c, lower);
    f->upper = dash ? find_layer(f->c, dash + 1) : NULL;
    if (!f->lower || !f->upper || f->lower >= f->upper) {
        store_problem_add(f->c->problems, f->group, "is not named after a lower and an upper variable");
        f->upper = NULL;
        return OK;
    }
    f->dims[0] = f->upper->channels;
    f->dims[1] = f->lower->channels;
    f->ndim = check_has(f->c, f->group, "diagonal_mean") ? 1 : 2;
    f->name = f->ndim == 1 ? "diagonal_mean" : "mean";
    f->adjacent = check_is_adjacent(f->c, f->lower, f->upper);
    TRY(check_read(&f->mean, f->c, f->group, f->name, f->ndim, f->dims));
    TRY(read_diagonal(f));
done:
    return rc;
}

/* Add a column of numbers to sums, if it is there. */
static enum status add_column(double *sums, struct flow *f, const char *name, size_t length)
{
    double *column = NULL;
    enum status rc = OK;

    if (!check_has(f->c, f->group, name))
        return OK;
    TRY(check_read(&column, f->c, f->group, name, 1, &length));
    for (size_t i = 0; i < length; i++)
        sums[i] += column[i];
done:
    free(column);
    return rc;
}

/* Row and column sums of numbers like the flow's mean. */
static void add_sums(double *rows, double *columns, const struct flow *f, const double *numbers)
{
    for (size_t i = 0; i < entries(f); i++) {
        size_t u = f->ndim == 1 ? i : i / f->dims[1];
        int64_t l = f->ndim == 1 ? f->diagonal[u] : (int64_t)(i % f->dims[1]);
        rows[u] += numbers[i];
        if (l >= 0)
            columns[l] += numbers[i];
    }
}

/* What goes elsewhere is a link's, and counts once for all its pairs. */
static enum status sum_flow(struct flow *f)
{
    static const char *const others[] = {"to_bias", "absorbed", "lost", "left_out"};
    bool counts = !f->adjacent || f->upper->below.found == 0;
    enum status rc = OK;

    TRY(check_allocate(&f->rows, f->dims[0], f->c));
    TRY(check_allocate(&f->columns, f->dims[1], f->c));
    add_sums(f->rows, f->columns, f, f->mean);
    for (size_t i = 0; counts && i < sizeof others / sizeof others[0]; i++)
        TRY(add_column(f->rows, f, others[i], f->dims[0]));
    TRY(add_column(f->columns, f, "around", f->dims[1]));
done:
    return rc;
}

/* Column sums of a matrix are `marginal`. */
static void check_columns(struct flow *f, const char *name, const double *sums, double size, const double *marginal)
{
    struct check_offenders wrong = {0};

    for (size_t l = 0; isfinite(size) && l < f->dims[1]; l++)
        check_offend(&wrong, l, !check_near(sums[l], marginal[l], CHECK_LAW * size));
    report(f, name, wrong, "lower channels", "column sums are not the means of the lower layer");
}

/* Row sums and what goes elsewhere are the marginal of the upper layer, column sums and what goes around that of the
 * lower one. The laws of adjacent pairs are of several. */
static enum status check_laws(struct flow *f)
{
    struct check_offenders wrong = {0};
    enum status rc = OK;

    TRY(sum_flow(f));
    if (f->adjacent) {
        TRY(check_total_add(f->c, &f->upper->below, f->group, f->rows, f->dims[0], f->size));
        TRY(check_total_add(f->c, &f->lower->above, f->group, f->columns, f->dims[1], f->size));
        goto done;
    }
    for (size_t u = 0; f->upper->mean && u < f->dims[0]; u++)
        check_offend(&wrong, u, !check_near(f->rows[u], f->upper->mean[u], CHECK_LAW * f->size));
    report(f, f->name, wrong, "upper channels",
           "row sums with to_bias, absorbed, lost and left_out are not the means of the upper layer");
    if (f->lower->mean && !check_has(f->c, f->group, "left_out"))
        check_columns(f, f->name, f->columns, f->size, f->lower->mean);
done:
    return rc;
}

/* Whether the flow is all of what reaches the lower layer: the only one of adjacent pairs, or nothing goes around. */
static bool is_all_of_lower(const struct flow *f)
{
    if (f->adjacent)
        return f->lower->above.wanted == 1;
    return !check_has(f->c, f->group, "left_out") && !check_has(f->c, f->group, "around");
}

static enum status check_class_rows(struct flow *f, const int64_t *rows, size_t nrows, const double *marginals)
{
    size_t n = entries(f), lower = f->dims[1], upper = f->dims[0];
    const char *name = f->ndim == 1 ? "diagonal_class_mean" : "class_mean";
    double *numbers = NULL, *sums = NULL;
    char path[CHECK_PATH + STORE_NAME];
    enum status rc = OK;

    TRY(check_allocate(&numbers, n, f->c));
    TRY(check_allocate(&sums, upper + lower, f->c));
    snprintf(path, sizeof path, "%s/%s", f->group, name);
    for (size_t k = 0; k < nrows; k++) {
        double size = 1;
        TRY(store_read_rows(numbers, f->c->reader, path, k, 1, n, f->c->err));
        if (rows[k] < 0 || rows[k] >= (int64_t)f->c->classes || !isfinite(marginals[(size_t)rows[k] * lower]))
            continue; /* a class without means of its own */
        memset(sums, 0, (upper + lower) * sizeof *sums);
        add_sums(sums, sums + upper, f, numbers);
        for (size_t i = 0; i < n; i++)
            size += fabs(numbers[i]);
        check_columns(f, name, sums + upper, size, marginals + (size_t)rows[k] * lower);
    }
done:
    free(numbers);
    free(sums);
    return rc;
}

/* Matrices by class, one after the other. */
static enum status check_class_flows(struct flow *f)
{
    struct check *c = f->c;
    size_t dims[] = {c->classes, f->lower->channels}, nrows = STORE_ANY;
    double *marginals = NULL;
    int64_t *rows = NULL;
    char group[CHECK_PATH];
    enum status rc = OK;

    snprintf(group, sizeof group, "layers/%s", f->lower->name);
    if (!check_has(c, f->group, f->ndim == 1 ? "diagonal_class_mean" : "class_mean") ||
        !check_has(c, group, "class_mean") || !is_all_of_lower(f))
        return OK;
    TRY(check_read(&marginals, c, group, "class_mean", 2, dims));
    TRY(store_read_int(&rows, c->reader, "classes/flow_class", 1, &nrows, c->err));
    TRY(check_class_rows(f, rows, nrows, marginals));
done:
    free(marginals);
    free(rows);
    return rc;
}

/* Rows that were never drawn are zero, without a sampling error. */
static enum status check_draws(struct flow *f)
{
    double *draws = NULL, *chances = NULL, *error = NULL;
    struct check_offenders counts = {0}, rows = {0};
    enum status rc = OK;

    TRY(check_read(&draws, f->c, f->group, "draws", 1, f->dims));
    if (f->sampled) {
        TRY(check_read(&chances, f->c, f->group, "chances", 1, f->dims));
        TRY(check_read(&error, f->c, f->group, "sampling_error", 2, f->dims));
    }
    for (size_t u = 0; u < f->dims[0]; u++)
        check_offend(&counts, u, draws[u] > (double)f->c->ok || (chances && chances[u] > draws[u]));
    for (size_t i = 0; f->c->ok && f->c->given_mean != 0 && i < f->dims[0] * f->dims[1]; i++) {
        bool drawn = draws[i / f->dims[1]] > 0;
        check_offend(&rows, i / f->dims[1], (!drawn && f->mean[i] != 0) || (error && isnan(error[i]) == drawn));
    }
    report(f, "draws", counts, "upper channels", "is above the number of images, or below chances");
    report(f, "mean", rows, "upper channels",
           "must be zero where draws is, with a sampling_error that is NaN there only");
done:
    free(draws);
    free(chances);
    free(error);
    return rc;
}

static enum status check_method(struct flow *f)
{
    char *method = NULL;
    enum status rc = store_get_text(&method, f->c->reader, f->group, "method", f->c->err);

    if (rc != OK)
        return rc;
    f->sampled = strcmp(method, "sampled") == 0;
    if (!f->sampled && strcmp(method, "exact") != 0)
        store_problem_add(f->c->problems, f->group, "the attribute method is \"%.40s\", not exact or sampled", method);
    free(method);
    return OK;
}

enum status check_flow(struct check *c, const char *pair)
{
    struct flow f = {.c = c, .size = 1};
    struct check_offenders negative = {0};
    double *error = NULL;
    enum status rc = OK;

    snprintf(f.group, sizeof f.group, "flows/%s", pair);
    TRY(find_layers(&f, pair));
    if (!f.upper)
        goto done;
    const char *name = f.ndim == 1 ? "diagonal_std_error" : "std_error";
    TRY(check_method(&f));
    TRY(check_read(&error, c, f.group, name, f.ndim, f.dims));
    for (size_t i = 0; i < entries(&f); i++) {
        check_offend(&negative, f.ndim == 1 ? i : i / f.dims[1], error[i] < 0);
        f.size += fabs(f.mean[i]);
    }
    report(&f, name, negative, "upper channels", "is negative");
    if (check_has(c, f.group, "draws"))
        TRY(check_draws(&f));
    if (!f.sampled && c->ok && isfinite(f.size)) {
        TRY(check_laws(&f));
        TRY(check_class_flows(&f));
    }
done:
    free(error);
    free(f.mean);
    free(f.diagonal);
    free(f.rows);
    free(f.columns);
    return rc;
}

/* ---- queries --------------------------------------------------------------------------------------------------- */

enum status check_query(struct check *c, const char *name)
{
    double *value = NULL, *given = NULL, *mean = NULL, *error = NULL;
    struct check_offenders rows = {0};
    char group[CHECK_PATH];
    enum status rc = OK;

    snprintf(group, sizeof group, "queries/%s", name);
    TRY(check_read(&value, c, group, "value", 1, &c->images));
    TRY(check_read(&given, c, group, "given", 1, &c->images));
    TRY(check_read(&mean, c, group, "mean", 0, NULL));
    TRY(check_read(&error, c, group, "std_error", 0, NULL));
    struct queries_mean want = queries_mean(value, given, c->images);
    for (size_t i = 0; i < c->images; i++) {
        bool finite = isfinite(value[i]) && isfinite(given[i]), none = isnan(value[i]) && isnan(given[i]);
        check_offend(&rows, i, check_is_ok(c, i) ? !finite : !none);
    }
    check_report(c, group, rows, "images", "value and given must be finite for images that are ok, and NaN for others");
    if (!check_near(*mean, want.mean, CHECK_ROUNDING * fabs(want.mean)))
        store_problem_add(c->problems, group, "mean is %.9g, and the rows' ratio of means is %.9g", *mean, want.mean);
    if (!check_near(*error, want.std_error, CHECK_ROUNDING * fabs(want.std_error)))
        store_problem_add(c->problems, group, "std_error is %.6g, and that of the rows is %.6g", *error,
                          want.std_error);
    if (store_has_attribute(c->reader, group, "weak_condition") != want.weak)
        store_problem_add(c->problems, group,
                          "the attribute weak_condition must be there if, and only if, the mean of "
                          "given is within 3 standard errors of zero");
done:
    free(value);
    free(given);
    free(mean);
    free(error);
    return rc;
}

/* ---- classes --------------------------------------------------------------------------------------------------- */

enum status check_classes(struct check *c)
{
    double *count = NULL, *given = NULL, *own = NULL; /* images, their mass, and its size */
    struct check_offenders counts = {0}, masses = {0};
    size_t n = c->classes;
    enum status rc = OK;

    if (!store_has(c->reader, "classes/count"))
        return OK;
    TRY(check_read(&count, c, "classes", "count", 1, &n));
    TRY(check_read(&given, c, "classes", "given_mass", 1, &n));
    TRY(check_allocate(&own, 3 * n, c));
    for (size_t i = 0; i < c->images; i++) {
        if (c->class[i] < 0)
            continue;
        own[c->class[i]]++;
        own[n + (size_t)c->class[i]] += c->given[i];
        own[2 * n + (size_t)c->class[i]] += fabs(c->given[i]);
    }
    for (size_t k = 0; k < n; k++) {
        check_offend(&counts, k, count[k] != own[k]);
        check_offend(&masses, k, !check_near(given[k], own[n + k] / own[k], CHECK_ROUNDING * own[2 * n + k]));
    }
    check_report(c, "classes/count", counts, "classes", "is not the number of its images that are ok");
    check_report(c, "classes/given_mass", masses, "classes", "is not the mean of images/given_mass of its images");
done:
    free(count);
    free(given);
    free(own);
    return rc;
}
