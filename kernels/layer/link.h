/* The operations of a link on n images, for any rule, in float32.
 *
 * Links of several edges (adds and channels) go up from all their edges at once. Down, up and flows are sums over
 * edges, so that those operations are of one edge: that of link_call.edge.
 *
 *   forward   z = W a + b, or the maximum of a pool; and the coefficients c of rule.h, or the shares of a pool
 *   backward  R_lower = sum over parts of x * T(R_upper * c, W')             relevance down
 *   lift      v_upper = sum over parts of c * F(x * v_lower, W')             its adjoint: weights of lower neurons up
 *   flow      J[k,c]  = sum over parts and taps of W' * G(x, R_upper * c)    relevance between all pairs of channels
 *
 * with F a linear map (convolution, dense layer, mean or identity), T its transpose, G its weight gradient. Where no
 * rule shares relevance (channels, gates, passes) backward and lift only copy. Arrays are [n][layout_floats] of the
 * lower or upper variable; a are activations. K and C are the upper and lower channels. Nothing here allocates or
 * fails; arrays must not overlap.
 *
 * reference.h has the same operations in double precision, written to be read beside the formulas: read it first.
 */
#ifndef NRMFLOW_KERNELS_LAYER_LINK_H
#define NRMFLOW_KERNELS_LAYER_LINK_H

#include "kernels/base/arena.h"
#include "kernels/base/network.h"
#include "kernels/layer/channels.h"
#include "kernels/layer/pool.h"
#include "kernels/layer/rule.h"
#include "kernels/ops/ops.h"

#include <stdbool.h>
#include <stddef.h>

/* neuron: the bias is one more lower neuron and receives relevance; spread: it is left out of every denominator. */
enum bias_mode { BIAS_NEURON, BIAS_SPREAD };

/* How links are computed: link_backend.h. */
struct link_backend;

enum {
    LINK_BACKENDS = 13,
    LINK_PACKED = 12 /* most arrays of a backend's own */
};

/* All of them. A plan gets the one that suits its link best; among equals the first. */
extern const struct link_backend *const link_backends[LINK_BACKENDS];

/* The name that bench shows, such as F(4x4): see link_backend.h. */
const char *link_backend_name(const struct link_backend *backend);

/* The variable of an edge. */
struct link_input {
    struct layout layout;
    struct edge_channels channels; /* LINK_CHANNELS only */
};

/* How a link is to be computed. */
struct link_setting {
    struct rule rule;
    enum bias_mode bias;
    enum pool_mode pool;
    bool signed_input;  /* the lower variable can be negative */
    bool both_branches; /* relevance may arrive where z <= 0, see rule_expand */
    const struct ops *ops;
    struct layout lower, upper;      /* lower: of the first edge's variable */
    struct layout gate;              /* of a gate: that of the variable that multiplies */
    const struct link_input *inputs; /* of all edges; NULL for links of one edge. Borrowed. */
};

/* Bounds of the input's channels for zbox, [channels of the input]. */
struct link_bounds {
    const float *low, *high;
};

/* A link under a rule. Immutable once bound; all pointers are borrowed. */
struct link_plan {
    const struct link *link;
    const struct link_backend *backend;
    struct rule rule;
    struct rule_parts parts;
    enum bias_mode bias_mode;
    enum pool_mode pool;
    bool signed_input, both_branches;
    const struct ops *ops;
    struct layout lower, upper, gate;
    const struct link_input *inputs;
    const float *weight, *bias;              /* the network's own; of adds and averages one, and NULL */
    const float *forms[RULE_MAX_PARTS];      /* W' of every part, same shape as weight */
    const float *bias_forms[RULE_MAX_TERMS]; /* b' of every term, [K]; zeros where there is no bias */
    const float *low, *high;                 /* [C], zbox only */
    const float *packed[LINK_PACKED];        /* derived weights of the backend: it alone knows what they are */
};

/* Scratch memory of the operations, for the largest link and n that will be used; see link_scratch_floats. */
struct link_scratch {
    float *upper;                 /* n x upper floats */
    float *lower;                 /* n x lower floats */
    float *work;                  /* of the linear maps */
    struct channels_ledger *sums; /* [n][upper channels] */
    float *sum;                   /* of what is added to: n x its floats; only for calls with `add` */
    float *c;                     /* of a forward pass without c_out: link_spare_floats */
};

struct link_scratch_floats {
    size_t upper, lower, work;
    size_t sums;   /* elements, not floats */
    size_t sum, c; /* the caller sets them: link_scratch_floats leaves them zero */
};

/* Describe a link under a rule, to be computed by the backend that suits it best. `model` holds the model's weights;
 * the link has the offsets of its weight and bias. */
void link_plan_init(struct link_plan *plan, const struct link *link, const struct link_setting *setting,
                    const float *model);

/* The same link by another backend, with derived weights and scratch memory of its own sizes. The new plan still points
 * to the derived weights of `plan`, of which only low and high are valid: bind it anew. Returns false if that
 * backend does not suit the link. */
bool link_plan_another(struct link_plan *out, const struct link_plan *plan, const struct link_backend *backend);

/* Derived weights: how many floats a plan needs; binding it to memory that holds or will hold them, which it only
 * reads; and computing them into that memory, by its owner. Weights that a part uses unchanged take no memory. */
size_t link_forms_floats(const struct link_plan *plan);
void link_forms_bind(struct link_plan *plan, const float *memory);
void link_forms_compute(const struct link_plan *plan, float *memory, struct link_bounds input_bounds);

/* Of them, how many floats a forward pass reads once for all images of a call; 0: every image reads them anew. */
size_t link_shared_floats(const struct link_plan *plan);

struct link_scratch_floats link_scratch_floats(const struct link_plan *plan, size_t n);

/* The larger of two needs, and their place in an arena. */
struct link_scratch_floats link_scratch_both(struct link_scratch_floats a, struct link_scratch_floats b);
struct link_scratch link_scratch_place(struct link_scratch_floats need, struct arena *arena);

/* Arrays of coefficients of an image: one for every term of the rule, or one for both branches of gamma, of which each
 * neuron has one; at least 1. */
size_t link_terms(const struct link_plan *plan);

/* Floats of the coefficients of n images, [link_terms][n][upper floats], or of a pool's shares [n][...]. */
size_t link_coefficients(const struct link_plan *plan, size_t n);

/* Floats of link_scratch.c for a forward pass of n images without c_out. */
size_t link_spare_floats(const struct link_plan *plan, size_t n);

/* The ledger of a backward pass over n images: what each upper channel passes to the link's bias, and what stabilizers
 * and empty denominators absorb, both computed from the coefficients and not as what is missing. And summaries of the
 * lower channels' relevance.
 *
 *   to_bias, absorbed  out  [n][K]
 *   summaries          out  of r_lower, [n][C]; NULL: not computed
 *   h                  in   weights of lower neurons, like r_lower; read only for `weighted`
 *   weighted           out  of r_lower h, [n][C]; NULL: not computed */
struct link_ledger {
    double *to_bias, *absorbed;
    struct channels_summary *summaries;
    const float *h;
    struct channels_summary *weighted;
};

/* An operation on n images. Each reads and writes the members that its comment names; the others are zero.
 *
 *   plan, scratch  in  the scratch memory is for this plan and n, or larger
 *   c_images       in  c and c_out are [link_terms][c_images][upper floats] and point to the first of the n images; 0:
 *                      n, or 1 for one_image
 *   one_image      in  the n are sweeps of one image, which alone has c and a; backward and lift only, without ledger
 *                      and joint
 *   add            in  backward and lift add to r_lower or v_upper instead of overwriting it; summaries are of
 *                      the sum */
struct link_call {
    const struct link_plan *plan;
    const struct link_scratch *scratch;
    size_t n, c_images;
    size_t edge; /* of the link; a, v_lower, h, r_lower and joint are of its variable */
    bool one_image, add;
    const float *const *inputs; /* of a forward pass: activations of every edge; NULL: only a */
    const float *gate;          /* of a forward pass: activations of the gate's variable, [n][layout_floats] */
    const float *a, *c;         /* lower activations, and coefficients */
    const float *r_upper;       /* relevance of the upper variable */
    const float *v_lower, *h;   /* weights of lower neurons: to be lifted; of the flow, NULL: one */
    float *upper, *c_out;       /* of the forward pass */
    float *r_lower, *v_upper;   /* of backward and lift */
    float *joint;               /* flow matrices, [n][K][C] */
    const struct channels_summary *a_summaries;
    struct channels_summary *summaries;
    const struct link_ledger *ledger;
};

/* The forward pass.
 *
 *   a          in   lower activations
 *   upper      out  the activation, network.h's function of z
 *   c_out      out  coefficients, or a pool's shares: link_coefficients(plan, n) floats; NULL: not kept
 *   a_summaries  in   of a pool: of the channels of a, [n][C]; may be the array `summaries`; NULL: not known
 *   summaries  out  of the channels of `upper`, [n][K]; NULL: not computed */
void link_forward(const struct link_call *call);

/* One backward pass of an edge.
 *
 *   c, a     in   coefficients, and lower activations; a is not read for pools
 *   r_upper  in   relevance of the upper variable
 *   r_lower  out  relevance of the lower variable
 *   ledger   out  of the whole link, whichever the edge; NULL: not computed
 *   joint    out  flow matrices of the n images, [n][K][C], or [n][K] for a diagonal link (network_diagonal), with the
 *                 weights h; links with a rule only; NULL: not computed */
void link_backward(const struct link_call *call);

/* The adjoint: v_upper[j] = sum_i v_lower[i] r(i|j), from v_lower, c and a. For pools a is not read. */
void link_lift(const struct link_call *call);

/* Flow matrices `joint` from r_upper, c, a and h. Links with a rule only. */
void link_flow(const struct link_call *call);

#endif
