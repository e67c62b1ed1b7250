#include "kernels/base/number.h"
#include "kernels/layer/linear.h"
#include "kernels/layer/link.h"
#include "kernels/layer/link_direct.h"
#include "kernels/layer/link_winograd.h"

#include <stdint.h>
#include <string.h>

enum { WAY_LINEAR, WAY_DIRECT, WAY_WINOGRAD_4, WAY_WINOGRAD_2 };

const struct link_way link_ways[LINK_WAYS] = {
    [WAY_LINEAR] = {"linear", LINK_LINEAR, 0},
    [WAY_DIRECT] = {"direct", LINK_DIRECT, 0},
    [WAY_WINOGRAD_4] = {"F(4x4)", LINK_WINOGRAD, 4},
    [WAY_WINOGRAD_2] = {"F(2x2)", LINK_WINOGRAD, 2},
};

/* Whether this is a convolution from a few planar channels, as the network's input has, to a blocked variable. */
static bool fits_direct(const struct link_plan *plan)
{
    return plan->link->kind == LINK_CONVOLUTION && plan->lower.lanes == 1 && plan->upper.lanes == LAYOUT_LANES &&
           plan->link->lower.channels <= LINK_DIRECT_CHANNELS;
}

/* ---- plans ------------------------------------------------------------------------------------------------------- */

void link_plan_init(struct link_plan *plan, const struct link *link, const struct link_setting *setting,
                    const float *model)
{
    *plan = (struct link_plan){.link = link,
                               .rule = setting->rule,
                               .bias_mode = setting->bias,
                               .pool = setting->pool,
                               .ops = setting->ops,
                               .lower = setting->lower,
                               .upper = setting->upper};
    if (link->kind == LINK_POOL)
        return;
    plan->weight = model + link->weight;
    plan->bias = model + link->bias;
    plan->parts = rule_expand(setting->rule, setting->signed_input, setting->both_branches);
    if (link_winograd_fits(plan, setting))
        plan->way = link_ways[link_winograd_small(link) ? WAY_WINOGRAD_2 : WAY_WINOGRAD_4];
    else
        plan->way = link_ways[fits_direct(plan) ? WAY_DIRECT : WAY_LINEAR];
}

bool link_plan_another(struct link_plan *out, const struct link_plan *plan, const struct link_way *way)
{
    bool fits[] = {[LINK_LINEAR] = plan->link->kind != LINK_POOL,
                   [LINK_DIRECT] = fits_direct(plan),
                   [LINK_WINOGRAD] = plan->way.method == LINK_WINOGRAD};

    *out = *plan;
    out->way = *way;
    return fits[way->method];
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
    return plan->link->kind != LINK_POOL && plan->rule.kind == RULE_ZBOX;
}

/* The arrays of a plan's derived weights, NULL for those it does not need, and their size together. place_forms alone
 * knows their order: it finds the size, the pointers to bind and the arrays to compute. */
struct forms {
    float *part[RULE_MAX_PARTS], *bias[RULE_MAX_TERMS], *low, *high, *own_bias, *scale, *no_bias;
    struct link_direct_forms direct;
    struct link_winograd_forms winograd;
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
            forms.part[p] = next_form(&forms, memory, linear_weight_floats(link));
    for (size_t t = 0; t < plan->parts.nterms; t++)
        forms.bias[t] = next_form(&forms, memory, link->upper.channels);
    if (bounded(plan)) {
        forms.low = next_form(&forms, memory, link->lower.channels);
        forms.high = next_form(&forms, memory, link->lower.channels);
    }
    if (link->kind == LINK_POOL || plan->way.method == LINK_LINEAR)
        return forms;
    forms.own_bias = next_form(&forms, memory, link->upper.channels);
    forms.scale = next_form(&forms, memory, link->upper.channels);
    forms.no_bias = next_form(&forms, memory, link->upper.channels);
    if (plan->way.method == LINK_DIRECT) {
        forms.direct.own = next_form(&forms, memory, link_direct_own_floats(plan));
        for (size_t t = 0; t < plan->parts.nterms; t++) {
            forms.direct.joined[t] = next_form(&forms, memory, link_direct_joined_floats(plan, t));
            if (link_direct_constant_floats(plan, t) > 0)
                forms.direct.constant[t] = next_form(&forms, memory, link_direct_constant_floats(plan, t));
            forms.direct.up[t] = next_form(&forms, memory, link_direct_packed_floats(plan, t, false));
            forms.direct.down[t] = next_form(&forms, memory, link_direct_packed_floats(plan, t, true));
        }
    } else {
        forms.winograd.up[0] = next_form(&forms, memory, link_winograd_floats(plan));
        forms.winograd.up[1] = next_form(&forms, memory, link_winograd_floats(plan));
        forms.winograd.down = next_form(&forms, memory, link_winograd_floats(plan));
    }
    return forms;
}

size_t link_forms_floats(const struct link_plan *plan)
{
    return place_forms(plan, NULL).floats;
}

static void bind(struct link_plan *plan, const struct forms *from)
{
    struct forms forms = *from;

    for (size_t p = 0; p < plan->parts.nparts; p++) {
        size_t first = first_with_form(&plan->parts, p);
        plan->forms[p] = plan->parts.part[p].form == FORM_WEIGHT ? plan->weight : forms.part[first];
    }
    for (size_t t = 0; t < plan->parts.nterms; t++)
        plan->bias_forms[t] = forms.bias[t];
    plan->low = forms.low;
    plan->high = forms.high;
    plan->packed_up[0] = forms.winograd.up[0];
    plan->packed_up[1] = forms.winograd.up[1];
    plan->packed_down = forms.winograd.down;
    plan->own_bias = forms.own_bias;
    plan->scale = forms.scale;
    plan->no_bias = forms.no_bias;
    plan->direct_own = forms.direct.own;
    for (size_t t = 0; t < RULE_MAX_TERMS; t++) {
        plan->direct_joined[t] = forms.direct.joined[t];
        plan->direct_up[t] = forms.direct.up[t];
        plan->direct_constant[t] = forms.direct.constant[t];
        plan->direct_down[t] = forms.direct.down[t];
    }
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

/* Fill the arrays of the direct and Winograd maps from the derived weights of the parts. */
static void pack(const struct link_plan *plan, const struct forms *forms)
{
    size_t channels = plan->link->upper.channels, nbytes = padded(channels) * sizeof(float);
    struct link_plan bound = *plan;

    memset(forms->no_bias, 0, nbytes);
    memset(forms->own_bias, 0, nbytes);
    memset(forms->scale, 0, nbytes);
    for (size_t k = 0; k < channels; k++) {
        forms->own_bias[k] = plan->bias[k];
        forms->scale[k] = (float)plan->parts.term[0].scale;
    }
    bind(&bound, forms);
    if (plan->way.method == LINK_WINOGRAD)
        link_winograd_pack(&forms->winograd, plan, forms->part[0]);
    else
        link_direct_pack(&forms->direct, &bound);
}

void link_forms_compute(const struct link_plan *plan, float *memory, struct link_bounds input_bounds)
{
    const struct link *link = plan->link;
    struct forms forms = place_forms(plan, memory);
    bool neuron = plan->bias_mode == BIAS_NEURON;

    for (size_t p = 0; p < plan->parts.nparts; p++)
        if (forms.part[p])
            fill_form(forms.part[p], plan->weight, linear_weight_floats(link), plan->parts.part[p].form, plan->rule.a);
    for (size_t t = 0; t < plan->parts.nterms; t++) {
        memset(forms.bias[t], 0, padded(link->upper.channels) * sizeof(float));
        fill_form(forms.bias[t], plan->bias, link->upper.channels, neuron ? plan->parts.term[t].bias : FORM_NONE,
                  plan->rule.a);
    }
    for (size_t c = 0; c < link->lower.channels && bounded(plan); c++) {
        forms.low[c] = plan->rule.input_bounds ? input_bounds.low[c] : (float)plan->rule.a;
        forms.high[c] = plan->rule.input_bounds ? input_bounds.high[c] : (float)plan->rule.b;
    }
    if (plan->way.method != LINK_LINEAR)
        pack(plan, &forms);
}

/* ---- scratch ----------------------------------------------------------------------------------------------------- */

struct link_scratch_floats link_scratch_floats(const struct link_plan *plan, size_t n)
{
    const struct link *link = plan->link;
    struct linear linear = {link, plan->lower, plan->upper, plan->ops};
    struct link_scratch_floats need = {.sums = link->upper.channels};

    if (link->kind == LINK_POOL)
        return need;
    if (plan->way.method == LINK_DIRECT)
        return link_direct_scratch(plan);
    if (plan->way.method == LINK_WINOGRAD)
        return link_winograd_scratch(plan, n);
    need.upper = n * layout_floats(plan->upper);
    need.lower = n * layout_floats(plan->lower);
    need.work = linear_scratch_floats(&linear);
    return need;
}

struct link_scratch_floats link_scratch_both(struct link_scratch_floats a, struct link_scratch_floats b)
{
    return (struct link_scratch_floats){larger(a.upper, b.upper), larger(a.lower, b.lower), larger(a.work, b.work),
                                        larger(a.sums, b.sums)};
}

struct link_scratch link_scratch_place(struct link_scratch_floats need, struct arena *arena)
{
    return (struct link_scratch){.upper = arena_floats(arena, need.upper),
                                 .lower = arena_floats(arena, need.lower),
                                 .work = arena_floats(arena, need.work),
                                 .sums = arena_bytes(arena, need.sums * sizeof(struct channels_ledger))};
}

size_t link_coefficients(const struct link_plan *plan, size_t n)
{
    if (plan->link->kind == LINK_POOL)
        return n * padded(pool_shares_floats(plan->lower, plan->pool));
    return plan->parts.nterms * n * layout_floats(plan->upper);
}
