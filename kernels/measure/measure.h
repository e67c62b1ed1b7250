/* The normalized relevance measure of a group of images: forward pass, marginals, ledger, condition and adjacent flows,
 * on a network that is a graph of links (kernels/base/network.h).
 *
 * A group has a fixed number of slots, because the bits of a dense layer's batched product depend on it; an absent
 * image leaves its slot as zeros. Results of a slot do not depend on what the other slots hold.
 *
 * A condition B is a set of neurons in each of one or more variables: the walks through all of them. One sweep down, M,
 * and one sweep up, h, give everything under it:
 *
 *   M(j)  relevance of walks that pass the sets of j's variable and of those above
 *   h(j)  share of neuron j's relevance that goes on through the sets of its variable and of those below
 *   R(j, B) = M(j) h(j),    R(B) = sum_j R(j, B) at and above the lowest set's variable
 *
 *   variables  input .......... lowest set .......... highest set .......... logits
 *   M          M differs from R here ..............................| M = R
 *   h          h = 1            | h differs from 1 here ..............................
 *
 * A walk passes a set only if it passes the set's variable: an edge that jumps over a variable with a set carries
 * nothing, neither of M nor of h. At cuts R(j, B) sums to R(B); at other variables to the share of those walks that
 * pass the variable.
 *
 * docs/explanation/measure.md explains both with an example.
 *
 * Quantities of one image, R the plain measure:
 *   plain ledger  when variable k's turn comes on the way down: mass[k] = sum_j R(j), and what lies at lower variables
 *                 already, along edges that jump over k: bypass[k], zero at cuts; what biases and stabilizers took:
 *                 mass + bypass + bias + absorbed = 1. variation[k] is the same sum of magnitudes.
 *   relevance     of a channel A: R(A) without a condition, else R(A, B)
 *   flow          of an edge of a link with a rule: J[c_u, c_l] of the link's channels and those of the variable that
 *                 the edge reads, of the same walks; of diagonal links only J[c, c]
 */
#ifndef NRMFLOW_KERNELS_MEASURE_MEASURE_H
#define NRMFLOW_KERNELS_MEASURE_MEASURE_H

#include "kernels/base/arena.h"
#include "kernels/base/network.h"
#include "kernels/layer/link.h"
#include "kernels/measure/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The condition: none (all walks), walks that start at an input neuron, walks through given sets. */
enum measure_given { GIVEN_NONE, GIVEN_INPUT, GIVEN_SETS };

enum target_kind { TARGET_PREDICTED, TARGET_CLASS, TARGET_CONTRAST };

/* What is explained: the predicted class, class a, or the contrast z_a - z_b. */
struct measure_target {
    enum target_kind kind;
    size_t a, b;
};

/* A contrast with |z_a - z_b| below this share of max |z| is undefined. */
#define MEASURE_CONTRAST_LIMIT 1e-3

struct measure_options {
    struct rule rules[NETWORK_MAX_LINKS];
    enum bias_mode bias;
    enum pool_mode pool;
    enum measure_given given;
    /* GIVEN_SETS: 1 in the variable's set and 0 elsewhere, NULL for a variable without a set. At least one set, unless
     * the plan is only described. Borrowed. */
    const float *masks[NETWORK_MAX_VARIABLES];
    double variation_limit;        /* a layer above it, plain or under the condition, makes the image `exploded` */
    bool flows[NETWORK_MAX_EDGES]; /* flow of the edge; its link has a rule and is swept */
    bool images;                   /* keep the arrays that further sweeps need, for the sink */
    const struct ops *ops;         /* kernels of an instruction set; NULL: the plan is only described */
    size_t group;                  /* slots */
};

/* What an edge carries. */
struct measure_edge {
    bool first;   /* of the edges that carry R to its variable, the first on the way down: it overwrites */
    bool carries; /* M, where that is not R */
    bool first_m; /* of these */
    bool lifts;   /* h */
    bool first_h; /* of these, among the edges of its link */
    bool blocked; /* jumps over a variable with a set */
};

/* What to compute. Immutable, but options.given of a copy may be set to GIVEN_NONE. Borrows the network and the
 * weights. */
struct measure_plan {
    const struct network *net;
    struct measure_options options;
    struct link_plan links[NETWORK_MAX_LINKS];
    struct link_input inputs[NETWORK_MAX_EDGES];
    struct measure_edge edges[NETWORK_MAX_EDGES];
    size_t top;             /* number of links below the dense layers at the end, which are a chain; a cut */
    size_t grouped;         /* from this link up, at most the top, the backward pass is for all slots at once; a cut */
    size_t evaluated;       /* from this link up, at most `grouped`, the forward pass is for all slots at once; a cut */
    size_t lowest, highest; /* variables with a set of the condition */
    size_t highest_reader[NETWORK_MAX_VARIABLES]; /* the highest swept link that reads the variable; 0 for none */
    size_t channel[NETWORK_MAX_VARIABLES + 1];    /* first channel of variable k among all; the last is their number */
};

enum measure_status { MEASURE_OK, MEASURE_ABSENT, MEASURE_EXPLODED, MEASURE_UNDEFINED };

/* Result of one slot. The arrays, [number of channels], belong to the caller. All masses are shares of the total,
 * one. */
struct measure_result {
    enum measure_status status;
    size_t predicted, target;
    double logit;       /* of the target; z_a - z_b for a contrast */
    double probability; /* softmax of the target, NaN for a contrast */
    double given_mass;  /* R(B), or 1 without a condition */
    double mass[NETWORK_MAX_VARIABLES], bypass[NETWORK_MAX_VARIABLES], variation[NETWORK_MAX_VARIABLES];
    double bias[NETWORK_MAX_VARIABLES], absorbed[NETWORK_MAX_VARIABLES];
    double *relevance;            /* of every channel */
    uint32_t *relevance_position; /* y W + x of its most relevant neuron */
    float *activation;            /* highest activation of every channel */
    uint32_t *activation_position;
    double *activation_mean; /* of every channel, over its positions */
};

/* The arrays of one image after its sweeps, in the form that link.h takes with n = 1. Borrowed, valid during the call;
 * in a group of one slot until the workspace's next call of measure_group. */
struct measure_image {
    const float
        *a[NETWORK_MAX_VARIABLES]; /* activations; NULL for a variable that only a pool reads, whose c suffices */
    const float *r[NETWORK_MAX_VARIABLES]; /* the plain measure */
    const float *m[NETWORK_MAX_VARIABLES]; /* M of the condition; r where no set is at or above the variable */
    const float *h[NETWORK_MAX_VARIABLES]; /* h of the condition, up to the top pool; NULL meaning one */
    const float *c[NETWORK_MAX_LINKS];
};

/* Receives arrays that are too large to keep. Every function may be NULL.
 *
 *   neurons  relevance r h of variable k in its layout, h NULL meaning one; called while the image is computed, before
 *            its status is known
 *   flow     joint of an edge, and to_bias and absorbed [C_upper] of its link, of the condition's walks (these two zero
 *            at and above its lowest variable); called only for images whose status is OK, after given_mass is final
 *   image    arrays of one image, with options.images; called only for images whose status is OK, after given_mass is
 *            final */
struct measure_sink {
    void *context;
    void (*neurons)(void *context, size_t slot, size_t variable, const float *r, const float *h);
    void (*flow)(void *context, size_t slot, size_t edge, const float *joint, const double *to_bias,
                 const double *absorbed);
    void (*image)(void *context, size_t slot, const struct measure_image *image);
};

/* Sums of values and of magnitudes. */
struct measure_sums {
    double value, magnitude;
};

/* Working memory, placed in an arena by measure_workspace_place; of that plan alone. */
struct measure_workspace {
    struct variable_state variables[NETWORK_MAX_VARIABLES];
    struct link_state links[NETWORK_MAX_LINKS];
    struct edge_state edges[NETWORK_MAX_EDGES];
    struct measure_sums *pending; /* [variables][group] of R of variables whose turn has not come */

    /* For one call at a time: */
    const float **inputs;               /* [edges of a link] */
    struct channels_summary *summaries; /* of one variable, [group][C] */
    struct link_scratch scratch;
};

/* Slots that pay, at most `most`: half of them if the dense layers at the end have few weights beside the neurons of an
 * image, whose arrays every slot keeps, and, in networks that are no chain, all links have. */
size_t measure_group_size(const struct network *net, size_t most);

/* Describe a measure. `model` holds the network's weights. */
void measure_plan_init(struct measure_plan *plan, const struct network *net, const struct measure_options *options,
                       const float *model);

/* Derived weights of all links, as in link.h: floats needed; binding to memory; computing. */
size_t measure_forms_floats(const struct measure_plan *plan);
void measure_forms_bind(struct measure_plan *plan, const float *memory);
void measure_forms_compute(const struct measure_plan *plan, float *memory, struct link_bounds bounds);

/* Place the arrays of a result. An arena without memory only finds their size. */
void measure_result_place(struct measure_result *result, const struct measure_plan *plan, struct arena *arena);

/* Place the working memory. An arena without memory only finds its size. */
void measure_workspace_place(struct measure_workspace *work, const struct measure_plan *plan, struct arena *arena);

/* Compute a group.
 *
 *   results  out  [group]; fields are overwritten, arrays filled where the status is OK, zeroed otherwise
 *   inputs   in   [group] preprocessed images [C][H][W], NULL where absent
 *   targets  in   [group]
 * No failure, no allocation. */
void measure_group(struct measure_result *results, const struct measure_plan *plan, const float *const *inputs,
                   const struct measure_target *targets, struct measure_sink sink, struct measure_workspace *work);

#endif
