/* Relevance rules and composites.
 *
 * A rule chooses phi_ij, the share of lower neuron i in upper neuron j, with r(i|j) = phi_ij / sum_i' phi_i'j. Every
 * rule is a list of parts, phi_ij = sum over parts of x_i W'_ij, gathered in terms with one denominator each:
 *
 *     z_t(j) = sum over the term's parts of sum_i x_i W'_ij + b'_j,    c_t(j) = scale_t [selected] / stab(z_t(j))
 *     r(i|j) = sum over parts of x_i W'_ij c_t(j)
 *
 * with stab(z) = z + eps sgn(z), sgn(0) = +1. x is the activation, its positive or negative half, a bound or one; W'
 * and b' are functions of the weight and the bias. Formulas: those of zennit's rules of the same names, checked against
 * its float64 results.
 */
#ifndef NRMFLOW_KERNELS_LAYER_RULE_H
#define NRMFLOW_KERNELS_LAYER_RULE_H

#include "kernels/base/network.h"

#include <stdbool.h>
#include <stddef.h>

enum rule_kind {
    RULE_ZERO,      /* a w / z; z = 0 absorbs */
    RULE_EPSILON,   /* a w / stab_e(z) */
    RULE_GAMMA,     /* positive (z > 0) or negative (z < 0) contributions favoured by 1 + g; z = 0 absorbs */
    RULE_ZPLUS,     /* positive contributions only */
    RULE_ALPHABETA, /* alpha times the positive minus beta times the negative contributions, alpha - beta = 1 */
    RULE_ZBOX,      /* input bounded by low and high */
    RULE_WSQUARE,   /* squared weights, whatever the activation */
    RULE_FLAT       /* the same for every input */
};

struct rule {
    enum rule_kind kind;
    double a, b;       /* epsilon: e; gamma: g; alphabeta: alpha, beta; zbox: low, high unless `input_bounds` */
    bool input_bounds; /* zbox: the bounds of every input channel come from the preprocessing */
};

enum rule_factor {
    FACTOR_ACTIVATION,
    FACTOR_POSITIVE,
    FACTOR_NEGATIVE,
    FACTOR_ONE,
    FACTOR_MINUS_LOW,
    FACTOR_MINUS_HIGH
};

enum rule_form {
    FORM_NONE, /* 0 */
    FORM_WEIGHT,
    FORM_POSITIVE,       /* w+ = max(w, 0) */
    FORM_NEGATIVE,       /* w- = min(w, 0) */
    FORM_GAMMA_POSITIVE, /* w + g w+ */
    FORM_GAMMA_NEGATIVE, /* w + g w- */
    FORM_SQUARE,
    FORM_ONE
};

enum rule_selector { SELECT_ALL, SELECT_POSITIVE, SELECT_NEGATIVE }; /* by the sign of the true z, bias included */

enum { RULE_MAX_PARTS = 4, RULE_MAX_TERMS = 2, RULE_TEXT = 64 };

struct rule_part {
    enum rule_factor factor;
    enum rule_form form;
    size_t term;
};

struct rule_term {
    enum rule_form bias; /* b' as a form of the bias */
    enum rule_selector selector;
    double scale, eps;
};

struct rule_parts {
    size_t nparts, nterms;
    struct rule_part part[RULE_MAX_PARTS]; /* ordered by term */
    struct rule_term term[RULE_MAX_TERMS];
};

/* Parts and terms of a rule, without those that cannot act.
 *
 *   signed_input   the lower variable has negative values (only the network's input has)
 *   both_branches  relevance may arrive at neurons with z <= 0: the logits, and neurons below a rule that gives
 *                  relevance to dead neurons (rule_reaches_dead) */
struct rule_parts rule_expand(struct rule rule, bool signed_input, bool both_branches);

/* Whether the rule gives relevance to lower neurons whose activation is zero. */
bool rule_reaches_dead(enum rule_kind kind);

/* W' or b' of one weight or bias; `gamma` is the g of the gamma forms. */
double rule_form_value(enum rule_form form, double gamma, double w);

/* Parse "gamma 0.25", "epsilon", "alphabeta 2 1", "zbox" or "zbox -3 3", ... Missing numbers take zennit's defaults
 * (epsilon 1e-6, gamma 0.25, alphabeta 2 1). Returns false, with a reason in message, if the text is no rule. */
bool rule_parse(struct rule *out, char *message, size_t nmessage, const char *text);

/* The inverse: canonical text of a rule, at most RULE_TEXT bytes with the final zero. */
void rule_text(char text[RULE_TEXT], struct rule rule);

/* Fill rules[nlinks] with a composite's rule for every link (only those of network_has_rule are used): adds and
 * averages have that of dense links, convolutions that read the input that of the first. Returns false if there is no
 * such composite. */
bool rule_composite(struct rule *rules, const char *name, const struct network *net);

/* Composite number i by name, NULL after the last. */
const char *rule_composite_name(size_t i);

#endif
