/* Which flow matrices a run computes, and how: adjacent pairs by one contraction (measure.h), far pairs exactly by
 * sweeps (far.h), or all pairs of input and convolutions by sampling (sample.h). docs/explanation/sampling.md explains
 * the last. */
#ifndef NRMFLOW_PIPELINE_STATS_FLOWS_H
#define NRMFLOW_PIPELINE_STATS_FLOWS_H

#include "kernels/base/network.h"
#include "kernels/measure/far.h"
#include "pipeline/config/config.h"

#include <stdbool.h>
#include <stddef.h>

enum { FLOWS_MAX = 2048 /* far pairs of a run */ };

struct flows_pair {
    struct far_pair pair;
    bool sampled;
};

struct flows {
    bool adjacent[NETWORK_MAX_EDGES]; /* [k] link k's upper variable and the weighted variable below it */
    size_t count;                     /* of far pairs, exact and sampled, sorted by upper and lower variable */
    struct flows_pair pairs[FLOWS_MAX];
    bool sampled;  /* any far pair is */
    double sweeps; /* for sampled pairs: expected for an image from every upper layer */
};

/* Bytes of working memory for the sweeps of one pair, or of sampling. A single sweep gets what it needs, even if that
 * is more. */
enum { FLOWS_SWEEP_BYTES = 128 << 20 };

/* Choose the pairs that measure.flows and measure.sweeps ask for. Errors: FAIL_CONFIG naming the pair that does not
 * fit the network, or if there are more than FLOWS_MAX. */
enum status flows_choose(struct flows *flows, const struct config *config, const struct network *net,
                         struct error *err);

/* Cost of the far pairs of one image: sweeps and floating-point operations if every channel has relevance. For sampled
 * pairs both are expected values. */
struct flows_cost {
    size_t exact, sampled; /* pairs */
    double sweeps, flops;
};

struct flows_cost flows_cost(const struct flows *flows, const struct measure_plan *plan);

/* Bytes of a pair's name, such as "conv3_3-conv5_3". */
enum { FLOWS_NAME = 2 * NETWORK_NAME };

void flows_name(char name[FLOWS_NAME], const struct network *net, struct far_pair pair);

#endif
