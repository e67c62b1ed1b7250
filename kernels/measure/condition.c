#include "kernels/measure/condition.h"

#include "kernels/base/number.h"
#include "kernels/measure/plan.h"

#include <assert.h>
#include <string.h>

void measure_apply_mask(float *out, const struct measure_plan *plan, size_t variable, const float *v, size_t n)
{
    size_t floats = measure_variable_floats(plan, variable);
    const float *mask = plan->options.masks[variable];

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < floats && mask; j++)
            out[i * floats + j] = mask[j] * v[i * floats + j];
}

void measure_finish_condition(float *m, const struct measure_plan *plan, size_t variable, const float *r, size_t n)
{
    size_t floats = measure_variable_floats(plan, variable);
    bool carried = false;

    if (m == r)
        return;
    for (size_t e = plan->net->first_reader[variable]; e < plan->net->first_reader[variable + 1]; e++)
        carried = carried || plan->edges[plan->net->readers[e]].carries;
    if (variable != plan->highest && !carried)
        memset(m, 0, n * floats * sizeof *m);
    else
        measure_apply_mask(m, plan, variable, variable == plan->highest ? r : m, n);
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

/* h of n images from `slot` on, one link up; zero where no walk comes from the lowest set. */
static void step_up(const struct measure_plan *plan, size_t k, size_t slot, size_t n, struct measure_workspace *work)
{
    struct variable_state upper = state_variable(&work->variables[k + 1], slot);
    const struct link *link = &plan->net->links[k];
    bool lifted = false;

    for (size_t e = 0; e < link->nedges; e++) {
        const struct measure_edge *edge = &plan->edges[link->first_edge + e];
        struct variable_state lower = state_variable(&work->variables[network_edge(plan->net, k, e)->lower], slot);
        if (!edge->lifts)
            continue;
        link_lift(&(struct link_call){.plan = &plan->links[k],
                                      .scratch = &work->scratch,
                                      .n = n,
                                      .edge = e,
                                      .add = !edge->first_h,
                                      .a = lower.a,
                                      .c = state_link(&work->links[k], slot).c,
                                      .v_lower = lower.h,
                                      .v_upper = upper.h});
        lifted = true;
    }
    if (lifted)
        measure_apply_mask(upper.h, plan, k + 1, upper.h, n);
    else
        memset(upper.h, 0, n * measure_variable_floats(plan, k + 1) * sizeof *upper.h);
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
