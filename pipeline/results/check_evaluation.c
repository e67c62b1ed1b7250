#include "pipeline/results/check_evaluation.h"

#include "kernels/ablation/curve.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES = 3, HALVES = 3 };

/* ---- means ------------------------------------------------------------------------------------------------------- */

/* Mean and standard error of value i over the images that have it. */
static void mean_of(double *mean, double *error, const double *values, size_t n, size_t i)
{
    double sum = 0, squares = 0, count = 0;

    for (size_t image = 0; image < n; image++)
        if (!isnan(values[image * VALUES + i])) {
            sum += values[image * VALUES + i];
            count++;
        }
    *mean = count > 0 ? sum / count : NAN;
    for (size_t image = 0; image < n; image++)
        if (!isnan(values[image * VALUES + i]))
            squares += pow(values[image * VALUES + i] - *mean, 2);
    *error = count > 1 ? sqrt(squares / (count - 1) / count) : NAN;
}

static enum status check_means(struct check *c, const char *group, const char *stem)
{
    size_t dims[] = {c->images, VALUES}, halves[] = {HALVES, VALUES};
    double *values = NULL, *means = NULL, *errors = NULL;
    char name[64], path[CHECK_PATH];
    struct check_offenders offenders = {0};
    enum status rc = OK;

    TRY(check_read(&values, c, group, stem, 2, dims));
    snprintf(name, sizeof name, "%s_mean", stem);
    snprintf(path, sizeof path, "%s/%s", group, name);
    TRY(check_read(&means, c, group, name, 2, halves));
    snprintf(name, sizeof name, "%s_error", stem);
    TRY(check_read(&errors, c, group, name, 2, halves));
    for (size_t i = 0; i < VALUES; i++) {
        double mean, error;
        mean_of(&mean, &error, values, c->images, i);
        bool near = check_near(means[i], mean, CHECK_ROUNDING * (1 + fabs(mean))) &&
                    check_near(errors[i], error, CHECK_ROUNDING * (1 + fabs(error)));
        check_offend(&offenders, i, !near);
    }
    check_report(c, path, offenders, "values", "mean or error is not that of the images");
done:
    free(values);
    free(means);
    free(errors);
    return rc;
}

/* ---- gains ------------------------------------------------------------------------------------------------------- */

static enum status check_gains(struct check *c, const char *group)
{
    size_t steps = STORE_ANY, values[] = {c->images, VALUES}, curves[] = {c->images, 0, CURVE_OUTCOMES};
    double *fraction = NULL, *morf = NULL, *lerf = NULL, *gains = NULL, gain[CURVE_OUTCOMES];
    char path[CHECK_PATH];
    struct check_offenders offenders = {0};
    enum status rc = OK;

    snprintf(path, sizeof path, "%s/fraction", group);
    TRY(store_read_real(&fraction, c->reader, path, 1, &steps, c->err));
    curves[1] = steps;
    TRY(check_read(&morf, c, group, "curve_morf", 3, curves));
    TRY(check_read(&lerf, c, group, "curve_lerf", 3, curves));
    TRY(check_read(&gains, c, group, "gain", 2, values));
    for (size_t image = 0; image < c->images; image++) {
        size_t at = image * steps * CURVE_OUTCOMES;
        curve_gain(gain, morf + at, lerf + at, fraction, steps);
        for (size_t i = 0; i < CURVE_OUTCOMES; i++)
            check_offend(&offenders, image,
                         !check_near(gains[image * VALUES + i], gain[i], CHECK_ROUNDING * (1 + fabs(gain[i]))));
    }
    snprintf(path, sizeof path, "%s/gain", group);
    check_report(c, path, offenders, "images", "is not the area between the curves");
done:
    free(fraction);
    free(morf);
    free(lerf);
    free(gains);
    return rc;
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static enum status check_result(struct check *c, const char *group, size_t *results)
{
    enum status rc = OK;

    if (check_has(c, group, "curve_morf"))
        TRY(check_gains(c, group));
    if (check_has(c, group, "gain"))
        TRY(check_means(c, group, "gain"));
    if (check_has(c, group, "similarity"))
        TRY(check_means(c, group, "similarity"));
    (*results)++;
done:
    return rc;
}

/* All results below a group, `depth` levels down. */
static enum status check_below(struct check *c, const char *group, int depth, size_t *results)
{
    struct store_names names = {0};
    char path[CHECK_PATH];
    enum status rc = OK;

    if (depth == 0)
        return check_result(c, group, results);
    TRY(store_list(&names, c->reader, group, c->err));
    for (size_t i = 0; i < names.count; i++) {
        snprintf(path, sizeof path, "%.*s/%s", CHECK_PATH - STORE_NAME - 1, group, names.names[i]);
        if (!store_field(path) && strcmp(names.names[i], "outcome") != 0 && strcmp(names.names[i], "half") != 0 &&
            strcmp(names.names[i], "likeness") != 0)
            TRY(check_below(c, path, depth - 1, results));
    }
done:
    store_names_free(&names);
    return rc;
}

enum status check_evaluation(struct check *c, size_t *results)
{
    *results = 0;
    return check_below(c, "evaluation", 3, results);
}
