#include "kernels/measure/forward.h"

#include "kernels/measure/plan.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- forward pass ---------------------------------------------------------------------------------------------- */

/* Activation of every channel of one variable. */
static void record_activations(struct measure_result *result, const struct measure_plan *plan, size_t variable,
                               const struct channels_summary *summaries)
{
    struct shape shape = network_shape(plan->net, variable);
    size_t first = plan->channel[variable];
    double positions = (double)shape_positions(shape);

    for (size_t c = 0; c < shape.channels; c++) {
        result->activation[first + c] = summaries[c].largest;
        result->activation_position[first + c] = summaries[c].position;
        result->activation_mean[first + c] = summaries[c].value / positions;
    }
}

static void start_image(struct measure_result *result, const struct measure_plan *plan, const float *input, float *a,
                        struct channels_summary *summaries)
{
    memcpy(a, input, measure_variable_floats(plan, 0) * sizeof *input);
    channels_summarise(summaries, input, NULL, network_layout(plan->net, 0), plan->options.ops);
    record_activations(result, plan, 0, summaries);
}

/* n images from `slot` on, one link up. work->summaries are those of the variable k, as long as the number of images
 * stays, and become the upper one's. */
static void step_forward(struct measure_result *results, const struct measure_plan *plan, size_t k, size_t slot,
                         size_t n, struct measure_workspace *work)
{
    const struct link *link = &plan->net->links[k];
    bool known = network_edge(plan->net, k, 0)->lower == k && (n == 1 || k > plan->evaluated);

    for (size_t e = 0; e < link->nedges; e++)
        work->inputs[e] = state_variable(&work->variables[network_edge(plan->net, k, e)->lower], slot).a;
    link_forward(&(struct link_call){
        .plan = &plan->links[k],
        .scratch = &work->scratch,
        .n = n,
        .inputs = work->inputs,
        .gate = link->kind == LINK_GATE ? state_variable(&work->variables[link->gate], slot).a : NULL,
        .a = work->inputs[0],
        .upper = state_variable(&work->variables[k + 1], slot).a,
        .c_out = state_link(&work->links[k], slot).c,
        .a_summaries = known ? work->summaries : NULL,
        .summaries = work->summaries});
    for (size_t i = 0; i < n; i++)
        if (results[slot + i].status == MEASURE_OK)
            record_activations(&results[slot + i], plan, k + 1,
                               work->summaries + i * plan->net->links[k].upper.channels);
}

void measure_forward(struct measure_result *results, const struct measure_plan *plan, const float *const *inputs,
                     struct measure_workspace *work)
{
    for (size_t g = 0; g < plan->options.group; g++) {
        if (!inputs[g])
            continue;
        start_image(&results[g], plan, inputs[g], state_variable(&work->variables[0], g).a, work->summaries);
        for (size_t k = 0; k < plan->evaluated; k++)
            step_forward(results, plan, k, g, 1, work);
    }
    for (size_t k = plan->evaluated; k < plan->net->nlinks; k++)
        step_forward(results, plan, k, 0, plan->options.group, work);
}

/* ---- start ----------------------------------------------------------------------------------------------------- */

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
    if (fabs(za - zb) < MEASURE_CONTRAST_LIMIT * most || a == b) { /* NaN passes, and the image will be `exploded` */
        result->status = MEASURE_UNDEFINED;
        return;
    }
    r[a] = (float)(za / (za - zb));
    r[b] = (float)(-zb / (za - zb));
}

void measure_start(struct measure_result *result, const struct measure_plan *plan, struct measure_target target,
                   size_t slot, struct measure_workspace *work)
{
    size_t last = plan->net->nlinks, n = network_shape(plan->net, last).channels;
    struct variable_state logits = state_variable(&work->variables[last], slot);
    const float *z = logits.a;
    float *r = logits.r;

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
