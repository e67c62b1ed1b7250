/* The queries of a run: measures of set expressions, for every image.
 *
 * A query has two numbers for an image: its value, the measure of the walks that are counted, and the measure of its
 * condition, which is one without `given`. Both are columns of the run's rows. The mean of a query over the images is
 * the ratio of the two means (moments.h).
 */
#ifndef NRMFLOW_PIPELINE_STATS_QUERIES_H
#define NRMFLOW_PIPELINE_STATS_QUERIES_H

#include "io/base/error.h"
#include "io/store/store.h"
#include "kernels/measure/decision.h"
#include "pipeline/config/config.h"
#include "pipeline/sets/plan.h"

enum { QUERIES_MAX = 32, QUERIES_NAME = 32 };

struct query {
    const char *name, *text; /* borrowed from the configuration */
    struct sets_plan value, given;
};

struct queries {
    size_t count;
    struct query items[QUERIES_MAX];
    struct decision_extent extent;
};

/* Working memory of a rank. */
struct queries_work {
    struct decision_workspace decision;
    double *numbers; /* [group][count][2]: value and condition */
};

/* Parse and plan the queries of a configuration, in the order of their names.
 *
 *   out  out  to be freed with queries_free, also after a failure; borrows the configuration
 * Errors: FAIL_CONFIG with the place of the key, or for a query without name with the expression alone; FAIL_SYSTEM.
 * Not collective. */
enum status queries_init(struct queries *out, const struct config *config, const struct network *net,
                         struct error *err);

/* All zero is fine. */
void queries_free(struct queries *queries);

/* Place the working memory; with an arena over NULL, only compute its size. */
void queries_place(struct queries_work *work, const struct queries *queries, const struct measure_plan *plan,
                   struct arena *arena);

/* Compute the numbers of the image in a slot. */
void queries_compute(struct queries_work *work, const struct queries *queries, size_t slot,
                     const struct measure_image *image);

/* The numbers of a slot: [count][2]. */
const double *queries_numbers(const struct queries_work *work, const struct queries *queries, size_t slot);

/* Relevance of an image under the condition; NaN if the condition is NaN, or so close to zero that the ratio is
 * meaningless. */
#define QUERIES_SMALLEST 1e-6
double queries_ratio(double value, double given);

/* A query over its images. Images with a number that is not finite do not count. */
struct queries_mean {
    size_t images;
    double mean, std_error; /* of the ratio of the means of value and condition */
    double given_mean, given_std_error;
    bool weak; /* the condition's mean is (weak.h): `mean` is statistically unreliable */
};

/* The mean over the rows, [n] in the order of the images. */
struct queries_mean queries_mean(const double *value, const double *given, size_t n);

/* Queries whose condition is weak (weak.h). */
struct queries_weak {
    size_t count;
    char first[QUERIES_NAME]; /* name of the first one */
};

/* Write queries/<name> of a store except its rows: mean, std_error and the attributes; count it in `weak` if it is. */
enum status queries_finish(struct store *store, struct queries_weak *weak, const struct query *query,
                           const double *value, const double *given, size_t n, struct error *err);

#endif
