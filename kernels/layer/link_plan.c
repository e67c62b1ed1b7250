#include "kernels/base/number.h"
#include "kernels/layer/link_backend.h"

#include <stdint.h>
#include <string.h>

const struct link_backend *const link_backends[LINK_BACKENDS] = {
    &link_linear,    &link_direct,  &link_winograd_4, &link_winograd_2, &link_taps, &link_add, &link_pool,
    &link_depthwise, &link_windows, &link_window,     &link_channels,   &link_gate, &link_pass};

/* The weight of adds and averages. */
static const float one = 1;

/* ---- plans ------------------------------------------------------------------------------------------------------- */

static const struct link_backend *best_backend(const struct link_plan *plan)
{
    const struct link_backend *best = link_backends[0];

    for (size_t i = 1; i < LINK_BACKENDS; i++)
        if (link_backends[i]->suits(plan) > best->suits(plan))
            best = link_backends[i];
    return best;
}

/* Whether a link has weights in the model. */
static bool has_weights(const struct link *link)
{
    return link->kind == LINK_CONVOLUTION || link->kind == LINK_DENSE || (link->kind == LINK_PASS && link->weighted);
}

void link_plan_init(struct link_plan *plan, const struct link *link, const struct link_setting *setting,
                    const float *model)
{
    *plan = (struct link_plan){.link = link,
                               .rule = setting->rule,
                               .bias_mode = setting->bias,
                               .pool = setting->pool,
                               .signed_input = setting->signed_input,
                               .both_branches = setting->both_branches,
                               .ops = setting->ops,
                               .lower = setting->lower,
                               .upper = setting->upper,
                               .gate = setting->gate,
                               .inputs = setting->inputs};
    if (has_weights(link)) {
        plan->weight = model + link->weight;
        plan->bias = model + link->bias;
    } else if (network_has_rule(link)) {
        plan->weight = &one;
    }
    if (network_has_rule(link))
        plan->parts = rule_expand(setting->rule, setting->signed_input, setting->both_branches);
    plan->backend = best_backend(plan);
}

bool link_plan_another(struct link_plan *out, const struct link_plan *plan, const struct link_backend *backend)
{
    *out = *plan;
    out->backend = backend;
    return backend->suits(out) > 0;
}

/* ---- derived weights --------------------------------------------------------------------------------------------- */

/* The first part with the same form of the weight. */
static size_t first_with_form(const struct rule_parts *parts, size_t p)
{
    size_t first = 0;

    while (parts->part[first].form != parts->part[p].form)
        first++;
    return first;
}

/* Whether part p needs derived weights of its own: the first one with a form other than the weights. */
static bool derives(const struct link_plan *plan, size_t p)
{
    return plan->parts.part[p].form != FORM_WEIGHT && first_with_form(&plan->parts, p) == p;
}

static bool bounded(const struct link_plan *plan)
{
    return network_has_rule(plan->link) && plan->rule.kind == RULE_ZBOX;
}

/* The arrays of a plan's derived weights, NULL for those it does not need; behind them are those of the backend. Only
 * place_forms knows their order: it finds the size, the pointers to bind and the arrays to compute. */
struct forms {
    float *part[RULE_MAX_PARTS], *bias[RULE_MAX_TERMS], *low, *high, *packed;
    size_t floats;
};

static float *next_form(struct forms *forms, float *memory, size_t floats)
{
    float *place = memory ? memory + forms->floats : NULL;

    forms->floats += padded(floats);
    return place;
}

/* Place the arrays in memory; memory NULL: only find the size. */
static struct forms place_forms(const struct link_plan *plan, float *memory)
{
    const struct link *link = plan->link;
    struct forms forms = {.floats = 0};

    for (size_t p = 0; p < plan->parts.nparts; p++)
        if (derives(plan, p))
            forms.part[p] = next_form(&forms, memory, network_weight_floats(link));
    for (size_t t = 0; t < plan->parts.nterms; t++)
        forms.bias[t] = next_form(&forms, memory, link->upper.channels);
    if (bounded(plan)) {
        forms.low = next_form(&forms, memory, link->lower.channels);
        forms.high = next_form(&forms, memory, link->lower.channels);
    }
    forms.packed = next_form(&forms, memory, link_packed_floats(plan));
    return forms;
}

size_t link_forms_floats(const struct link_plan *plan)
{
    return place_forms(plan, NULL).floats;
}

static void bind(struct link_plan *plan, const struct forms *from)
{
    for (size_t p = 0; p < plan->parts.nparts; p++) {
        size_t first = first_with_form(&plan->parts, p);
        plan->forms[p] = plan->parts.part[p].form == FORM_WEIGHT ? plan->weight : from->part[first];
    }
    for (size_t t = 0; t < plan->parts.nterms; t++)
        plan->bias_forms[t] = from->bias[t];
    plan->low = from->low;
    plan->high = from->high;
    link_packed_bind(plan, from->packed);
}

void link_forms_bind(struct link_plan *plan, const float *memory)
{
    struct forms forms = place_forms(plan, (float *)(uintptr_t)memory); /* read-only from here on */

    bind(plan, &forms);
}

static void fill_form(float *restrict out, const float *restrict w, size_t n, enum rule_form form, double gamma)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)rule_form_value(form, gamma, (double)w[i]);
}

void link_forms_compute(const struct link_plan *plan, float *memory, struct link_bounds input_bounds)
{
    const struct link *link = plan->link;
    struct forms forms = place_forms(plan, memory);
    struct link_plan bound = *plan;
    bool neuron = plan->bias_mode == BIAS_NEURON;

    for (size_t p = 0; p < plan->parts.nparts; p++)
        if (forms.part[p])
            fill_form(forms.part[p], plan->weight, network_weight_floats(link), plan->parts.part[p].form, plan->rule.a);
    for (size_t t = 0; t < plan->parts.nterms; t++) {
        memset(forms.bias[t], 0, padded(link->upper.channels) * sizeof(float));
        if (plan->bias && neuron)
            fill_form(forms.bias[t], plan->bias, link->upper.channels, plan->parts.term[t].bias, plan->rule.a);
    }
    for (size_t c = 0; c < link->lower.channels && bounded(plan); c++) {
        forms.low[c] = plan->rule.input_bounds ? input_bounds.low[c] : (float)plan->rule.a;
        forms.high[c] = plan->rule.input_bounds ? input_bounds.high[c] : (float)plan->rule.b;
    }
    bind(&bound, &forms);
    link_packed_compute(&bound, forms.packed);
}

size_t link_shared_floats(const struct link_plan *plan)
{
    return plan->backend->shared ? plan->backend->shared(plan) : 0;
}

/* ---- scratch ----------------------------------------------------------------------------------------------------- */

struct link_scratch_floats link_scratch_floats(const struct link_plan *plan, size_t n)
{
    return plan->backend->scratch(plan, n);
}

struct link_scratch_floats link_scratch_both(struct link_scratch_floats a, struct link_scratch_floats b)
{
    return (struct link_scratch_floats){larger(a.upper, b.upper), larger(a.lower, b.lower), larger(a.work, b.work),
                                        larger(a.sums, b.sums),   larger(a.sum, b.sum),     larger(a.c, b.c)};
}

struct link_scratch link_scratch_place(struct link_scratch_floats need, struct arena *arena)
{
    return (struct link_scratch){.upper = arena_floats(arena, need.upper),
                                 .lower = arena_floats(arena, need.lower),
                                 .work = arena_floats(arena, need.work),
                                 .sums = arena_bytes(arena, need.sums * sizeof(struct channels_ledger)),
                                 .sum = arena_floats(arena, need.sum),
                                 .c = arena_floats(arena, need.c)};
}

size_t link_coefficients(const struct link_plan *plan, size_t n)
{
    return link_terms(plan) * n * plan->backend->coefficients(plan);
}

size_t link_spare_floats(const struct link_plan *plan, size_t n)
{
    return plan->backend->needs_c && plan->backend->needs_c(plan) ? link_coefficients(plan, n) : 0;
}
