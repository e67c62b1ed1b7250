/* The model of a run: network, weights and derived weights, held once per node, and its preprocessing. */
#ifndef NRMFLOW_PIPELINE_RUN_MODEL_H
#define NRMFLOW_PIPELINE_RUN_MODEL_H

#include "io/base/sha256.h"
#include "io/image/image.h"
#include "kernels/base/network_standard.h"
#include "kernels/measure/measure.h"
#include "kernels/ops/ops.h"
#include "pipeline/config/config.h"
#include "pipeline/mpi/node.h"
#include "pipeline/stats/flows.h"

struct model {
    struct network net;
    struct preprocessing preprocessing; /* pixels.h */
    const char *pixels;                 /* whose preprocessing it is: pixels_name */
    bool bgr;                           /* the network as trained reads blue, green, red */
    char sha256[SHA256_HEX];
    struct node_block weights; /* the network's own */
    struct node_block forms;   /* derived by the rules */
    struct node_block masks;   /* of the condition's sets */
    struct measure_plan plan;  /* bound to both; its options name the kernels */
    struct flows flows;        /* adjacent ones are part of the plan */
};

/* Read, check and distribute the weights, and plan the measure that the configuration asks for.
 *
 * Rank 0 reads the file; every node gets one copy of the weights.
 *
 *   group  in  most images of one dense product
 *   ops    in  the kernels to use, the same on all ranks
 * Errors, the same on all ranks: FAIL_SYSTEM, FAIL_FORMAT (the file is damaged or no VGG), FAIL_CONFIG (a rule, layer,
 * set, class or preprocessing that does not fit the network). Collective. Caller frees with model_free, also after a
 * failure. */
enum status model_load(struct model *model, const struct config *config, size_t group, const struct ops *ops,
                       const struct node *node, struct error *err);

/* A model without a file, for measurements: a standard network (network_standard) with He-scaled random weights. */
struct model_random {
    const char *network;
    size_t side, narrow, classes;
};

/* The same with random weights, which depend only on the description. The configuration's file is not read, and the
 * checksum is empty. Errors as model_load, and FAIL_CONFIG if there is no such network. Collective. */
enum status model_random(struct model *model, const struct model_random *random, const struct config *config,
                         size_t group, const struct ops *ops, const struct node *node, struct error *err);

/* A model without weights, sufficient for the statistics of a store: network, flows, and the plan's network, channels
 * and options except masks. Errors: FAIL_CONFIG. Not collective. */
enum status model_outline(struct model *model, const struct network *net, const struct config *config,
                          struct error *err);

/* All zero is fine. Not collective. */
void model_free(struct model *model);

/* Fail because a key names a variable that the network does not have; the message suggests the nearest name. */
enum status model_unknown_variable(const struct model *model, const struct config *config, const char *key,
                                   const char *name, struct error *err);

/* Black and white after preprocessing: the bounds of the input for the zbox rule, [channels] each. */
void model_bounds(const struct preprocessing *p, float *low, float *high);

#endif
