/* The operations of a link on n images, for any rule, in float32.
 *
 *   forward   z = W a + b, or the maximum of a pool; and the coefficients c of rule.h, or the shares of a pool
 *   backward  R_lower = sum over parts of x * T(R_upper * c, W')             relevance down
 *   lift      v_upper = sum over parts of c * F(x * v_lower, W')             its adjoint: weights of lower neurons up
 *   flow      J[k,c]  = sum over parts and taps of W' * G(x, R_upper * c)    relevance between all pairs of channels
 *
 * with F a convolution or dense layer, T its transpose, G its weight gradient. Arrays are [n][layout_floats] of the
 * lower or upper variable; a are activations (rectified where the variable is). K and C are the upper and lower
 * channels. Nothing here allocates or fails; arrays must not overlap.
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

/* How the linear maps are computed: by linear.h, which keeps exact zeros; by direct.h between few planar channels and a
 * blocked variable, which keeps them too; or by winograd.h, for rules that never divide by a sum that can be exactly
 * zero where relevance arrives. */
enum link_method { LINK_LINEAR, LINK_DIRECT, LINK_WINOGRAD };

/* A way to compute the maps: a method, and for LINK_WINOGRAD the tile of winograd.h. */
struct link_way {
    const char *name;
    enum link_method method;
    size_t tile;
};

enum { LINK_WAYS = 4 };
extern const struct link_way link_ways[LINK_WAYS];

/* How a link is to be computed. */
struct link_setting {
    struct rule rule;
    enum bias_mode bias;
    enum pool_mode pool;
    bool signed_input;  /* the lower variable can be negative */
    bool both_branches; /* relevance may arrive where z <= 0, see rule_expand */
    const struct ops *ops;
    struct layout lower, upper;
};

/* Bounds of the input's channels for zbox, [channels of the input]. */
struct link_bounds {
    const float *low, *high;
};

/* A link under a rule. Immutable once bound; all pointers are borrowed. */
struct link_plan {
    const struct link *link;
    struct rule rule;
    struct rule_parts parts;
    enum bias_mode bias_mode;
    enum pool_mode pool;
    struct link_way way;
    const struct ops *ops;
    struct layout lower, upper;
    const float *weight, *bias;              /* the network's own */
    const float *forms[RULE_MAX_PARTS];      /* W' of every part, same shape as weight */
    const float *bias_forms[RULE_MAX_TERMS]; /* b' of every term, [K]; zeros where there is no bias */
    const float *low, *high;                 /* [C], zbox only */
    const float *packed_up[2], *packed_down; /* LINK_WINOGRAD: W and W', and W' as adjoint */
    const float *own_bias, *scale, *no_bias; /* b, the term's scale, zeros: [K] and zeros; not for LINK_LINEAR */
    /* LINK_DIRECT: W, and for every term W' of the parts that are computed (link_direct.h) */
    const float *direct_own;
    const float *direct_joined[RULE_MAX_TERMS], *direct_up[RULE_MAX_TERMS], *direct_down[RULE_MAX_TERMS];
    const float *direct_constant[RULE_MAX_TERMS]; /* NULL for a term without one */
};

/* Scratch memory of the operations, for the largest link and n that will be used; see link_scratch_floats. */
struct link_scratch {
    float *upper;                 /* n x upper floats */
    float *lower;                 /* n x lower floats */
    float *work;                  /* of the linear maps */
    struct channels_ledger *sums; /* [n][upper channels] */
};

struct link_scratch_floats {
    size_t upper, lower, work;
    size_t sums; /* elements, not floats */
};

/* Describe a link under a rule. `model` holds the model's weights; the link has the offsets of its weight and bias. */
void link_plan_init(struct link_plan *plan, const struct link *link, const struct link_setting *setting,
                    const float *model);

/* The same link computed another way. The new plan is as link_plan_init would leave it: not bound, with derived weights
 * and scratch memory of its own sizes. Returns false if that way does not suit the link. */
bool link_plan_another(struct link_plan *out, const struct link_plan *plan, const struct link_way *way);

/* Derived weights: how many floats a plan needs; binding it to memory that holds or will hold them, which it only
 * reads; and computing them into that memory, by its owner. Weights that a part uses unchanged take no memory. */
size_t link_forms_floats(const struct link_plan *plan);
void link_forms_bind(struct link_plan *plan, const float *memory);
void link_forms_compute(const struct link_plan *plan, float *memory, struct link_bounds input_bounds);

struct link_scratch_floats link_scratch_floats(const struct link_plan *plan, size_t n);

/* The larger of two needs, and their place in an arena. */
struct link_scratch_floats link_scratch_both(struct link_scratch_floats a, struct link_scratch_floats b);
struct link_scratch link_scratch_place(struct link_scratch_floats need, struct arena *arena);

/* Floats of the coefficients of n images, [nterms][n][upper floats], or of a pool's shares [n][...]. */
size_t link_coefficients(const struct link_plan *plan, size_t n);

/* The forward pass.
 *
 *   upper      out  the activation: max(z, 0) where the variable is rectified, else z
 *   c          out  link_coefficients(plan, n) floats
 *   summaries  out  of the channels of `upper`, [n][K]; for a pool also in: of the channels of a; NULL: neither
 *   a          in   lower activations */
void link_forward(float *upper, float *c, struct channels_summary *summaries, const struct link_plan *plan,
                  const float *a, size_t n, const struct link_scratch *scratch);

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

/* One backward pass.
 *
 *   c        in   coefficients of the n images
 *   a        in   lower activations; not read for pools
 *   r_upper  in   relevance of the upper variable
 *   h        in   weights of lower neurons for the flow, like a; NULL: one
 *   r_lower  out  relevance of the lower variable
 *   joint    out  flow matrices of the n images, [n][K][C], weighted links only; NULL: not computed
 *   ledger   out  NULL: not computed */
struct link_call {
    const struct link_plan *plan;
    size_t n;
    const float *c, *a, *r_upper, *h;
    float *r_lower, *joint;
    const struct link_ledger *ledger;
    const struct link_scratch *scratch;
};

void link_backward(const struct link_call *call);

/* The adjoint: v_upper[j] = sum_i v_lower[i] r(i|j). For pools a is not read. */
void link_lift(float *v_upper, const struct link_plan *plan, const float *v_lower, const float *c, const float *a,
               size_t n, const struct link_scratch *scratch);

/* Both for n sweeps of one image at once: r_upper and v_upper are [n][upper floats], r_lower and v_lower [n][lower
 * floats], while c and a are those of the one image. */
void link_backward_sweeps(float *r_lower, const struct link_plan *plan, const float *r_upper, const float *c,
                          const float *a, size_t n, const struct link_scratch *scratch);
void link_lift_sweeps(float *v_upper, const struct link_plan *plan, const float *v_lower, const float *c,
                      const float *a, size_t n, const struct link_scratch *scratch);

/* Some images of a group: numbers first .. first + count - 1 of all. */
struct link_images {
    size_t first, count, all;
};

/* Flow matrices of some images, [count][K][C], from their r_upper [count][upper floats], a [count][lower floats] and
 * weights h of lower neurons [count][lower floats] (NULL: one). c has the coefficients of all images. Weighted links
 * only. */
void link_flow(float *joint, const struct link_plan *plan, const float *r_upper, const float *c, const float *a,
               const float *h, struct link_images images, const struct link_scratch *scratch);

#endif
