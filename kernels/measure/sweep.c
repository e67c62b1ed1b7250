#include "kernels/measure/sweep.h"

#include "kernels/base/number.h"
#include "kernels/layer/mask.h"
#include "kernels/measure/cost.h"
#include "kernels/measure/plan.h"
#include "kernels/measure/slots.h"

#include <assert.h>
#include <string.h>

void sweep_place(struct sweep *sweep, const struct measure_plan *plan, size_t lowest, size_t highest, size_t most,
                 struct arena *arena)
{
    struct link_scratch_floats need = {0};

    assert(lowest < highest && highest <= plan->net->nlinks && most > 0);
    *sweep = (struct sweep){.plan = plan, .lowest = lowest, .highest = highest, .most = most};
    for (size_t k = lowest; k < highest; k++)
        need = link_scratch_both(need, link_scratch_floats(&plan->links[k], most));
    need.sum = most * measure_sum_floats(plan, lowest, highest);
    sweep->arrays = arena_bytes(arena, (highest - lowest + 1) * sizeof *sweep->arrays);
    slots_place(sweep->arrays, plan->net, lowest, highest, most, arena);
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
    float *array = sweep->arrays[variable - sweep->lowest];

    memset(array, 0, n * measure_variable_floats(sweep->plan, variable) * sizeof *array);
    return array;
}

/* ---- the way ----------------------------------------------------------------------------------------------------- */

/* A sweep on its way. */
struct walk {
    struct sweep *sweep;
    const struct measure_image *image;
    size_t from, to, n;
    const struct sweep_way *way;
    bool leads[NETWORK_MAX_VARIABLES]; /* some walk goes on to the end; with a visitor everything does */
    bool holds[NETWORK_MAX_VARIABLES]; /* values have come */
};

/* Variables between the two ends that lead up or down to `end`. */
static void find_leads(struct walk *walk, size_t lowest, size_t highest, bool down)
{
    const struct network *net = walk->sweep->plan->net;

    memset(walk->leads, 0, (highest + 1) * sizeof *walk->leads);
    walk->leads[walk->to] = true;
    for (size_t i = 0; i < highest - lowest; i++) {
        size_t k = down ? lowest + i : highest - 1 - i;
        for (size_t e = 0; e < net->links[k].nedges; e++) {
            size_t lower = network_edge(net, k, e)->lower;
            if (lower < lowest)
                continue;
            if (down)
                walk->leads[k + 1] = walk->leads[k + 1] || walk->leads[lower];
            else
                walk->leads[lower] = walk->leads[lower] || walk->leads[k + 1];
        }
    }
}

static bool jumps_over_mask(const float *const *masks, size_t lower, size_t upper)
{
    for (size_t k = lower + 1; k < upper && masks; k++)
        if (masks[k])
            return true;
    return false;
}

/* Mask the values that arrived at a variable and show them to the visitor. */
static void arrive(struct walk *walk, size_t variable)
{
    const struct measure_plan *plan = walk->sweep->plan;
    const struct sweep_way *way = walk->way;
    float *values = walk->sweep->arrays[variable - walk->sweep->lowest];

    if (way->masks && way->masks[variable])
        mask_apply(values, way->masks[variable], walk->n, network_layout(plan->net, variable));
    if (way->visitor.visit)
        way->visitor.visit(way->visitor.context, variable, values, walk->n);
    if (way->without == variable && variable != 0)
        walk->holds[variable] = false;
}

/* Along an edge of link k, if it carries anything. */
static void follow(struct walk *walk, size_t k, size_t e, bool down)
{
    const struct measure_plan *plan = walk->sweep->plan;
    size_t lower = network_edge(plan->net, k, e)->lower, source = down ? k + 1 : lower, target = down ? lower : k + 1;
    float **arrays = walk->sweep->arrays;

    if (lower < (down ? walk->to : walk->from) || !walk->holds[source] || !walk->leads[target] ||
        jumps_over_mask(walk->way->masks, lower, k + 1))
        return;
    struct link_call call = {.plan = &plan->links[k],
                             .scratch = &walk->sweep->scratch,
                             .n = walk->n,
                             .edge = e,
                             .add = walk->holds[target],
                             .one_image = true,
                             .a = walk->image->a[lower],
                             .c = walk->image->c[k]};
    if (down) {
        call.r_upper = arrays[source - walk->sweep->lowest];
        call.r_lower = arrays[target - walk->sweep->lowest];
        link_backward(&call);
    } else {
        call.v_lower = arrays[source - walk->sweep->lowest];
        call.v_upper = arrays[target - walk->sweep->lowest];
        link_lift(&call);
    }
    walk->holds[target] = true;
}

const float *sweep_go(struct sweep *sweep, const struct measure_image *image, size_t from, size_t to, size_t n,
                      const struct sweep_way *way)
{
    const struct network *net = sweep->plan->net;
    struct walk walk = {.sweep = sweep, .image = image, .from = from, .to = to, .n = n, .way = way};
    bool down = to < from;
    size_t lowest = smaller(from, to), highest = larger(from, to);

    assert(lowest >= sweep->lowest && highest <= sweep->highest && n > 0 && n <= sweep->most);
    if (way->visitor.visit)
        memset(walk.leads, true, sizeof walk.leads);
    else
        find_leads(&walk, lowest, highest, down);
    walk.holds[from] = true;
    arrive(&walk, from);
    for (size_t i = 0; i < highest - lowest; i++) {
        size_t k = down ? highest - 1 - i : lowest + i, reached = down ? k : k + 1;
        for (size_t e = 0; e < net->links[k].nedges && net->swept[k + 1]; e++)
            follow(&walk, k, e, down);
        if (walk.holds[reached])
            arrive(&walk, reached);
    }
    return walk.holds[to] ? sweep->arrays[to - sweep->lowest] : sweep_start(sweep, to, n);
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
