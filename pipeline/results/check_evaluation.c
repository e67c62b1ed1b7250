#include "pipeline/results/check_evaluation.h"

#include "kernels/ablation/curve.h"
#include "kernels/ablation/ranking.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES = 3, HALVES = 3 };

enum { ALL, UNSURE, SURE };

enum status check_evaluation_halves(bool **out, struct check *c)
{
    size_t n = c->images, ok = 0, *order = calloc(2 * n + 1, sizeof *order);
    bool *member = calloc(HALVES * n + 1, sizeof *member);
    double *p = NULL;
    enum status rc = OK;

    TRY(check_read(&p, c, "images", "probability", 1, &n));
    if (!order || !member)
        TRY(error_set(c->err, FAIL_SYSTEM, "no memory for the halves of %zu images", n));
    for (size_t i = 0; i < n; i++) {
        member[ALL * n + i] = check_is_ok(c, i);
        p[i] = check_is_ok(c, i) ? p[i] : NAN;
        ok += check_is_ok(c, i);
    }
    ranking_order(order, order + n, p, n);
    for (size_t i = 0; i < ok; i++)
        member[(i < (ok + 1) / 2 ? SURE : UNSURE) * n + order[i]] = true;
    *out = member;
    member = NULL;
done:
    free(order);
    free(member);
    free(p);
    return rc;
}

/* ---- means ------------------------------------------------------------------------------------------------------- */

/* Mean and standard error of value i over the members that have it, less the baseline's if there is one. */
static void mean_of(double mean_and_error[2], const double *values, const double *baseline, const bool *member,
                    size_t n, size_t i)
{
    double sum = 0, squares = 0, count = 0;

    for (int pass = 0; pass < 2; pass++)
        for (size_t image = 0; image < n; image++) {
            double v = values[image * VALUES + i] - (baseline ? baseline[image * VALUES + i] : 0);
            if (!member[image] || isnan(v))
                continue;
            if (pass == 0) {
                sum += v;
                count++;
            } else {
                squares += pow(v - sum / count, 2);
            }
        }
    mean_and_error[0] = count > 0 ? sum / count : NAN;
    mean_and_error[1] = count > 1 ? sqrt(squares / (count - 1) / count) : NAN;
}

/* Figures [halves][values] of a result, and what they are computed from. */
struct figures {
    const char *group, *stem;        /* "gain" */
    const double *values, *baseline; /* NULL: none, the figures are means */
    const bool *member;              /* check_evaluation_halves */
};

static enum status check_figures(struct check *c, const struct figures *f)
{
    static const char *const plain[] = {"mean", "error"}, *const differences[] = {"difference", "difference_error"};
    size_t dims[] = {HALVES, VALUES};
    char name[64], path[CHECK_PATH];
    double *have = NULL, want[2];
    enum status rc = OK;

    for (size_t kind = 0; kind < 2; kind++) {
        struct check_offenders offenders = {0};
        snprintf(name, sizeof name, "%s_%s", f->stem, (f->baseline ? differences : plain)[kind]);
        snprintf(path, sizeof path, "%s/%s", f->group, name);
        TRY(check_read(&have, c, f->group, name, 2, dims));
        for (size_t at = 0; at < HALVES * VALUES; at++) {
            mean_of(want, f->values, f->baseline, f->member + at / VALUES * c->images, c->images, at % VALUES);
            check_offend(&offenders, at, !check_near(have[at], want[kind], CHECK_ROUNDING * (1 + fabs(want[kind]))));
        }
        check_report(c, path, offenders, "values",
                     f->baseline ? "is not that of the images, less by relevance" : "is not that of the images");
        free(have);
        have = NULL;
    }
done:
    free(have);
    return rc;
}

void check_evaluation_baseline(char group[CHECK_PATH], const char *own)
{
    const char *slash = strrchr(own, '/');

    snprintf(group, CHECK_PATH, "%.*s/relevance", (int)(slash - own), own);
}

static enum status check_means(struct check *c, const bool *member, const char *group, const char *stem)
{
    size_t dims[] = {c->images, VALUES};
    double *values = NULL, *baseline = NULL;
    char name[64], other[CHECK_PATH];
    enum status rc = OK;

    TRY(check_read(&values, c, group, stem, 2, dims));
    TRY(check_figures(c, &(struct figures){group, stem, values, NULL, member}));
    snprintf(name, sizeof name, "%s_difference", stem);
    if (!check_has(c, group, name))
        goto done;
    check_evaluation_baseline(other, group);
    TRY(check_read(&baseline, c, other, stem, 2, dims));
    TRY(check_figures(c, &(struct figures){group, stem, values, baseline, member}));
done:
    free(values);
    free(baseline);
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

static enum status check_result(struct check *c, bool **member, const char *group, size_t *results)
{
    bool gain = check_has(c, group, "gain"), similarity = check_has(c, group, "similarity");
    enum status rc = OK;

    if ((gain || similarity) && !*member)
        TRY(check_evaluation_halves(member, c));
    if (check_has(c, group, "curve_morf"))
        TRY(check_gains(c, group));
    if (gain)
        TRY(check_means(c, *member, group, "gain"));
    if (similarity)
        TRY(check_means(c, *member, group, "similarity"));
    (*results)++;
done:
    return rc;
}

/* All results below a group, `depth` levels down. */
static enum status check_below(struct check *c, bool **member, const char *group, int depth, size_t *results)
{
    struct store_names names = {0};
    char path[CHECK_PATH];
    enum status rc = OK;

    if (depth == 0)
        return check_result(c, member, group, results);
    TRY(store_list(&names, c->reader, group, c->err));
    for (size_t i = 0; i < names.count; i++) {
        snprintf(path, sizeof path, "%.*s/%s", CHECK_PATH - STORE_NAME - 1, group, names.names[i]);
        if (!store_field(path) && strcmp(names.names[i], "outcome") != 0 && strcmp(names.names[i], "half") != 0 &&
            strcmp(names.names[i], "likeness") != 0)
            TRY(check_below(c, member, path, depth - 1, results));
    }
done:
    store_names_free(&names);
    return rc;
}

enum status check_evaluation(struct check *c, size_t *results)
{
    bool *member = NULL; /* found for the first result that has halves */
    enum status rc;

    *results = 0;
    rc = check_below(c, &member, "evaluation", 3, results);
    free(member);
    return rc;
}
