/* The measure of a graph in double precision, by sweeps of kernels/layer/reference.h along edges: the oracle of the
 * kernels, itself compared with the list of all walks (graph_walks.h).
 *
 * A sweep down visits variables from the highest to the lowest; what a link hands to the variable of an edge is added
 * to what lies there already. An edge that jumps over a variable with a mask carries nothing, down and up.
 *
 * Arrays of neurons are [neurons] of their variable in planar order. Everything is allocated by the functions named
 * init and freed by those named free; memory that is short ends the test.
 */
#ifndef NRMFLOW_TESTS_SUPPORT_GRAPH_REFERENCE_H
#define NRMFLOW_TESTS_SUPPORT_GRAPH_REFERENCE_H

#include "kernels/layer/reference.h"
#include "tests/support/graph_case.h"

enum { GRAPH_NONE = NETWORK_MAX_EDGES /* no variable, no edge */ };

/* An array of every variable. */
struct graph_arrays {
    double *of[NETWORK_MAX_VARIABLES];
};

/* Zeros. */
void graph_arrays_init(struct graph_arrays *arrays, const struct network *net);
void graph_arrays_free(struct graph_arrays *arrays);

/* A case after its forward pass. */
struct graph_reference {
    const struct graph_case *c; /* borrowed */
    struct graph_arrays z, a;   /* before and after the activations; z of the input is not set */
    double *start;              /* R of the logits */
    struct reference_link links[NETWORK_MAX_LINKS];

    /* What the links borrow: variables of their edges, bounds of zbox. */
    struct reference_input *inputs[NETWORK_MAX_LINKS];
    double *low[NETWORK_MAX_LINKS], *high[NETWORK_MAX_LINKS];
};

void graph_reference_init(struct graph_reference *ref, const struct graph_case *c);
/* The same, but activations are rounded to float32 on their way, as any program in float32 has to. */
void graph_reference_init_rounded(struct graph_reference *ref, const struct graph_case *c);
void graph_reference_free(struct graph_reference *ref);

/* The measure below variable `top`.
 *
 *   start      R of `top`
 *   masks      [variables] 1 in the variable's set and 0 elsewhere, NULL for one without; NULL for none at all
 *   without    variable whose relevance is dropped when its turn comes, or GRAPH_NONE
 *   forgotten  edge that hands nothing on, or GRAPH_NONE: a mistake that the ledger must show */
struct graph_sweep {
    size_t top;
    const double *start;
    const double *const *masks;
    size_t without, forgotten;
};

/* When variable k's turn comes: its mass, what has passed it by, what biases and the absorber have taken, and the total
 * variation of all of that. The first four sum to the mass of the start, without masks. */
struct graph_ledger {
    double mass, bypass, bias, absorbed, variation;
};

/* r is overwritten, with zeros above the top; ledger [variables], of those up to the top; NULL: not computed. */
void graph_reference_down(struct graph_arrays *r, struct graph_ledger *ledger, const struct graph_reference *ref,
                          const struct graph_sweep *sweep);

/* h of `from` is given; h of the variables above becomes the share of a neuron's relevance that arrives there,
 * weighted by that h. Those below are not touched. */
void graph_reference_up(struct graph_arrays *h, const struct graph_reference *ref, size_t from,
                        const double *const *masks);

/* The walks through the sets of `masks`: m is the relevance from above, h the share that goes on through the sets,
 * their product the joint relevance of a neuron and the sets. Without masks: R and one. */
void graph_reference_condition(struct graph_arrays *m, struct graph_arrays *h, const struct graph_reference *ref,
                               const double *const *masks);

/* The measure of the walks through all sets, of which there is at least one. */
double graph_reference_measure(const struct graph_reference *ref, const double *const *masks);

/* The flow between two variables, lower < upper, of the walks through the sets of `masks`.
 *
 *   joint   [C_upper][C_lower]
 *   lost    [C_upper]: does not pass the lower variable
 *   around  [C_lower]: does not pass the upper variable */
struct graph_pair {
    size_t lower, upper;
    double *joint, *lost, *around;
};

void graph_reference_pair_init(struct graph_pair *pair, const struct graph_reference *ref, size_t lower, size_t upper,
                               const double *const *masks);
void graph_reference_pair_free(struct graph_pair *pair);

/* The flow along edge e of link k, [K][C], or [K] for a diagonal link; links with a rule only. m and h from
 * graph_reference_condition. */
void graph_reference_flow(double *joint, const struct graph_reference *ref, size_t k, size_t e,
                          const struct graph_arrays *m, const struct graph_arrays *h, const double *const *masks);

/* Whether edge e jumps over a variable with a mask. */
bool graph_reference_blocked(const struct network *net, size_t edge, const double *const *masks);

/* Sums of the channels of variable k's array, [C]. */
void graph_reference_channels(double *sums, const struct network *net, size_t k, const double *values);

#endif
