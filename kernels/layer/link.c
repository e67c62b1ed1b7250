#include "kernels/layer/link.h"

#include "kernels/layer/linear.h"
#include "kernels/layer/link_backend.h"

#include <assert.h>

typedef void operation(const struct link_call *call);

static const float *past(const float *values, size_t n)
{
    return values ? values + n : NULL;
}

static float *past_out(float *values, size_t n)
{
    return values ? values + n : NULL;
}

/* Image or sweep i of a call; `ledger` becomes its ledger. A forward pass is of one edge. */
static struct link_call image_of(const struct link_call *call, size_t i, struct link_ledger *ledger)
{
    const struct link_plan *plan = call->plan;
    size_t upper = i * layout_floats(plan->upper), lower = i * layout_floats(link_lower(plan, call->edge));
    size_t channels = plan->link->upper.channels, lower_channels = plan->link->lower.channels;
    size_t c = i * plan->backend->coefficients(plan);
    struct link_call out = {.plan = plan,
                            .scratch = call->scratch,
                            .n = 1,
                            .edge = call->edge,
                            .c_images = call->c_images    ? call->c_images
                                        : call->one_image ? 1
                                                          : call->n,
                            .a = past(call->a, call->one_image ? 0 : lower),
                            .c = past(call->c, call->one_image ? 0 : c),
                            .r_upper = past(call->r_upper, upper),
                            .v_lower = past(call->v_lower, lower),
                            .h = past(call->h, lower),
                            .upper = past_out(call->upper, upper),
                            .c_out = past_out(call->c_out, c),
                            .r_lower = past_out(call->r_lower, lower),
                            .v_upper = past_out(call->v_upper, upper),
                            .joint = past_out(call->joint, i * linear_joint_floats(plan->link)),
                            .a_summaries = call->a_summaries ? call->a_summaries + i * lower_channels : NULL,
                            .summaries = call->summaries ? call->summaries + i * channels : NULL};

    assert(!call->inputs || link_edges(plan) == 1);
    if (call->ledger) {
        *ledger = (struct link_ledger){.to_bias = call->ledger->to_bias + i * channels,
                                       .absorbed = call->ledger->absorbed + i * channels};
        out.ledger = ledger;
    }
    return out;
}

/* An operation of the backend, at once or image by image. */
static void run(operation *operate, const struct link_call *call)
{
    const struct link_backend *backend = call->plan->backend;
    enum link_takes takes = backend->takes;

    assert(!backend->fused || takes != LINK_TAKES_IMAGE); /* image_of leaves the sums out that come with it */
    if (takes == LINK_TAKES_SWEEPS || (takes == LINK_TAKES_IMAGES && !call->one_image)) {
        operate(call);
        return;
    }
    for (size_t i = 0; i < call->n; i++) {
        struct link_ledger ledger;
        struct link_call image = image_of(call, i, &ledger);
        operate(&image);
    }
}

static void add(float *restrict out, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] += x[i];
}

void link_forward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    struct link_call own = *call;

    own.a = link_activations(call, 0);
    if (!own.c_out && link_spare_floats(plan, call->n) > 0)
        own.c_out = call->scratch->c;
    run(plan->backend->forward, &own);
    if (!plan->backend->fused)
        link_summarise(call->summaries, call->upper, NULL, plan->upper, call);
}

void link_backward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    struct link_call own = *call;
    struct link_ledger ledger = {NULL, NULL, NULL, NULL, NULL};
    bool apart = call->add && !plan->backend->adds;

    assert(!(call->one_image && (call->ledger || call->joint)));
    if (apart) {
        own.r_lower = call->scratch->sum;
        if (call->ledger)
            ledger = (struct link_ledger){.to_bias = call->ledger->to_bias, .absorbed = call->ledger->absorbed};
        own.ledger = call->ledger ? &ledger : NULL;
    }
    run(plan->backend->backward, &own);
    if (apart)
        add(call->r_lower, own.r_lower, call->n * layout_floats(link_lower(plan, call->edge)));
    if (apart || !plan->backend->fused)
        link_summarise_lower(call);
    if (call->joint && !plan->backend->fused)
        link_flow(call);
}

void link_lift(const struct link_call *call)
{
    struct link_call own = *call;

    bool apart = call->add && !call->plan->backend->adds;
    if (apart)
        own.v_upper = call->scratch->sum;
    run(call->plan->backend->lift, &own);
    if (apart)
        add(call->v_upper, own.v_upper, call->n * layout_floats(call->plan->upper));
}

void link_flow(const struct link_call *call)
{
    assert(call->plan->backend->flow);
    run(call->plan->backend->flow, call);
}
