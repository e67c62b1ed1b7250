/* Links that share relevance by a rule, by linear.h. Sums over lower neurons are over those of all edges. */
#include "kernels/base/number.h"
#include "kernels/layer/linear.h"
#include "kernels/layer/link_backend.h"

#include <math.h>

static struct linear linear_of(const struct link_plan *plan, size_t edge)
{
    return (struct linear){plan->link, link_lower(plan, edge), plan->upper, plan->ops};
}

static int suits(const struct link_plan *plan)
{
    return network_has_rule(plan->link) ? 1 : 0;
}

static struct link_scratch_floats scratch(const struct link_plan *plan, size_t n)
{
    size_t lower = 0;

    for (size_t e = 0; e < link_edges(plan); e++)
        lower = larger(lower, layout_floats(link_lower(plan, e)));
    return (struct link_scratch_floats){.upper = n * layout_floats(plan->upper),
                                        .lower = n * lower,
                                        .work = linear_scratch_floats(plan->link),
                                        .sums = plan->link->upper.channels};
}

/* ---- the input factor x of a part ------------------------------------------------------------------------------ */

static void multiply(float *restrict out, const float *restrict a, const float *restrict b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = a[i] * b[i];
}

/* out (+)= x v of one image, v NULL meaning one, x the activation clamped to low .. high, which contains zero. */
static void multiply_activation(float *out, const float *a, const float *v, float low, float high, size_t n,
                                bool accumulate)
{
    for (size_t i = 0; i < n; i++) {
        float product = clamp(a[i], low, high) * (v ? v[i] : 1);
        out[i] = accumulate ? out[i] + product : product;
    }
}

/* The same with x the channel's constant. */
static void multiply_constant(float *out, const float *constant, float sign, const float *v, struct layout layout,
                              bool accumulate)
{
    for (size_t c = 0; c < layout.shape.channels; c++)
        for (size_t y = 0; y < layout.shape.height; y++)
            for (size_t x = 0; x < layout.shape.width; x++) {
                size_t i = layout_index(layout, c, y, x);
                float product = sign * (constant ? constant[c] : 1) * (v ? v[i] : 1);
                out[i] = accumulate ? out[i] + product : product;
            }
    if (!accumulate)
        layout_clear_border(out, layout);
}

/* out (+)= x * v over n images of an edge's variable; out may be v. */
static void multiply_factor(float *out, const struct link_plan *plan, size_t edge, enum rule_factor kind,
                            const float *a, const float *v, size_t n, bool accumulate)
{
    struct layout lower = link_lower(plan, edge);
    size_t floats = layout_floats(lower);

    for (size_t i = 0; i < n; i++, out += floats, a += floats, v = v ? v + floats : NULL)
        switch (kind) {
        case FACTOR_ACTIVATION:
            multiply_activation(out, a, v, -INFINITY, INFINITY, floats, accumulate);
            break;
        case FACTOR_POSITIVE:
            multiply_activation(out, a, v, 0, INFINITY, floats, accumulate);
            break;
        case FACTOR_NEGATIVE:
            multiply_activation(out, a, v, -INFINITY, 0, floats, accumulate);
            break;
        case FACTOR_ONE:
            multiply_constant(out, NULL, 1, v, lower, accumulate);
            break;
        case FACTOR_MINUS_LOW:
            multiply_constant(out, plan->low, -1, v, lower, accumulate);
            break;
        case FACTOR_MINUS_HIGH:
            multiply_constant(out, plan->high, -1, v, lower, accumulate);
            break;
        }
}

/* x * v as an array: the activation itself if x v is just that, else `buffer`, which is overwritten. */
static const float *factor_array(float *buffer, const struct link_plan *plan, size_t edge, enum rule_factor kind,
                                 const float *a, const float *v, size_t n)
{
    if (kind == FACTOR_ACTIVATION && !v)
        return a;
    multiply_factor(buffer, plan, edge, kind, a, v, n, false);
    return buffer;
}

/* ---- the operations ---------------------------------------------------------------------------------------------- */

static void add_bias(float *z, const float *bias, struct layout layout)
{
    for (size_t c = 0; c < layout.shape.channels && bias; c++)
        for (size_t y = 0; y < layout.shape.height; y++) {
            float *row = z + layout_index(layout, c, y, 0);
            for (size_t x = 0; x < layout.shape.width; x++)
                row[x * layout.lanes] += bias[c];
        }
}

/* The denominator of a term: the sum over its parts, of all edges, and b'. */
static void denominator(float *z, const struct link_call *call, size_t term)
{
    const struct link_plan *plan = call->plan;
    const struct link_scratch *scratch = call->scratch;
    bool started = false;

    for (size_t p = 0; p < plan->parts.nparts; p++) {
        struct rule_part part = plan->parts.part[p];
        for (size_t e = 0; e < link_edges(plan) && part.term == term; e++) {
            struct linear linear = linear_of(plan, e);
            const float *x =
                factor_array(scratch->lower, plan, e, part.factor, link_activations(call, e), NULL, call->n);
            linear_forward(z, x, plan->forms[p], &linear, call->n, started, scratch->work);
            started = true;
        }
    }
    for (size_t i = 0; i < call->n; i++)
        add_bias(z + i * link_upper_floats(plan), plan->bias_forms[term], plan->upper);
}

static void forward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;

    for (size_t e = 0; e < link_edges(plan); e++) {
        struct linear linear = linear_of(plan, e);
        linear_forward(call->upper, link_activations(call, e), plan->weight, &linear, call->n, e > 0,
                       call->scratch->work);
    }
    for (size_t i = 0; i < call->n; i++)
        add_bias(call->upper + i * link_upper_floats(plan), plan->bias, plan->upper);
    link_finish_forward(call, denominator);
}

static void backward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    const struct link_scratch *scratch = call->scratch;
    size_t floats = call->n * link_upper_floats(plan), term = plan->parts.nterms;
    struct linear linear = linear_of(plan, call->edge);

    for (size_t p = 0; p < plan->parts.nparts; p++) {
        struct rule_part part = plan->parts.part[p];
        if (part.term != term)
            multiply(scratch->upper, call->r_upper, call->c + link_term(call, part.term), floats);
        term = part.term;
        float *target = p == 0 ? call->r_lower : scratch->lower;
        linear_backward(target, scratch->upper, plan->forms[p], &linear, call->n, scratch->work);
        multiply_factor(call->r_lower, plan, call->edge, part.factor, call->a, target, call->n, p > 0);
    }
    link_fill_ledger(call, NULL);
}

static void lift(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    const struct link_scratch *scratch = call->scratch;
    size_t floats = call->n * link_upper_floats(plan);
    struct linear linear = linear_of(plan, call->edge);

    for (size_t t = 0; t < plan->parts.nterms; t++) {
        bool started = false;
        for (size_t p = 0; p < plan->parts.nparts; p++) {
            if (plan->parts.part[p].term != t)
                continue;
            multiply_factor(scratch->lower, plan, call->edge, plan->parts.part[p].factor, call->a, call->v_lower,
                            call->n, false);
            linear_forward(scratch->upper, scratch->lower, plan->forms[p], &linear, call->n, started, scratch->work);
            started = true;
        }
        const float *c = call->c + link_term(call, t);
        for (size_t i = 0; i < floats; i++)
            call->v_upper[i] = (t ? call->v_upper[i] : 0) + c[i] * scratch->upper[i];
    }
}

static void flow(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    const struct link_scratch *scratch = call->scratch;
    size_t floats = call->n * link_upper_floats(plan);
    struct linear linear = linear_of(plan, call->edge);

    for (size_t p = 0; p < plan->parts.nparts; p++) {
        struct rule_part part = plan->parts.part[p];
        const float *x = factor_array(scratch->lower, plan, call->edge, part.factor, call->a, call->h, call->n);
        multiply(scratch->upper, call->r_upper, call->c + link_term(call, part.term), floats);
        linear_flow(call->joint, scratch->upper, x, plan->forms[p], &linear, call->n, p > 0, scratch->work);
    }
}

const struct link_backend link_linear = {
    .name = "linear",
    .takes = LINK_TAKES_IMAGES,
    .suits = suits,
    .scratch = scratch,
    .coefficients = link_upper_floats,
    .forward = forward,
    .backward = backward,
    .lift = lift,
    .flow = flow,
};
