#include "pipeline/results/check_flows.h"

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
    const struct check_layer *upper, *lower;
    size_t dims[2];
    double *mean; /* [upper][lower] */
    double size;  /* sum of |mean|, or one if that is less */
    bool sampled;
};

static void report(struct flow *f, const char *name, struct check_offenders offenders, const char *things,
                   const char *what)
{
    char path[CHECK_PATH + STORE_NAME];

    snprintf(path, sizeof path, "%s/%s", f->group, name);
    check_report(f->c, path, offenders, things, what);
}

/* "conv4_3-conv5_1": the layers, the lower one first. */
static enum status find_layers(struct flow *f, const char *pair)
{
    char lower[STORE_NAME];
    const char *dash = strchr(pair, '-');

    snprintf(lower, sizeof lower, "%.*s", dash ? (int)(dash - pair) : 0, pair);
    f->lower = check_find_layer(f->c, lower);
    f->upper = dash ? check_find_layer(f->c, dash + 1) : NULL;
    if (!f->lower || !f->upper || f->lower >= f->upper) {
        store_problem_add(f->c->problems, f->group, "is not named after a lower and an upper variable");
        f->upper = NULL;
        return OK;
    }
    f->dims[0] = f->upper->channels;
    f->dims[1] = f->lower->channels;
    return check_read(&f->mean, f->c, f->group, "mean", 2, f->dims);
}

/* Add a column of numbers to the sums of the rows, if it is there. */
static enum status add_column(double *sums, struct flow *f, const char *name)
{
    double *column = NULL;
    enum status rc = OK;

    if (!check_has(f->c, f->group, name))
        return OK;
    TRY(check_read(&column, f->c, f->group, name, 1, f->dims));
    for (size_t u = 0; u < f->dims[0]; u++)
        sums[u] += column[u];
done:
    free(column);
    return rc;
}

/* Row sums and what goes elsewhere are the marginal of the upper layer. */
static enum status check_rows(struct flow *f)
{
    static const char *const others[] = {"to_bias", "absorbed", "lost", "left_out"};
    double *sums = NULL;
    struct check_offenders wrong = {0};
    enum status rc = OK;

    TRY(check_allocate(&sums, f->dims[0], f->c));
    for (size_t i = 0; i < f->dims[0] * f->dims[1]; i++)
        sums[i / f->dims[1]] += f->mean[i];
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        TRY(add_column(sums, f, others[i]));
    for (size_t u = 0; u < f->dims[0]; u++)
        check_offend(&wrong, u, !check_near(sums[u], f->upper->mean[u], CHECK_LAW * f->size));
    report(f, "mean", wrong, "upper channels",
           "row sums with to_bias, absorbed, lost and left_out are not the means of the upper layer");
done:
    free(sums);
    return rc;
}

/* Column sums of a matrix [upper][lower] are `marginal`. */
static enum status check_columns(struct flow *f, const char *name, const double *matrix, const double *marginal)
{
    double *sums = NULL, size = 1;
    struct check_offenders wrong = {0};
    enum status rc = OK;

    TRY(check_allocate(&sums, f->dims[1], f->c));
    for (size_t i = 0; i < f->dims[0] * f->dims[1]; i++) {
        sums[i % f->dims[1]] += matrix[i];
        size += fabs(matrix[i]);
    }
    for (size_t l = 0; isfinite(size) && l < f->dims[1]; l++)
        check_offend(&wrong, l, !check_near(sums[l], marginal[l], CHECK_LAW * size));
    report(f, name, wrong, "lower channels", "column sums are not the means of the lower layer");
done:
    free(sums);
    return rc;
}

/* Matrices by class, one after the other. */
static enum status check_class_flows(struct flow *f)
{
    struct check *c = f->c;
    size_t dims[] = {c->classes, f->lower->channels}, nrows = STORE_ANY, entries = f->dims[0] * f->dims[1];
    double *marginals = NULL, *matrix = NULL;
    int64_t *rows = NULL;
    char path[CHECK_PATH + STORE_NAME], group[CHECK_PATH];
    enum status rc = OK;

    snprintf(group, sizeof group, "layers/%s", f->lower->name);
    if (!check_has(c, f->group, "class_mean") || !check_has(c, group, "class_mean"))
        return OK;
    TRY(check_read(&marginals, c, group, "class_mean", 2, dims));
    TRY(store_read_int(&rows, c->reader, "flow_class", 1, &nrows, c->err));
    TRY(check_allocate(&matrix, entries, c));
    snprintf(path, sizeof path, "%s/class_mean", f->group);
    for (size_t k = 0; k < nrows; k++) {
        TRY(store_read_rows(matrix, c->reader, path, k, 1, entries, c->err));
        if (rows[k] < 0 || rows[k] >= (int64_t)c->classes || !isfinite(marginals[(size_t)rows[k] * dims[1]]))
            continue; /* a class without means of its own */
        TRY(check_columns(f, "class_mean", matrix, marginals + (size_t)rows[k] * dims[1]));
    }
done:
    free(marginals);
    free(rows);
    free(matrix);
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
    if (!f.upper || !f.upper->mean || !f.lower->mean)
        goto done;
    TRY(check_method(&f));
    TRY(check_read(&error, c, f.group, "std_error", 2, f.dims));
    for (size_t i = 0; i < f.dims[0] * f.dims[1]; i++) {
        check_offend(&negative, i / f.dims[1], error[i] < 0);
        f.size += fabs(f.mean[i]);
    }
    report(&f, "std_error", negative, "upper channels", "is negative");
    if (check_has(c, f.group, "draws"))
        TRY(check_draws(&f));
    if (!f.sampled && c->ok && isfinite(f.size)) {
        TRY(check_rows(&f));
        if (!check_has(c, f.group, "left_out")) {
            TRY(check_columns(&f, "mean", f.mean, f.lower->mean));
            TRY(check_class_flows(&f));
        }
    }
done:
    free(error);
    free(f.mean);
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
                          "given is zero or within 3 standard errors of it");
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
