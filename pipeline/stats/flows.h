/* Which flow matrices a run computes, and how: those of neighbours by one contraction (measure.h), far pairs exactly by
 * sweeps (far.h), or all pairs of input and convolutions by sampling (sample.h). */
#ifndef NRMFLOW_PIPELINE_STATS_FLOWS_H
#define NRMFLOW_PIPELINE_STATS_FLOWS_H

#include "kernels/base/network.h"
#include "kernels/measure/far.h"
#include "pipeline/config/config.h"

#include <stdbool.h>
#include <stddef.h>

enum { FLOWS_MAX = NETWORK_MAX_VARIABLES * (NETWORK_MAX_VARIABLES - 1) / 2 };

struct flows_pair {
    struct far_pair pair;
    bool sampled;
};

struct flows {
    bool adjacent[NETWORK_MAX_LINKS]; /* into link k's variable from the weighted variable below */
    size_t count;                     /* of far pairs, exact and sampled, by upper and lower variable */
    struct flows_pair pairs[FLOWS_MAX];
    bool sampled;  /* any of them */
    double sweeps; /* of sampled ones, from every layer for an image */
};

/* Bytes that the sweeps of one pair, or of sampling, may work in; with fewer than one sweep needs, that one's. */
enum { FLOWS_SWEEP_BYTES = 128 << 20 };

/* What measure.flows and measure.sweeps ask for. Errors: FAIL_CONFIG with the pair that does not fit the network. */
enum status flows_choose(struct flows *flows, const struct config *config, const struct network *net,
                         struct error *err);

/* Far pairs of one image: sweeps and floating-point operations, if no channel is without relevance; of sampled ones the
 * expectation. */
struct flows_cost {
    size_t exact, sampled; /* pairs */
    double sweeps, flops;
};

struct flows_cost flows_cost(const struct flows *flows, const struct measure_plan *plan);

/* Bytes of a pair's name, "conv3_3-conv5_3". */
enum { FLOWS_NAME = 2 * NETWORK_NAME };

void flows_name(char name[FLOWS_NAME], const struct network *net, struct far_pair pair);

#endif
