#include "kernels/measure/slot.h"

#include "kernels/measure/plan.h"

float *measure_coefficients(const struct measure_plan *plan, size_t link, size_t slot,
                            const struct measure_workspace *work)
{
    return work->c[link] + slot * link_coefficients(&plan->links[link], 1);
}

float *measure_activations(const struct measure_plan *plan, size_t variable, size_t slot,
                           const struct measure_workspace *work)
{
    return work->a[variable] ? work->a[variable] + slot * measure_variable_floats(plan, variable) : NULL;
}

bool measure_has_h(const struct measure_plan *plan, size_t variable)
{
    return plan->options.given != GIVEN_NONE && variable >= plan->lowest;
}

float *measure_h(const struct measure_plan *plan, size_t variable, size_t slot, const struct measure_workspace *work)
{
    size_t floats = measure_variable_floats(plan, variable);

    return measure_has_h(plan, variable) ? work->h[variable] + slot * floats : NULL;
}

const float *measure_relevance(const struct measure_plan *plan, size_t variable, size_t slot,
                               const struct measure_workspace *work)
{
    return work->r[variable] + slot * measure_variable_floats(plan, variable);
}

const float *measure_masked(const struct measure_plan *plan, size_t variable, size_t slot,
                            const struct measure_workspace *work)
{
    const float *group = variable < measure_masked_variables(plan) ? work->m[variable] : work->r[variable];

    return group + slot * measure_variable_floats(plan, variable);
}
