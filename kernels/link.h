/* The three operations of a link on n images, for any rule, in float32.
 *
 *   back     R_lower = sum over parts of x * T(R_upper * c, W')       relevance down
 *   forward  v_upper = sum over parts of c * F(x * v_lower, W')       its adjoint: weights on lower neurons up
 *   joint    J[k,c]  = sum over parts and taps of W' * G(x, R_upper * c)    the whole flow between channels
 *
 * with F a convolution or dense layer, T its transpose, G its weight gradient; c are the coefficients of rule.h,
 * computed by prepare once an image. Pools have no coefficients. Arrays are [n][neurons] of the lower or upper
 * variable, contiguous; a are activations (rectified where the variable is). Nothing here allocates or fails; arrays
 * must not overlap.
 */
#ifndef NRMFLOW_LINK_H
#define NRMFLOW_LINK_H

#include "network.h"
#include "pool.h"
#include "rule.h"

#include <stdbool.h>
#include <stddef.h>

/* neuron: the bias is one more lower neuron and takes its share; spread: it is left out of every denominator. */
enum bias_mode { BIAS_NEURON, BIAS_SPREAD };

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
    const float *weight, *bias;              /* the network's own */
    const float *forms[RULE_MAX_PARTS];      /* W' of every part, same shape as weight */
    const float *bias_forms[RULE_MAX_TERMS]; /* b' of every term, [K]; zeros where there is no bias */
    const float *low, *high;                 /* [C], zbox only */
};

/* Scratch for the operations, for the largest link and n that will be used; see link_scratch_floats. */
struct link_scratch {
    float *upper;    /* n x upper neurons */
    float *lower;    /* n x lower neurons */
    float *columns;  /* convolution_scratch */
    float *gradient; /* weights of a convolution, for joint */
};

struct link_scratch_floats {
    size_t upper, lower, columns, gradient;
};

/* Describe a link under a rule.
 *
 *   model         the model's weights, at whose offsets the link's weight and bias are
 *   signed_input  the lower variable can be negative
 *   both_branches relevance may arrive where z <= 0, see rule_expand */
void link_plan_init(struct link_plan *plan, const struct link *link, struct rule rule, enum bias_mode bias,
                    enum pool_mode pool, const float *model, bool signed_input, bool both_branches);

/* Derived weights: how many floats a plan needs, their place (read-only use), and their computation into that place by
 * whoever owns the memory. Weights that a part uses as they are need no room. */
size_t link_forms_floats(const struct link_plan *plan);
void link_forms_bind(struct link_plan *plan, const float *memory);
void link_forms_compute(const struct link_plan *plan, float *memory, struct link_bounds input_bounds);

struct link_scratch_floats link_scratch_floats(const struct link_plan *plan, size_t n);

/* Floats of coefficients of n images: [nterms][n][upper neurons]; zero for pools. */
size_t link_coefficients(const struct link_plan *plan, size_t n);

/* The link itself: z = W a + b before the ReLU (for pools the maximum). */
void link_evaluate(float *z, const struct link_plan *plan, const float *a, size_t n,
                   const struct link_scratch *scratch);

/* Coefficients of n images.
 *
 *   c      out  link_coefficients(plan, n) floats
 *   a      in   lower activations
 *   upper  in   for dense links z before the ReLU, for convolutions the rectified activation */
void link_prepare(float *c, const struct link_plan *plan, const float *a, const float *upper, size_t n,
                  const struct link_scratch *scratch);

/* Relevance down. to_bias and absorbed, [n][K], receive per upper channel what the link hands to its bias and what
 * stabilizers and empty denominators take, both computed from the coefficients and not from what is missing; both may be
 * NULL. */
void link_back(float *r_lower, double *to_bias, double *absorbed, const struct link_plan *plan, const float *r_upper,
               const float *c, const float *a, size_t n, const struct link_scratch *scratch);

/* Weights up: v_upper[j] = sum_i v_lower[i] r(i|j). */
void link_forward(float *v_upper, const struct link_plan *plan, const float *v_lower, const float *c, const float *a,
                  size_t n, const struct link_scratch *scratch);

/* The same two maps for many weights or relevances of one image at once: r_upper and v_upper are [n][upper floats],
 * r_lower and v_lower [n][lower floats], while c and a are those of the one image. No ledger. For pools a may be that of
 * no image (NULL) once its shares are in c. */
void link_back_sweeps(float *r_lower, const struct link_plan *plan, const float *r_upper, const float *c,
                      const float *a, size_t n, const struct link_scratch *scratch);
void link_forward_sweeps(float *v_upper, const struct link_plan *plan, const float *v_lower, const float *c,
                         const float *a, size_t n, const struct link_scratch *scratch);

/* Flow matrix of image `image` of n: joint [K][C] from its r_upper [upper neurons], its a [lower neurons] and, unless
 * NULL, its weights h on lower neurons; c holds the coefficients of all n images. Weighted links only. */
void link_joint(float *joint, const struct link_plan *plan, const float *r_upper, const float *c, const float *a,
                const float *h, size_t image, size_t n, const struct link_scratch *scratch);

#endif
