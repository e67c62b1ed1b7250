/* Accuracy of a network without the channels of lowest relevance over a dataset: channels of all convolutions are put
 * in one order by a store's statistics, and the last of it are replaced by zero, behind their activation. Beside it the
 * same by the size of the channels' weights, and at random.
 */
#ifndef NRMFLOW_PIPELINE_EVALUATE_PRUNE_H
#define NRMFLOW_PIPELINE_EVALUATE_PRUNE_H

#include "pipeline/evaluate/answers.h"

#include <stdbool.h>
#include <stdint.h>

enum { PRUNE_ORDERS = 3, PRUNE_RATES = 64 };

enum prune_by {
    PRUNE_BY_MEAN,     /* relevance */
    PRUNE_BY_ABSOLUTE, /* magnitude of relevance: mean_positive - mean_negative */
    PRUNE_BYS
};

/* "mean", "absolute" */
extern const char *const prune_by_names[PRUNE_BYS];

struct prune_options {
    const char *store;
    enum prune_by by;
    bool unit_layers; /* scores of a layer are divided by the sum of their magnitudes */
    size_t nrates;
    double rates[PRUNE_RATES]; /* shares of the channels that are replaced, in ascending order */
    uint64_t seed;
};

struct prune_order {
    const char *name; /* "store", "weight", "random" */
    struct answers_summary at[PRUNE_RATES];
    struct answers_summary excess[PRUNE_RATES]; /* of the first order over this one, image by image */
    double area;                                /* of accuracy, or agreement without labels, over the rates */
};

struct prune {
    size_t channels, layers;
    size_t replaced[PRUNE_RATES];
    struct answers_row *rows; /* [images] of the whole network; owned: free() */
    struct answers_summary whole;
    struct prune_order orders[PRUNE_ORDERS];
};

/* Read "A:B:STEP", such as "0:0.5:0.05". Errors: FAIL_CONFIG unless 0 <= A < B <= 1 and these
 * are 2 to PRUNE_RATES rates. */
enum status prune_parse_rates(struct prune_options *options, const char *text, struct error *err);

/* Measure the images of a plan. What a record knows is not computed again; NULL: nothing is recorded.
 *
 *   out  out  on rank 0; zero elsewhere
 * Errors, the same on all ranks: FAIL_MISMATCH for a store of another model or of the same images; FAIL_CONFIG if it
 * lacks a convolution's statistics; as store_open_read, answers_init and answers_compute. Collective. */
enum status prune_measure(struct prune *out, const struct prune_options *options, const struct run_plan *plan,
                          struct answers_record *record, const struct node *node, struct log *log, struct error *err);

/* What prune_measure would cost, from the time of a batch of images on every rank. Errors as prune_measure.
 * Collective. */
enum status prune_time(struct answers_cost *cost, const struct prune_options *options, const struct run_plan *plan,
                       const struct node *node, struct log *log, struct error *err);

#endif
