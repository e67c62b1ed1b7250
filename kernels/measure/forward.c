#include "kernels/measure/forward.h"

#include "kernels/measure/plan.h"
#include "kernels/measure/slot.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- forward pass ---------------------------------------------------------------------------------------------- */

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

void measure_forward_image(struct measure_result *result, const struct measure_plan *plan, const float *input,
                           size_t slot, struct measure_workspace *work)
{
    const float *below = measure_activations(plan, 0, slot, work);

    memcpy(measure_activations(plan, 0, slot, work), input, measure_variable_floats(plan, 0) * sizeof *input);
    channels_summarise(work->summaries, input, NULL, network_layout(plan->net, 0), plan->options.ops);
    record_activations(result, plan, 0, work->summaries);
    for (size_t k = 0; k < plan->evaluated; k++) {
        float *above = measure_activations(plan, k + 1, slot, work);
        above = above ? above : work->pooled;
        link_forward(&(struct link_call){.plan = &plan->links[k],
                                         .scratch = &work->scratch,
                                         .n = 1,
                                         .a = below,
                                         .upper = above,
                                         .c_out = measure_coefficients(plan, k, slot, work),
                                         .summaries = work->summaries});
        record_activations(result, plan, k + 1, work->summaries);
        below = above;
    }
}

void measure_forward_group(struct measure_result *results, const struct measure_plan *plan,
                           struct measure_workspace *work)
{
    const float *below = work->a[plan->evaluated];

    for (size_t k = plan->evaluated; k < plan->net->nlinks; k++) {
        float *above = work->a[k + 1] ? work->a[k + 1] : work->pooled;
        link_forward(&(struct link_call){.plan = &plan->links[k],
                                         .scratch = &work->scratch,
                                         .n = plan->options.group,
                                         .a = below,
                                         .upper = above,
                                         .c_out = work->c[k],
                                         .summaries = work->summaries});
        for (size_t g = 0; g < plan->options.group; g++)
            if (results[g].status == MEASURE_OK)
                record_activations(&results[g], plan, k + 1, work->summaries + g * plan->net->links[k].upper.channels);
        below = above;
    }
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
