/* The design of an evaluation: which tests, layers and orders, and what becomes of one image: a row of floats.
 *
 * A result is what a test finds in one place (a layer, or the network) with one order of units:
 *
 *   curves      outcomes with the first and the last units replaced at each fraction; its values are the gains
 *   similarity  cosine, Pearson's and Spearman's correlation of two scores; its values are these, with |cosine|
 *   damages     numbers of drawn channels, and what the logit loses without each; no values
 *   average     the mean of the values of a test's results of one order over all places; not in the row
 */
#ifndef NRMFLOW_PIPELINE_EVALUATE_DESIGN_H
#define NRMFLOW_PIPELINE_EVALUATE_DESIGN_H

#include "io/base/error.h"
#include "kernels/ablation/curve.h"
#include "pipeline/evaluate/order.h"
#include "pipeline/evaluate/test.h"
#include "pipeline/run/plan.h"

/* The beginning of a row. Classes are numbers, -1 where unknown; NaN unless the status is ok. */
enum {
    ROW_STATUS, /* enum store_status */
    ROW_TARGET,
    ROW_PREDICTED,
    ROW_SECOND, /* the class with the highest logit besides the target */
    ROW_OUTCOME,
    ROW_HEAD = ROW_OUTCOME + CURVE_OUTCOMES
};

enum {
    DESIGN_VALUES = 3, /* of a result: p, logit and margin, or cosine, pearson and spearman */
    DESIGN_PLACE = 2 * NETWORK_NAME,
    DESIGN_STEPS = 64 /* most */
};

enum design_kind { DESIGN_CURVES, DESIGN_SIMILARITY, DESIGN_DAMAGES, DESIGN_AVERAGE };

struct design_result {
    enum design_kind kind;
    enum test test;
    enum order order;
    char place[DESIGN_PLACE]; /* "all" of averages */
    size_t variable;          /* of the place, where it is one; of flows that which the link writes */
    size_t units;
    size_t nfractions;      /* of curves */
    const double *fraction; /* [nfractions] borrowed */
    size_t at, floats;      /* in the row */
    size_t baseline;        /* the result of the same place by relevance; SIZE_MAX: this one, or there is none */
    bool similar;           /* of an average: of similarities, not of curves */
};

/* What the command line says; NULL: the default. All borrowed. */
struct design_options {
    const char *tests, *layers, *orders, *replace;
    size_t steps, sample, patch; /* patch 0: an eighth of the image */
    size_t seed;                 /* SIZE_MAX: run.seed */
};

struct design {
    const struct run_plan *run; /* borrowed */
    bool tests[TESTS], orders[ORDERS];
    bool mean; /* replace by means, not zero */
    size_t layers[NETWORK_MAX_VARIABLES], nlayers;
    size_t steps, sample, patch;
    uint64_t seed;
    double fraction[DESIGN_STEPS + 1];
    struct design_result *results; /* owned */
    size_t nresults, capacity;
    size_t
        first[TESTS + 1]; /* results of a test are first[t] .. first[t + 1] - 1, in the order of places, then orders */
    size_t row;           /* floats */
};

/* Errors: FAIL_CONFIG for names that do not exist and tests that the network or the target does not allow; FAIL_SYSTEM.
 * The caller frees it with design_free, also after a failure. */
enum status design_init(struct design *design, const struct design_options *options, const struct run_plan *run,
                        struct error *err);
void design_free(struct design *design);

/* The settings as one line, by which evaluations are compared; the caller frees it. NULL without memory. */
char *design_text(const struct design *design);

/* Whether variable k is the outcome of a convolution that relevance passes: its channels are units of `layers`. */
bool design_convolution(const struct design *design, size_t k);

/* Images that the test `randomised` looks at: the first ones. */
enum { DESIGN_RANDOMISED = 16 };

size_t design_randomised(const struct design *design);

/* Place of curve (side, step) in a result's floats. */
size_t design_curve_at(const struct design_result *result, enum curve_side side, size_t step);

/* Squares along a row and a column of the input. */
size_t design_squares_across(const struct design *design);
size_t design_squares_down(const struct design *design);

#endif
