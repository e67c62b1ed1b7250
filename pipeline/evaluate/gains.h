/* Statistics over the images of an evaluation, from their rows in the order of the images. Not collective. */
#ifndef NRMFLOW_PIPELINE_EVALUATE_GAINS_H
#define NRMFLOW_PIPELINE_EVALUATE_GAINS_H

#include "pipeline/evaluate/design.h"

enum {
    GAINS_FRACTIONS = DESIGN_STEPS + 1, /* of curves, at most */
    GAINS_LEAST = 5                     /* images whose error can be judged by */
};

/* All images that are ok, and the halves of them with the smaller and the larger p; equal ones by number. */
enum gains_part { GAINS_ALL, GAINS_UNSURE, GAINS_SURE, GAINS_PARTS };

extern const char *const gains_part_names[GAINS_PARTS];

/* Mean and standard error (n - 1) of a value; NaN without images, the error also with one. */
struct gains_mean {
    double mean, error;
    size_t images; /* that have the value */
};

/* Of one result: its values, and what they exceed those of the baseline by, paired by image; NaN without a baseline. */
struct gains_result {
    struct gains_mean value[GAINS_PARTS][DESIGN_VALUES], difference[GAINS_PARTS][DESIGN_VALUES];
};

struct gains {
    size_t images, finished, ok;  /* rows; finished ones; of these, the ok ones */
    double p[GAINS_PARTS];        /* mean of the target's p; NaN without images */
    struct gains_result *results; /* [design->nresults] owned */
    double *values;               /* [design->nresults][images][DESIGN_VALUES] owned */
};

/* rows [n][design->row]; a row whose status is NaN is not finished. Errors: FAIL_SYSTEM. The caller frees it with
 * gains_free, also after a failure. */
enum status gains_init(struct gains *gains, const struct design *design, const float *rows, size_t n,
                       struct error *err);
void gains_free(struct gains *gains);

/* The values of a result, [images][DESIGN_VALUES]. */
const double *gains_values(const struct gains *gains, size_t result);

/* Gain of each outcome from the curves of a row's result, [floats]. */
void gains_gain(double gain[CURVE_OUTCOMES], const struct design_result *result, const float *curves);

/* -1, 0 or 1: whether a mean is below zero, cannot be told from it, or is above, by three errors. 0 for fewer than
 * GAINS_LEAST images. */
int gains_sign(struct gains_mean mean);

#endif
