#include "pipeline/evaluate/gains.h"

#include "kernels/ablation/ranking.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

const char *const gains_part_names[GAINS_PARTS] = {"all", "less confident half", "more confident half"};

/* ---- values ------------------------------------------------------------------------------------------------------ */

void gains_gain(double gain[CURVE_OUTCOMES], const struct design_result *result, const float *curves)
{
    double sides[CURVE_SIDES][GAINS_FRACTIONS][CURVE_OUTCOMES];

    assert(result->nfractions <= GAINS_FRACTIONS);
    for (enum curve_side side = CURVE_MORF; side < CURVE_SIDES; side++)
        for (size_t s = 0; s < result->nfractions; s++)
            for (size_t i = 0; i < CURVE_OUTCOMES; i++)
                sides[side][s][i] = (double)curves[design_curve_at(result, side, s) + i];
    curve_gain(gain, sides[CURVE_MORF][0], sides[CURVE_LERF][0], result->fraction, result->nfractions);
}

static void find_values(double values[DESIGN_VALUES], const struct design_result *result, const float *row)
{
    const float *at = row + result->at;

    for (size_t i = 0; i < DESIGN_VALUES; i++)
        values[i] = NAN;
    if (result->kind == DESIGN_CURVES)
        gains_gain(values, result, at);
    if (result->kind == DESIGN_SIMILARITY) {
        values[0] = fabs((double)at[0]);
        values[1] = (double)at[1];
        values[2] = (double)at[2];
    }
}

static double *values_of(const struct gains *gains, size_t result, size_t image)
{
    return gains->values + (result * gains->images + image) * DESIGN_VALUES;
}

const double *gains_values(const struct gains *gains, size_t result)
{
    return values_of(gains, result, 0);
}

/* Means over the places of results of the same test and order. */
static void average(struct gains *gains, const struct design *design, size_t result, size_t image)
{
    const struct design_result *own = &design->results[result];
    double *values = values_of(gains, result, image), found = 0;

    for (size_t i = 0; i < DESIGN_VALUES; i++)
        values[i] = 0;
    for (size_t r = design->first[own->test]; r < design->first[own->test + 1]; r++) {
        const struct design_result *other = &design->results[r];
        if (other->order != own->order || other->kind == DESIGN_AVERAGE || other->kind == DESIGN_DAMAGES)
            continue;
        found++;
        for (size_t i = 0; i < DESIGN_VALUES; i++)
            values[i] += values_of(gains, r, image)[i];
    }
    for (size_t i = 0; i < DESIGN_VALUES; i++)
        values[i] /= found;
}

static void fill_values(struct gains *gains, const struct design *design, const float *rows)
{
    for (size_t r = 0; r < design->nresults; r++)
        for (size_t i = 0; i < gains->images; i++)
            find_values(values_of(gains, r, i), &design->results[r], rows + i * design->row);
    for (size_t r = 0; r < design->nresults; r++)
        for (size_t i = 0; i < gains->images && design->results[r].kind == DESIGN_AVERAGE; i++)
            average(gains, design, r, i);
}

/* ---- parts ------------------------------------------------------------------------------------------------------- */

/* member [parts][images]: whether an image belongs to a part. By p, the larger first; failed images have NaN and come
 * last. */
static enum status find_parts(bool *member, struct gains *gains, const struct design *design, const float *rows,
                              struct error *err)
{
    size_t n = gains->images, *order = calloc(2 * n + 1, sizeof *order);
    double *p = calloc(n + 1, sizeof *p);
    enum status rc = OK;

    if (!order || !p)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for the statistics of %zu images", n));
    for (size_t i = 0; i < n; i++) {
        const float *row = rows + i * design->row;
        bool ok = row[ROW_STATUS] == (float)STORE_IMAGE_OK;
        p[i] = ok ? (double)row[ROW_OUTCOME + CURVE_P] : NAN;
        member[i] = ok;
        gains->ok += ok;
        gains->finished += isnan(row[ROW_STATUS]) ? 0 : 1;
    }
    ranking_order(order, order + n, p, n);
    for (size_t i = 0; i < gains->ok; i++) {
        enum gains_part half = i < (gains->ok + 1) / 2 ? GAINS_SURE : GAINS_UNSURE;
        member[half * n + order[i]] = true;
    }
    for (size_t part = 0; part < GAINS_PARTS; part++) {
        double sum = 0, count = 0;
        for (size_t i = 0; i < n; i++)
            if (member[part * n + i]) {
                sum += p[i];
                count++;
            }
        gains->p[part] = count > 0 ? sum / count : NAN;
    }
done:
    free(order);
    free(p);
    return rc;
}

/* ---- statistics -------------------------------------------------------------------------------------------------- */

/* Of value i of the images that are members, less that of the baseline if there is one. */
static struct gains_mean mean_of(const double *values, const double *baseline, const bool *member, size_t n, size_t i)
{
    struct gains_mean mean = {0, 0, 0};
    double squares = 0;

    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t image = 0; image < n; image++) {
            double v = values[image * DESIGN_VALUES + i] - (baseline ? baseline[image * DESIGN_VALUES + i] : 0);
            if (!member[image] || isnan(v))
                continue;
            if (pass == 0) {
                mean.mean += v;
                mean.images++;
            } else {
                squares += (v - mean.mean) * (v - mean.mean);
            }
        }
        if (pass == 0)
            mean.mean = mean.images ? mean.mean / (double)mean.images : NAN;
    }
    mean.error = mean.images > 1 ? sqrt(squares / (double)(mean.images - 1) / (double)mean.images) : NAN;
    return mean;
}

static void summarise(struct gains *gains, const struct design *design, size_t r, const bool *member)
{
    size_t baseline = design->results[r].baseline, n = gains->images;
    const double *own = values_of(gains, r, 0);
    const double *other = baseline == SIZE_MAX ? NULL : values_of(gains, baseline, 0);

    for (size_t part = 0; part < GAINS_PARTS; part++)
        for (size_t i = 0; i < DESIGN_VALUES; i++) {
            struct gains_mean nothing = {NAN, NAN, 0};
            gains->results[r].value[part][i] = mean_of(own, NULL, member + part * n, n, i);
            gains->results[r].difference[part][i] = other ? mean_of(own, other, member + part * n, n, i) : nothing;
        }
}

enum status gains_init(struct gains *gains, const struct design *design, const float *rows, size_t n, struct error *err)
{
    bool *member = calloc(GAINS_PARTS * n + 1, sizeof *member);
    enum status rc = OK;

    *gains = (struct gains){.images = n};
    gains->results = calloc(design->nresults + 1, sizeof *gains->results);
    gains->values = calloc(design->nresults * n * DESIGN_VALUES + 1, sizeof *gains->values);
    if (!member || !gains->results || !gains->values)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for the statistics of %zu images", n));
    fill_values(gains, design, rows);
    TRY(find_parts(member, gains, design, rows, err));
    for (size_t r = 0; r < design->nresults; r++)
        summarise(gains, design, r, member);
done:
    free(member);
    return rc;
}

void gains_free(struct gains *gains)
{
    free(gains->results);
    free(gains->values);
    *gains = (struct gains){0};
}

int gains_sign(struct gains_mean mean)
{
    if (mean.images < GAINS_LEAST || !(fabs(mean.mean) > 3 * mean.error))
        return 0;
    return mean.mean > 0 ? 1 : -1;
}
