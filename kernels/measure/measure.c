#include "kernels/measure/measure.h"

#include "kernels/measure/plan.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Coefficients of one image of a link below the dense layers. */
static float *coefficients_of(const struct measure_plan *plan, size_t link, size_t slot,
                              const struct measure_workspace *work)
{
    return work->c[link] + slot * link_coefficients(&plan->links[link], 1);
}

/* Activations of one image; none of a variable that feeds a pool. */
static float *activations_of(const struct measure_plan *plan, size_t variable, size_t slot,
                             const struct measure_workspace *work)
{
    return work->a[variable] ? work->a[variable] + slot * measure_variable_floats(plan, variable) : NULL;
}

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

/* The plain ledger of one variable; its bias and absorbed are those of the variable above and what its link took. */
static void record_ledger(struct measure_result *result, size_t variable, struct sums sums)
{
    double bias = result->bias[variable], absorbed = result->absorbed[variable];

    result->mass[variable] = sums.value;
    result->variation[variable] = sums.magnitude + fabs(bias) + fabs(absorbed);
}

/* Activation of every channel of one variable. */
static void record_activations(struct measure_result *result, const struct measure_plan *plan, size_t variable,
                               const struct channels_summary *summaries)
{
    size_t first = plan->channel[variable];

    for (size_t c = 0; c < network_shape(plan->net, variable).channels; c++) {
        result->activation[first + c] = summaries[c].largest;
        result->activation_position[first + c] = summaries[c].position;
    }
}

/* Hands out one variable's relevance r, or r h, and keeps that of its channels; their summaries may be known. Returns their
 * sums. */
static struct sums record_variable(struct measure_result *result, const struct measure_plan *plan, size_t slot,
                                   size_t variable, const float *r, const float *h,
                                   const struct channels_summary *known, struct measure_sink sink,
                                   struct measure_workspace *work)
{
    size_t first = plan->channel[variable];
    struct layout layout = network_layout(plan->net, variable);

    if (sink.neurons)
        sink.neurons(sink.context, slot, variable, r, h);
    if (!known) {
        channels_summarise(work->summaries, r, h, layout, plan->options.ops);
        known = work->summaries;
    }
    for (size_t c = 0; c < layout.shape.channels; c++) {
        result->relevance[first + c] = known[c].value;
        result->relevance_position[first + c] = known[c].position;
    }
    return total_of(known, layout.shape.channels);
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

/* ---- forward pass and start ------------------------------------------------------------------------------------ */

/* The links that are evaluated image by image. */
static void evaluate_image(struct measure_result *result, const struct measure_plan *plan, const float *input,
                           size_t slot, struct measure_workspace *work)
{
    const float *below = activations_of(plan, 0, slot, work);

    memcpy(activations_of(plan, 0, slot, work), input, measure_variable_floats(plan, 0) * sizeof *input);
    channels_summarise(work->summaries, input, NULL, network_layout(plan->net, 0), plan->options.ops);
    record_activations(result, plan, 0, work->summaries);
    for (size_t k = 0; k < plan->evaluated; k++) {
        float *above = activations_of(plan, k + 1, slot, work);
        above = above ? above : work->pooled;
        link_forward(above, coefficients_of(plan, k, slot, work), work->summaries, &plan->links[k], below, 1,
                     &work->scratch);
        record_activations(result, plan, k + 1, work->summaries);
        below = above;
    }
}

/* The others, of the group. */
static void evaluate_group(struct measure_result *results, const struct measure_plan *plan,
                           struct measure_workspace *work)
{
    const float *below = work->a[plan->evaluated];

    for (size_t k = plan->evaluated; k < plan->net->nlinks; k++) {
        float *above = work->a[k + 1] ? work->a[k + 1] : work->pooled;
        link_forward(above, work->c[k], work->summaries, &plan->links[k], below, plan->options.group, &work->scratch);
        for (size_t g = 0; g < plan->options.group; g++)
            if (results[g].status == MEASURE_OK)
                record_activations(&results[g], plan, k + 1, work->summaries + g * plan->net->links[k].upper.channels);
        below = above;
    }
}

/* First position of the largest of n values. */
static size_t largest(const float *v, size_t n)
{
    size_t at = 0;

    for (size_t i = 1; i < n; i++)
        at = v[i] > v[at] ? i : at;
    return at;
}

static double softmax(const float *z, size_t n, size_t at)
{
    double sum = 0, most = (double)z[largest(z, n)];

    for (size_t i = 0; i < n; i++)
        sum += exp((double)z[i] - most);
    return exp((double)z[at] - most) / sum;
}

/* R(i_L), z_a / (z_a - z_b) and -z_b / (z_a - z_b) for a contrast. */
static void start_contrast(struct measure_result *result, float *r, const float *z, size_t n, size_t a, size_t b)
{
    double za = (double)z[a], zb = (double)z[b], most = 0;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)z[i]));
    result->logit = za - zb;
    result->probability = NAN;
    if (fabs(za - zb) < MEASURE_CONTRAST_LIMIT * most || a == b) { /* NaN goes on and explodes */
        result->status = MEASURE_UNDEFINED;
        return;
    }
    r[a] = (float)(za / (za - zb));
    r[b] = (float)(-zb / (za - zb));
}

static void start_image(struct measure_result *result, const struct measure_plan *plan, struct measure_target target,
                        size_t slot, struct measure_workspace *work)
{
    size_t last = plan->net->nlinks, n = network_shape(plan->net, last).channels;
    const float *z = work->a[last] + slot * n;
    float *r = work->r[last] + slot * n;

    result->predicted = largest(z, n);
    result->target = target.kind == TARGET_PREDICTED ? result->predicted : target.a;
    assert(result->target < n);
    if (target.kind == TARGET_CONTRAST) {
        start_contrast(result, r, z, n, target.a, target.b);
        return;
    }
    result->logit = (double)z[result->target];
    result->probability = softmax(z, n, result->target);
    r[result->target] = 1;
}

/* ---- the condition ---------------------------------------------------------------------------------------------- */

/* Whether a variable has shares h other than one. */
static bool has_share(const struct measure_plan *plan, size_t variable)
{
    return plan->options.given != GIVEN_NONE && variable >= plan->lowest;
}

/* h of one image, NULL where it is one. */
static float *share_of(const struct measure_plan *plan, size_t variable, size_t slot, struct measure_workspace *work)
{
    size_t floats = measure_variable_floats(plan, variable);

    return has_share(plan, variable) ? work->h[variable] + slot * floats : NULL;
}

/* R and M of one image at the variables that the group has. */
static const float *relevance_of(const struct measure_plan *plan, size_t variable, size_t slot,
                                 const struct measure_workspace *work)
{
    return work->r[variable] + slot * measure_variable_floats(plan, variable);
}

static const float *masked_of(const struct measure_plan *plan, size_t variable, size_t slot,
                              const struct measure_workspace *work)
{
    const float *group = variable < measure_masked_variables(plan) ? work->m[variable] : work->r[variable];

    return group + slot * measure_variable_floats(plan, variable);
}

/* out = v within the variable's set, of n images; out may be v. */
static void apply_mask(float *out, const struct measure_plan *plan, size_t variable, const float *v, size_t n)
{
    size_t floats = measure_variable_floats(plan, variable);
    const float *mask = plan->options.masks[variable];

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < floats && mask; j++)
            out[i * floats + j] = mask[j] * v[i * floats + j];
}

/* h of the condition's lowest variable: its set, or all of the input. */
static void start_share(float *h, const struct measure_plan *plan)
{
    size_t floats = measure_variable_floats(plan, plan->lowest);
    const float *mask = plan->options.masks[plan->lowest];

    assert(mask || network_layout(plan->net, plan->lowest).lanes == 1);
    for (size_t i = 0; i < floats; i++)
        h[i] = mask ? mask[i] : 1;
}

/* Share of n images one link up. */
static void step_up(const struct measure_plan *plan, size_t k, size_t slot, size_t n, struct measure_workspace *work)
{
    float *above = share_of(plan, k + 1, slot, work);

    link_lift(above, &plan->links[k], share_of(plan, k, slot, work),
              n == 1 ? coefficients_of(plan, k, slot, work) : work->c[k], activations_of(plan, k, slot, work), n,
              &work->scratch);
    apply_mask(above, plan, k + 1, above, n);
}

/* The condition's shares from its lowest set up to the logits: image by image, and of the group where that is evaluated. */
static void sweep_up(const struct measure_result *results, const struct measure_plan *plan,
                     struct measure_workspace *work)
{
    size_t group = plan->options.group;

    for (size_t g = 0; g < group; g++) {
        if (plan->lowest >= plan->evaluated || results[g].status == MEASURE_OK)
            start_share(share_of(plan, plan->lowest, g, work), plan);
        for (size_t k = plan->lowest; k < plan->evaluated && results[g].status == MEASURE_OK; k++)
            step_up(plan, k, g, 1, work);
    }
    for (size_t k = plan->lowest < plan->evaluated ? plan->evaluated : plan->lowest; k < plan->net->nlinks; k++)
        step_up(plan, k, 0, group, work);
}

/* ---- sweeps ---------------------------------------------------------------------------------------------------- */

/* Link k is under a set of the condition: M goes its own way. */
static bool apart(const struct measure_plan *plan, size_t k)
{
    return k + 1 < measure_masked_variables(plan);
}

/* What link k shall find: summaries of r, and of r h if h is there and M is r. */
static struct link_ledger ledger_of(const struct measure_plan *plan, size_t k, size_t slot,
                                    struct channels_summary *summaries, struct channels_summary *shared,
                                    struct measure_workspace *work)
{
    bool fits = has_share(plan, k) && k >= measure_masked_variables(plan) && shared;

    return (struct link_ledger){.to_bias = work->to_bias[k],
                                .absorbed = work->absorbed[k],
                                .summaries = summaries,
                                .share = fits ? share_of(plan, k, slot, work) : NULL,
                                .shared = fits ? shared : NULL};
}

/* Room for the group's flows of a link below the dense layers, whose flows come on the way down; else NULL. */
static float *group_joint(const struct measure_plan *plan, size_t k, const struct measure_workspace *work)
{
    return k < plan->top ? work->joint[k] : NULL;
}

/* Plain relevance of the group, one link down, with the ledger; that of the variables up to the top is recorded later. */
static void step_group(struct measure_result *results, const struct measure_plan *plan, size_t k,
                       struct measure_workspace *work)
{
    const struct link_plan *link = &plan->links[k];
    struct link_ledger ledger = ledger_of(plan, k, 0, work->grouped[k], work->grouped_shared[k], work);
    size_t group = plan->options.group, channels = link->link->upper.channels;

    link_backward_flow(work->r[k], apart(plan, k) ? NULL : group_joint(plan, k, work), &ledger, link, work->r[k + 1],
                       work->c[k], work->a[k], share_of(plan, k, 0, work), group, &work->scratch);
    for (size_t g = 0; g < group; g++) {
        struct measure_result *result = &results[g];
        if (k >= plan->top)
            record_ledger(result, k + 1, sums_of(plan, k + 1, relevance_of(plan, k + 1, g, work), work));
        result->bias[k] = result->bias[k + 1] + total(work->to_bias[k] + g * channels, channels);
        result->absorbed[k] = result->absorbed[k + 1] + total(work->absorbed[k] + g * channels, channels);
    }
}

/* M of the group, one link down, or from R where the highest set is. Where there is a step, to_bias and absorbed become
 * those of M. */
static void step_group_masked(const struct measure_plan *plan, size_t k, struct measure_workspace *work)
{
    struct link_ledger ledger = ledger_of(plan, k, 0, NULL, NULL, work);
    size_t group = plan->options.group;

    if (k >= measure_masked_variables(plan))
        return;
    if (k + 1 == measure_masked_variables(plan)) {
        apply_mask(work->m[k], plan, k, work->r[k], group);
        return;
    }
    link_backward_flow(work->m[k], group_joint(plan, k, work), &ledger, &plan->links[k], work->m[k + 1], work->c[k],
                       work->a[k], share_of(plan, k, 0, work), group, &work->scratch);
    apply_mask(work->m[k], plan, k, work->m[k], group);
}

/* Relevance from the logits down to where images go alone. */
static void sweep_group(struct measure_result *results, const struct measure_plan *plan, struct measure_workspace *work)
{
    size_t group = plan->options.group, last = plan->net->nlinks;

    if (measure_masked_variables(plan) == last + 1)
        apply_mask(work->m[last], plan, last, work->r[last], group);
    for (size_t k = last; k-- > plan->grouped;) {
        step_group(results, plan, k, work);
        step_group_masked(plan, k, work);
    }
    if (plan->options.given == GIVEN_NONE || plan->lowest <= plan->top)
        return;
    for (size_t g = 0; g < group; g++)
        results[g].given_mass = sums_of(plan, plan->lowest, masked_of(plan, plan->lowest, g, work), work).value;
}

/* One link of the sweep down: R and M of the upper variable, and room for those of the lower one. */
struct step {
    const float *r, *m;
    float *r_below, *m_below;
    const struct channels_summary *summaries; /* of r */
    const struct channels_summary *recorded;  /* of M h, if known */
};

static struct step step_room(const struct measure_plan *plan, size_t link, struct measure_workspace *work)
{
    if (plan->options.images)
        return (struct step){.r_below = work->kept_r[link], .m_below = work->kept_m[link]};
    return (struct step){.r_below = work->relevance[link % 2], .m_below = work->masked[link % 2]};
}

/* Summaries of M h where M is r. */
static const struct channels_summary *recorded_of(const struct measure_plan *plan, size_t k,
                                                  const struct channels_summary *summaries,
                                                  const struct channels_summary *shared)
{
    return k < measure_masked_variables(plan) ? NULL : has_share(plan, k) ? shared : summaries;
}

/* Where the group has R and M. */
static struct step step_of_group(const struct measure_plan *plan, size_t k, size_t slot,
                                 const struct measure_workspace *work)
{
    size_t first = slot * network_shape(plan->net, k).channels;

    return (struct step){.r = relevance_of(plan, k, slot, work),
                         .m = masked_of(plan, k, slot, work),
                         .summaries = work->grouped[k] + first,
                         .recorded = recorded_of(plan, k, work->grouped[k] + first, work->grouped_shared[k] + first)};
}

/* R and M one link down, with the ledger and the flow of M; to_bias and absorbed become those of M. */
static void step_down(struct measure_result *result, const struct measure_plan *plan, size_t k, size_t slot,
                      struct step *at, struct measure_workspace *work)
{
    const struct link_plan *link = &plan->links[k];
    const float *c = coefficients_of(plan, k, slot, work), *a = activations_of(plan, k, slot, work);
    const float *h = share_of(plan, k, slot, work);
    struct step next = step_room(plan, k, work);
    struct link_ledger ledger = ledger_of(plan, k, slot, work->summaries, work->shared, work);

    link_backward_flow(next.r_below, apart(plan, k) ? NULL : work->joint[k], &ledger, link, at->r, c, a, h, 1,
                       &work->scratch);
    ledger.summaries = ledger.shared = NULL;
    result->bias[k] = result->bias[k + 1] + total(work->to_bias[k], link->link->upper.channels);
    result->absorbed[k] = result->absorbed[k + 1] + total(work->absorbed[k], link->link->upper.channels);
    if (apart(plan, k))
        link_backward_flow(next.m_below, work->joint[k], &ledger, link, at->m, c, a, h, 1, &work->scratch);
    if (k < measure_masked_variables(plan))
        apply_mask(next.m_below, plan, k, apart(plan, k) ? next.m_below : next.r_below, 1);
    *at = (struct step){.r = next.r_below,
                        .m = k < measure_masked_variables(plan) ? next.m_below : next.r_below,
                        .summaries = work->summaries,
                        .recorded = recorded_of(plan, k, work->summaries, work->shared)};
}

/* What is kept of one variable. Returns whether what is recorded, under a condition other than the ledger, keeps to the
 * limit. */
static bool record_step(struct measure_result *result, const struct measure_plan *plan, size_t slot, size_t k,
                        struct step at, struct measure_sink sink, struct measure_workspace *work)
{
    const float *h = share_of(plan, k, slot, work);

    record_ledger(result, k, total_of(at.summaries, network_shape(plan->net, k).channels));
    struct sums sums = record_variable(result, plan, slot, k, at.m, h, at.recorded, sink, work);
    if (k == plan->top && h)
        result->given_mass = sums.value;
    return sums.magnitude <= plan->options.variation_limit;
}

/* Relevance from the top pool down to the input, with ledger, channels and flow matrices of one image. Returns whether
 * every layer keeps to the limit. */
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

/* From the condition's lowest variable up its walks stay on neurons: none goes to a bias or is absorbed. */
static void hand_flow(const struct measure_plan *plan, size_t slot, size_t link, size_t row, const float *joint,
                      struct measure_sink sink, struct measure_workspace *work)
{
    size_t channels = plan->net->links[link].upper.channels;
    double *to_bias = work->to_bias[link] + row * channels, *absorbed = work->absorbed[link] + row * channels;

    if (has_share(plan, link)) {
        memset(to_bias, 0, channels * sizeof *to_bias);
        memset(absorbed, 0, channels * sizeof *absorbed);
    }
    sink.flow(sink.context, slot, link, joint, to_bias, absorbed);
}

static void hand_flows_below(const struct measure_plan *plan, size_t slot, struct measure_sink sink,
                             struct measure_workspace *work)
{
    for (size_t k = 0; k < plan->top && sink.flow; k++) {
        size_t row = k < plan->grouped ? 0 : slot;
        if (plan->options.flows[k])
            hand_flow(plan, slot, k, row, work->joint[k] + row * measure_joint_entries(plan, k), sink, work);
    }
}

/* Flows of a dense link of the group. */
static void finish_flows(const struct measure_result *results, const struct measure_plan *plan, size_t k,
                         struct measure_sink sink, struct measure_workspace *work)
{
    size_t group = plan->options.group, step = measure_joints_at_once(plan, k);

    for (size_t first = 0; first < group; first += step) {
        size_t count = group - first < step ? group - first : step;
        link_flow(work->joint[k], &plan->links[k], masked_of(plan, k + 1, first, work), work->c[k],
                  activations_of(plan, k, first, work), share_of(plan, k, first, work),
                  (struct link_images){first, count, group}, &work->scratch);
        for (size_t g = first; g < first + count; g++)
            if (results[g].status == MEASURE_OK)
                hand_flow(plan, g, k, g, work->joint[k] + (g - first) * measure_joint_entries(plan, k), sink, work);
    }
}

/* Channels and flows of the dense variables of the group. */
static void finish_dense(struct measure_result *results, const struct measure_plan *plan, struct measure_sink sink,
                         struct measure_workspace *work)
{
    for (size_t k = plan->top; k <= plan->net->nlinks; k++) {
        for (size_t g = 0; g < plan->options.group && k > plan->top; g++) {
            if (results[g].status != MEASURE_OK)
                continue;
            record_variable(&results[g], plan, g, k, masked_of(plan, k, g, work), share_of(plan, k, g, work), NULL,
                            sink, work);
        }
        if (k < plan->net->nlinks && plan->options.flows[k] && sink.flow)
            finish_flows(results, plan, k, sink, work);
    }
}

/* ---- whole images ----------------------------------------------------------------------------------------------- */

/* The slot's coefficients out of those of the dense links' terms. */
static void keep_coefficients(const struct measure_plan *plan, size_t slot, struct measure_workspace *work)
{
    for (size_t k = plan->top; k < plan->net->nlinks; k++) {
        size_t floats = measure_variable_floats(plan, k + 1);
        for (size_t t = 0; t < plan->links[k].parts.nterms; t++)
            memcpy(work->kept_c[k] + t * floats, work->c[k] + (t * plan->options.group + slot) * floats,
                   floats * sizeof(float));
    }
}

static void hand_image(const struct measure_plan *plan, size_t slot, struct measure_sink sink,
                       struct measure_workspace *work)
{
    struct measure_image image = {0};

    keep_coefficients(plan, slot, work);
    for (size_t k = 0; k <= plan->net->nlinks; k++) {
        bool alone = k < plan->grouped;
        image.a[k] = activations_of(plan, k, slot, work);
        image.r[k] = alone ? work->kept_r[k] : relevance_of(plan, k, slot, work);
        image.m[k] = !alone                               ? masked_of(plan, k, slot, work)
                     : k < measure_masked_variables(plan) ? work->kept_m[k]
                                                          : work->kept_r[k];
        image.h[k] = k <= plan->top ? share_of(plan, k, slot, work) : NULL;
        if (k < plan->net->nlinks)
            image.c[k] = k < plan->top ? coefficients_of(plan, k, slot, work) : work->kept_c[k];
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
    if (has_share(plan, plan->evaluated))
        memset(work->h[plan->evaluated] + slot * floats, 0, floats * sizeof(float));
}

/* Everything below the dense layers, once the group's relevance is known. */
static void sweep_image(struct measure_result *result, const struct measure_plan *plan, size_t slot,
                        struct measure_sink sink, struct measure_workspace *work)
{
    bool bounded = sweep_down(result, plan, slot, sink, work);
    if (!bounded || exploded(result, plan, activations_of(plan, 0, slot, work), work))
        result->status = MEASURE_EXPLODED;
    else
        hand_flows_below(plan, slot, sink, work);
    if (result->status == MEASURE_OK && plan->options.images && sink.image)
        hand_image(plan, slot, sink, work);
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
            evaluate_image(&results[g], plan, inputs[g], g, work);
        }
    }
    evaluate_group(results, plan, work);
    for (size_t g = 0; g < group; g++)
        if (inputs[g])
            start_image(&results[g], plan, targets[g], g, work);
    if (plan->options.given != GIVEN_NONE)
        sweep_up(results, plan, work);
    sweep_group(results, plan, work);
    for (size_t g = 0; g < group; g++)
        if (results[g].status == MEASURE_OK)
            sweep_image(&results[g], plan, g, sink, work);
    finish_dense(results, plan, sink, work);
}
