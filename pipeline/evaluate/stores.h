/* What stores say of a network, tested on images that they were not made of: circuits (circuit.h) and pruning
 * (prune.h). */
#ifndef NRMFLOW_PIPELINE_EVALUATE_STORES_H
#define NRMFLOW_PIPELINE_EVALUATE_STORES_H

#include "pipeline/config/load.h"
#include "pipeline/evaluate/circuit.h"
#include "pipeline/evaluate/prune.h"
#include "pipeline/run/stop.h"

struct stores_options {
    struct config_source source;
    struct range images;            /* to test on, in place of data.images; end 0: not given */
    struct circuit_options circuit; /* without stores: no circuits */
    struct prune_options prune;     /* without a store: no pruning */
    const char *output;             /* file for the results; NULL: none */
    bool restart;                   /* replace a file that is there, in place of continuing it */
    bool dry;                       /* measure and print only what it would cost */
    size_t seed;                    /* of random orders; SIZE_MAX: run.seed */
    bool json;
};

/* Measure what is asked for, or what it would cost, and print it on rank 0's standard output.
 *
 *   reason  out  why the evaluation stopped early; the same options continue it. Only with an output
 * Errors, the same on all ranks: as run_plan_init, stores_output_enter, circuit_measure and prune_measure.
 * Collective. */
enum status stores_evaluate(enum stop_reason *reason, const struct stores_options *options, const struct node *node,
                            struct log *log, struct error *err);

#endif
