/* Which flows a run computes, and how: adjacent pairs by one contraction (measure.h), far pairs exactly by sweeps
 * (far.h), or all pairs of input and convolutions by sampling (sample.h; docs/explanation/sampling.md).
 *
 * An adjacent pair is a link with a rule and a variable that channels of one of its edges come from (network_origin.h):
 * a convolution that reads a concatenation has a pair with every variable in it. The flow is of these edges alone, so
 * that an add's two branches have a flow each. The flows of all pairs of a link, with what goes to its bias and what it
 * absorbs, sum to the relevance of the upper variable; those of all pairs with the same lower variable to that one's.
 * A pair that measure.flows names has the joint relevance of its variables, of all walks from one to the other: it is
 * computed as a far pair where they may take another way than these edges.
 */
#ifndef NRMFLOW_PIPELINE_STATS_FLOWS_H
#define NRMFLOW_PIPELINE_STATS_FLOWS_H

#include "kernels/base/network.h"
#include "kernels/measure/far.h"
#include "pipeline/config/config.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    FLOWS_MAX = 2048,            /* far pairs of a run */
    FLOWS_MAX_ADJACENT = 4096,   /* adjacent pairs of a run */
    FLOWS_MOST_ENTRIES = 1 << 23 /* of adjacent pairs that are kept by default; above, those between cuts */
};

struct flows_adjacent {
    size_t link, lower; /* the link, and a variable that it reads channels of */
    bool diagonal; /* a channel has a flow from at most one channel, and the pair's is a vector [C_upper] of these */
};

struct flows_pair {
    struct far_pair pair;
    bool sampled;
};

struct flows {
    bool edges[NETWORK_MAX_EDGES]; /* those whose flow an adjacent pair needs */
    size_t nadjacent;              /* sorted by link and lower variable */
    struct flows_adjacent adjacent[FLOWS_MAX_ADJACENT];
    size_t entries;    /* of all adjacent pairs that measure.flows = adjacent would have */
    bool between_cuts; /* these are too many for the default, which keeps those between cuts */
    size_t count;      /* of far pairs, exact and sampled, sorted by upper and lower variable */
    struct flows_pair pairs[FLOWS_MAX];
    bool sampled;  /* any far pair is */
    double sweeps; /* for sampled pairs: expected for an image from every upper layer */
};

/* Bytes of working memory for the sweeps of one pair, or of sampling. A single sweep gets what it needs, even if that
 * is more. */
enum { FLOWS_SWEEP_BYTES = 128 << 20 };

/* Choose the pairs that measure.flows and measure.sweeps ask for. Errors: FAIL_CONFIG naming the pair that does not
 * fit the network, or if there are more than FLOWS_MAX or FLOWS_MAX_ADJACENT. */
enum status flows_choose(struct flows *flows, const struct config *config, const struct network *net,
                         struct error *err);

/* Cost of the far pairs of one image: sweeps and floating-point operations if every channel has relevance. For sampled
 * pairs both are expected values. */
struct flows_cost {
    size_t exact, sampled; /* pairs */
    double sweeps, flops;
};

struct flows_cost flows_cost(const struct flows *flows, const struct measure_plan *plan);

/* The far pair of the same ends, and the number of entries of an adjacent pair's flow. */
struct far_pair flows_ends(const struct flows_adjacent *pair);
size_t flows_entries(const struct network *net, const struct flows_adjacent *pair);

/* Mark the variables that channels read by a link come from; without a rule, none. */
void flows_origins(bool marked[NETWORK_MAX_VARIABLES], const struct network *net, size_t link);

/* Whether the link and the variable are an adjacent pair. */
bool flows_reads(const struct network *net, size_t link, size_t variable);

/* Bytes of a pair's name, such as "conv3_3-conv5_3". */
enum { FLOWS_NAME = 2 * NETWORK_NAME };

void flows_name(char name[FLOWS_NAME], const struct network *net, struct far_pair pair);

#endif
