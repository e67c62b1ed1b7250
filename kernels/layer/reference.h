/* The measure in plain double precision: the oracle of the kernels, written to be read beside the formulas. This is the
 * best file to read first; link.h has the same operations, made fast.
 *
 * For one image. Lower neurons i are those of all edges of the link. A rule is phi_ij, and phi_bj for the bias,
 * gathered in up to two terms t (gamma's and alphabeta's branches); m_ij is 1, or one over the positions of a mean:
 *
 *     z(j)   = sum_i m_ij w_ij a_i + b_j
 *     z_t(j) = sum_i m_ij phi_t(a_i, w_ij) + phi_t(b_j)
 *     c_t(j) = scale_t [selected by the sign of z(j)] / stab(z_t(j))
 *     r(i|j) = sum_t m_ij phi_t(a_i, w_ij) c_t(j)
 *
 * Pools share by pool.h; where a link only copies (channels, gates, passes), r(i|j) is 1. And of one edge e:
 *
 *     backward  R_i  = sum_j r(i|j) R_j
 *     lift      v_j  = sum_i v_i r(i|j)
 *     flow      J_kc = sum over j in channel k and i in channel c of r(i|j) R_j
 *
 * Nothing is left out for speed: all branches and all parts are computed at every neuron. Arrays are in the order
 * [channels][height][width]. No failure, no allocation.
 */
#ifndef NRMFLOW_KERNELS_LAYER_REFERENCE_H
#define NRMFLOW_KERNELS_LAYER_REFERENCE_H

#include "kernels/layer/link.h"

/* The variable of an edge; channels of LINK_CHANNELS only. */
struct reference_input {
    const double *a; /* [neurons] activations */
    struct shape shape;
    struct edge_channels channels;
};

/* One link of one image. All arrays are borrowed. */
struct reference_link {
    const struct link *link;
    const struct reference_input *inputs; /* of all edges; NULL: there is one, with the activations a */
    size_t edge;                          /* of backward, lift and flow */
    struct rule rule;
    enum bias_mode bias_mode;
    enum pool_mode pool;
    const float *weight, *bias; /* the network's own, as in link_plan; not read where there are none */
    const double *low, *high;   /* [C], bounds of zbox */
    const double *a, *z;        /* a [lower neurons]; z [upper neurons] before the activation */
    const double *gate;         /* activations of a gate's variable: [C] if `one_gate`, else [upper neurons] */
    bool one_gate;
    long double *sums;         /* scratch: [lower neurons of any edge] and [2 x upper neurons] at least; signed rules
                                   amplify rounding */
    double *c[RULE_MAX_TERMS]; /* coefficients, [upper neurons] each; filled by reference_prepare */
};

/* network.h's function of z. */
double reference_activation(struct activation activation, double z);

/* z: before the activation. */
void reference_forward(double *z, const struct reference_link *l);

/* The coefficients, from z and all activations. */
void reference_prepare(struct reference_link *l);

void reference_backward(double *r_lower, const struct reference_link *l, const double *r_upper);

void reference_lift(double *v_upper, const struct reference_link *l, const double *v_lower);

/* joint [K][C], or [K] of a diagonal link (network_diagonal); h [lower neurons] weights on lower neurons, or NULL.
 * Links with a rule only. */
void reference_flow(double *joint, const struct reference_link *l, const double *r_upper, const double *h);

/* The ledger: to_bias and absorbed of the upper channels, [K], whichever the edge. */
void reference_shares(double *to_bias, double *absorbed, const struct reference_link *l, const double *r_upper);

#endif
