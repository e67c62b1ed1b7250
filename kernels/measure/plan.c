#include "kernels/measure/plan.h"

#include "kernels/base/number.h"
#include "kernels/measure/slots.h"

#include <assert.h>

enum { JOINT_FLOATS = 1 << 24 /* of flows of dense layers, 64 MiB */ };

/* ---- plan ------------------------------------------------------------------------------------------------------- */

/* Whether a link's activation is positive for some z that are not. */
static bool raises(struct activation activation)
{
    return activation.kind == ACTIVATION_SIGMOID || activation.kind == ACTIVATION_HARD_SIGMOID ||
           activation.kind == ACTIVATION_SOFTPLUS || (activation.kind == ACTIVATION_CLIP && activation.a > 0);
}

/* Whether relevance may arrive at neurons of variable k whose z is not positive: at the logits, at variables that can
 * be negative or are positive nevertheless, and below rules that give relevance to dead neurons, also through links
 * that pass it on. */
static void find_both_branches(bool *both, const struct network *net, const struct rule *rules)
{
    for (size_t k = net->nlinks + 1; k-- > 0;) {
        both[k] = k == net->nlinks || !net->nonnegative[k] || (k > 0 && raises(net->links[k - 1].activation));
        for (size_t i = net->first_reader[k]; i < net->first_reader[k + 1]; i++) {
            size_t reader = net->edges[net->readers[i]].link;
            const struct link *link = &net->links[reader];
            bool shifted = link->kind == LINK_PASS && link->weighted; /* zero becomes another value */
            bool passes = network_has_rule(link) ? rule_reaches_dead(rules[reader].kind) : both[reader + 1] || shifted;
            both[k] = both[k] || passes;
        }
    }
}

/* A link below a pool may leave out the branch that acts at dead neurons. Then the pool must give these no
 * relevance. */
static void find_left_out(bool *left_out, const struct network *net, const struct rule *rules, const bool *both)
{
    left_out[0] = false;
    for (size_t k = 0; k < net->nlinks; k++) {
        bool leaves = rules[k].kind == RULE_GAMMA || rules[k].kind == RULE_ZPLUS;
        left_out[k + 1] = network_has_rule(&net->links[k]) && leaves && !both[k + 1];
        for (size_t e = 0; e < net->links[k].nedges && !network_has_rule(&net->links[k]); e++)
            left_out[k + 1] = left_out[k + 1] || left_out[network_edge(net, k, e)->lower];
    }
}

static bool all_nonnegative(const struct network *net, size_t k)
{
    for (size_t e = 0; e < net->links[k].nedges; e++)
        if (!net->nonnegative[network_edge(net, k, e)->lower])
            return false;
    return true;
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
        size_t shared = link_shared_floats(plan_k), plain = network_weight_floats(link);
        if (link_terms(plan_k) > 1) /* the terms of a slot would be a group apart */
            break;
        if (link->kind != LINK_CONVOLUTION && link->kind != LINK_DENSE)
            continue;
        if (shared == 0 || (down ? plain : shared) <= layout_floats(plan_k->lower))
            break;
        lowest = k;
    }
    while (!plan->net->cut[lowest])
        lowest++;
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

/* ---- what edges carry -------------------------------------------------------------------------------------------- */

static bool jumps_over_set(const struct measure_plan *plan, const struct edge *edge)
{
    for (size_t k = edge->lower + 1; k <= edge->link && plan->options.given == GIVEN_SETS; k++)
        if (plan->options.masks[k])
            return true;
    return false;
}

/* R and M, which come to a variable from the highest reader down. */
static void find_carriers(struct measure_plan *plan, size_t variable)
{
    const struct network *net = plan->net;
    bool first = true, first_m = true;

    for (size_t i = net->first_reader[variable + 1]; i-- > net->first_reader[variable];) {
        const struct edge *edge = &net->edges[net->readers[i]];
        struct measure_edge *at = &plan->edges[net->readers[i]];
        if (!net->swept[edge->link + 1])
            continue;
        plan->highest_reader[variable] = larger(plan->highest_reader[variable], edge->link);
        at->blocked = jumps_over_set(plan, edge);
        at->first = first;
        at->carries = !at->blocked && edge->link + 1 <= plan->highest;
        at->first_m = at->carries && first_m;
        first = false;
        first_m = first_m && !at->carries;
    }
}

/* h, which goes up from the condition's lowest variable along the edges that lead away from it. */
static void find_lifters(struct measure_plan *plan)
{
    const struct network *net = plan->net;
    bool above[NETWORK_MAX_VARIABLES] = {false};

    above[plan->lowest] = plan->options.given != GIVEN_NONE;
    for (size_t k = plan->lowest; k < net->nlinks; k++)
        for (size_t e = 0; e < net->links[k].nedges && net->swept[k + 1]; e++) {
            struct measure_edge *at = &plan->edges[net->links[k].first_edge + e];
            at->lifts = above[network_edge(net, k, e)->lower] && !at->blocked;
            at->first_h = at->lifts && !above[k + 1];
            above[k + 1] = above[k + 1] || at->lifts;
        }
}

static void find_inputs(struct measure_plan *plan)
{
    for (size_t e = 0; e < plan->net->nedges; e++)
        plan->inputs[e] =
            (struct link_input){network_layout(plan->net, plan->net->edges[e].lower), plan->net->edges[e].channels};
}

/* The number of links below the dense layers at the end, which are a chain. */
static size_t find_top(const struct network *net)
{
    size_t top = net->nlinks;

    while (top > 0 && net->links[top - 1].kind == LINK_DENSE && network_is_step(net, top - 1))
        top--;
    return top;
}

size_t measure_group_size(const struct network *net, size_t most)
{
    enum { READINGS = 4 }; /* of a neuron's floats, for a reading of the weights */

    size_t dense = 0, all = 0, neurons = 0;
    bool chain = true;

    for (size_t k = 0; k < net->nlinks; k++) {
        dense += k >= find_top(net) ? network_weight_floats(&net->links[k]) : 0;
        all += network_weight_floats(&net->links[k]);
        chain = chain && network_is_step(net, k);
    }
    for (size_t k = 0; k <= net->nlinks; k++)
        neurons += shape_neurons(network_shape(net, k));
    return most < 2 || READINGS * dense >= neurons || (!chain && all >= 2 * neurons) ? most : most / 2;
}

void measure_plan_init(struct measure_plan *plan, const struct network *net, const struct measure_options *options,
                       const float *model)
{
    bool both[NETWORK_MAX_VARIABLES], left_out[NETWORK_MAX_VARIABLES];

    *plan = (struct measure_plan){.net = net, .options = *options, .top = find_top(net)};
    find_inputs(plan);
    find_both_branches(both, net, options->rules);
    find_left_out(left_out, net, options->rules, both);
    for (size_t k = 0; k < net->nlinks; k++) {
        const struct link *link = &net->links[k];
        size_t lower = network_edge(net, k, 0)->lower;
        bool live = options->pool == POOL_WINNER && left_out[lower];
        struct link_setting setting = {
            .rule = options->rules[k],
            .bias = options->bias,
            .pool = live ? POOL_WINNER_LIVE : options->pool,
            .signed_input = !all_nonnegative(net, k),
            .both_branches = both[k + 1],
            .ops = options->ops,
            .lower = network_layout(net, lower),
            .upper = network_layout(net, k + 1),
            .gate = network_layout(net, link->kind == LINK_GATE ? link->gate : 0), /* not read by other kinds */
            .inputs = link->nedges > 1 || link->kind == LINK_CHANNELS ? &plan->inputs[link->first_edge] : NULL};
        link_plan_init(&plan->links[k], link, &setting, model);
    }
    plan->grouped = lowest_shared(plan, true);
    plan->evaluated = lowest_shared(plan, false);
    assert(plan->evaluated <= plan->grouped);
    for (size_t k = 0; k <= net->nlinks; k++)
        plan->channel[k + 1] = plan->channel[k] + network_shape(net, k).channels;
    find_condition(plan);
    for (size_t k = 0; k <= net->nlinks; k++)
        find_carriers(plan, k);
    find_lifters(plan);
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

size_t measure_sum_floats(const struct measure_plan *plan, size_t lowest, size_t highest)
{
    size_t most = 0;
    bool chain = true;

    for (size_t k = lowest; k <= highest; k++) {
        most = larger(most, measure_variable_floats(plan, k));
        chain = chain && network_reader_count(plan->net, k) <= 1 && (k == 0 || plan->net->links[k - 1].nedges == 1);
    }
    return chain ? 0 : most;
}

bool measure_feeds_pool(const struct measure_plan *plan, size_t k)
{
    const struct network *net = plan->net;
    bool pooled =
        k > 0 && net->links[k - 1].kind == LINK_POOL; /* by a link that may read the array of such variables */

    return k > 0 && k < net->nlinks && net->links[k].kind == LINK_POOL && network_is_step(net, k) && !pooled;
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

size_t measure_joint_entries(const struct measure_plan *plan, size_t edge)
{
    const struct edge *at = &plan->net->edges[edge];
    const struct link *link = &plan->net->links[at->link];

    return link->upper.channels * (network_diagonal(link) ? 1 : network_shape(plan->net, at->lower).channels);
}

size_t measure_joints_at_once(const struct measure_plan *plan, size_t edge)
{
    size_t link = plan->net->edges[edge].link, images = images_at_once(plan, link);
    size_t fit = JOINT_FLOATS / measure_joint_entries(plan, edge);

    if (link < plan->top)
        return images;
    return larger(1, smaller(fit, images));
}

/* Arrays that the images, and some variables of an image, use in turn. */
struct turns {
    float *a;                                      /* of a variable that only a pool reads */
    float *r[NETWORK_MAX_VARIABLES];               /* below `grouped` */
    float *m[NETWORK_MAX_VARIABLES];               /* the same */
    struct channels_summary *summaries, *weighted; /* of the variable whose turn it is, below `grouped` */
};

static void place_turns(struct turns *turns, struct measure_workspace *work, const struct measure_plan *plan,
                        struct arena *arena)
{
    struct link_scratch_floats need = {0};
    size_t group = plan->options.group, pooled = 0, channels = 0, edges = 0;

    for (size_t k = 0; k < plan->net->nlinks; k++)
        need = link_scratch_both(need, link_scratch_floats(&plan->links[k], k < plan->evaluated ? 1 : group));
    need.sum = larger(measure_sum_floats(plan, 0, plan->evaluated),
                      group * measure_sum_floats(plan, plan->evaluated, plan->net->nlinks));
    for (size_t k = 0; k <= plan->net->nlinks; k++) {
        size_t floats = measure_variable_floats(plan, k);
        channels = larger(channels, network_shape(plan->net, k).channels);
        if (measure_feeds_pool(plan, k))
            pooled = larger(pooled, (k < plan->evaluated ? 1 : group) * floats);
    }
    for (size_t k = 0; k < plan->net->nlinks; k++)
        edges = larger(edges, plan->net->links[k].nedges);
    work->scratch = link_scratch_place(need, arena);
    work->inputs = arena_bytes(arena, edges * sizeof *work->inputs);
    work->summaries = turns->summaries = arena_bytes(arena, group * channels * sizeof *work->summaries);
    turns->weighted = arena_bytes(arena, channels * sizeof *turns->weighted);
    turns->a = arena_floats(arena, pooled);
    if (!plan->options.images)
        slots_place(turns->r, plan->net, 0, plan->grouped, 1, arena);
    if (!plan->options.images && masked_variables(plan))
        slots_place(turns->m, plan->net, 0, plan->grouped, 1, arena);
}

/* R and M: of the group from `grouped` up; below, of one image, and kept only if its sink shall see them. */
static void place_relevance(struct variable_state *state, const struct measure_plan *plan, size_t k,
                            const struct turns *turns, struct arena *arena)
{
    size_t floats = measure_variable_floats(plan, k);
    size_t images = k >= plan->grouped ? plan->options.group : plan->options.images ? 1 : 0;

    state->r = images ? arena_floats(arena, images * floats) : turns->r[k];
    state->stride.r = k >= plan->grouped ? floats : 0;
    if (k >= masked_variables(plan))
        state->m = state->r;
    else
        state->m = images ? arena_floats(arena, images * floats) : turns->m[k];
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
    size_t channels = plan->net->links[k].upper.channels;

    state->c = arena_floats(arena, plan->options.group * coefficients);
    state->c_alone = k >= plan->top && plan->options.images ? arena_floats(arena, coefficients) : NULL;
    state->to_bias = arena_doubles(arena, images * channels);
    state->absorbed = arena_doubles(arena, images * channels);
    state->stride.c = k < plan->top ? coefficients : measure_variable_floats(plan, k + 1);
    state->stride.channels = k < plan->grouped ? 0 : channels;
}

static void place_edge(struct edge_state *state, const struct measure_plan *plan, size_t edge, struct arena *arena)
{
    size_t entries = measure_joint_entries(plan, edge);

    if (!plan->options.flows[edge])
        return;
    state->joint = arena_floats(arena, measure_joints_at_once(plan, edge) * entries);
    state->stride = plan->net->edges[edge].link < plan->grouped ? 0 : entries;
}

void measure_result_place(struct measure_result *result, const struct measure_plan *plan, struct arena *arena)
{
    size_t channels = plan->channel[plan->net->nlinks + 1];

    result->relevance = arena_doubles(arena, channels);
    result->relevance_position = arena_bytes(arena, channels * sizeof *result->relevance_position);
    result->activation = arena_floats(arena, channels);
    result->activation_position = arena_bytes(arena, channels * sizeof *result->activation_position);
    result->activation_mean = arena_doubles(arena, channels);
}

void measure_workspace_place(struct measure_workspace *work, const struct measure_plan *plan, struct arena *arena)
{
    *work = (struct measure_workspace){0};
    struct turns turns = {.a = NULL};
    place_turns(&turns, work, plan, arena);
    work->pending = arena_bytes(arena, (plan->net->nlinks + 1) * plan->options.group * sizeof *work->pending);
    for (size_t k = 0; k <= plan->net->nlinks; k++)
        place_variable(&work->variables[k], plan, k, &turns, arena);
    for (size_t k = 0; k < plan->net->nlinks; k++)
        place_link(&work->links[k], plan, k, arena);
    for (size_t e = 0; e < plan->net->nedges; e++)
        place_edge(&work->edges[e], plan, e, arena);
}
