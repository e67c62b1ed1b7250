/* The three operations of a link on n images, for any rule, in float32.
 *
 *   back     R_lower = sum over parts of x * T(R_upper * c, W')       relevance down
 *   forward  v_upper = sum over parts of c * F(x * v_lower, W')       its adjoint: weights on lower neurons up
 *   joint    J[k,c]  = sum over parts and taps of W' * G(x, R_upper * c)    the whole flow between channels
 *
 * with F a convolution or dense layer, T its transpose, G its weight gradient; c are the coefficients of rule.h, or the
 * shares of a pool, found once an image by evaluate. Arrays are [n][layout_floats] of the lower or upper variable; a are
 * activations (rectified where the variable is). Nothing here allocates or fails; arrays must not overlap.
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

/* neuron: the bias is one more lower neuron and takes its share; spread: it is left out of every denominator. */
enum bias_mode { BIAS_NEURON, BIAS_SPREAD };

/* How the linear maps are computed: by linear.h, which keeps exact zeros; by layer/direct.h, which does so too, between few
 * planar channels and a blocked variable; or by winograd.h where the rule never divides by a sum that can be exactly zero
 * while relevance arrives. */
enum link_method { LINK_LINEAR, LINK_DIRECT, LINK_WINOGRAD };

/* A way to compute the maps: a method, and for LINK_WINOGRAD the tile of winograd.h. */
struct link_way {
    const char *name;
    enum link_method method;
    size_t tile;
};

enum { LINK_WAYS = 4 };
extern const struct link_way link_ways[LINK_WAYS];

/* What a link is to do. */
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

/* What a link does under a rule. Immutable once bound; all pointers are borrowed. */
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
    const float *own_bias, *scale, *no_bias; /* b, the term's scale, and none: [K] and zeros; not for LINK_LINEAR */
    const float
        *direct_own; /* LINK_DIRECT: W, and of every term W' of the parts that are computed (layer/link_direct.h) */
    const float *direct_joined[RULE_MAX_TERMS], *direct_up[RULE_MAX_TERMS], *direct_down[RULE_MAX_TERMS];
    const float *direct_constant[RULE_MAX_TERMS]; /* NULL where the term has none */
};

/* Scratch for the operations, for the largest link and n that will be used; see link_scratch_floats. */
struct link_scratch {
    float *upper;                 /* n x upper floats */
    float *lower;                 /* n x lower floats */
    float *work;                  /* of the linear maps */
    struct channels_ledger *sums; /* [n][upper channels] */
};

struct link_scratch_floats {
    size_t upper, lower, work;
    size_t sums; /* not floats, but channels */
};

/* Describe a link under a rule; `model` are the model's weights, at whose offsets the link's weight and bias are. */
void link_plan_init(struct link_plan *plan, const struct link *link, const struct link_setting *setting,
                    const float *model);

/* The same link another way: as link_plan_init left it, not bound, and its maps and their scratch are others. False: that
 * way is not for this link. */
bool link_plan_another(struct link_plan *out, const struct link_plan *plan, const struct link_way *way);

/* Derived weights: how many floats a plan needs, their place (read-only use), and their computation into that place by
 * whoever owns the memory. Weights that a part uses as they are need no room. */
size_t link_forms_floats(const struct link_plan *plan);
void link_forms_bind(struct link_plan *plan, const float *memory);
void link_forms_compute(const struct link_plan *plan, float *memory, struct link_bounds input_bounds);

struct link_scratch_floats link_scratch_floats(const struct link_plan *plan, size_t n);

/* The larger of two needs, and their place in an arena. */
struct link_scratch_floats link_scratch_both(struct link_scratch_floats a, struct link_scratch_floats b);
struct link_scratch link_scratch_place(struct link_scratch_floats need, struct arena *arena);

/* Floats of the coefficients of n images, [nterms][n][upper floats], or of a pool's shares [n][...]. */
size_t link_coefficients(const struct link_plan *plan, size_t n);

/* The link itself: z = W a + b, or the maximum of a pool.
 *
 *   upper  out  the activation: max(z, 0) where the variable is rectified, else z
 *   c      out  link_coefficients(plan, n) floats
 *   summaries  out  of the activation's channels, [n][K], and for a pool in: of those of a; NULL: neither
 *   a      in   lower activations */
void link_forward(float *upper, float *c, struct channels_summary *summaries, const struct link_plan *plan,
                  const float *a, size_t n, const struct link_scratch *scratch);

/* What is known of n images besides the relevance: of every upper channel what the link hands to its bias and what
 * stabilizers and empty denominators take, both computed from the coefficients and not from what is missing, and a summary
 * of every lower channel's relevance. */
struct link_ledger {
    double *to_bias, *absorbed;         /* [n][K] */
    struct channels_summary *summaries; /* [n][C]; NULL: not asked for */
    const float *share;                 /* weights of lower neurons, like r_lower, and */
    struct channels_summary *shared;    /* the summary of what has them; NULL: not asked for */
};

/* Relevance down; ledger NULL: not asked for. For pools a is not read. */
void link_backward(float *r_lower, const struct link_ledger *ledger, const struct link_plan *plan, const float *r_upper,
                   const float *c, const float *a, size_t n, const struct link_scratch *scratch);

/* The same and link_flow of all images at once, [n][K][C]; joint NULL: none. */
void link_backward_flow(float *r_lower, float *joint, const struct link_ledger *ledger, const struct link_plan *plan,
                        const float *r_upper, const float *c, const float *a, const float *h, size_t n,
                        const struct link_scratch *scratch);

/* Weights up: v_upper[j] = sum_i v_lower[i] r(i|j). For pools a is not read. */
void link_lift(float *v_upper, const struct link_plan *plan, const float *v_lower, const float *c, const float *a,
               size_t n, const struct link_scratch *scratch);

/* The same two maps for many weights or relevances of one image at once: r_upper and v_upper are [n][upper floats],
 * r_lower and v_lower [n][lower floats], while c and a are those of the one image. No ledger. */
void link_backward_sweeps(float *r_lower, const struct link_plan *plan, const float *r_upper, const float *c,
                          const float *a, size_t n, const struct link_scratch *scratch);
void link_lift_sweeps(float *v_upper, const struct link_plan *plan, const float *v_lower, const float *c,
                      const float *a, size_t n, const struct link_scratch *scratch);

/* Some images of a group: number first, first + 1, ... of all. */
struct link_images {
    size_t first, count, all;
};

/* Flow matrices of some images: joint [count][K][C] from their r_upper [count][upper floats], a [count][lower floats] and,
 * unless NULL, weights h on lower neurons [count][lower floats]; c holds the coefficients of all images. Weighted links
 * only. */
void link_flow(float *joint, const struct link_plan *plan, const float *r_upper, const float *c, const float *a,
               const float *h, struct link_images images, const struct link_scratch *scratch);

#endif
