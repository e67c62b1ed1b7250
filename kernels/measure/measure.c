#include "kernels/measure/measure.h"

#include "kernels/base/number.h"
#include "kernels/measure/condition.h"
#include "kernels/measure/forward.h"
#include "kernels/measure/plan.h"
#include "kernels/measure/slot.h"

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

struct sums {
    double value, magnitude;
};

static struct sums total_of(const struct channels_summary *channels, size_t n)
{
    struct sums sums = {0, 0};

    for (size_t c = 0; c < n; c++) {
        sums.value += channels[c].value;
        sums.magnitude += channels[c].magnitude;
    }
    return sums;
}

/* Sum and sum of magnitudes of one image's values of a variable. */
static struct sums sums_of(const struct measure_plan *plan, size_t variable, const float *v,
                           struct measure_workspace *work)
{
    struct layout layout = network_layout(plan->net, variable);

    channels_summarise(work->summaries, v, NULL, layout, plan->options.ops);
    return total_of(work->summaries, layout.shape.channels);
}

/* Mass and variation of one variable; its bias and absorbed are known. */
static void record_ledger(struct measure_result *result, size_t variable, struct sums sums)
{
    double bias = result->bias[variable], absorbed = result->absorbed[variable];

    result->mass[variable] = sums.value;
    result->variation[variable] = sums.magnitude + fabs(bias) + fabs(absorbed);
}

/* The relevance r h of one variable of one image, h NULL meaning one, and the summaries of its channels, NULL if they
 * are not known yet. */
struct recorded {
    const float *r, *h;
    const struct channels_summary *summaries;
};

/* Pass the relevance of one variable to the sink and record that of its channels. Returns their sums. */
static struct sums record_variable(struct measure_result *result, const struct measure_plan *plan, size_t slot,
                                   size_t variable, struct recorded at, struct measure_sink sink,
                                   struct measure_workspace *work)
{
    size_t first = plan->channel[variable];
    struct layout layout = network_layout(plan->net, variable);

    if (sink.neurons)
        sink.neurons(sink.context, slot, variable, at.r, at.h);
    if (!at.summaries) {
        channels_summarise(work->summaries, at.r, at.h, layout, plan->options.ops);
        at.summaries = work->summaries;
    }
    for (size_t c = 0; c < layout.shape.channels; c++) {
        result->relevance[first + c] = at.summaries[c].value;
        result->relevance_position[first + c] = at.summaries[c].position;
    }
    return total_of(at.summaries, layout.shape.channels);
}

/* A layer's total variation is beyond the limit, or a value is not finite: of the measure, or of the image or its
 * logits, which some rules never look at. */
static bool exploded(const struct measure_result *result, const struct measure_plan *plan, const float *input,
                     struct measure_workspace *work)
{
    for (size_t k = 0; k <= plan->net->nlinks; k++)
        if (!(result->variation[k] <= plan->options.variation_limit))
            return true;
    return !isfinite(result->given_mass) || !isfinite(result->logit) ||
           !isfinite(sums_of(plan, 0, input, work).magnitude);
}

/* ---- sweeps down ----------------------------------------------------------------------------------------------- */

/* Whether M differs from R above link k, so that it needs a backward pass of its own. */
static bool condition_sweep_differs(const struct measure_plan *plan, size_t k)
{
    return k + 1 < measure_masked_variables(plan);
}

/* The ledger that link k is to fill: with summaries of r, and of r h if h is an array and M is R. */
static struct link_ledger ledger_of(const struct measure_plan *plan, size_t k, size_t slot,
                                    struct channels_summary *summaries, struct channels_summary *weighted,
                                    struct measure_workspace *work)
{
    bool fits = measure_has_h(plan, k) && k >= measure_masked_variables(plan) && weighted;

    return (struct link_ledger){.to_bias = work->to_bias[k],
                                .absorbed = work->absorbed[k],
                                .summaries = summaries,
                                .h = fits ? measure_h(plan, k, slot, work) : NULL,
                                .weighted = fits ? weighted : NULL};
}

/* Memory for the group's flows of a link below the dense layers, whose flows are computed on the way down; else
 * NULL. */
static float *group_joint(const struct measure_plan *plan, size_t k, const struct measure_workspace *work)
{
    return k < plan->top ? work->joint[k] : NULL;
}

/* A backward pass of link k for the group, without the relevance and the flow. */
static struct link_call group_call(const struct measure_plan *plan, size_t k, const struct link_ledger *ledger,
                                   const struct measure_workspace *work)
{
    return (struct link_call){.plan = &plan->links[k],
                              .n = plan->options.group,
                              .c = work->c[k],
                              .a = work->a[k],
                              .h = measure_h(plan, k, 0, work),
                              .ledger = ledger,
                              .scratch = &work->scratch};
}

/* R of the group, one link down, with the ledger; mass and variation of the variables up to the top are recorded
 * later. */
static void step_group(struct measure_result *results, const struct measure_plan *plan, size_t k,
                       struct measure_workspace *work)
{
    struct link_ledger ledger = ledger_of(plan, k, 0, work->grouped[k], work->grouped_weighted[k], work);
    size_t group = plan->options.group, channels = plan->net->links[k].upper.channels;

    struct link_call call = group_call(plan, k, &ledger, work);
    call.r_upper = work->r[k + 1];
    call.r_lower = work->r[k];
    call.joint = condition_sweep_differs(plan, k) ? NULL : group_joint(plan, k, work);
    link_backward(&call);
    for (size_t g = 0; g < group; g++) {
        struct measure_result *result = &results[g];
        if (k >= plan->top)
            record_ledger(result, k + 1, sums_of(plan, k + 1, measure_relevance(plan, k + 1, g, work), work));
        result->bias[k] = result->bias[k + 1] + total(work->to_bias[k] + g * channels, channels);
        result->absorbed[k] = result->absorbed[k + 1] + total(work->absorbed[k] + g * channels, channels);
    }
}

/* M of the group, one link down, or from R at the highest set's variable. A backward pass leaves to_bias and absorbed
 * of M. */
static void step_group_masked(const struct measure_plan *plan, size_t k, struct measure_workspace *work)
{
    struct link_ledger ledger = ledger_of(plan, k, 0, NULL, NULL, work);
    size_t group = plan->options.group;

    if (k >= measure_masked_variables(plan))
        return;
    if (k + 1 == measure_masked_variables(plan)) {
        measure_apply_mask(work->m[k], plan, k, work->r[k], group);
        return;
    }
    struct link_call call = group_call(plan, k, &ledger, work);
    call.r_upper = work->m[k + 1];
    call.r_lower = work->m[k];
    call.joint = group_joint(plan, k, work);
    link_backward(&call);
    measure_apply_mask(work->m[k], plan, k, work->m[k], group);
}

/* R and M from the logits down to plan->grouped, below which every image has a sweep of its own. */
static void sweep_group(struct measure_result *results, const struct measure_plan *plan, struct measure_workspace *work)
{
    size_t group = plan->options.group, last = plan->net->nlinks;

    if (measure_masked_variables(plan) == last + 1)
        measure_apply_mask(work->m[last], plan, last, work->r[last], group);
    for (size_t k = last; k-- > plan->grouped;) {
        step_group(results, plan, k, work);
        step_group_masked(plan, k, work);
    }
    if (plan->options.given == GIVEN_NONE || plan->lowest <= plan->top)
        return;
    for (size_t g = 0; g < group; g++)
        results[g].given_mass = sums_of(plan, plan->lowest, measure_masked(plan, plan->lowest, g, work), work).value;
}

/* One link of the sweep down: R and M of the upper variable, and memory for those of the lower one. */
struct step {
    const float *r, *m;
    float *r_below, *m_below;
    const struct channels_summary *summaries; /* of r */
    const struct channels_summary *recorded;  /* of M h; NULL if not known */
};

static struct step step_memory(const struct measure_plan *plan, size_t link, struct measure_workspace *work)
{
    if (plan->options.images)
        return (struct step){.r_below = work->kept_r[link], .m_below = work->kept_m[link]};
    return (struct step){.r_below = work->relevance[link % 2], .m_below = work->masked[link % 2]};
}

/* Summaries of M h, which are known if M is R. */
static const struct channels_summary *recorded_of(const struct measure_plan *plan, size_t k,
                                                  const struct channels_summary *summaries,
                                                  const struct channels_summary *weighted)
{
    return k < measure_masked_variables(plan) ? NULL : measure_has_h(plan, k) ? weighted : summaries;
}

/* At a variable whose R and M the group has. */
static struct step step_of_group(const struct measure_plan *plan, size_t k, size_t slot,
                                 const struct measure_workspace *work)
{
    size_t first = slot * network_shape(plan->net, k).channels;

    return (struct step){.r = measure_relevance(plan, k, slot, work),
                         .m = measure_masked(plan, k, slot, work),
                         .summaries = work->grouped[k] + first,
                         .recorded = recorded_of(plan, k, work->grouped[k] + first, work->grouped_weighted[k] + first)};
}

/* R and M of one image, one link down, with the ledger of R and the flow of M. Leaves to_bias and absorbed of M. */
static void step_down(struct measure_result *result, const struct measure_plan *plan, size_t k, size_t slot,
                      struct step *at, struct measure_workspace *work)
{
    size_t channels = plan->net->links[k].upper.channels;
    bool differs = condition_sweep_differs(plan, k);
    struct step next = step_memory(plan, k, work);
    struct link_ledger ledger = ledger_of(plan, k, slot, work->summaries, work->weighted, work);

    struct link_call call = {.plan = &plan->links[k],
                             .n = 1,
                             .c = measure_coefficients(plan, k, slot, work),
                             .a = measure_activations(plan, k, slot, work),
                             .h = measure_h(plan, k, slot, work),
                             .r_upper = at->r,
                             .r_lower = next.r_below,
                             .joint = differs ? NULL : work->joint[k],
                             .ledger = &ledger,
                             .scratch = &work->scratch};

    link_backward(&call);
    result->bias[k] = result->bias[k + 1] + total(work->to_bias[k], channels);
    result->absorbed[k] = result->absorbed[k + 1] + total(work->absorbed[k], channels);
    if (differs) {
        ledger.summaries = ledger.weighted = NULL;
        call.r_upper = at->m;
        call.r_lower = next.m_below;
        call.joint = work->joint[k];
        link_backward(&call);
    }
    if (k < measure_masked_variables(plan))
        measure_apply_mask(next.m_below, plan, k, differs ? next.m_below : next.r_below, 1);
    *at = (struct step){.r = next.r_below,
                        .m = k < measure_masked_variables(plan) ? next.m_below : next.r_below,
                        .summaries = work->summaries,
                        .recorded = recorded_of(plan, k, work->summaries, work->weighted)};
}

/* Record one variable: the plain ledger, and relevance under the condition. Returns whether the latter's total
 * variation is within the limit. */
static bool record_step(struct measure_result *result, const struct measure_plan *plan, size_t slot, size_t k,
                        struct step at, struct measure_sink sink, struct measure_workspace *work)
{
    const float *h = measure_h(plan, k, slot, work);

    record_ledger(result, k, total_of(at.summaries, network_shape(plan->net, k).channels));
    struct sums sums = record_variable(result, plan, slot, k, (struct recorded){at.m, h, at.recorded}, sink, work);
    if (k == plan->top && h)
        result->given_mass = sums.value;
    return sums.magnitude <= plan->options.variation_limit;
}

/* Relevance of one image from the top pool down to the input, with ledger, channels and flow matrices. Returns whether
 * every layer is within the limit. */
static bool sweep_down(struct measure_result *result, const struct measure_plan *plan, size_t slot,
                       struct measure_sink sink, struct measure_workspace *work)
{
    struct step at = step_of_group(plan, plan->top, slot, work);
    bool bounded = record_step(result, plan, slot, plan->top, at, sink, work);

    for (size_t k = plan->top; k-- > 0;) {
        if (k >= plan->grouped)
            at = step_of_group(plan, k, slot, work);
        else
            step_down(result, plan, k, slot, &at, work);
        bounded = record_step(result, plan, slot, k, at, sink, work) && bounded;
    }
    return bounded;
}

/* ---- flows ----------------------------------------------------------------------------------------------------- */

/* From the condition's lowest variable up its walks stay on neurons: no relevance goes to a bias or is absorbed. */
static void give_flow(const struct measure_plan *plan, size_t slot, size_t link, size_t row, const float *joint,
                      struct measure_sink sink, struct measure_workspace *work)
{
    size_t channels = plan->net->links[link].upper.channels;
    double *to_bias = work->to_bias[link] + row * channels, *absorbed = work->absorbed[link] + row * channels;

    if (measure_has_h(plan, link)) {
        memset(to_bias, 0, channels * sizeof *to_bias);
        memset(absorbed, 0, channels * sizeof *absorbed);
    }
    sink.flow(sink.context, slot, link, joint, to_bias, absorbed);
}

static void give_flows_below(const struct measure_plan *plan, size_t slot, struct measure_sink sink,
                             struct measure_workspace *work)
{
    for (size_t k = 0; k < plan->top && sink.flow; k++) {
        size_t row = k < plan->grouped ? 0 : slot;
        if (plan->options.flows[k])
            give_flow(plan, slot, k, row, work->joint[k] + row * measure_joint_entries(plan, k), sink, work);
    }
}

/* Flows of a dense link of the group. */
static void give_dense_flows(const struct measure_result *results, const struct measure_plan *plan, size_t k,
                             struct measure_sink sink, struct measure_workspace *work)
{
    size_t group = plan->options.group, step = measure_joints_at_once(plan, k);

    for (size_t first = 0; first < group; first += step) {
        size_t count = smaller(group - first, step);
        link_flow(&(struct link_call){.plan = &plan->links[k],
                                      .scratch = &work->scratch,
                                      .n = count,
                                      .c_images = group,
                                      .a = measure_activations(plan, k, first, work),
                                      .c = work->c[k] + first * layout_floats(plan->links[k].upper),
                                      .r_upper = measure_masked(plan, k + 1, first, work),
                                      .h = measure_h(plan, k, first, work),
                                      .joint = work->joint[k]});
        for (size_t g = first; g < first + count; g++)
            if (results[g].status == MEASURE_OK)
                give_flow(plan, g, k, g, work->joint[k] + (g - first) * measure_joint_entries(plan, k), sink, work);
    }
}

/* Channels and flows of the dense variables, of the whole group. */
static void record_dense(struct measure_result *results, const struct measure_plan *plan, struct measure_sink sink,
                         struct measure_workspace *work)
{
    for (size_t k = plan->top; k <= plan->net->nlinks; k++) {
        for (size_t g = 0; g < plan->options.group && k > plan->top; g++) {
            if (results[g].status != MEASURE_OK)
                continue;
            struct recorded dense = {.r = measure_masked(plan, k, g, work), .h = measure_h(plan, k, g, work)};
            record_variable(&results[g], plan, g, k, dense, sink, work);
        }
        if (k < plan->net->nlinks && plan->options.flows[k] && sink.flow)
            give_dense_flows(results, plan, k, sink, work);
    }
}

/* ---- whole images ----------------------------------------------------------------------------------------------- */

/* Copy the slot's coefficients of the dense links out of those of the group, term by term. */
static void keep_coefficients(const struct measure_plan *plan, size_t slot, struct measure_workspace *work)
{
    for (size_t k = plan->top; k < plan->net->nlinks; k++) {
        size_t floats = measure_variable_floats(plan, k + 1);
        for (size_t t = 0; t < plan->links[k].parts.nterms; t++)
            memcpy(work->kept_c[k] + t * floats, work->c[k] + (t * plan->options.group + slot) * floats,
                   floats * sizeof(float));
    }
}

static void give_image(const struct measure_plan *plan, size_t slot, struct measure_sink sink,
                       struct measure_workspace *work)
{
    struct measure_image image = {0};

    keep_coefficients(plan, slot, work);
    for (size_t k = 0; k <= plan->net->nlinks; k++) {
        bool alone = k < plan->grouped;
        image.a[k] = measure_activations(plan, k, slot, work);
        image.r[k] = alone ? work->kept_r[k] : measure_relevance(plan, k, slot, work);
        image.m[k] = !alone                               ? measure_masked(plan, k, slot, work)
                     : k < measure_masked_variables(plan) ? work->kept_m[k]
                                                          : work->kept_r[k];
        image.h[k] = k <= plan->top ? measure_h(plan, k, slot, work) : NULL;
        if (k < plan->net->nlinks)
            image.c[k] = k < plan->top ? measure_coefficients(plan, k, slot, work) : work->kept_c[k];
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
                                   .activation_position = result->activation_position};

    *result = empty;
    memset(result->relevance, 0, channels * sizeof *result->relevance);
    memset(result->relevance_position, 0, channels * sizeof *result->relevance_position);
    memset(result->activation, 0, channels * sizeof *result->activation);
    memset(result->activation_position, 0, channels * sizeof *result->activation_position);
}

static void clear_slot(const struct measure_plan *plan, size_t slot, struct measure_workspace *work)
{
    size_t last = plan->net->nlinks, n = network_shape(plan->net, last).channels;
    size_t floats = measure_variable_floats(plan, plan->evaluated);

    memset(work->r[last] + slot * n, 0, n * sizeof(float));
    memset(work->a[plan->evaluated] + slot * floats, 0, floats * sizeof(float));
    if (measure_has_h(plan, plan->evaluated))
        memset(work->h[plan->evaluated] + slot * floats, 0, floats * sizeof(float));
}

/* Everything below the dense layers, after the sweep of the group. */
static void sweep_image(struct measure_result *result, const struct measure_plan *plan, size_t slot,
                        struct measure_sink sink, struct measure_workspace *work)
{
    bool bounded = sweep_down(result, plan, slot, sink, work);
    if (!bounded || exploded(result, plan, measure_activations(plan, 0, slot, work), work))
        result->status = MEASURE_EXPLODED;
    else
        give_flows_below(plan, slot, sink, work);
    if (result->status == MEASURE_OK && plan->options.images && sink.image)
        give_image(plan, slot, sink, work);
}

void measure_group(struct measure_result *results, const struct measure_plan *plan, const float *const *inputs,
                   const struct measure_target *targets, struct measure_sink sink, struct measure_workspace *work)
{
    size_t group = plan->options.group;

    for (size_t g = 0; g < group; g++) {
        clear_result(&results[g], plan);
        clear_slot(plan, g, work);
        if (inputs[g]) {
            results[g].status = MEASURE_OK;
            measure_forward_image(&results[g], plan, inputs[g], g, work);
        }
    }
    measure_forward_group(results, plan, work);
    for (size_t g = 0; g < group; g++)
        if (inputs[g])
            measure_start(&results[g], plan, targets[g], g, work);
    if (plan->options.given != GIVEN_NONE)
        measure_sweep_up(results, plan, work);
    sweep_group(results, plan, work);
    for (size_t g = 0; g < group; g++)
        if (results[g].status == MEASURE_OK)
            sweep_image(&results[g], plan, g, sink, work);
    record_dense(results, plan, sink, work);
}
