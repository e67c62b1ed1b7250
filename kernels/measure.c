#include "measure.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { LANES = 8 };

/* ---- plan and memory ------------------------------------------------------------------------------------------- */

/* Whether relevance may arrive at neurons of variable k + 1 that are not positive: at the logits, and below rules that
 * give relevance to dead neurons; pools hand it on. */
static bool both_branches(const struct network *net, const struct rule *rules, size_t k)
{
    if (k + 1 == net->nlinks)
        return true;
    if (net->links[k + 1].kind == LINK_POOL)
        return both_branches(net, rules, k + 1);
    return rule_reaches_dead(rules[k + 1].kind);
}

/* The link below a pool leaves out gamma's negative branch, so its dead neurons must get nothing. */
static enum pool_mode pool_mode_of(const struct measure_options *options, const struct network *net, size_t k)
{
    bool branch_left_out =
        k > 0 && options->rules[k - 1].kind == RULE_GAMMA && !both_branches(net, options->rules, k - 1);

    return options->pool == POOL_WINNER && branch_left_out ? POOL_WINNER_LIVE : options->pool;
}

/* Number of variables whose M is not R: from the input up to the highest with a set. */
static size_t masked_variables(const struct measure_plan *plan)
{
    return plan->options.given == GIVEN_SETS ? plan->highest + 1 : 0;
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
        link_plan_init(&plan->links[k], &net->links[k], options->rules[k], options->bias, pool_mode_of(options, net, k),
                       model, k == 0, both_branches(net, options->rules, k));
        if (net->links[k].kind != LINK_DENSE)
            plan->top = k + 1;
    }
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

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void place_scratch(struct measure_workspace *work, const struct measure_plan *plan, struct arena *arena)
{
    /* the upper array also takes R h of any variable */
    struct link_scratch_floats most = {shape_neurons(network_shape(plan->net, 0)), 0, 0, 0};

    for (size_t k = 0; k < plan->net->nlinks; k++) {
        struct link_scratch_floats need = link_scratch_floats(&plan->links[k], k < plan->top ? 1 : plan->options.group);
        most.upper = larger(most.upper, need.upper);
        most.lower = larger(most.lower, need.lower);
        most.columns = larger(most.columns, need.columns);
        most.gradient = larger(most.gradient, need.gradient);
    }
    work->scratch = (struct link_scratch){
        .upper = arena_floats(arena, most.upper),
        .lower = arena_floats(arena, most.lower),
        .columns = arena_floats(arena, most.columns),
        .gradient = arena_floats(arena, most.gradient),
    };
}

/* The coefficients of every link are needed at a time: by the sweep up before the sweep down, or by further sweeps. */
static bool keeps_coefficients(const struct measure_plan *plan)
{
    return plan->options.given != GIVEN_NONE || plan->options.images;
}

/* Coefficients: of every link, or one place for all below top. */
static void place_coefficients(struct measure_workspace *work, const struct measure_plan *plan, struct arena *arena)
{
    size_t most = 0;

    for (size_t k = plan->top; k < plan->net->nlinks; k++)
        work->c[k] = arena_floats(arena, link_coefficients(&plan->links[k], plan->options.group));
    for (size_t k = 0; k < plan->top; k++) {
        most = larger(most, link_coefficients(&plan->links[k], 1));
        if (keeps_coefficients(plan))
            work->c[k] = arena_floats(arena, link_coefficients(&plan->links[k], 1));
    }
    if (keeps_coefficients(plan))
        return;
    float *shared = arena_floats(arena, most);
    for (size_t k = 0; k < plan->top; k++)
        work->c[k] = shared;
}

static void place_variables(struct measure_workspace *work, const struct measure_plan *plan, struct arena *arena)
{
    size_t group = plan->options.group, most = 0;

    for (size_t k = 0; k <= plan->net->nlinks; k++) {
        size_t neurons = shape_neurons(network_shape(plan->net, k));
        most = larger(most, neurons);
        work->a[k] = arena_floats(arena, group * neurons);
        if (k > plan->top)
            work->z[k] = arena_floats(arena, group * neurons);
        if (k >= plan->top)
            work->r[k] = arena_floats(arena, group * neurons);
        if (k >= plan->top && k < masked_variables(plan))
            work->m[k] = arena_floats(arena, group * neurons);
        if (plan->options.given != GIVEN_NONE && k >= plan->lowest)
            work->h[k] = arena_floats(arena, (k < plan->top ? 1 : group) * neurons);
    }
    for (size_t i = 0; i < 2; i++) {
        work->relevance[i] = arena_floats(arena, most);
        work->masked[i] = arena_floats(arena, masked_variables(plan) ? most : 0);
    }
}

/* Of one image: relevance of every variable, and the dense part out of the group's arrays. */
static void place_kept(struct measure_workspace *work, const struct measure_plan *plan, struct arena *arena)
{
    for (size_t k = 0; k <= plan->net->nlinks; k++) {
        size_t neurons = shape_neurons(network_shape(plan->net, k));
        work->kept_r[k] = arena_floats(arena, neurons);
        if (k < masked_variables(plan))
            work->kept_m[k] = arena_floats(arena, neurons);
        if (k > plan->top)
            work->kept_a[k] = arena_floats(arena, neurons);
        if (k >= plan->top && k < plan->net->nlinks)
            work->kept_c[k] = arena_floats(arena, link_coefficients(&plan->links[k], 1));
    }
}

void measure_workspace_place(struct measure_workspace *work, const struct measure_plan *plan, struct arena *arena)
{
    *work = (struct measure_workspace){0};
    place_variables(work, plan, arena);
    place_coefficients(work, plan, arena);
    place_scratch(work, plan, arena);
    if (plan->options.images)
        place_kept(work, plan, arena);
    for (size_t k = 0; k < plan->net->nlinks; k++) {
        const struct link *link = &plan->net->links[k];
        size_t images = k < plan->top ? 1 : plan->options.group;
        work->to_bias[k] = arena_doubles(arena, images * link->upper.channels);
        work->absorbed[k] = arena_doubles(arena, images * link->upper.channels);
        if (plan->options.flows[k])
            work->joint[k] = arena_floats(arena, link->upper.channels * link->lower.channels);
    }
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

/* Sum and sum of magnitudes, in LANES partial sums that the compiler keeps in registers. */
static struct sums sums_of(const float *v, size_t n)
{
    double value[LANES] = {0}, magnitude[LANES] = {0};
    struct sums sums = {0, 0};

    for (size_t i = 0; i + LANES <= n; i += LANES) {
        for (size_t j = 0; j < LANES; j++) {
            value[j] += (double)v[i + j];
            magnitude[j] += fabs((double)v[i + j]);
        }
    }
    for (size_t i = n - n % LANES; i < n; i++) {
        value[0] += (double)v[i];
        magnitude[0] += fabs((double)v[i]);
    }
    for (size_t j = 0; j < LANES; j++) {
        sums.value += value[j];
        sums.magnitude += magnitude[j];
    }
    return sums;
}

/* The plain ledger of one variable; `bias` and `absorbed` are those of the variable above and what its link took. */
static void record_ledger(struct measure_result *result, size_t variable, const float *r, size_t neurons, double bias,
                          double absorbed)
{
    struct sums sums = sums_of(r, neurons);

    result->mass[variable] = sums.value;
    result->variation[variable] = sums.magnitude + fabs(bias) + fabs(absorbed);
    result->bias[variable] = bias;
    result->absorbed[variable] = absorbed;
}

/* First position of the largest of n values. */
static uint32_t largest(const float *v, size_t n)
{
    float lanes[LANES], most = v[0];
    size_t at = 0;

    for (size_t j = 0; j < LANES; j++)
        lanes[j] = v[0];
    for (size_t i = 0; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lanes[j] = v[i + j] > lanes[j] ? v[i + j] : lanes[j];
    for (size_t j = 0; j < LANES; j++)
        most = lanes[j] > most ? lanes[j] : most;
    for (size_t i = n - n % LANES; i < n; i++)
        most = v[i] > most ? v[i] : most;
    while (at + 1 < n && v[at] < most)
        at++;
    return (uint32_t)at;
}

/* Relevance and activation of every channel of one variable. Returns the relevance's total variation. */
static double record_channels(struct measure_result *result, const struct measure_plan *plan, size_t variable,
                              const float *r, const float *a)
{
    size_t positions = shape_positions(network_shape(plan->net, variable));
    double variation = 0;

    for (size_t c = plan->channel[variable]; c < plan->channel[variable + 1]; c++, r += positions, a += positions) {
        struct sums sums = sums_of(r, positions);
        variation += sums.magnitude;
        result->relevance[c] = sums.value;
        result->relevance_position[c] = largest(r, positions);
        result->activation_position[c] = largest(a, positions);
        result->activation[c] = a[result->activation_position[c]];
    }
    return variation;
}

/* Conditional relevance of one variable's neurons: R h, or R itself without a condition. */
static const float *conditioned(float *product, const float *r, const float *h, size_t neurons)
{
    if (!h)
        return r;
    for (size_t i = 0; i < neurons; i++)
        product[i] = r[i] * h[i];
    return product;
}

/* Hands out one variable's relevance and keeps its channels. Returns its total variation. */
static double record_variable(struct measure_result *result, const struct measure_plan *plan, size_t slot,
                              size_t variable, const float *r, const float *h, struct measure_sink sink,
                              struct measure_workspace *work)
{
    size_t neurons = shape_neurons(network_shape(plan->net, variable));
    const float *relevance = conditioned(work->scratch.upper, r, h, neurons);

    if (sink.neurons)
        sink.neurons(sink.context, slot, variable, relevance);
    return record_channels(result, plan, variable, relevance, work->a[variable] + slot * neurons);
}

/* A layer's total variation is beyond the limit, or a value is not finite: of the measure, or of the image or its
 * logits, which some rules never look at. */
static bool exploded(const struct measure_result *result, const struct measure_plan *plan, const float *input)
{
    size_t neurons = shape_neurons(network_shape(plan->net, 0));

    for (size_t k = 0; k <= plan->net->nlinks; k++)
        if (!(result->variation[k] <= plan->options.variation_limit))
            return true;
    return !isfinite(result->given_mass) || !isfinite(result->logit) || !isfinite(sums_of(input, neurons).magnitude);
}

/* ---- forward pass and start ------------------------------------------------------------------------------------ */

static void rectify(float *a, const float *z, size_t n)
{
    for (size_t i = 0; i < n; i++)
        a[i] = z[i] < 0 ? 0 : z[i]; /* keeps NaN */
}

/* Convolutions and pools of one image. */
static void evaluate_image(const struct measure_plan *plan, const float *input, size_t slot,
                           struct measure_workspace *work)
{
    size_t neurons = shape_neurons(network_shape(plan->net, 0));

    memcpy(work->a[0] + slot * neurons, input, neurons * sizeof *input);
    for (size_t k = 0; k < plan->top; k++) {
        const float *below = work->a[k] + slot * neurons;
        neurons = shape_neurons(network_shape(plan->net, k + 1));
        float *above = work->a[k + 1] + slot * neurons;
        link_evaluate(above, &plan->links[k], below, 1, &work->scratch);
        if (plan->net->links[k].rectified)
            rectify(above, above, neurons);
    }
}

/* Dense layers of the group. */
static void evaluate_dense(const struct measure_plan *plan, struct measure_workspace *work)
{
    size_t group = plan->options.group;

    for (size_t k = plan->top; k < plan->net->nlinks; k++) {
        size_t neurons = group * shape_neurons(network_shape(plan->net, k + 1));
        link_evaluate(work->z[k + 1], &plan->links[k], work->a[k], group, &work->scratch);
        if (plan->net->links[k].rectified)
            rectify(work->a[k + 1], work->z[k + 1], neurons);
        else
            memcpy(work->a[k + 1], work->z[k + 1], neurons * sizeof(float));
    }
}

static double softmax(const float *z, size_t n, size_t at)
{
    double sum = 0, top = (double)z[largest(z, n)];

    for (size_t i = 0; i < n; i++)
        sum += exp((double)z[i] - top);
    return exp((double)z[at] - top) / sum;
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
    const float *z = work->z[last] + slot * n;
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
    size_t neurons = shape_neurons(network_shape(plan->net, variable));

    return has_share(plan, variable) ? work->h[variable] + (variable < plan->top ? 0 : slot * neurons) : NULL;
}

/* M of one image at the top pool and above. */
static const float *masked_of(const struct measure_plan *plan, size_t variable, size_t slot,
                              const struct measure_workspace *work)
{
    const float *group = variable < masked_variables(plan) ? work->m[variable] : work->r[variable];

    return group + slot * shape_neurons(network_shape(plan->net, variable));
}

/* out = v within the variable's set, of n images; out may be v. */
static void apply_mask(float *out, const struct measure_plan *plan, size_t variable, const float *v, size_t n)
{
    size_t neurons = shape_neurons(network_shape(plan->net, variable));
    const float *mask = plan->options.masks[variable];

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < neurons && mask; j++)
            out[i * neurons + j] = mask[j] * v[i * neurons + j];
}

/* h of the condition's lowest variable. */
static void start_share(float *h, const struct measure_plan *plan)
{
    size_t neurons = shape_neurons(network_shape(plan->net, plan->lowest));

    for (size_t i = 0; i < neurons; i++)
        h[i] = 1;
    apply_mask(h, plan, plan->lowest, h, 1);
}

/* One step of the sweep down under the condition, on n images: M of variable k from that of variable k + 1, or from R
 * where the highest set is. Where there is a step, to_bias and absorbed become those of M. */
static void step_masked(float *m_lower, double *to_bias, double *absorbed, const struct measure_plan *plan, size_t k,
                        const float *m_upper, const float *r_lower, const float *c, const float *a, size_t n,
                        const struct link_scratch *scratch)
{
    if (k + 1 == masked_variables(plan)) {
        apply_mask(m_lower, plan, k, r_lower, n);
        return;
    }
    link_back(m_lower, to_bias, absorbed, &plan->links[k], m_upper, c, a, n, scratch);
    apply_mask(m_lower, plan, k, m_lower, n);
}

/* ---- sweeps ---------------------------------------------------------------------------------------------------- */

/* Plain relevance of the dense variables of the group, one link down, with the ledger. */
static void step_dense(struct measure_result *results, const struct measure_plan *plan, size_t k,
                       struct measure_workspace *work)
{
    const struct link_plan *link = &plan->links[k];
    size_t group = plan->options.group, channels = link->link->upper.channels;

    link_prepare(work->c[k], link, work->a[k], work->z[k + 1], group, &work->scratch);
    link_back(work->r[k], work->to_bias[k], work->absorbed[k], link, work->r[k + 1], work->c[k], work->a[k], group,
              &work->scratch);
    for (size_t g = 0; g < group; g++) {
        struct measure_result *result = &results[g];
        record_ledger(result, k + 1, work->r[k + 1] + g * channels, channels, result->bias[k + 1],
                      result->absorbed[k + 1]);
        result->bias[k] = result->bias[k + 1] + total(work->to_bias[k] + g * channels, channels);
        result->absorbed[k] = result->absorbed[k + 1] + total(work->absorbed[k] + g * channels, channels);
    }
}

/* Relevance from the logits down to the top pool, for the group. */
static void sweep_dense(struct measure_result *results, const struct measure_plan *plan, struct measure_workspace *work)
{
    size_t group = plan->options.group, last = plan->net->nlinks;

    if (masked_variables(plan) == last + 1)
        apply_mask(work->m[last], plan, last, work->r[last], group);
    for (size_t k = last; k-- > plan->top;) {
        step_dense(results, plan, k, work);
        if (k < masked_variables(plan))
            step_masked(work->m[k], work->to_bias[k], work->absorbed[k], plan, k, work->m[k + 1], work->r[k],
                        work->c[k], work->a[k], group, &work->scratch);
    }
    if (plan->options.given == GIVEN_NONE || plan->lowest <= plan->top)
        return;
    size_t neurons = shape_neurons(network_shape(plan->net, plan->lowest));
    for (size_t g = 0; g < group; g++)
        results[g].given_mass = sums_of(work->m[plan->lowest] + g * neurons, neurons).value;
}

/* Coefficients and the condition's shares of one image, from the input up to the top pool. */
static void sweep_up(const struct measure_plan *plan, size_t slot, struct measure_workspace *work)
{
    for (size_t k = 0; k <= plan->top; k++) {
        const float *a = work->a[k] + slot * shape_neurons(network_shape(plan->net, k));
        float *h = share_of(plan, k, slot, work);
        if (k == plan->lowest)
            start_share(h, plan);
        if (k == plan->top)
            return;
        link_prepare(work->c[k], &plan->links[k], a, work->a[k + 1] + slot * shape_neurons(plan->net->links[k].upper),
                     1, &work->scratch);
        if (!h)
            continue;
        float *above = share_of(plan, k + 1, slot, work);
        link_forward(above, &plan->links[k], h, work->c[k], a, 1, &work->scratch);
        apply_mask(above, plan, k + 1, above, 1);
    }
}

/* M of variable k - 1 of one image, with what its link hands to the bias and absorbs; R if that is the same. */
static const float *masked_below(const struct measure_plan *plan, size_t k, const float *m, const float *r_below,
                                 const float *a, struct measure_workspace *work)
{
    float *below = plan->options.images ? work->kept_m[k - 1] : work->masked[k % 2];

    if (k > masked_variables(plan))
        return r_below;
    step_masked(below, work->to_bias[k - 1], work->absorbed[k - 1], plan, k - 1, m, r_below, work->c[k - 1], a, 1,
                &work->scratch);
    return below;
}

/* Relevance from the top pool down to the input, with ledger, channels and flow matrices of one image. Returns whether
 * what is recorded, under a condition other than the ledger, keeps to the limit in every layer. */
static bool sweep_down(struct measure_result *result, const struct measure_plan *plan, size_t slot,
                       struct measure_sink sink, struct measure_workspace *work)
{
    size_t neurons = shape_neurons(network_shape(plan->net, plan->top));
    const float *r = work->r[plan->top] + slot * neurons, *m = masked_of(plan, plan->top, slot, work);
    bool bounded = true;

    for (size_t k = plan->top;; k--) {
        record_ledger(result, k, r, neurons, result->bias[k], result->absorbed[k]);
        double variation = record_variable(result, plan, slot, k, m, share_of(plan, k, slot, work), sink, work);
        bounded = bounded && variation <= plan->options.variation_limit;
        if (k == plan->top && has_share(plan, k))
            result->given_mass = total(result->relevance + plan->channel[k], network_shape(plan->net, k).channels);
        if (k == 0)
            return bounded;
        const struct link_plan *link = &plan->links[k - 1];
        size_t lower = shape_neurons(link->link->lower), channels = link->link->upper.channels;
        const float *a = work->a[k - 1] + slot * lower;
        float *below = plan->options.images ? work->kept_r[k - 1] : work->relevance[k % 2];
        if (plan->options.given == GIVEN_NONE)
            link_prepare(work->c[k - 1], link, a, work->a[k] + slot * neurons, 1, &work->scratch);
        if (plan->options.flows[k - 1])
            link_joint(work->joint[k - 1], link, m, work->c[k - 1], a, share_of(plan, k - 1, slot, work), 0, 1,
                       &work->scratch);
        link_back(below, work->to_bias[k - 1], work->absorbed[k - 1], link, r, work->c[k - 1], a, 1, &work->scratch);
        result->bias[k - 1] = result->bias[k] + total(work->to_bias[k - 1], channels);
        result->absorbed[k - 1] = result->absorbed[k] + total(work->absorbed[k - 1], channels);
        m = masked_below(plan, k, m, below, a, work);
        r = below;
        neurons = lower;
    }
}

/* The condition's share at the dense variables of the group. */
static void sweep_up_dense(const struct measure_plan *plan, struct measure_workspace *work)
{
    size_t group = plan->options.group;

    for (size_t k = plan->top; k <= plan->net->nlinks; k++) {
        if (k > plan->top && k > plan->lowest) {
            link_forward(work->h[k], &plan->links[k - 1], work->h[k - 1], work->c[k - 1], work->a[k - 1], group,
                         &work->scratch);
            apply_mask(work->h[k], plan, k, work->h[k], group);
        }
        for (size_t g = 0; g < group && k > plan->top && k == plan->lowest; g++)
            start_share(share_of(plan, k, g, work), plan);
    }
}

/* ---- flows ----------------------------------------------------------------------------------------------------- */

/* From the condition's lowest variable up its walks stay on neurons: none goes to a bias or is absorbed. */
static void hand_flow(const struct measure_plan *plan, size_t slot, size_t link, size_t row, struct measure_sink sink,
                      struct measure_workspace *work)
{
    size_t channels = plan->net->links[link].upper.channels;
    double *to_bias = work->to_bias[link] + row * channels, *absorbed = work->absorbed[link] + row * channels;

    if (has_share(plan, link)) {
        memset(to_bias, 0, channels * sizeof *to_bias);
        memset(absorbed, 0, channels * sizeof *absorbed);
    }
    sink.flow(sink.context, slot, link, work->joint[link], to_bias, absorbed);
}

static void hand_flows_below(const struct measure_plan *plan, size_t slot, struct measure_sink sink,
                             struct measure_workspace *work)
{
    for (size_t k = 0; k < plan->top && sink.flow; k++)
        if (plan->options.flows[k])
            hand_flow(plan, slot, k, 0, sink, work);
}

/* Channels and flows of the dense variables of one image. */
static void finish_dense(struct measure_result *result, const struct measure_plan *plan, size_t slot,
                         struct measure_sink sink, struct measure_workspace *work)
{
    for (size_t k = plan->top; k <= plan->net->nlinks; k++) {
        size_t neurons = shape_neurons(network_shape(plan->net, k));
        const float *h = share_of(plan, k, slot, work);
        if (k > plan->top)
            record_variable(result, plan, slot, k, masked_of(plan, k, slot, work), h, sink, work);
        if (k == plan->net->nlinks || !plan->options.flows[k] || !sink.flow)
            continue;
        link_joint(work->joint[k], &plan->links[k], masked_of(plan, k + 1, slot, work), work->c[k],
                   work->a[k] + slot * neurons, h, slot, plan->options.group, &work->scratch);
        hand_flow(plan, slot, k, slot, sink, work);
    }
}

/* ---- whole images ----------------------------------------------------------------------------------------------- */

/* The slot's part of the group's arrays of the dense links and variables. */
static void keep_dense(const struct measure_plan *plan, size_t slot, struct measure_workspace *work)
{
    size_t group = plan->options.group;

    for (size_t k = plan->top; k <= plan->net->nlinks; k++) {
        size_t neurons = shape_neurons(network_shape(plan->net, k));
        memcpy(work->kept_r[k], work->r[k] + slot * neurons, neurons * sizeof(float));
        if (k < masked_variables(plan))
            memcpy(work->kept_m[k], work->m[k] + slot * neurons, neurons * sizeof(float));
        if (k == plan->top)
            continue;
        memcpy(work->kept_a[k], work->a[k] + slot * neurons, neurons * sizeof(float));
        for (size_t t = 0; t < plan->links[k - 1].parts.nterms; t++)
            memcpy(work->kept_c[k - 1] + t * neurons, work->c[k - 1] + (t * group + slot) * neurons,
                   neurons * sizeof(float));
    }
}

static void hand_image(const struct measure_plan *plan, size_t slot, struct measure_sink sink,
                       struct measure_workspace *work)
{
    struct measure_image image = {0};

    keep_dense(plan, slot, work);
    for (size_t k = 0; k <= plan->net->nlinks; k++) {
        size_t neurons = shape_neurons(network_shape(plan->net, k));
        image.a[k] = k > plan->top ? work->kept_a[k] : work->a[k] + slot * neurons;
        image.r[k] = work->kept_r[k];
        image.m[k] = k < masked_variables(plan) ? work->kept_m[k] : work->kept_r[k];
        image.h[k] = k <= plan->top ? share_of(plan, k, slot, work) : NULL;
        if (k < plan->net->nlinks)
            image.c[k] = k < plan->top ? work->c[k] : work->kept_c[k];
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
    size_t neurons = shape_neurons(network_shape(plan->net, plan->top));

    memset(work->r[last] + slot * n, 0, n * sizeof(float));
    memset(work->a[plan->top] + slot * neurons, 0, neurons * sizeof(float));
    if (has_share(plan, plan->top))
        memset(work->h[plan->top] + slot * neurons, 0, neurons * sizeof(float));
}

/* Everything below the dense layers, once their relevance is known. */
static void sweep_image(struct measure_result *result, const struct measure_plan *plan, size_t slot,
                        struct measure_sink sink, struct measure_workspace *work)
{
    if (plan->options.given != GIVEN_NONE)
        sweep_up(plan, slot, work);
    bool bounded = sweep_down(result, plan, slot, sink, work);
    const float *input = work->a[0] + slot * shape_neurons(network_shape(plan->net, 0));
    if (!bounded || exploded(result, plan, input))
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
            evaluate_image(plan, inputs[g], g, work);
        }
    }
    evaluate_dense(plan, work);
    for (size_t g = 0; g < group; g++)
        if (inputs[g])
            start_image(&results[g], plan, targets[g], g, work);
    sweep_dense(results, plan, work);
    for (size_t g = 0; g < group; g++)
        if (results[g].status == MEASURE_OK)
            sweep_image(&results[g], plan, g, sink, work);
    if (plan->options.given != GIVEN_NONE)
        sweep_up_dense(plan, work);
    for (size_t g = 0; g < group; g++)
        if (results[g].status == MEASURE_OK)
            finish_dense(&results[g], plan, g, sink, work);
}
