/* How a link is computed: one method, as a table of its functions. A new one is a file with such a table and a row of
 * link_backends (link_plan.c).
 *
 *   linear   linear.h: any link with a rule; keeps exact zeros
 *   direct   direct.h: between few planar channels and a blocked variable, any rule; keeps exact zeros
 *   taps     taps.h: convolutions of any window between variables in blocks, rules as for F(4x4), and with signed
 *            inputs and outputs; keeps exact zeros
 *   F(4x4), F(2x2)  winograd.h: for rules that never divide by a sum that can be exactly zero where relevance arrives
 *   add, depthwise  between variables in blocks, rules as for F(4x4) and those whose denominator is z
 *   pool     pool.h: 2x2 max pools with stride 2 of blocked variables
 *   windows  max pools of small windows between variables in blocks
 *   window   pool_window.h: max pools of any window
 *   channels, gate, pass  links that relevance passes unchanged
 *
 * For link.c, link_plan.c, the backends and their tests only. */
#ifndef NRMFLOW_KERNELS_LAYER_LINK_BACKEND_H
#define NRMFLOW_KERNELS_LAYER_LINK_BACKEND_H

#include "kernels/layer/link.h"

/* What one call of an operation takes; link.c cuts calls to that. */
enum link_takes {
    LINK_TAKES_IMAGE,  /* n = 1 */
    LINK_TAKES_IMAGES, /* any n, each with its own c and a */
    LINK_TAKES_SWEEPS  /* calls with one_image too */
};

struct link_backend {
    const char *name;
    size_t tile; /* of winograd.h */
    enum link_takes takes;
    /* forward and backward also compute the summaries and flows that a call asks for; else, and where it adds for a
     * backend that does not, link.c does, afterwards. */
    bool fused;
    bool adds; /* backward and lift follow link_call.add; else link.c adds */

    /* How well it suits a link: 0 not at all; the best one is taken, and of equals the first. */
    int (*suits)(const struct link_plan *plan);

    /* Floats of the derived weights `packed`, 0 for those that it does not need; and computing them from the plan's
     * other weights. NULL: it has none. */
    void (*sizes)(size_t floats[LINK_PACKED], const struct link_plan *plan);
    void (*pack)(float *const packed[LINK_PACKED], const struct link_plan *plan);
    /* link_shared_floats, at least 9 C K of a convolution; NULL: 0. Such a backend takes groups of images, for rules of
     * one term (kernels/measure/plan.c). */
    size_t (*shared)(const struct link_plan *plan);

    /* Arrays of coefficients of an image; NULL: one for every term of the rule. */
    size_t (*terms)(const struct link_plan *plan);

    struct link_scratch_floats (*scratch)(const struct link_plan *plan, size_t n);
    size_t (*coefficients)(const struct link_plan *plan); /* floats of a term of an image */
    bool (*needs_c)(const struct link_plan *plan);        /* forward needs c_out; NULL: never */

    /* As in link.h; backward fills to_bias and absorbed of the ledger. */
    void (*forward)(const struct link_call *call);
    void (*backward)(const struct link_call *call);
    void (*lift)(const struct link_call *call);
    void (*flow)(const struct link_call *call); /* NULL where relevance is not shared by a rule */
};

extern const struct link_backend link_linear, link_direct, link_winograd_4, link_winograd_2, link_taps, link_add,
    link_depthwise, link_pool, link_windows, link_window, link_channels, link_gate, link_pass;

/* ---- edges ------------------------------------------------------------------------------------------------------- */

/* Number of a plan's edges, and the layout of the variable of one. */
size_t link_edges(const struct link_plan *plan);
struct layout link_lower(const struct link_plan *plan, size_t edge);

/* The activations of an edge in a forward pass. */
const float *link_activations(const struct link_call *call, size_t edge);

/* ---- derived weights --------------------------------------------------------------------------------------------- */

/* The arrays `packed` of a plan: their floats together, computing them into memory from a bound plan's other weights,
 * and binding them. */
size_t link_packed_floats(const struct link_plan *plan);
void link_packed_compute(const struct link_plan *plan, float *memory);
void link_packed_bind(struct link_plan *plan, const float *memory);

/* ---- what backends of pools share -------------------------------------------------------------------------------- */

/* The maximum of the lower variable, at least zero, from the call's summaries or its activations. */
float link_largest(const struct link_call *call);

/* ---- what backends of weighted links share ----------------------------------------------------------------------- */

/* link_backend.needs_c of those that always do. */
bool link_always(const struct link_plan *plan);

/* link_backend.coefficients. */
size_t link_upper_floats(const struct link_plan *plan);

/* out [padded(K)] = the link's own bias, and zeros. */
void link_pad_bias(float *out, const struct link_plan *plan);

/* Where a term starts in c or c_out. Of a backend with one array for both branches of gamma, whose values are positive
 * where the first acts and negative where the second does, that array. */
size_t link_term(const struct link_call *call, size_t term);

/* Whether the only term's denominator is the layer's own z. */
bool link_denominator_is_z(const struct link_plan *plan);

/* The rest of a forward pass whose `upper` is z: coefficients of every term from its denominator, unless the call has
 * no place for them, and the activation. `denominator` computes that of a term, of all images, unless it is z. */
void link_finish_forward(const struct link_call *call,
                         void (*denominator)(float *out, const struct link_call *call, size_t term));

/* Summaries of the call's n arrays v w of a variable; w NULL means one, summaries NULL: nothing to do. */
void link_summarise(struct channels_summary *summaries, const float *v, const float *w, struct layout layout,
                    const struct link_call *call);

/* The end of a forward pass whose `upper` is z: the activation, and summaries after it. */
void link_activate(const struct link_call *call);

/* The summaries of r_lower that a backward pass's ledger asks for. */
void link_summarise_lower(const struct link_call *call);

/* Zeros for to_bias and absorbed, if the call has a ledger. */
void link_empty_ledger(const struct link_call *call);

/* to_bias and absorbed, if the call has a ledger. sums: those of channels_ledger, [n][K], of a rule with one term;
 * NULL: they are computed, for any rule. */
void link_fill_ledger(const struct link_call *call, const struct channels_ledger *sums);

#endif
