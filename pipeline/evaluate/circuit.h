/* How well a network answers with a small part of its edges: those of the highest flow over a dataset, chosen among all
 * layers at once. All other edges are cut, for all images alike; biases stay. Beside it the same number of edges chosen
 * by the product of the two channels' relevance, by weights, by weights times the mean activation of the lower channel,
 * and at random.
 */
#ifndef NRMFLOW_PIPELINE_EVALUATE_CIRCUIT_H
#define NRMFLOW_PIPELINE_EVALUATE_CIRCUIT_H

#include "pipeline/evaluate/answers.h"
#include "pipeline/evaluate/edges.h"
#include "pipeline/util/option.h"

#include <stdbool.h>
#include <stdint.h>

enum { CIRCUIT_SHARES = 9, CIRCUIT_STORES = 8, CIRCUIT_ORDERS = CIRCUIT_STORES + 5, CIRCUIT_NAME = 96 };

/* Shares of the edges that are kept. */
extern const double circuit_shares[CIRCUIT_SHARES];

struct circuit_options {
    struct option_list stores; /* whose flows to take, at most CIRCUIT_STORES; the first also gives the edges */
    size_t class;              /* one that has flows of its own; SIZE_MAX: flows over all images */
    enum edges_by by;
    bool unit_layers; /* scores of a link are divided by the sum of their magnitudes */
    uint64_t seed;
    size_t own; /* images of which also circuits by their own flows are measured */
};

/* An order of the edges, and the network of its first ones. */
struct circuit_order {
    /* "flow", "flow of zero.h5", "flow of store 3 zero.h5" if the second is called so, too, "product", "weight", ...;
     * "own" of single images */
    char name[CIRCUIT_NAME];
    struct answers_summary at[CIRCUIT_SHARES];     /* by share */
    struct answers_summary excess[CIRCUIT_SHARES]; /* of the first order over this one, image by image */
};

struct circuit {
    size_t edges;                 /* that can be kept or cut */
    size_t links, whole_links;    /* with such edges; with weights, but left whole as the store has no flows of them */
    size_t kept[CIRCUIT_SHARES];  /* edges at every share */
    struct answers_row *rows;     /* [images] of the whole network; owned: free() */
    struct answers_summary whole; /* of the network without cuts */
    size_t norders;
    struct circuit_order orders[CIRCUIT_ORDERS]; /* [norders] */
};

/* Measure the images of a plan. What a record knows is not computed again; NULL: nothing is recorded.
 *
 *   out  out  on rank 0; zero elsewhere
 * Errors, the same on all ranks: FAIL_MISMATCH for a store of another model or of the same images; FAIL_CONFIG for one
 * without flows, or without those of the class; as store_open_read, answers_init and answers_compute. Collective. */
enum status circuit_measure(struct circuit *out, const struct circuit_options *options, const struct run_plan *plan,
                            struct answers_record *record, const struct node *node, struct log *log, struct error *err);

/* What circuit_measure would cost, from the time of one network and a batch of images on every rank, and of one image's
 * own circuits where they are asked for. Errors as circuit_measure. Collective. */
enum status circuit_time(struct answers_cost *cost, const struct circuit_options *options, const struct run_plan *plan,
                         const struct node *node, struct log *log, struct error *err);

#endif
