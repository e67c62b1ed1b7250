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

/* The lowest link from which on, up to the top, images share weights that take more memory than the neurons of one
 * image, so that reading them once for all images of a group pays. Upwards the backend's own weights count;
 * downwards the plain ones, since there more images need more memory, and the transforms that relevance and flows
 * share are computed twice. */
static size_t lowest_shared(const struct measure_plan *plan, bool down)
{
    size_t lowest = plan->top;

    for (size_t k = plan->top; k-- > 0;) {
        const struct link_plan *plan_k = &plan->links[k];
        const struct link *link = plan_k->link;
        size_t shared = link_shared_floats(plan_k), plain = 9 * link->lower.channels * link->upper.channels;
        if (link->kind == LINK_POOL)
            continue;
        if (shared == 0 || plan_k->parts.nterms > 1 || (down ? plain : shared) <= layout_floats(plan_k->lower))
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
    assert(plan->evaluated <= plan->grouped);
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

bool measure_feeds_pool(const struct measure_plan *plan, size_t k)
{
    return k < plan->net->nlinks && plan->net->links[k].kind == LINK_POOL;
}

/* Number of variables whose M is not R: from the input up to the highest variable with a set. */
static size_t masked_variables(const struct measure_plan *plan)
{
    return plan->options.given == GIVEN_SETS ? plan->highest + 1 : 0;
}

/* Whether h of a variable is not one everywhere. */
static bool has_h(const struct measure_plan *plan, size_t k)
{
    return plan->options.given != GIVEN_NONE && k >= plan->lowest;
}

/* Number of images whose backward pass through link k is one call. */
static size_t images_at_once(const struct measure_plan *plan, size_t k)
{
    return k < plan->grouped ? 1 : plan->options.group;
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

/* Arrays that the images, and some variables of an image, use in turn. */
struct turns {
    float *a;                                      /* of a variable that feeds a pool */
    float *r[2], *m[2];                            /* below `grouped`, of an upper and a lower variable */
    struct channels_summary *summaries, *weighted; /* of the same variables */
};

static struct turns place_turns(struct measure_workspace *work, const struct measure_plan *plan, struct arena *arena)
{
    struct link_scratch_floats need = {0};
    size_t group = plan->options.group, most = 0, pooled = 0, channels = 0;
    struct turns turns;

    for (size_t k = 0; k < plan->net->nlinks; k++)
        need = link_scratch_both(need, link_scratch_floats(&plan->links[k], k < plan->evaluated ? 1 : group));
    for (size_t k = 0; k <= plan->net->nlinks; k++) {
        size_t floats = measure_variable_floats(plan, k);
        most = larger(most, floats);
        channels = larger(channels, network_shape(plan->net, k).channels);
        if (measure_feeds_pool(plan, k))
            pooled = larger(pooled, (k < plan->evaluated ? 1 : group) * floats);
    }
    work->scratch = link_scratch_place(need, arena);
    work->summaries = turns.summaries = arena_bytes(arena, group * channels * sizeof *work->summaries);
    turns.weighted = arena_bytes(arena, channels * sizeof *turns.weighted);
    turns.a = arena_floats(arena, pooled);
    for (size_t i = 0; i < 2; i++) {
        turns.r[i] = arena_floats(arena, most);
        turns.m[i] = arena_floats(arena, masked_variables(plan) ? most : 0);
    }
    return turns;
}

/* R and M: of the group from `grouped` up; below, of one image, and kept only if its sink shall see them. */
static void place_relevance(struct variable_state *state, const struct measure_plan *plan, size_t k,
                            const struct turns *turns, struct arena *arena)
{
    size_t floats = measure_variable_floats(plan, k);
    size_t images = k >= plan->grouped ? plan->options.group : plan->options.images ? 1 : 0;

    state->r = images ? arena_floats(arena, images * floats) : turns->r[k % 2];
    state->stride.r = k >= plan->grouped ? floats : 0;
    if (k >= masked_variables(plan))
        state->m = state->r;
    else
        state->m = images ? arena_floats(arena, images * floats) : turns->m[k % 2];
}

/* Summaries of R, and of R h if it is M h; not of the dense variables. */
static void place_summaries(struct variable_state *state, const struct measure_plan *plan, size_t k,
                            const struct turns *turns, struct arena *arena)
{
    size_t channels = network_shape(plan->net, k).channels, nbytes;
    struct channels_summary *weighted = turns->weighted;

    if (k > plan->top)
        return;
    state->summaries = turns->summaries;
    if (k >= plan->grouped) {
        nbytes = plan->options.group * channels * sizeof *weighted;
        state->summaries = arena_bytes(arena, nbytes);
        weighted = arena_bytes(arena, nbytes);
        state->stride.channels = channels;
    }
    state->weighted = has_h(plan, k) && k >= masked_variables(plan) ? weighted : NULL;
}

static void place_variable(struct variable_state *state, const struct measure_plan *plan, size_t k,
                           const struct turns *turns, struct arena *arena)
{
    size_t group = plan->options.group, floats = measure_variable_floats(plan, k);

    state->a = measure_feeds_pool(plan, k) ? turns->a : arena_floats(arena, group * floats);
    state->stride.a = measure_feeds_pool(plan, k) && k < plan->evaluated ? 0 : floats;
    state->h = has_h(plan, k) ? arena_floats(arena, group * floats) : NULL;
    state->stride.h = floats;
    place_relevance(state, plan, k, turns, arena);
    place_summaries(state, plan, k, turns, arena);
}

static void place_link(struct link_state *state, const struct measure_plan *plan, size_t k, struct arena *arena)
{
    size_t coefficients = link_coefficients(&plan->links[k], 1), images = images_at_once(plan, k);
    size_t channels = plan->net->links[k].upper.channels, entries = measure_joint_entries(plan, k);

    state->c = arena_floats(arena, plan->options.group * coefficients);
    state->c_alone = k >= plan->top && plan->options.images ? arena_floats(arena, coefficients) : NULL;
    state->to_bias = arena_doubles(arena, images * channels);
    state->absorbed = arena_doubles(arena, images * channels);
    if (plan->options.flows[k])
        state->joint = arena_floats(arena, measure_joints_at_once(plan, k) * entries);
    state->stride.c = k < plan->top ? coefficients : measure_variable_floats(plan, k + 1);
    state->stride.channels = k < plan->grouped ? 0 : channels;
    state->stride.joint = k < plan->grouped ? 0 : entries;
}

void measure_workspace_place(struct measure_workspace *work, const struct measure_plan *plan, struct arena *arena)
{
    *work = (struct measure_workspace){0};
    struct turns turns = place_turns(work, plan, arena);
    for (size_t k = 0; k <= plan->net->nlinks; k++)
        place_variable(&work->variables[k], plan, k, &turns, arena);
    for (size_t k = 0; k < plan->net->nlinks; k++)
        place_link(&work->links[k], plan, k, arena);
}
