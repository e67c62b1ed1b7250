/* What the files of check share; no part of its interface.
 *
 * Functions that check add to c->problems what is wrong, and fail only where something cannot be read: FAIL_SYSTEM
 * without memory, FAIL_FORMAT if data is damaged.
 */
#ifndef NRMFLOW_PIPELINE_RESULTS_CHECK_CONTEXT_H
#define NRMFLOW_PIPELINE_RESULTS_CHECK_CONTEXT_H

#include "pipeline/config/config.h"
#include "pipeline/results/check.h"

enum { CHECK_PATH = 2 * STORE_NAME + 64, CHECK_ROWS = 1024 };

/* How far float32 kernels may be from mass one, a marginal or a closed ledger, relative to the total variation
 * (docs/explanation/winograd.md); and double sums from each other, in another order. */
#define CHECK_LAW      1e-5
#define CHECK_ROUNDING 1e-9

struct check_layer {
    const char *name;
    size_t channels;
    double *mean;           /* [channels] */
    double mass, variation; /* of the plain measure, means over the images that are ok */
};

struct check {
    const struct store_reader *reader;
    struct store_problems *problems;
    struct error *err;
    struct config config; /* the store's */
    size_t images, classes, nlayers;
    int64_t *status;            /* [images] */
    int64_t *class;             /* [images] of those that are ok; -1: none */
    size_t ok;                  /* images that are */
    double *given;              /* [images] mass of the condition; NaN unless ok */
    double given_mean;          /* over the images that are ok */
    char **names;               /* [nlayers] one free */
    struct check_layer *layers; /* [nlayers] */
};

/* Elements that break a law. */
struct check_offenders {
    size_t count, first, last;
};

/* Note element i if it is bad; several times in a row it counts once. */
void check_offend(struct check_offenders *offenders, size_t i, bool bad);

/* Record a broken law: "what (3 of the images, first 17)". Nothing without offenders. */
void check_report(struct check *c, const char *path, struct check_offenders offenders, const char *things,
                  const char *what);

/* |a - b| <= tolerance, or both the same NaN or infinity. */
bool check_near(double a, double b, double tolerance);

/* Whether an image is ok. */
bool check_is_ok(const struct check *c, size_t image);

/* Memory for n numbers, zero. */
enum status check_allocate(double **out, size_t n, struct check *c);

/* Read a dataset of numbers, "group/name", with these lengths. Caller frees *out. */
enum status check_read(double **out, struct check *c, const char *group, const char *name, size_t ndim,
                       const size_t *dims);

/* Whether "group/name" is there. */
bool check_has(const struct check *c, const char *group, const char *name);

/* The layer of this name; NULL if there is none. */
const struct check_layer *check_find_layer(const struct check *c, const char *name);

#endif
