/* The measure in plain double precision: the oracle of the kernels, written to be read beside the formulas. This is the
 * best file to read first; link.h has the same operations, made fast.
 *
 * For one image. A rule is phi_ij, and phi_bj for the bias, gathered in up to two terms t (gamma's and alphabeta's
 * branches):
 *
 *     z_t(j) = sum_i phi_t(a_i, w_ij) + phi_t(b_j),   c_t(j) = scale_t [selected by the sign of z(j)] / stab(z_t(j))
 *     r(i|j) = sum_t phi_t(a_i, w_ij) c_t(j)
 *     backward  R_i  = sum_j r(i|j) R_j
 *     lift      v_j  = sum_i v_i r(i|j)
 *     flow      J_kc = sum over j in channel k and i in channel c of r(i|j) R_j
 *
 * Nothing is left out for speed: all branches and all parts are computed at every neuron. No failure, no allocation.
 */
#ifndef NRMFLOW_KERNELS_LAYER_REFERENCE_H
#define NRMFLOW_KERNELS_LAYER_REFERENCE_H

#include "kernels/layer/link.h"

/* One link of one image. All arrays are borrowed; a [lower neurons] rectified, z [upper neurons] before the ReLU. */
struct reference_link {
    const struct link *link;
    struct rule rule;
    enum bias_mode bias_mode;
    enum pool_mode pool;
    const float *weight, *bias; /* the network's own, as in link_plan */
    const double *low, *high;   /* [C], bounds of zbox */
    const double *a, *z;
    long double *sums; /* scratch: [lower neurons] and [2 x upper neurons] at least; signed rules amplify rounding */
    double *c[RULE_MAX_TERMS]; /* coefficients, [upper neurons] each; filled by reference_prepare */
};

/* z = W a + b, or the maximum of a pool. */
void reference_forward(double *z, const struct reference_link *l);

void reference_prepare(struct reference_link *l);

void reference_backward(double *r_lower, const struct reference_link *l, const double *r_upper);

void reference_lift(double *v_upper, const struct reference_link *l, const double *v_lower);

/* joint [K][C]; h [lower neurons] weights on lower neurons, or NULL. Weighted links only. */
void reference_flow(double *joint, const struct reference_link *l, const double *r_upper, const double *h);

/* The ledger: to_bias and absorbed of the upper channels, [K]. */
void reference_shares(double *to_bias, double *absorbed, const struct reference_link *l, const double *r_upper);

#endif
