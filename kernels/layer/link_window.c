/* Max pools of any window, by pool_window.h. */
#include "kernels/base/number.h"
#include "kernels/layer/activation.h"
#include "kernels/layer/link_backend.h"
#include "kernels/layer/pool_window.h"

static int suits(const struct link_plan *plan)
{
    return plan->link->kind == LINK_POOL ? 1 : 0;
}

static struct link_scratch_floats scratch(const struct link_plan *plan, size_t n)
{
    (void)plan, (void)n;
    return (struct link_scratch_floats){.sums = 0};
}

static size_t shares(const struct link_plan *plan)
{
    return padded(pool_window_shares(plan->link, plan->pool));
}

static struct pool_window pool_of(const struct link_plan *plan)
{
    return (struct pool_window){plan->link, plan->lower, plan->upper, plan->pool};
}

static void forward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    struct pool_window pool = pool_of(plan);

    pool_window_forward(call->upper, call->c_out, call->a, link_largest(call), &pool);
    activation_apply(call->upper, plan->link->activation, plan->upper, 1);
}

static void backward(const struct link_call *call)
{
    struct pool_window pool = pool_of(call->plan);

    link_empty_ledger(call);
    pool_window_backward(call->r_lower, call->ledger ? call->ledger->absorbed : NULL, call->r_upper, call->c, &pool);
}

static void lift(const struct link_call *call)
{
    struct pool_window pool = pool_of(call->plan);

    pool_window_lift(call->v_upper, call->v_lower, call->c, &pool);
}

const struct link_backend link_window = {
    .name = "window",
    .takes = LINK_TAKES_IMAGE,
    .suits = suits,
    .scratch = scratch,
    .coefficients = shares,
    .needs_c = link_always,
    .forward = forward,
    .backward = backward,
    .lift = lift,
};
