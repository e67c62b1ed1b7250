#include "kernels/layer/link_backend.h"

#include "kernels/base/number.h"
#include "kernels/layer/activation.h"

#include <stdint.h>
#include <string.h>

const char *link_backend_name(const struct link_backend *backend)
{
    return backend->name;
}

/* ---- edges ------------------------------------------------------------------------------------------------------- */

size_t link_edges(const struct link_plan *plan)
{
    return plan->inputs ? plan->link->nedges : 1;
}

struct layout link_lower(const struct link_plan *plan, size_t edge)
{
    return plan->inputs ? plan->inputs[edge].layout : plan->lower;
}

const float *link_activations(const struct link_call *call, size_t edge)
{
    return call->inputs ? call->inputs[edge] : call->a;
}

/* ---- derived weights --------------------------------------------------------------------------------------------- */

/* The place of every array in memory, NULL for those without floats; returns all floats. memory NULL: only these. */
static size_t place(float *packed[LINK_PACKED], const struct link_plan *plan, float *memory)
{
    size_t floats[LINK_PACKED] = {0}, used = 0;

    if (plan->backend->sizes)
        plan->backend->sizes(floats, plan);
    for (size_t i = 0; i < LINK_PACKED; i++) {
        packed[i] = memory && floats[i] ? memory + used : NULL;
        used += padded(floats[i]);
    }
    return used;
}

size_t link_packed_floats(const struct link_plan *plan)
{
    float *packed[LINK_PACKED];

    return place(packed, plan, NULL);
}

void link_packed_compute(const struct link_plan *plan, float *memory)
{
    float *packed[LINK_PACKED];

    place(packed, plan, memory);
    if (plan->backend->pack)
        plan->backend->pack(packed, plan);
}

void link_packed_bind(struct link_plan *plan, const float *memory)
{
    float *packed[LINK_PACKED];

    place(packed, plan, (float *)(uintptr_t)memory); /* read-only from here on */
    for (size_t i = 0; i < LINK_PACKED; i++)
        plan->packed[i] = packed[i];
}

void link_pad_bias(float *out, const struct link_plan *plan)
{
    size_t channels = plan->link->upper.channels;

    memset(out, 0, padded(channels) * sizeof *out);
    memcpy(out, plan->bias, channels * sizeof *out);
}

/* ---- pools ------------------------------------------------------------------------------------------------------- */

float link_largest(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    float largest = call->a_summaries ? 0 : pool_largest(call->a, plan->lower);

    for (size_t c = 0; c < plan->link->lower.channels && call->a_summaries; c++)
        largest = call->a_summaries[c].largest > largest ? call->a_summaries[c].largest : largest;
    return largest;
}

/* ---- coefficients ------------------------------------------------------------------------------------------------ */

bool link_always(const struct link_plan *plan)
{
    (void)plan;
    return true;
}

size_t link_upper_floats(const struct link_plan *plan)
{
    return layout_floats(plan->upper);
}

size_t link_terms(const struct link_plan *plan)
{
    return plan->backend->terms ? plan->backend->terms(plan) : larger(plan->parts.nterms, 1);
}

size_t link_term(const struct link_call *call, size_t term)
{
    size_t images = call->c_images ? call->c_images : call->one_image ? 1 : call->n;

    return smaller(term, link_terms(call->plan) - 1) * images * link_upper_floats(call->plan);
}

/* z becomes c = scale [selected] / stab(z); without a stabilizer z = 0 gives 0. */
static void invert(float *restrict z, struct rule_term term, const float *restrict sign, size_t n)
{
    float eps = (float)term.eps, scale = (float)term.scale;

    for (size_t i = 0; i < n; i++) {
        float stabilized = z[i] + (z[i] < 0 ? -eps : eps), inverse = scale / stabilized;
        z[i] = stabilized == 0 ? 0 : inverse;
    }
    for (size_t i = 0; i < n && term.selector == SELECT_POSITIVE; i++)
        z[i] = sign[i] > 0 ? z[i] : 0;
    for (size_t i = 0; i < n && term.selector == SELECT_NEGATIVE; i++)
        z[i] = sign[i] < 0 ? z[i] : 0;
}

bool link_denominator_is_z(const struct link_plan *plan)
{
    return plan->bias_mode == BIAS_NEURON && plan->parts.nparts == 1 &&
           plan->parts.part[0].factor == FACTOR_ACTIVATION && plan->parts.part[0].form == FORM_WEIGHT;
}

void link_finish_forward(const struct link_call *call,
                         void (*denominator)(float *out, const struct link_call *call, size_t term))
{
    const struct link_plan *plan = call->plan;
    size_t floats = link_upper_floats(plan), all = call->n * floats;

    for (size_t t = 0; t < plan->parts.nterms && call->c_out; t++) {
        float *own = call->c_out + link_term(call, t);
        if (link_denominator_is_z(plan))
            memcpy(own, call->upper, all * sizeof *own);
        else
            denominator(own, call, t);
        invert(own, plan->parts.term[t], call->upper, all);
        for (size_t i = 0; i < call->n; i++)
            layout_clear_border(own + i * floats, plan->upper);
    }
    activation_apply(call->upper, plan->link->activation, plan->upper, call->n);
}

void link_summarise(struct channels_summary *summaries, const float *v, const float *w, struct layout layout,
                    const struct link_call *call)
{
    size_t floats = layout_floats(layout);

    for (size_t i = 0; i < call->n && summaries; i++)
        channels_summarise(summaries + i * layout.shape.channels, v + i * floats, w ? w + i * floats : NULL, layout,
                           call->plan->ops);
}

void link_activate(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;

    activation_apply(call->upper, plan->link->activation, plan->upper, call->n);
    link_summarise(call->summaries, call->upper, NULL, plan->upper, call);
}

void link_summarise_lower(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    const struct link_ledger *ledger = call->ledger;
    struct layout lower = link_lower(plan, call->edge);

    if (ledger) {
        link_summarise(ledger->summaries, call->r_lower, NULL, lower, call);
        link_summarise(ledger->weighted, call->r_lower, ledger->h, lower, call);
    }
}

/* ---- the ledger -------------------------------------------------------------------------------------------------- */

/* Sums of one branch of gamma from those of both, whose coefficients have different signs. */
static struct channels_ledger sums_of_branch(struct channels_ledger both, size_t t)
{
    double flow = (both.flow + (t ? -both.magnitude : both.magnitude)) / 2;

    return (struct channels_ledger){flow, t ? -flow : flow, both.dead_mass};
}

/* Add one term to the ledger of one image, [K]: R b' c goes to the bias; sgn(scale) eps R |c| is absorbed, and with the
 * first term all of R where no term has a coefficient. */
static void add_ledger(double *to_bias, double *absorbed, const struct link_plan *plan, size_t t,
                       const struct channels_ledger *sums)
{
    struct rule_term term = plan->parts.term[t];
    bool joined = link_terms(plan) < plan->parts.nterms;

    for (size_t k = 0; k < plan->link->upper.channels; k++) {
        struct channels_ledger own = joined ? sums_of_branch(sums[k], t) : sums[k];
        to_bias[k] += (double)plan->bias_forms[t][k] * own.flow;
        absorbed[k] += (term.scale < 0 ? -term.eps : term.eps) * own.magnitude + (t ? 0 : own.dead_mass);
    }
}

void link_empty_ledger(const struct link_call *call)
{
    const struct link_ledger *ledger = call->ledger;
    size_t all = call->n * call->plan->link->upper.channels;

    if (!ledger)
        return;
    memset(ledger->to_bias, 0, all * sizeof *ledger->to_bias);
    memset(ledger->absorbed, 0, all * sizeof *ledger->absorbed);
}

void link_fill_ledger(const struct link_call *call, const struct channels_ledger *sums)
{
    const struct link_plan *plan = call->plan;
    const struct link_ledger *ledger = call->ledger;
    size_t channels = plan->link->upper.channels, floats = link_upper_floats(plan);

    link_empty_ledger(call);
    for (size_t i = 0; i < call->n && ledger; i++)
        for (size_t t = 0; t < plan->parts.nterms; t++) {
            const float *c = call->c + i * floats;
            if (!sums)
                channels_ledger(call->scratch->sums, call->r_upper + i * floats, c + link_term(call, t),
                                c + link_term(call, plan->parts.nterms - 1), plan->upper, plan->ops);
            add_ledger(ledger->to_bias + i * channels, ledger->absorbed + i * channels, plan, t,
                       sums ? sums + i * channels : call->scratch->sums);
        }
}
