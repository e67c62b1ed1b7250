#include "kernels/measure/measure.h"

#include "kernels/base/number.h"
#include "kernels/measure/condition.h"
#include "kernels/measure/forward.h"
#include "kernels/measure/plan.h"

#include <math.h>
#include <string.h>

/* ---- summaries ------------------------------------------------------------------------------------------------- */

static double total(const double *v, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += v[i];
    return sum;
}

static struct measure_sums total_of(const struct channels_summary *channels, size_t n)
{
    struct measure_sums sums = {0, 0};

    for (size_t c = 0; c < n; c++) {
        sums.value += channels[c].value;
        sums.magnitude += channels[c].magnitude;
    }
    return sums;
}

/* Sum and sum of magnitudes of one image's values of a variable. */
static struct measure_sums sums_of(const struct measure_plan *plan, size_t variable, const float *v,
                                   struct measure_workspace *work)
{
    struct layout layout = network_layout(plan->net, variable);

    channels_summarise(work->summaries, v, NULL, layout, plan->options.ops);
    return total_of(work->summaries, layout.shape.channels);
}

/* Mass and variation of one variable; its bias, bypass and absorbed are known, and the variation of what bypasses
 * it. */
static void record_ledger(struct measure_result *result, size_t variable, struct measure_sums sums)
{
    double bias = result->bias[variable], absorbed = result->absorbed[variable];

    result->mass[variable] = sums.value;
    result->variation[variable] += sums.magnitude + fabs(bias) + fabs(absorbed);
}

/* Summaries of M h of one variable from `slot` on, if they are known since M is R; else NULL. */
static const struct channels_summary *known_summaries(const struct variable_state *at)
{
    return at->m != at->r ? NULL : at->h ? at->weighted : at->summaries;
}

/* Pass the relevance of one variable to the sink and record that of its channels. Returns their sums. */
static struct measure_sums record_variable(struct measure_result *result, const struct measure_plan *plan, size_t slot,
                                           size_t variable, struct measure_sink sink, struct measure_workspace *work)
{
    struct variable_state at = state_variable(&work->variables[variable], slot);
    const struct channels_summary *summaries = known_summaries(&at);
    struct layout layout = network_layout(plan->net, variable);
    size_t first = plan->channel[variable];

    if (sink.neurons)
        sink.neurons(sink.context, slot, variable, at.m, at.h);
    if (!summaries) {
        channels_summarise(work->summaries, at.m, at.h, layout, plan->options.ops);
        summaries = work->summaries;
    }
    for (size_t c = 0; c < layout.shape.channels; c++) {
        result->relevance[first + c] = summaries[c].value;
        result->relevance_position[first + c] = summaries[c].position;
    }
    return total_of(summaries, layout.shape.channels);
}

/* A layer's total variation is beyond the limit, or a value is not finite: of the measure, or of the image, the
 * activations or the logits, which some rules never look at. */
static bool exploded(const struct measure_result *result, const struct measure_plan *plan, const float *input,
                     struct measure_workspace *work)
{
    for (size_t k = 0; k <= plan->net->nlinks; k++)
        if (!(result->variation[k] <= plan->options.variation_limit))
            return true;
    for (size_t c = 0; c < plan->channel[plan->net->nlinks + 1]; c++)
        if (!isfinite(result->activation_mean[c]))
            return true;
    return !isfinite(result->given_mass) || !isfinite(result->logit) ||
           !isfinite(sums_of(plan, 0, input, work).magnitude);
}

/* ---- sweeps down ----------------------------------------------------------------------------------------------- */

/* Some images of a group. */
struct slots_range {
    size_t first, n;
};

/* The variable's sums of R, whose turn has not come. */
static void note_pending(const struct measure_plan *plan, size_t variable, struct slots_range at,
                         struct measure_workspace *work)
{
    struct variable_state state = state_variable(&work->variables[variable], at.first);
    struct measure_sums *pending = work->pending + variable * plan->options.group + at.first;

    for (size_t i = 0; i < at.n; i++)
        pending[i] = sums_of(plan, variable, state.r + i * state.stride.r, work);
}

/* A backward pass along edge e of link k, to be filled in with what it carries: R or M. */
static struct link_call call_down(const struct measure_plan *plan, size_t k, size_t e, struct slots_range at,
                                  struct measure_workspace *work)
{
    struct variable_state lower = state_variable(&work->variables[network_edge(plan->net, k, e)->lower], at.first);

    return (struct link_call){.plan = &plan->links[k],
                              .n = at.n,
                              .edge = e,
                              .c = state_link(&work->links[k], at.first).c,
                              .a = lower.a,
                              .h = lower.h,
                              .scratch = &work->scratch};
}

/* Whether the link above a variable completes its R and summarises it meanwhile: what other links that read the
 * variable add has come before. */
static bool summarised(const struct measure_plan *plan, size_t variable)
{
    const struct network *net = plan->net;

    return variable < net->nlinks && net->swept[variable + 1] && network_edge(net, variable, 0)->lower == variable;
}

/* R along the edges of a link, with the ledger; and flows, if M is R. Those of the dense links at the end are computed
 * later. */
static void plain_down(const struct measure_plan *plan, size_t k, struct slots_range at, struct measure_workspace *work)
{
    struct variable_state upper = state_variable(&work->variables[k + 1], at.first);
    struct link_state link = state_link(&work->links[k], at.first);

    for (size_t e = plan->net->links[k].nedges; e-- > 0;) {
        size_t number = plan->net->links[k].first_edge + e, variable = plan->net->edges[number].lower;
        struct variable_state lower = state_variable(&work->variables[variable], at.first);
        bool last = e == 0 && summarised(plan, k);
        struct link_ledger ledger = {.to_bias = link.to_bias,
                                     .absorbed = link.absorbed,
                                     .summaries = last ? lower.summaries : NULL,
                                     .h = last && lower.weighted ? lower.h : NULL,
                                     .weighted = last ? lower.weighted : NULL};
        struct link_call call = call_down(plan, k, e, at, work);
        call.r_upper = upper.r;
        call.r_lower = lower.r;
        call.add = !plan->edges[number].first;
        call.ledger = e == 0 ? &ledger : NULL;
        if (upper.m == upper.r && k < plan->top && !plan->edges[number].blocked)
            call.joint = state_joint(&work->edges[number], at.first);
        link_backward(&call);
        if (variable != k)
            note_pending(plan, variable, at, work);
    }
}

/* M along the edges of a link, if it is not R above: the backward pass leaves to_bias and absorbed of M, and its
 * flows. */
static void given_down(const struct measure_plan *plan, size_t k, struct slots_range at, struct measure_workspace *work)
{
    struct variable_state upper = state_variable(&work->variables[k + 1], at.first);
    struct link_state link = state_link(&work->links[k], at.first);
    struct link_ledger ledger = {.to_bias = link.to_bias, .absorbed = link.absorbed};

    for (size_t e = plan->net->links[k].nedges; e-- > 0 && upper.m != upper.r;) {
        size_t number = plan->net->links[k].first_edge + e;
        const struct measure_edge *edge = &plan->edges[number];
        struct link_call call = call_down(plan, k, e, at, work);
        if (!edge->carries)
            continue;
        call.r_upper = upper.m;
        call.r_lower = state_variable(&work->variables[plan->net->edges[number].lower], at.first).m;
        call.add = !edge->first_m;
        call.ledger = e == 0 ? &ledger : NULL;
        call.joint = k < plan->top ? state_joint(&work->edges[number], at.first) : NULL;
        link_backward(&call);
    }
}

/* Nothing flows along edges that jump over a set. */
static void clear_blocked_flows(const struct measure_plan *plan, size_t k, struct slots_range at,
                                struct measure_workspace *work)
{
    for (size_t e = 0; e < plan->net->links[k].nedges; e++) {
        size_t number = plan->net->links[k].first_edge + e;
        float *joint = state_joint(&work->edges[number], at.first);
        if (joint && plan->edges[number].blocked)
            memset(joint, 0, at.n * measure_joint_entries(plan, number) * sizeof *joint);
    }
}

/* One link down: R, what biases and stabilizers take of it, and M. */
static void link_down(struct measure_result *results, const struct measure_plan *plan, size_t k, struct slots_range at,
                      struct measure_workspace *work)
{
    struct link_state state = state_link(&work->links[k], at.first);
    size_t channels = plan->net->links[k].upper.channels;
    bool swept = plan->net->swept[k + 1];

    if (swept)
        plain_down(plan, k, at, work);
    for (size_t i = 0; i < at.n; i++) {
        struct measure_result *result = &results[at.first + i];
        result->bias[k] = result->bias[k + 1] + (swept ? total(state.to_bias + i * channels, channels) : 0);
        result->absorbed[k] = result->absorbed[k + 1] + (swept ? total(state.absorbed + i * channels, channels) : 0);
    }
    if (swept) {
        given_down(plan, k, at, work);
        clear_blocked_flows(plan, k, at, work);
    }
}

/* What lies at variables below when a variable's turn comes. */
static void record_bypass(struct measure_result *result, const struct measure_plan *plan, size_t variable, size_t slot,
                          const struct measure_workspace *work)
{
    for (size_t k = 0; k < variable; k++) {
        if (plan->highest_reader[k] < variable)
            continue;
        struct measure_sums pending = work->pending[k * plan->options.group + slot];
        result->bypass[variable] += pending.value;
        result->variation[variable] += pending.magnitude;
    }
}

/* A variable's turn: its R and M are complete. */
static void arrive(struct measure_result *results, const struct measure_plan *plan, size_t variable,
                   struct slots_range at, struct measure_workspace *work)
{
    struct variable_state state = state_variable(&work->variables[variable], at.first);
    struct layout layout = network_layout(plan->net, variable);
    size_t channels = layout.shape.channels;
    bool known = summarised(plan, variable);

    if (!plan->net->swept[variable])
        memset(state.r, 0, at.n * layout_floats(layout) * sizeof *state.r);
    measure_finish_condition(state.m, plan, variable, state.r, at.n);
    for (size_t i = 0; i < at.n; i++) {
        const float *r = state.r + i * state.stride.r, *h = state.h + i * state.stride.h;
        record_bypass(&results[at.first + i], plan, variable, at.first + i, work);
        if (state.summaries && !known)
            channels_summarise(state.summaries + i * channels, r, NULL, layout, plan->options.ops);
        if (state.weighted && !known)
            channels_summarise(state.weighted + i * channels, r, h, layout, plan->options.ops);
    }
}

/* R and M from the logits down to plan->grouped, below which every image has a sweep of its own; and the ledger of the
 * dense variables. */
static void sweep_group(struct measure_result *results, const struct measure_plan *plan, struct measure_workspace *work)
{
    size_t group = plan->options.group, last = plan->net->nlinks;
    bool given_dense = plan->options.given != GIVEN_NONE && plan->lowest > plan->top;
    struct slots_range all = {0, group};

    arrive(results, plan, last, all, work);
    for (size_t k = last; k-- > plan->grouped;) {
        link_down(results, plan, k, all, work);
        arrive(results, plan, k, all, work);
    }
    for (size_t g = 0; g < group; g++) {
        for (size_t k = last; k > plan->top; k--)
            record_ledger(&results[g], k, sums_of(plan, k, state_variable(&work->variables[k], g).r, work));
        if (given_dense)
            results[g].given_mass =
                sums_of(plan, plan->lowest, state_variable(&work->variables[plan->lowest], g).m, work).value;
    }
}

/* Record one variable below the dense ones: the plain ledger, and relevance under the condition. Returns whether the
 * latter's total variation is within the limit. */
static bool record_step(struct measure_result *result, const struct measure_plan *plan, size_t slot, size_t k,
                        struct measure_sink sink, struct measure_workspace *work)
{
    struct variable_state at = state_variable(&work->variables[k], slot);

    record_ledger(result, k, total_of(at.summaries, network_shape(plan->net, k).channels));
    struct measure_sums sums = record_variable(result, plan, slot, k, sink, work);
    if (k == plan->top && at.h)
        result->given_mass = sums.value;
    return sums.magnitude <= plan->options.variation_limit;
}

/* Relevance of one image from the top pool down to the input, with ledger, channels and flow matrices. Returns whether
 * every layer is within the limit. */
static bool sweep_down(struct measure_result *results, const struct measure_plan *plan, size_t slot,
                       struct measure_sink sink, struct measure_workspace *work)
{
    bool bounded = record_step(&results[slot], plan, slot, plan->top, sink, work);

    for (size_t k = plan->top; k-- > 0;) {
        if (k < plan->grouped) {
            link_down(results, plan, k, (struct slots_range){slot, 1}, work);
            arrive(results, plan, k, (struct slots_range){slot, 1}, work);
        }
        bounded = record_step(&results[slot], plan, slot, k, sink, work) && bounded;
    }
    return bounded;
}

/* ---- flows ----------------------------------------------------------------------------------------------------- */

/* From the condition's lowest variable up its walks stay on neurons: no relevance goes to a bias or is absorbed. */
static void give_flow(const struct measure_plan *plan, size_t slot, size_t edge, const float *joint,
                      struct measure_sink sink, struct measure_workspace *work)
{
    size_t k = plan->net->edges[edge].link, channels = plan->net->links[k].upper.channels;
    struct link_state link = state_link(&work->links[k], slot);

    if (plan->options.given != GIVEN_NONE && k >= plan->lowest) {
        memset(link.to_bias, 0, channels * sizeof *link.to_bias);
        memset(link.absorbed, 0, channels * sizeof *link.absorbed);
    }
    sink.flow(sink.context, slot, edge, joint, link.to_bias, link.absorbed);
}

static void give_flows_below(const struct measure_plan *plan, size_t slot, struct measure_sink sink,
                             struct measure_workspace *work)
{
    for (size_t e = 0; e < plan->net->nedges && sink.flow; e++)
        if (plan->options.flows[e] && plan->net->edges[e].link < plan->top)
            give_flow(plan, slot, e, state_joint(&work->edges[e], slot), sink, work);
}

/* Flows of a dense link of the group. */
static void give_dense_flows(const struct measure_result *results, const struct measure_plan *plan, size_t k,
                             struct measure_sink sink, struct measure_workspace *work)
{
    size_t edge = plan->net->links[k].first_edge, group = plan->options.group;
    size_t step = measure_joints_at_once(plan, edge);
    const struct edge_state *flow = &work->edges[edge];

    for (size_t first = 0; first < group; first += step) {
        struct variable_state upper = state_variable(&work->variables[k + 1], first);
        struct variable_state lower = state_variable(&work->variables[k], first);
        size_t count = smaller(group - first, step);
        link_flow(&(struct link_call){.plan = &plan->links[k],
                                      .scratch = &work->scratch,
                                      .n = count,
                                      .c_images = group,
                                      .a = lower.a,
                                      .c = state_link(&work->links[k], first).c,
                                      .r_upper = upper.m,
                                      .h = lower.h,
                                      .joint = flow->joint});
        for (size_t g = first; g < first + count; g++)
            if (results[g].status == MEASURE_OK)
                give_flow(plan, g, edge, state_joint(flow, g - first), sink, work);
    }
}

/* Channels and flows of the dense variables, of the whole group. */
static void record_dense(struct measure_result *results, const struct measure_plan *plan, struct measure_sink sink,
                         struct measure_workspace *work)
{
    for (size_t k = plan->top; k <= plan->net->nlinks; k++) {
        for (size_t g = 0; g < plan->options.group && k > plan->top; g++)
            if (results[g].status == MEASURE_OK)
                record_variable(&results[g], plan, g, k, sink, work);
        if (k < plan->net->nlinks && plan->options.flows[plan->net->links[k].first_edge] && sink.flow)
            give_dense_flows(results, plan, k, sink, work);
    }
}

/* ---- whole images ----------------------------------------------------------------------------------------------- */

/* The slot's coefficients of a link; those of a dense link are copied out of those of the group, term by term. */
static const float *coefficients_of(const struct measure_plan *plan, size_t k, size_t slot,
                                    struct measure_workspace *work)
{
    struct link_state link = state_link(&work->links[k], slot);
    size_t floats = measure_variable_floats(plan, k + 1);

    for (size_t t = 0; t < link_terms(&plan->links[k]) && link.c_alone; t++)
        memcpy(link.c_alone + t * floats, link.c + t * plan->options.group * floats, floats * sizeof(float));
    return link.c_alone ? link.c_alone : link.c;
}

static void give_image(const struct measure_plan *plan, size_t slot, struct measure_sink sink,
                       struct measure_workspace *work)
{
    struct measure_image image = {0};

    for (size_t k = 0; k <= plan->net->nlinks; k++) {
        struct variable_state at = state_variable(&work->variables[k], slot);
        image.a[k] = measure_feeds_pool(plan, k) ? NULL : at.a;
        image.r[k] = at.r;
        image.m[k] = at.m;
        image.h[k] = k <= plan->top ? at.h : NULL;
        if (k < plan->net->nlinks)
            image.c[k] = coefficients_of(plan, k, slot, work);
    }
    sink.image(sink.context, slot, &image);
}

/* ---- a group --------------------------------------------------------------------------------------------------- */

static void clear_result(struct measure_result *result, const struct measure_plan *plan)
{
    size_t channels = plan->channel[plan->net->nlinks + 1];
    struct measure_result empty = {.status = MEASURE_ABSENT,
                                   .given_mass = 1,
                                   .relevance = result->relevance,
                                   .relevance_position = result->relevance_position,
                                   .activation = result->activation,
                                   .activation_position = result->activation_position,
                                   .activation_mean = result->activation_mean};

    *result = empty;
    memset(result->relevance, 0, channels * sizeof *result->relevance);
    memset(result->relevance_position, 0, channels * sizeof *result->relevance_position);
    memset(result->activation, 0, channels * sizeof *result->activation);
    memset(result->activation_position, 0, channels * sizeof *result->activation_position);
    memset(result->activation_mean, 0, channels * sizeof *result->activation_mean);
}

static void clear_slot(const struct measure_plan *plan, size_t slot, struct measure_workspace *work)
{
    struct variable_state logits = state_variable(&work->variables[plan->net->nlinks], slot);
    struct variable_state first = state_variable(&work->variables[plan->evaluated], slot);
    size_t nbytes = measure_variable_floats(plan, plan->evaluated) * sizeof(float);

    memset(logits.r, 0, measure_variable_floats(plan, plan->net->nlinks) * sizeof(float));
    memset(first.a, 0, nbytes);
    if (first.h)
        memset(first.h, 0, nbytes);
}

/* Everything below the dense layers, after the sweep of the group. */
static void sweep_image(struct measure_result *results, const struct measure_plan *plan, size_t slot,
                        struct measure_sink sink, struct measure_workspace *work)
{
    struct measure_result *result = &results[slot];
    bool bounded = sweep_down(results, plan, slot, sink, work);

    if (!bounded || exploded(result, plan, state_variable(&work->variables[0], slot).a, work)) {
        result->status = MEASURE_EXPLODED;
        return;
    }
    give_flows_below(plan, slot, sink, work);
    if (plan->options.images && sink.image)
        give_image(plan, slot, sink, work);
}

void measure_group(struct measure_result *results, const struct measure_plan *plan, const float *const *inputs,
                   const struct measure_target *targets, struct measure_sink sink, struct measure_workspace *work)
{
    size_t group = plan->options.group;

    for (size_t g = 0; g < group; g++) {
        clear_result(&results[g], plan);
        clear_slot(plan, g, work);
        results[g].status = inputs[g] ? MEASURE_OK : MEASURE_ABSENT;
    }
    measure_forward(results, plan, inputs, work);
    for (size_t g = 0; g < group; g++)
        if (inputs[g])
            measure_start(&results[g], plan, targets[g], g, work);
    if (plan->options.given != GIVEN_NONE)
        measure_sweep_up(results, plan, work);
    sweep_group(results, plan, work);
    for (size_t g = 0; g < group; g++)
        if (results[g].status == MEASURE_OK)
            sweep_image(results, plan, g, sink, work);
    record_dense(results, plan, sink, work);
}
