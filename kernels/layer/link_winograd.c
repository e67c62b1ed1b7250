/* Convolutions between blocked variables, by winograd.h. */
#include "kernels/base/number.h"
#include "kernels/layer/link_backend.h"
#include "kernels/layer/winograd.h"

#include <assert.h>

/* Packed W and W' upwards, W' as adjoint downwards; b and the term's scale, [K] and zeros. Of both branches of gamma:
 * W' of either upwards; of both downwards, as a product of double depth. */
enum { UP_OWN, UP, DOWN, OWN_BIAS, SCALE };

static size_t lower_floats(const struct link_plan *plan)
{
    return layout_floats(plan->lower);
}

/* ---- shapes and weights ------------------------------------------------------------------------------------------ */

/* Whether relevance arrives by both branches of gamma. Their denominators are at least z in magnitude too. But z of a
 * window of zeros in a tile that also has others is rounding noise; without a bias, c there can be as large as 1 / eps,
 * so that R that does not vanish with z is scaled by it, and the rounding of R c in the transforms reaches inputs of
 * the tile that are not zero. Tiles that see only zeros give exact zeros. */
static bool by_branches(const struct link_plan *plan)
{
    return plan->rule.kind == RULE_GAMMA && plan->both_branches;
}

/* Whether the rule's only denominator is at least z, up to its stabilizer, wherever relevance arrives. */
static bool by_one(const struct link_plan *plan)
{
    return (plan->rule.kind == RULE_GAMMA || plan->rule.kind == RULE_ZPLUS) && !plan->both_branches &&
           network_rectified(plan->link);
}

static bool fits(const struct link_plan *plan)
{
    bool activates = network_rectified(plan->link) || plan->link->activation.kind == ACTIVATION_NONE;

    return plan->link->kind == LINK_CONVOLUTION && network_same3(plan->link) && plan->bias_mode == BIAS_NEURON &&
           !plan->signed_input && layout_bordered(plan->lower) && layout_bordered(plan->upper) &&
           (by_one(plan) || (by_branches(plan) && activates));
}

/* Multiplications for one pair of channels. */
static size_t tile_cost(const struct link *link, size_t tile)
{
    return (link->upper.height + tile - 1) / tile * ((link->upper.width + tile - 1) / tile) * (tile + 2) * (tile + 2);
}

static int suits_4(const struct link_plan *plan)
{
    return fits(plan) ? 3 : 0;
}

static int suits_2(const struct link_plan *plan)
{
    return !fits(plan) ? 0 : tile_cost(plan->link, 2) < tile_cost(plan->link, 4) ? 4 : 3;
}

static struct winograd shape_up(const struct link_plan *plan, size_t sets)
{
    const struct link *link = plan->link;

    return (struct winograd){.inputs = link->lower.channels,
                             .outputs = link->upper.channels,
                             .sets = sets,
                             .height = link->upper.height,
                             .width = link->upper.width,
                             .tile = plan->backend->tile};
}

static struct winograd shape_down(const struct link_plan *plan)
{
    const struct link *link = plan->link;

    return (struct winograd){.inputs = link->upper.channels,
                             .outputs = link->lower.channels,
                             .sets = 1,
                             .height = link->upper.height,
                             .width = link->upper.width,
                             .tile = plan->backend->tile,
                             .branches = by_branches(plan),
                             .adjoint = true};
}

static size_t weights(const struct link_plan *plan)
{
    return winograd_weights_floats(plan->ops, shape_up(plan, 1));
}

static void sizes(size_t floats[LINK_PACKED], const struct link_plan *plan)
{
    floats[UP_OWN] = floats[UP] = weights(plan);
    floats[DOWN] = winograd_weights_floats(plan->ops, shape_down(plan));
    floats[OWN_BIAS] = floats[SCALE] = padded(plan->link->upper.channels);
}

static void pack(float *const packed[LINK_PACKED], const struct link_plan *plan)
{
    size_t channels = plan->link->upper.channels;
    bool branches = by_branches(plan);

    winograd_pack(packed[UP_OWN], branches ? plan->forms[0] : plan->weight, plan->ops, shape_up(plan, 1));
    winograd_pack(packed[UP], plan->forms[branches ? 1 : 0], plan->ops, shape_up(plan, 1));
    winograd_pack(packed[DOWN], plan->forms[0], plan->ops, shape_down(plan));
    if (branches)
        winograd_pack_second(packed[DOWN], plan->forms[1], plan->ops, shape_down(plan));
    link_pad_bias(packed[OWN_BIAS], plan);
    for (size_t k = 0; k < padded(channels); k++)
        packed[SCALE][k] = k < channels ? (float)plan->parts.term[0].scale : 0;
}

static size_t terms(const struct link_plan *plan)
{
    (void)plan;
    return 1;
}

static struct link_scratch_floats scratch(const struct link_plan *plan, size_t n)
{
    size_t up = winograd_scratch_floats(plan->ops, shape_up(plan, 2));
    size_t down = winograd_scratch_floats(plan->ops, shape_down(plan));

    return (struct link_scratch_floats){.work = larger(up, down), .sums = n * plan->link->upper.channels};
}

/* ---- the operations ---------------------------------------------------------------------------------------------- */

static void forward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    struct winograd_call up = {
        .images = call->n,
        .stride = {.x = lower_floats(plan), .y = link_upper_floats(plan)},
        .x = call->a,
        .y = {call->upper, call->c_out},
        .summaries = call->summaries,
        .packed = {plan->packed[UP_OWN], call->c_out ? plan->packed[UP] : NULL},
        .output = WINOGRAD_EVALUATE,
        .bias = {plan->packed[OWN_BIAS], plan->bias_forms[0]},
        .scale = plan->packed[SCALE],
        .eps = (float)plan->parts.term[0].eps,
        .select = true, /* no relevance arrives elsewhere, so c may be zero there */
        .nonnegative = plan->parts.part[0].form == FORM_POSITIVE,
    };

    if (by_branches(plan)) {
        up.output = WINOGRAD_BRANCHES;
        up.bias[0] = plan->bias_forms[0];
        up.bias[1] = plan->bias_forms[1];
        up.gamma = (float)plan->rule.a;
        up.select = network_rectified(plan->link);
    }
    winograd_run(&up, plan->ops, shape_up(plan, call->c_out ? 2 : 1), call->scratch->work);
}

/* The pass down: relevance r_lower, unless NULL; the flow; and for a ledger, its sums in the scratch memory. */
static void run_down(const struct link_call *call, float *r_lower, const struct link_ledger *ledger)
{
    const struct link_plan *plan = call->plan;
    bool one = call->one_image;
    struct winograd_call down = {.images = call->n,
                                 .stride = {.x = link_upper_floats(plan),
                                            .factor = one ? 0 : link_upper_floats(plan),
                                            .y = lower_floats(plan),
                                            .multiplier = one ? 0 : lower_floats(plan),
                                            .lower = lower_floats(plan)},
                                 .x = call->r_upper,
                                 .factor = call->c,
                                 .branches = by_branches(plan),
                                 .packed = {plan->packed[DOWN]},
                                 .output = WINOGRAD_MULTIPLY,
                                 .y = {r_lower, NULL},
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
    winograd_run(&down, plan->ops, shape_down(plan), call->scratch->work);
}

static void backward(const struct link_call *call)
{
    run_down(call, call->r_lower, call->ledger);
    link_fill_ledger(call, call->scratch->sums);
}

static void flow(const struct link_call *call)
{
    run_down(call, NULL, NULL);
}

static void lift(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    struct winograd_call up = {.images = call->n,
                               .stride = {.x = lower_floats(plan),
                                          .factor = call->one_image ? 0 : lower_floats(plan),
                                          .y = link_upper_floats(plan),
                                          .multiplier = call->one_image ? 0 : link_upper_floats(plan)},
                               .x = call->v_lower,
                               .factor = call->a,
                               .packed = {plan->packed[UP]},
                               .output = WINOGRAD_MULTIPLY,
                               .y = {call->v_upper, NULL},
                               .multiplier = call->c};
    bool branches = by_branches(plan);

    if (branches) {
        up.output = WINOGRAD_CHOOSE;
        up.packed[0] = plan->packed[UP_OWN];
        up.packed[1] = plan->packed[UP];
    }
    winograd_run(&up, plan->ops, shape_up(plan, branches ? 2 : 1), call->scratch->work);
}

const struct link_backend link_winograd_4 = {
    .name = "F(4x4)",
    .tile = 4,
    .takes = LINK_TAKES_SWEEPS,
    .fused = true,
    .suits = suits_4,
    .sizes = sizes,
    .pack = pack,
    .shared = weights,
    .terms = terms,
    .scratch = scratch,
    .coefficients = link_upper_floats,
    .needs_c = by_branches,
    .forward = forward,
    .backward = backward,
    .lift = lift,
    .flow = flow,
};

const struct link_backend link_winograd_2 = {
    .name = "F(2x2)",
    .tile = 2,
    .takes = LINK_TAKES_SWEEPS,
    .fused = true,
    .suits = suits_2,
    .sizes = sizes,
    .pack = pack,
    .shared = weights,
    .terms = terms,
    .scratch = scratch,
    .coefficients = link_upper_floats,
    .needs_c = by_branches,
    .forward = forward,
    .backward = backward,
    .lift = lift,
    .flow = flow,
};
