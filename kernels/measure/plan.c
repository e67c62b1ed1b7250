#include "kernels/measure/plan.h"

#include "kernels/base/number.h"

#include <assert.h>

enum { JOINT_FLOATS = 1 << 24 /* of flows of dense layers, 64 MiB */ };

/* ---- plan ------------------------------------------------------------------------------------------------------- */

/* Whether relevance may arrive at neurons of variable k + 1 that are not positive: at the logits, and below rules that
 * give relevance to dead neurons, also through pools. */
static bool both_branches(const struct network *net, const struct rule *rules, size_t k)
{
    if (k + 1 == net->nlinks)
        return true;
    if (net->links[k + 1].kind == LINK_POOL)
        return both_branches(net, rules, k + 1);
    return rule_reaches_dead(rules[k + 1].kind);
}

/* A link below a pool may leave out the branch that acts at dead neurons. Then the pool must give these no
 * relevance. */
static enum pool_mode pool_mode_of(const struct measure_options *options, const struct network *net, size_t k)
{
    enum rule_kind kind = k > 0 ? options->rules[k - 1].kind : RULE_FLAT;
    bool left_out = (kind == RULE_GAMMA || kind == RULE_ZPLUS) && !both_branches(net, options->rules, k - 1);

    return options->pool == POOL_WINNER && left_out ? POOL_WINNER_LIVE : options->pool;
}

size_t measure_masked_variables(const struct measure_plan *plan)
{
    return plan->options.given == GIVEN_SETS ? plan->highest + 1 : 0;
}

/* The lowest link from which on, up to the top, images share weights that take more memory than the neurons of one
 * image, so that reading them once for all images of a group pays. Upwards the backend's own weights count; downwards the
 * plain ones, since there more images need more memory, and the transforms that relevance and flows share are computed
 * twice. */
static size_t lowest_shared(const struct measure_plan *plan, bool down)
{
    size_t lowest = plan->top;

    for (size_t k = plan->top; k-- > 0;) {
        const struct link_plan *plan_k = &plan->links[k];
        const struct link *link = plan_k->link;
        size_t shared = link_shared_floats(plan_k), plain = 9 * link->lower.channels * link->upper.channels;
        if (link->kind == LINK_POOL)
            continue;
        if (shared == 0 || (down ? plain : shared) <= layout_floats(plan_k->lower))
            break;
        lowest = k;
    }
    return lowest;
}

static void find_condition(struct measure_plan *plan)
{
    bool found = false;

    for (size_t k = 0; k <= plan->net->nlinks && plan->options.given == GIVEN_SETS; k++) {
        if (!plan->options.masks[k])
            continue;
        plan->lowest = found ? plan->lowest : k;
        plan->highest = k;
        found = true;
    }
}

void measure_plan_init(struct measure_plan *plan, const struct network *net, const struct measure_options *options,
                       const float *model)
{
    *plan = (struct measure_plan){.net = net, .options = *options};
    for (size_t k = 0; k < net->nlinks; k++) {
        struct link_setting setting = {.rule = options->rules[k],
                                       .bias = options->bias,
                                       .pool = pool_mode_of(options, net, k),
                                       .signed_input = k == 0,
                                       .both_branches = both_branches(net, options->rules, k),
                                       .ops = options->ops,
                                       .lower = network_layout(net, k),
                                       .upper = network_layout(net, k + 1)};
        link_plan_init(&plan->links[k], &net->links[k], &setting, model);
        if (net->links[k].kind != LINK_DENSE)
            plan->top = k + 1;
    }
    assert(plan->top < net->nlinks); /* there are dense layers */
    plan->grouped = lowest_shared(plan, true);
    plan->evaluated = lowest_shared(plan, false);
    for (size_t k = 0; k <= net->nlinks; k++)
        plan->channel[k + 1] = plan->channel[k] + network_shape(net, k).channels;
    find_condition(plan);
}

size_t measure_forms_floats(const struct measure_plan *plan)
{
    size_t total = 0;

    for (size_t k = 0; k < plan->net->nlinks; k++)
        total += link_forms_floats(&plan->links[k]);
    return total;
}

void measure_forms_bind(struct measure_plan *plan, const float *memory)
{
    for (size_t k = 0; k < plan->net->nlinks; k++) {
        link_forms_bind(&plan->links[k], memory);
        memory += link_forms_floats(&plan->links[k]);
    }
}

void measure_forms_compute(const struct measure_plan *plan, float *memory, struct link_bounds bounds)
{
    for (size_t k = 0; k < plan->net->nlinks; k++) {
        link_forms_compute(&plan->links[k], memory, bounds);
        memory += link_forms_floats(&plan->links[k]);
    }
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */

size_t measure_variable_floats(const struct measure_plan *plan, size_t k)
{
    return layout_floats(network_layout(plan->net, k));
}

/* Whether the variable feeds a pool: then its activations are not kept, since the pool's shares suffice. */
static bool feeds_pool(const struct measure_plan *plan, size_t k)
{
    return k < plan->net->nlinks && plan->net->links[k].kind == LINK_POOL;
}

/* Number of images whose backward pass through link k is one call. */
static size_t images_at_once(const struct measure_plan *plan, size_t k)
{
    return k < plan->grouped ? 1 : plan->options.group;
}

static void place_scratch(struct measure_workspace *work, const struct measure_plan *plan, struct arena *arena)
{
    struct link_scratch_floats need = {0};
    size_t channels = 0;

    for (size_t k = 0; k < plan->net->nlinks; k++)
        need = link_scratch_both(need, link_scratch_floats(&plan->links[k], images_at_once(plan, k)));
    for (size_t k = 0; k <= plan->net->nlinks; k++)
        channels = larger(channels, network_shape(plan->net, k).channels);
    work->scratch = link_scratch_place(need, arena);
    work->summaries = arena_bytes(arena, plan->options.group * channels * sizeof *work->summaries);
    work->weighted = arena_bytes(arena, channels * sizeof *work->weighted);
    for (size_t k = plan->grouped; k <= plan->top; k++) {
        size_t nbytes = plan->options.group * network_shape(plan->net, k).channels * sizeof *work->grouped[k];
        work->grouped[k] = arena_bytes(arena, nbytes);
        work->grouped_weighted[k] = arena_bytes(arena, nbytes);
    }
}

static void place_variables(struct measure_workspace *work, const struct measure_plan *plan, struct arena *arena)
{
    size_t group = plan->options.group, most = 0, pooled = 0;

    for (size_t k = 0; k <= plan->net->nlinks; k++) {
        size_t floats = measure_variable_floats(plan, k);
        most = larger(most, floats);
        if (feeds_pool(plan, k))
            pooled = larger(pooled, (k < plan->evaluated ? 1 : group) * floats);
        else
            work->a[k] = arena_floats(arena, group * floats);
        if (k < plan->net->nlinks)
            work->c[k] = arena_floats(arena, group * link_coefficients(&plan->links[k], 1));
        if (k >= plan->grouped)
            work->r[k] = arena_floats(arena, group * floats);
        if (k >= plan->grouped && k < measure_masked_variables(plan))
            work->m[k] = arena_floats(arena, group * floats);
        if (plan->options.given != GIVEN_NONE && k >= plan->lowest)
            work->h[k] = arena_floats(arena, group * floats);
    }
    work->pooled = arena_floats(arena, pooled);
    for (size_t i = 0; i < 2; i++) {
        work->relevance[i] = arena_floats(arena, most);
        work->masked[i] = arena_floats(arena, measure_masked_variables(plan) ? most : 0);
    }
}

/* For one image: R and M of the variables below `grouped`, and the coefficients of the dense links. */
static void place_kept(struct measure_workspace *work, const struct measure_plan *plan, struct arena *arena)
{
    for (size_t k = 0; k <= plan->net->nlinks; k++) {
        size_t floats = measure_variable_floats(plan, k);
        if (k < plan->grouped)
            work->kept_r[k] = arena_floats(arena, floats);
        if (k < plan->grouped && k < measure_masked_variables(plan))
            work->kept_m[k] = arena_floats(arena, floats);
        if (k >= plan->top && k < plan->net->nlinks)
            work->kept_c[k] = arena_floats(arena, link_coefficients(&plan->links[k], 1));
    }
}

size_t measure_joint_entries(const struct measure_plan *plan, size_t link)
{
    return plan->net->links[link].upper.channels * plan->net->links[link].lower.channels;
}

size_t measure_joints_at_once(const struct measure_plan *plan, size_t link)
{
    size_t fit = JOINT_FLOATS / measure_joint_entries(plan, link), images = images_at_once(plan, link);

    if (link < plan->top)
        return images;
    return larger(1, smaller(fit, images));
}

void measure_workspace_place(struct measure_workspace *work, const struct measure_plan *plan, struct arena *arena)
{
    *work = (struct measure_workspace){0};
    place_variables(work, plan, arena);
    place_scratch(work, plan, arena);
    if (plan->options.images)
        place_kept(work, plan, arena);
    for (size_t k = 0; k < plan->net->nlinks; k++) {
        const struct link *link = &plan->net->links[k];
        size_t images = images_at_once(plan, k);
        work->to_bias[k] = arena_doubles(arena, images * link->upper.channels);
        work->absorbed[k] = arena_doubles(arena, images * link->upper.channels);
        if (plan->options.flows[k])
            work->joint[k] = arena_floats(arena, measure_joints_at_once(plan, k) * measure_joint_entries(plan, k));
    }
}
