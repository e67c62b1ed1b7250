/* Max pools of 2x2 with stride 2, by pool.h. */
#include "kernels/base/number.h"
#include "kernels/layer/activation.h"
#include "kernels/layer/link_backend.h"

static int suits(const struct link_plan *plan)
{
    bool fits = plan->link->kind == LINK_POOL && network_halving(plan->link) && plan->lower.lanes == LAYOUT_LANES;

    return fits ? 2 : 0;
}

static struct link_scratch_floats scratch(const struct link_plan *plan, size_t n)
{
    (void)plan, (void)n;
    return (struct link_scratch_floats){.sums = 0};
}

static size_t shares(const struct link_plan *plan)
{
    return padded(pool_shares_floats(plan->lower, plan->pool));
}

static void forward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;

    pool_forward(call->upper, call->c_out, call->a, link_largest(call), plan->lower, plan->upper, plan->pool,
                 plan->ops);
    activation_apply(call->upper, plan->link->activation, plan->upper, 1);
}

static void backward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    const struct link_ledger *ledger = call->ledger;

    link_empty_ledger(call);
    pool_backward(call->r_lower, ledger ? ledger->absorbed : NULL, call->r_upper, call->c, plan->lower, plan->upper,
                  plan->pool, plan->ops);
}

static void lift(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;

    pool_lift(call->v_upper, call->v_lower, call->c, plan->lower, plan->upper, plan->pool, plan->ops);
}

const struct link_backend link_pool = {
    .name = "pool",
    .takes = LINK_TAKES_IMAGE,
    .suits = suits,
    .scratch = scratch,
    .coefficients = shares,
    .needs_c = link_always,
    .forward = forward,
    .backward = backward,
    .lift = lift,
};
