#include "kernels/measure/condition.h"

#include "kernels/base/number.h"
#include "kernels/measure/plan.h"

#include <assert.h>

void measure_apply_mask(float *out, const struct measure_plan *plan, size_t variable, const float *v, size_t n)
{
    size_t floats = measure_variable_floats(plan, variable);
    const float *mask = plan->options.masks[variable];

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < floats && mask; j++)
            out[i * floats + j] = mask[j] * v[i * floats + j];
}

/* h of the condition's lowest variable: its set, or all of the input. */
static void start_h(float *h, const struct measure_plan *plan)
{
    size_t floats = measure_variable_floats(plan, plan->lowest);
    const float *mask = plan->options.masks[plan->lowest];

    assert(mask || network_layout(plan->net, plan->lowest).lanes == 1);
    for (size_t i = 0; i < floats; i++)
        h[i] = mask ? mask[i] : 1;
}

/* h of n images from `slot` on, one link up. */
static void step_up(const struct measure_plan *plan, size_t k, size_t slot, size_t n, struct measure_workspace *work)
{
    struct variable_state lower = state_variable(&work->variables[k], slot);
    struct variable_state upper = state_variable(&work->variables[k + 1], slot);

    link_lift(&(struct link_call){.plan = &plan->links[k],
                                  .scratch = &work->scratch,
                                  .n = n,
                                  .a = lower.a,
                                  .c = state_link(&work->links[k], slot).c,
                                  .v_lower = lower.h,
                                  .v_upper = upper.h});
    measure_apply_mask(upper.h, plan, k + 1, upper.h, n);
}

void measure_sweep_up(const struct measure_result *results, const struct measure_plan *plan,
                      struct measure_workspace *work)
{
    size_t group = plan->options.group;

    for (size_t g = 0; g < group; g++) {
        if (plan->lowest >= plan->evaluated || results[g].status == MEASURE_OK)
            start_h(state_variable(&work->variables[plan->lowest], g).h, plan);
        for (size_t k = plan->lowest; k < plan->evaluated && results[g].status == MEASURE_OK; k++)
            step_up(plan, k, g, 1, work);
    }
    for (size_t k = larger(plan->lowest, plan->evaluated); k < plan->net->nlinks; k++)
        step_up(plan, k, 0, group, work);
}
