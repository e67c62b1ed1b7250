#include "kernels/measure/sweep.h"

#include "kernels/base/number.h"
#include "kernels/layer/mask.h"
#include "kernels/measure/cost.h"
#include "kernels/measure/plan.h"

#include <assert.h>
#include <string.h>

void sweep_place(struct sweep *sweep, const struct measure_plan *plan, size_t lowest, size_t highest, size_t most,
                 struct arena *arena)
{
    struct link_scratch_floats need = {0};
    size_t floats = 0;

    assert(lowest < highest && highest <= plan->net->nlinks && most > 0);
    *sweep = (struct sweep){.plan = plan, .lowest = lowest, .highest = highest, .most = most};
    for (size_t k = lowest; k <= highest; k++)
        floats = larger(floats, measure_variable_floats(plan, k));
    for (size_t k = lowest; k < highest; k++)
        need = link_scratch_both(need, link_scratch_floats(&plan->links[k], most));
    for (size_t i = 0; i < 2; i++)
        sweep->arrays[i] = arena_floats(arena, most * floats);
    sweep->scratch = link_scratch_place(need, arena);
}

size_t sweep_batch(const struct measure_plan *plan, size_t lowest, size_t highest, size_t most, size_t nbytes)
{
    size_t n = 1;

    for (; n < most; n++) {
        struct arena arena = arena_over(NULL, 0);
        struct sweep sweep;
        sweep_place(&sweep, plan, lowest, highest, n + 1, &arena);
        if (arena.peak > nbytes)
            break;
    }
    return n;
}

float *sweep_start(struct sweep *sweep, size_t variable, size_t n)
{
    assert(variable >= sweep->lowest && variable <= sweep->highest && n > 0 && n <= sweep->most);
    memset(sweep->arrays[0], 0, n * measure_variable_floats(sweep->plan, variable) * sizeof(float));
    return sweep->arrays[0];
}

/* Mask the values that arrived at a variable and show them to the visitor. */
static void arrive(float *values, const struct measure_plan *plan, size_t variable, size_t n, const float *const *masks,
                   struct sweep_visitor visitor)
{
    if (masks && masks[variable])
        mask_apply(values, masks[variable], n, network_layout(plan->net, variable));
    if (visitor.visit)
        visitor.visit(visitor.context, variable, values, n);
}

const float *sweep_go(struct sweep *sweep, const struct measure_image *image, size_t from, size_t to, size_t n,
                      const float *const *masks, struct sweep_visitor visitor)
{
    float *now = sweep->arrays[0], *next = sweep->arrays[1];

    assert(to >= sweep->lowest && to <= sweep->highest && n > 0 && n <= sweep->most);
    arrive(now, sweep->plan, from, n, masks, visitor);
    for (size_t at = from; at != to;) {
        size_t k = to < from ? at - 1 : at;
        struct link_call call = {.plan = &sweep->plan->links[k],
                                 .scratch = &sweep->scratch,
                                 .n = n,
                                 .one_image = true,
                                 .a = image->a[k],
                                 .c = image->c[k]};
        if (to < from) {
            call.r_upper = now;
            call.r_lower = next;
            link_backward(&call);
        } else {
            call.v_lower = now;
            call.v_upper = next;
            link_lift(&call);
        }
        at = to < from ? at - 1 : at + 1;
        arrive(next, sweep->plan, at, n, masks, visitor);
        float *other = now;
        now = next;
        next = other;
    }
    return now;
}

double sweep_flops(const struct measure_plan *plan, size_t lower, size_t upper)
{
    double flops = 0;

    for (size_t k = lower; k < upper; k++) {
        const struct link *link = &plan->net->links[k];
        flops += cost_map(link) * (double)plan->links[k].parts.nparts;
    }
    return flops;
}
