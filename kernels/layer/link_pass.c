/* Links through which relevance passes unchanged: channels (concatenation, slice, shuffle), gates and passes. */
#include "kernels/layer/activation.h"
#include "kernels/layer/link_backend.h"
#include "kernels/layer/transfer.h"

#include <string.h>

static struct link_scratch_floats no_scratch(const struct link_plan *plan, size_t n)
{
    (void)plan, (void)n;
    return (struct link_scratch_floats){.sums = 0};
}

static size_t no_coefficients(const struct link_plan *plan)
{
    (void)plan;
    return 0;
}

/* ---- channels ---------------------------------------------------------------------------------------------------- */

static int suits_channels(const struct link_plan *plan)
{
    return plan->link->kind == LINK_CHANNELS ? 1 : 0;
}

static struct transfer transfer_up(const struct link_plan *plan, size_t edge)
{
    struct edge_channels channels = plan->inputs[edge].channels;

    return (struct transfer){.to = plan->upper,
                             .from = plan->inputs[edge].layout,
                             .to_first = channels.upper,
                             .to_step = channels.step,
                             .from_first = channels.lower,
                             .from_step = 1,
                             .count = channels.count};
}

static struct transfer transfer_down(const struct link_plan *plan, size_t edge)
{
    struct transfer up = transfer_up(plan, edge);

    return (struct transfer){.to = up.from,
                             .from = up.to,
                             .to_first = up.from_first,
                             .to_step = up.from_step,
                             .from_first = up.to_first,
                             .from_step = up.to_step,
                             .count = up.count};
}

/* out = x in the channels of a transfer, zero elsewhere, for n arrays. */
static void copy_channels(float *out, const float *x, struct transfer transfer, size_t n)
{
    size_t to = layout_floats(transfer.to), from = layout_floats(transfer.from);

    memset(out, 0, n * to * sizeof *out);
    for (size_t i = 0; i < n; i++)
        transfer_channels(out + i * to, x + i * from, &transfer, false);
}

static void forward_channels(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    size_t upper = layout_floats(plan->upper);

    memset(call->upper, 0, call->n * upper * sizeof *call->upper);
    for (size_t e = 0; e < link_edges(plan); e++) {
        struct transfer transfer = transfer_up(plan, e);
        for (size_t i = 0; i < call->n; i++)
            transfer_channels(call->upper + i * upper, link_activations(call, e) + i * layout_floats(transfer.from),
                              &transfer, false);
    }
    activation_apply(call->upper, plan->link->activation, plan->upper, call->n);
}

static void backward_channels(const struct link_call *call)
{
    copy_channels(call->r_lower, call->r_upper, transfer_down(call->plan, call->edge), call->n);
    link_empty_ledger(call);
}

static void lift_channels(const struct link_call *call)
{
    copy_channels(call->v_upper, call->v_lower, transfer_up(call->plan, call->edge), call->n);
}

const struct link_backend link_channels = {
    .name = "channels",
    .takes = LINK_TAKES_SWEEPS,
    .suits = suits_channels,
    .scratch = no_scratch,
    .coefficients = no_coefficients,
    .forward = forward_channels,
    .backward = backward_channels,
    .lift = lift_channels,
};

/* ---- gates and passes -------------------------------------------------------------------------------------------- */

static int suits_gate(const struct link_plan *plan)
{
    return plan->link->kind == LINK_GATE ? 1 : 0;
}

static int suits_pass(const struct link_plan *plan)
{
    return plan->link->kind == LINK_PASS ? 1 : 0;
}

/* out = x for n arrays. */
static void copy(float *out, struct layout to, const float *x, struct layout from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        transfer_all(out + i * layout_floats(to), to, x + i * layout_floats(from), from, 1, false);
}

/* z *= gate of one image, whose gate has one position or as many as z. */
static void multiply_gate(float *z, struct layout layout, const float *gate, struct layout gates)
{
    bool one = shape_positions(gates.shape) == 1;

    for (size_t c = 0; c < layout.shape.channels; c++)
        for (size_t y = 0; y < layout.shape.height; y++) {
            float *row = z + layout_index(layout, c, y, 0);
            const float *factors = gate + layout_index(gates, c, one ? 0 : y, 0);
            for (size_t x = 0; x < layout.shape.width; x++)
                row[x * layout.lanes] *= factors[one ? 0 : x * gates.lanes];
        }
}

/* z = w z + b per channel of one image. */
static void scale_channels(float *z, const float *w, const float *b, struct layout layout)
{
    for (size_t c = 0; c < layout.shape.channels; c++)
        for (size_t y = 0; y < layout.shape.height; y++) {
            float *row = z + layout_index(layout, c, y, 0);
            for (size_t x = 0; x < layout.shape.width; x++)
                row[x * layout.lanes] = w[c] * row[x * layout.lanes] + b[c];
        }
}

static void forward_gate(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;

    copy(call->upper, plan->upper, link_activations(call, 0), plan->lower, call->n);
    for (size_t i = 0; i < call->n; i++)
        multiply_gate(call->upper + i * layout_floats(plan->upper), plan->upper,
                      call->gate + i * layout_floats(plan->gate), plan->gate);
    activation_apply(call->upper, plan->link->activation, plan->upper, call->n);
}

static void forward_pass(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;

    copy(call->upper, plan->upper, link_activations(call, 0), plan->lower, call->n);
    for (size_t i = 0; i < call->n && plan->weight; i++)
        scale_channels(call->upper + i * layout_floats(plan->upper), plan->weight, plan->bias, plan->upper);
    activation_apply(call->upper, plan->link->activation, plan->upper, call->n);
}

static void backward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;

    copy(call->r_lower, plan->lower, call->r_upper, plan->upper, call->n);
    link_empty_ledger(call);
}

static void lift(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;

    copy(call->v_upper, plan->upper, call->v_lower, plan->lower, call->n);
}

const struct link_backend link_gate = {
    .name = "gate",
    .takes = LINK_TAKES_SWEEPS,
    .suits = suits_gate,
    .scratch = no_scratch,
    .coefficients = no_coefficients,
    .forward = forward_gate,
    .backward = backward,
    .lift = lift,
};

const struct link_backend link_pass = {
    .name = "pass",
    .takes = LINK_TAKES_SWEEPS,
    .suits = suits_pass,
    .scratch = no_scratch,
    .coefficients = no_coefficients,
    .forward = forward_pass,
    .backward = backward,
    .lift = lift,
};
