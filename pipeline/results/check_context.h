/* The state of a check, and helpers of its parts (check_images, check_layers, check_flows).
 *
 * A part adds broken laws to c->problems. It fails only if it cannot read something: FAIL_SYSTEM without memory,
 * FAIL_FORMAT if data is damaged.
 */
#ifndef NRMFLOW_PIPELINE_RESULTS_CHECK_CONTEXT_H
#define NRMFLOW_PIPELINE_RESULTS_CHECK_CONTEXT_H

#include "pipeline/config/config.h"
#include "pipeline/results/check.h"

enum { CHECK_PATH = 2 * STORE_NAME + 64, CHECK_ROWS = 1024 };

/* Tolerances. CHECK_LAW: float32 kernels against mass one, a marginal or a closed ledger, relative to the total
 * variation (docs/explanation/winograd.md). CHECK_ROUNDING: double sums against each other in another order. */
#define CHECK_LAW      1e-5
#define CHECK_ROUNDING 1e-9

/* What the flows of adjacent pairs with the same upper or the same lower layer sum to. */
struct check_total {
    double *sums;           /* [channels] NULL before the first */
    double size;            /* sum of the magnitudes */
    size_t found, wanted;   /* pairs */
    char group[CHECK_PATH]; /* of the last one */
};

struct check_layer {
    const char *name;
    size_t channels;
    bool stored;                     /* has statistics */
    double *mean;                    /* [channels] NULL if they cannot be read, or are not stored */
    double mass, variation;          /* of the measure without condition; means over the images that are ok */
    struct check_total below, above; /* of its link's pairs; of those of the links that read it */
};

struct check {
    const struct store_reader *reader;
    struct store_problems *problems;
    struct error *err;
    struct config config; /* the store's */
    struct network *net;  /* NULL in stores of early versions, whose networks are chains */
    size_t images, classes, nlayers;
    int64_t *status;            /* [images] */
    int64_t *class;             /* [images] -1: none, or not ok */
    size_t ok;                  /* number of images that are ok */
    double *given;              /* [images] mass of the condition; NaN unless ok */
    double given_mean;          /* over the images that are ok */
    char **names;               /* [nlayers] one free */
    struct check_layer *layers; /* [nlayers] */
};

/* Elements that break a law. */
struct check_offenders {
    size_t count, first, last;
};

/* Count element i if it is bad; only once if it is reported several times in a row. */
void check_offend(struct check_offenders *offenders, size_t i, bool bad);

/* Add a broken law to the problems: "what (3 of the images, first 17)". Does nothing without offenders. */
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

/* Whether the store has "group/name". */
bool check_has(const struct check *c, const char *group, const char *name);

/* The layer of this name; NULL if there is none. */
const struct check_layer *check_find_layer(const struct check *c, const char *name);

#endif
