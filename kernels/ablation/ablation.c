#include "kernels/ablation/ablation.h"

#include "kernels/base/number.h"
#include "kernels/layer/activation.h"
#include "kernels/measure/cost.h"
#include "kernels/measure/plan.h"
#include "kernels/measure/slots.h"

#include <assert.h>
#include <string.h>

/* ---- memory ------------------------------------------------------------------------------------------------------ */

void ablation_place(struct ablation *ablation, const struct measure_plan *plan, size_t most, struct arena *arena)
{
    const struct network *net = plan->net;
    struct link_scratch_floats need = {0};
    size_t edges = 1;

    assert(most > 0);
    *ablation = (struct ablation){.plan = plan, .most = most};
    for (size_t k = 0; k < net->nlinks; k++) {
        struct link_scratch_floats own = link_scratch_floats(&plan->links[k], most);
        own.c = link_spare_floats(&plan->links[k], most);
        need = link_scratch_both(need, own);
        edges = larger(edges, net->links[k].nedges);
    }
    ablation->arrays = arena_bytes(arena, (net->nlinks + 1) * sizeof *ablation->arrays);
    ablation->inputs = arena_bytes(arena, edges * sizeof *ablation->inputs);
    slots_place_evaluated(ablation->arrays, net, most, arena);
    ablation->scratch = link_scratch_place(need, arena);
}

/* ---- where to replace -------------------------------------------------------------------------------------------- */

size_t ablation_spot(const struct measure_plan *plan, size_t k)
{
    return measure_feeds_pool(plan, k) ? k + 1 : k;
}

float ablation_value(const struct measure_plan *plan, size_t k, float v)
{
    if (ablation_spot(plan, k) != k)
        activation_apply(&v, plan->net->links[k].activation, layout_planar((struct shape){1, 1, 1}), 1);
    return v;
}

void ablation_fill_channel(float *a, size_t channel, float value, struct layout layout)
{
    for (size_t y = 0; y < layout.shape.height; y++) {
        float *row = a + layout_index(layout, channel, y, 0);
        for (size_t x = 0; x < layout.shape.width; x++)
            row[x * layout.lanes] = value;
    }
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

static void copy_image(struct ablation *ablation, const struct measure_image *image, size_t variable, size_t n)
{
    size_t floats = measure_variable_floats(ablation->plan, variable);

    assert(image->a[variable]);
    for (size_t i = 0; i < n; i++)
        memcpy(ablation->arrays[variable] + i * floats, image->a[variable], floats * sizeof(float));
}

float *ablation_start(struct ablation *ablation, const struct measure_image *image, size_t from, size_t n)
{
    assert(n > 0 && n <= ablation->most);
    copy_image(ablation, image, from, n);
    return ablation->arrays[from];
}

/* Which variables depend on `from`, itself included, and which others are read together with them. */
struct dependence {
    bool changed[NETWORK_MAX_VARIABLES], read[NETWORK_MAX_VARIABLES];
};

static void find_dependence(struct dependence *d, const struct network *net, size_t from)
{
    memset(d, 0, sizeof *d);
    d->changed[from] = true;
    for (size_t k = from; k < net->nlinks; k++) {
        const struct link *link = &net->links[k];
        bool gate = link->kind == LINK_GATE;
        d->changed[k + 1] = gate && d->changed[link->gate];
        for (size_t e = 0; e < link->nedges; e++)
            d->changed[k + 1] = d->changed[k + 1] || d->changed[network_edge(net, k, e)->lower];
        for (size_t e = 0; e < link->nedges && d->changed[k + 1]; e++)
            d->read[network_edge(net, k, e)->lower] = true;
        if (gate && d->changed[k + 1])
            d->read[link->gate] = true;
    }
}

static void compute_link(struct ablation *ablation, size_t k, size_t n, struct ablation_hook hook)
{
    const struct network *net = ablation->plan->net;
    const struct link *link = &net->links[k];

    for (size_t e = 0; e < link->nedges; e++)
        ablation->inputs[e] = ablation->arrays[network_edge(net, k, e)->lower];
    struct link_call call = {.plan = &ablation->plan->links[k],
                             .scratch = &ablation->scratch,
                             .n = n,
                             .inputs = ablation->inputs,
                             .gate = link->kind == LINK_GATE ? ablation->arrays[link->gate] : NULL,
                             .a = ablation->inputs[0],
                             .upper = ablation->arrays[k + 1]};
    if (!hook.link || !hook.link(hook.context, k, &call))
        link_forward(&call);
}

const float *ablation_activations(struct ablation *ablation, const struct measure_image *image, size_t k)
{
    const struct network *net = ablation->plan->net;

    if (image->a[k])
        return image->a[k];
    for (size_t e = 0; e < net->links[k - 1].nedges; e++)
        copy_image(ablation, image, network_edge(net, k - 1, e)->lower, 1);
    if (net->links[k - 1].kind == LINK_GATE)
        copy_image(ablation, image, net->links[k - 1].gate, 1);
    compute_link(ablation, k - 1, 1, (struct ablation_hook){0});
    return ablation->arrays[k];
}

const float *ablation_forward(struct ablation *ablation, const struct measure_image *image, size_t from, size_t n,
                              struct ablation_hook hook)
{
    const struct network *net = ablation->plan->net;
    struct dependence d;

    assert(n > 0 && n <= ablation->most);
    find_dependence(&d, net, from);
    for (size_t k = 0; k < from; k++)
        if (d.read[k])
            copy_image(ablation, image, k, n);
    for (size_t k = from; k < net->nlinks; k++) {
        if (d.changed[k + 1])
            compute_link(ablation, k, n, hook);
        else if (d.read[k + 1])
            copy_image(ablation, image, k + 1, n);
        if (d.changed[k + 1] && hook.reach)
            hook.reach(hook.context, k + 1, ablation->arrays[k + 1], n);
    }
    return ablation->arrays[net->nlinks];
}

double ablation_flops(const struct measure_plan *plan, size_t from)
{
    struct dependence d;
    double flops = 0;

    find_dependence(&d, plan->net, from);
    for (size_t k = from; k < plan->net->nlinks; k++)
        flops += d.changed[k + 1] ? cost_map(&plan->net->links[k]) : 0;
    return flops;
}
