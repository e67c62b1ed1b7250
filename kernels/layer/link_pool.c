/* Pools, by pool.h. */
#include "kernels/base/number.h"
#include "kernels/layer/link_backend.h"

#include <string.h>

static int suits(const struct link_plan *plan)
{
    return plan->link->kind == LINK_POOL;
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
    float largest = call->a_summaries ? 0 : pool_largest(call->a, plan->lower);

    for (size_t c = 0; c < plan->link->lower.channels && call->a_summaries; c++)
        largest = call->a_summaries[c].largest > largest ? call->a_summaries[c].largest : largest;
    pool_forward(call->upper, call->c_out, call->a, largest, plan->lower, plan->upper, plan->pool, plan->ops);
}

static void backward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    const struct link_ledger *ledger = call->ledger;

    if (ledger)
        memset(ledger->to_bias, 0, plan->link->upper.channels * sizeof *ledger->to_bias);
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
    .forward = forward,
    .backward = backward,
    .lift = lift,
};
