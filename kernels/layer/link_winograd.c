#include "kernels/layer/link_winograd.h"

#include "kernels/base/number.h"

#include <assert.h>

static size_t upper_floats(const struct link_plan *plan)
{
    return layout_floats(plan->upper);
}

static size_t lower_floats(const struct link_plan *plan)
{
    return layout_floats(plan->lower);
}

/* ---- shapes and weights ------------------------------------------------------------------------------------------ */

/* Multiplications for one pair of channels. */
static size_t tile_cost(const struct link *link, size_t tile)
{
    return (link->upper.height + tile - 1) / tile * ((link->upper.width + tile - 1) / tile) * (tile + 2) * (tile + 2);
}

bool link_winograd_small(const struct link *link)
{
    return tile_cost(link, 2) < tile_cost(link, 4);
}

static struct winograd shape_up(const struct link_plan *plan, size_t sets)
{
    const struct link *link = plan->link;

    return (struct winograd){link->lower.channels, link->upper.channels, sets,
                             link->upper.height,   link->upper.width,    plan->way.tile};
}

struct winograd link_winograd_down(const struct link_plan *plan)
{
    const struct link *link = plan->link;

    return (struct winograd){link->upper.channels, link->lower.channels, 1,
                             link->upper.height,   link->upper.width,    plan->way.tile};
}

bool link_winograd_fits(const struct link_plan *plan, const struct link_setting *setting)
{
    return plan->link->kind == LINK_CONVOLUTION && (plan->rule.kind == RULE_GAMMA || plan->rule.kind == RULE_ZPLUS) &&
           plan->bias_mode == BIAS_NEURON && !setting->signed_input && !setting->both_branches &&
           plan->lower.lanes == LAYOUT_LANES && plan->upper.lanes == LAYOUT_LANES && plan->link->rectified;
}

size_t link_winograd_floats(const struct link_plan *plan)
{
    return winograd_weights_floats(plan->ops, link_winograd_down(plan));
}

void link_winograd_pack(const struct link_winograd_forms *forms, const struct link_plan *plan, const float *part)
{
    winograd_pack(forms->up[0], plan->weight, false, plan->ops, shape_up(plan, 1));
    winograd_pack(forms->up[1], part, false, plan->ops, shape_up(plan, 1));
    winograd_pack(forms->down, part, true, plan->ops, link_winograd_down(plan));
}

struct link_scratch_floats link_winograd_scratch(const struct link_plan *plan, size_t n)
{
    size_t up = winograd_scratch_floats(plan->ops, shape_up(plan, 2));
    size_t down = winograd_scratch_floats(plan->ops, link_winograd_down(plan));

    return (struct link_scratch_floats){.work = larger(up, down), .sums = n * plan->link->upper.channels};
}

/* ---- the operations ---------------------------------------------------------------------------------------------- */

void link_winograd_forward(float *upper, float *c, struct channels_summary *summaries, const struct link_plan *plan,
                           const float *a, size_t n, const struct link_scratch *scratch)
{
    struct rule_term term = plan->parts.term[0];
    struct winograd_call call = {
        .images = n,
        .stride = {.x = lower_floats(plan), .y = upper_floats(plan)},
        .x = a,
        .y = {upper, c},
        .summaries = summaries,
        .packed = {plan->packed_up[0], plan->packed_up[1]},
        .output = WINOGRAD_EVALUATE,
        .bias = {plan->own_bias, plan->bias_forms[0]},
        .scale = plan->scale,
        .eps = (float)term.eps,
        .select = true, /* no relevance arrives elsewhere, so c may be zero there */
        .nonnegative = plan->parts.part[0].form == FORM_POSITIVE,
    };

    winograd_run(&call, plan->ops, shape_up(plan, 2), scratch->work);
}

void link_winograd_backward(const struct link_call *call, bool one)
{
    const struct link_plan *plan = call->plan;
    const struct link_ledger *ledger = call->ledger;
    struct winograd_call down = {.images = call->n,
                                 .stride = {.x = upper_floats(plan),
                                            .factor = one ? 0 : upper_floats(plan),
                                            .y = lower_floats(plan),
                                            .multiplier = one ? 0 : lower_floats(plan),
                                            .lower = lower_floats(plan)},
                                 .x = call->r_upper,
                                 .factor = call->c,
                                 .packed = {plan->packed_down},
                                 .output = WINOGRAD_MULTIPLY,
                                 .y = {call->r_lower, NULL},
                                 .multiplier = call->a,
                                 .joint = call->joint,
                                 .lower = call->a,
                                 .lower_factor = call->h};

    assert(!(one && (ledger || call->joint)));
    if (ledger) {
        down.ledger = call->scratch->sums;
        down.summaries = ledger->summaries;
        down.weight = ledger->h;
        down.weighted = ledger->weighted;
    }
    winograd_run(&down, plan->ops, link_winograd_down(plan), call->scratch->work);
}

void link_winograd_lift(float *v_upper, const struct link_plan *plan, const float *v_lower, const float *c,
                        const float *a, struct link_winograd_images images, const struct link_scratch *scratch)
{
    struct winograd_call call = {.images = images.n,
                                 .stride = {.x = lower_floats(plan),
                                            .factor = images.one ? 0 : lower_floats(plan),
                                            .y = upper_floats(plan),
                                            .multiplier = images.one ? 0 : upper_floats(plan)},
                                 .x = v_lower,
                                 .factor = a,
                                 .packed = {plan->packed_up[1]},
                                 .output = WINOGRAD_MULTIPLY,
                                 .y = {v_upper, NULL},
                                 .multiplier = c};

    winograd_run(&call, plan->ops, shape_up(plan, 1), scratch->work);
}
