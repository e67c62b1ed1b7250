#include "kernels/layer/link.h"

#include "kernels/base/number.h"
#include "kernels/layer/linear.h"
#include "kernels/layer/link_direct.h"
#include "kernels/layer/link_winograd.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static struct linear linear_of(const struct link_plan *plan)
{
    return (struct linear){plan->link, plan->lower, plan->upper, plan->ops};
}

static size_t upper_floats(const struct link_plan *plan)
{
    return layout_floats(plan->upper);
}

static size_t lower_floats(const struct link_plan *plan)
{
    return layout_floats(plan->lower);
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

/* out (+)= x * v over n images of the lower variable; out may be v. */
static void multiply_factor(float *out, const struct link_plan *plan, enum rule_factor kind, const float *a,
                            const float *v, size_t n, bool accumulate)
{
    size_t floats = lower_floats(plan);

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
            multiply_constant(out, NULL, 1, v, plan->lower, accumulate);
            break;
        case FACTOR_MINUS_LOW:
            multiply_constant(out, plan->low, -1, v, plan->lower, accumulate);
            break;
        case FACTOR_MINUS_HIGH:
            multiply_constant(out, plan->high, -1, v, plan->lower, accumulate);
            break;
        }
}

/* x * v as an array: the activation itself if x v is just that, else `buffer`, which is overwritten. */
static const float *factor_array(float *buffer, const struct link_plan *plan, enum rule_factor kind, const float *a,
                                 const float *v, size_t n)
{
    if (kind == FACTOR_ACTIVATION && !v)
        return a;
    multiply_factor(buffer, plan, kind, a, v, n, false);
    return buffer;
}

/* ---- the forward pass and the coefficients ----------------------------------------------------------------------- */

static void add_bias(float *z, const float *bias, struct layout layout)
{
    for (size_t c = 0; c < layout.shape.channels; c++)
        for (size_t y = 0; y < layout.shape.height; y++) {
            float *row = z + layout_index(layout, c, y, 0);
            for (size_t x = 0; x < layout.shape.width; x++)
                row[x * layout.lanes] += bias[c];
        }
}

/* z becomes c = scale [selected] / stab(z); without a stabilizer z = 0 gives 0. */
static void invert(float *restrict z, struct rule_term term, const float *restrict sign, size_t n)
{
    float eps = (float)term.eps, scale = (float)term.scale;

    for (size_t i = 0; i < n; i++) {
        float stabilized = z[i] + (z[i] < 0 ? -eps : eps), inverse = scale / stabilized;
        z[i] = stabilized == 0 ? 0 : inverse;
    }
    for (size_t i = 0; i < n && term.selector == SELECT_POSITIVE; i++)
        z[i] = sign[i] > 0 ? z[i] : 0;
    for (size_t i = 0; i < n && term.selector == SELECT_NEGATIVE; i++)
        z[i] = sign[i] < 0 ? z[i] : 0;
}

/* The only term's denominator is the layer's own z. */
static bool denominator_is_z(const struct link_plan *plan)
{
    return plan->bias_mode == BIAS_NEURON && plan->parts.nparts == 1 &&
           plan->parts.part[0].factor == FACTOR_ACTIVATION && plan->parts.part[0].form == FORM_WEIGHT;
}

static void denominator(float *z, const struct link_plan *plan, size_t term, const float *a, size_t n,
                        const struct link_scratch *scratch)
{
    struct linear linear = linear_of(plan);
    bool started = false;

    for (size_t p = 0; p < plan->parts.nparts; p++) {
        struct rule_part part = plan->parts.part[p];
        if (part.term != term)
            continue;
        const float *x = factor_array(scratch->lower, plan, part.factor, a, NULL, n);
        linear_forward(z, x, plan->forms[p], &linear, n, started, scratch->work);
        started = true;
    }
    for (size_t i = 0; i < n; i++)
        add_bias(z + i * upper_floats(plan), plan->bias_forms[term], plan->upper);
}

/* Coefficients c of n images from z. */
static void fill_coefficients(float *c, const struct link_plan *plan, const float *a, const float *z, size_t n,
                              const struct link_scratch *scratch)
{
    size_t floats = upper_floats(plan);

    for (size_t t = 0; t < plan->parts.nterms; t++) {
        float *own = c + t * n * floats;
        if (denominator_is_z(plan))
            memcpy(own, z, n * floats * sizeof *own);
        else if (plan->way.method == LINK_LINEAR)
            denominator(own, plan, t, a, n, scratch);
        for (size_t i = 0; i < n && !denominator_is_z(plan) && plan->way.method == LINK_DIRECT; i++)
            link_direct_denominator(own + i * floats, plan, t, a + i * lower_floats(plan), scratch);
        invert(own, plan->parts.term[t], z, n * floats);
        for (size_t i = 0; i < n; i++)
            layout_clear_border(own + i * floats, plan->upper);
    }
}

/* By linear or direct maps, which keep exact zeros. */
static void forward_exact(float *upper, float *c, const struct link_plan *plan, const float *a, size_t n,
                          const struct link_scratch *scratch)
{
    size_t floats = upper_floats(plan);
    struct linear linear = linear_of(plan);
    bool fused = plan->way.method == LINK_DIRECT && link_direct_is_fused(plan) && !denominator_is_z(plan);

    for (size_t i = 0; i < n && fused; i++)
        link_direct_forward(upper + i * floats, c + i * floats, plan, a + i * lower_floats(plan), scratch);
    if (fused)
        return;
    if (plan->way.method == LINK_LINEAR)
        linear_forward(upper, a, plan->weight, &linear, n, false, scratch->work);
    for (size_t i = 0; i < n; i++)
        if (plan->way.method == LINK_LINEAR)
            add_bias(upper + i * floats, plan->bias, plan->upper);
        else
            link_direct_preactivation(upper + i * floats, plan, a + i * lower_floats(plan), scratch);
    fill_coefficients(c, plan, a, upper, n, scratch);
    for (size_t i = 0; i < n * floats && plan->link->rectified; i++)
        upper[i] = upper[i] < 0 ? 0 : upper[i]; /* keeps NaN */
}

/* Summaries of n arrays v w of a variable; w NULL means one, summaries NULL: nothing to do. */
static void summarise(struct channels_summary *summaries, const float *v, const float *w, struct layout layout,
                      size_t n, const struct ops *ops)
{
    size_t floats = layout_floats(layout);

    for (size_t i = 0; i < n && summaries; i++)
        channels_summarise(summaries + i * layout.shape.channels, v + i * floats, w ? w + i * floats : NULL, layout,
                           ops);
}

/* Pools of n images. */
static void forward_pools(float *upper, float *shares, const struct channels_summary *summaries,
                          const struct link_plan *plan, const float *a, size_t n)
{
    size_t channels = plan->link->lower.channels;

    for (size_t i = 0; i < n; i++, a += lower_floats(plan)) {
        float largest = summaries ? 0 : pool_largest(a, plan->lower);
        for (size_t c = i * channels; c < (i + 1) * channels && summaries; c++)
            largest = summaries[c].largest > largest ? summaries[c].largest : largest;
        pool_forward(upper + i * upper_floats(plan), shares + i * link_coefficients(plan, 1), a, largest, plan->lower,
                     plan->upper, plan->pool, plan->ops);
    }
}

void link_forward(float *upper, float *c, struct channels_summary *summaries, const struct link_plan *plan,
                  const float *a, size_t n, const struct link_scratch *scratch)
{
    if (plan->way.method == LINK_WINOGRAD) {
        link_winograd_forward(upper, c, summaries, plan, a, n, scratch);
        return;
    }
    if (plan->link->kind == LINK_POOL)
        forward_pools(upper, c, summaries, plan, a, n);
    else
        forward_exact(upper, c, plan, a, n, scratch);
    summarise(summaries, upper, NULL, plan->upper, n, plan->ops);
}

/* ---- backward, lift and flow ----------------------------------------------------------------------------------- */

/* Add one term to the ledger of one image, [K]: R b' c goes to the bias; sgn(scale) eps R |c| is absorbed, and with the
 * first term all of R where no term has a coefficient. */
static void add_ledger(double *to_bias, double *absorbed, const struct link_plan *plan, size_t t,
                       const struct channels_ledger *sums)
{
    struct rule_term term = plan->parts.term[t];

    for (size_t k = 0; k < plan->link->upper.channels; k++) {
        to_bias[k] += (double)plan->bias_forms[t][k] * sums[k].flow;
        absorbed[k] += (term.scale < 0 ? -term.eps : term.eps) * sums[k].magnitude + (t ? 0 : sums[k].dead_mass);
    }
}

/* to_bias and absorbed of every image. The Winograd maps have left their sums in the scratch memory. */
static void fill_ledger(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    const struct link_ledger *ledger = call->ledger;
    size_t channels = plan->link->upper.channels, floats = upper_floats(plan), n = call->n;
    size_t last = (plan->parts.nterms - 1) * n * floats;

    memset(ledger->to_bias, 0, n * channels * sizeof *ledger->to_bias);
    memset(ledger->absorbed, 0, n * channels * sizeof *ledger->absorbed);
    for (size_t i = 0; i < n; i++)
        for (size_t t = 0; t < plan->parts.nterms; t++) {
            const float *own = call->c + (t * n + i) * floats;
            bool known = plan->way.method == LINK_WINOGRAD;
            if (!known)
                channels_ledger(call->scratch->sums, call->r_upper + i * floats, own, call->c + last + i * floats,
                                plan->upper, plan->ops);
            add_ledger(ledger->to_bias + i * channels, ledger->absorbed + i * channels, plan, t,
                       call->scratch->sums + (known ? i * channels : 0));
        }
}

static void backward_pools(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    const struct link_ledger *ledger = call->ledger;
    size_t channels = plan->link->upper.channels;

    if (ledger)
        memset(ledger->to_bias, 0, call->n * channels * sizeof *ledger->to_bias);
    for (size_t i = 0; i < call->n; i++)
        pool_backward(call->r_lower + i * lower_floats(plan), ledger ? ledger->absorbed + i * channels : NULL,
                      call->r_upper + i * upper_floats(plan), call->c + i * link_coefficients(plan, 1), plan->lower,
                      plan->upper, plan->pool, plan->ops);
}

static void backward_linear(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    const struct link_scratch *scratch = call->scratch;
    size_t floats = call->n * upper_floats(plan), term = plan->parts.nterms;
    struct linear linear = linear_of(plan);

    for (size_t p = 0; p < plan->parts.nparts; p++) {
        struct rule_part part = plan->parts.part[p];
        if (part.term != term)
            multiply(scratch->upper, call->r_upper, call->c + part.term * floats, floats);
        term = part.term;
        float *target = p == 0 ? call->r_lower : scratch->lower;
        linear_backward(target, scratch->upper, plan->forms[p], &linear, call->n, scratch->work);
        multiply_factor(call->r_lower, plan, part.factor, call->a, target, call->n, p > 0);
    }
}

static void backward_direct(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    size_t lower = lower_floats(plan), upper = upper_floats(plan);

    for (size_t i = 0; i < call->n; i++)
        link_direct_backward(call->r_lower + i * lower, plan, call->r_upper + i * upper, call->c + i * upper,
                             call->n * upper, call->a + i * lower, call->scratch);
}

void link_backward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    const struct link_ledger *ledger = call->ledger;

    if (plan->link->kind == LINK_POOL)
        backward_pools(call);
    else if (plan->way.method == LINK_LINEAR)
        backward_linear(call);
    else if (plan->way.method == LINK_DIRECT)
        backward_direct(call);
    else
        link_winograd_backward(call, false);
    if (ledger && plan->link->kind != LINK_POOL)
        fill_ledger(call);
    if (plan->way.method == LINK_WINOGRAD)
        return; /* summaries and flows are done */
    if (ledger) {
        summarise(ledger->summaries, call->r_lower, NULL, plan->lower, call->n, plan->ops);
        summarise(ledger->weighted, call->r_lower, ledger->h, plan->lower, call->n, plan->ops);
    }
    if (call->joint)
        link_flow(call->joint, plan, call->r_upper, call->c, call->a, call->h,
                  (struct link_images){0, call->n, call->n}, call->scratch);
}

static void lift_linear(float *v_upper, const struct link_plan *plan, const float *v_lower, const float *c,
                        const float *a, size_t n, const struct link_scratch *scratch)
{
    size_t floats = n * upper_floats(plan);
    struct linear linear = linear_of(plan);

    for (size_t t = 0; t < plan->parts.nterms; t++) {
        bool started = false;
        for (size_t p = 0; p < plan->parts.nparts; p++) {
            if (plan->parts.part[p].term != t)
                continue;
            multiply_factor(scratch->lower, plan, plan->parts.part[p].factor, a, v_lower, n, false);
            linear_forward(scratch->upper, scratch->lower, plan->forms[p], &linear, n, started, scratch->work);
            started = true;
        }
        const float *coefficient = c + t * floats;
        for (size_t i = 0; i < floats; i++)
            v_upper[i] = (t ? v_upper[i] : 0) + coefficient[i] * scratch->upper[i];
    }
}

void link_lift(float *v_upper, const struct link_plan *plan, const float *v_lower, const float *c, const float *a,
               size_t n, const struct link_scratch *scratch)
{
    size_t upper = upper_floats(plan), lower = lower_floats(plan);

    if (plan->link->kind != LINK_POOL && plan->way.method == LINK_LINEAR) {
        lift_linear(v_upper, plan, v_lower, c, a, n, scratch);
        return;
    }
    if (plan->way.method == LINK_WINOGRAD) {
        link_winograd_lift(v_upper, plan, v_lower, c, a, (struct link_winograd_images){n, .one = false}, scratch);
        return;
    }
    for (size_t i = 0; i < n; i++, v_upper += upper, v_lower += lower)
        if (plan->link->kind == LINK_POOL)
            pool_lift(v_upper, v_lower, c + i * link_coefficients(plan, 1), plan->lower, plan->upper, plan->pool,
                      plan->ops);
        else
            link_direct_lift(v_upper, plan, v_lower, c + i * upper, n * upper, a + i * lower, scratch);
}

void link_backward_sweeps(float *r_lower, const struct link_plan *plan, const float *r_upper, const float *c,
                          const float *a, size_t n, const struct link_scratch *scratch)
{
    bool at_once = plan->way.method == LINK_WINOGRAD;
    struct link_call call = {
        .plan = plan, .n = at_once ? n : 1, .r_upper = r_upper, .c = c, .a = a, .r_lower = r_lower, .scratch = scratch};

    if (at_once) {
        link_winograd_backward(&call, true);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        link_backward(&call);
        call.r_lower += lower_floats(plan);
        call.r_upper += upper_floats(plan);
    }
}

void link_lift_sweeps(float *v_upper, const struct link_plan *plan, const float *v_lower, const float *c,
                      const float *a, size_t n, const struct link_scratch *scratch)
{
    if (plan->way.method == LINK_WINOGRAD) {
        link_winograd_lift(v_upper, plan, v_lower, c, a, (struct link_winograd_images){n, .one = true}, scratch);
        return;
    }
    for (size_t i = 0; i < n; i++)
        link_lift(v_upper + i * upper_floats(plan), plan, v_lower + i * lower_floats(plan), c, a, 1, scratch);
}

/* Flows by linear maps; s = R c of all images is computed in the scratch memory. */
static void flow_linear(float *joint, const struct link_plan *plan, const float *r_upper, const float *c,
                        const float *a, const float *h, struct link_images images, const struct link_scratch *scratch)
{
    size_t floats = upper_floats(plan);
    struct linear linear = linear_of(plan);

    for (size_t p = 0; p < plan->parts.nparts; p++) {
        struct rule_part part = plan->parts.part[p];
        const float *x = factor_array(scratch->lower, plan, part.factor, a, h, images.count);
        multiply(scratch->upper, r_upper, c + (part.term * images.all + images.first) * floats, images.count * floats);
        linear_flow(joint, scratch->upper, x, plan->forms[p], &linear, images.count, p > 0, scratch->work);
    }
}

void link_flow(float *joint, const struct link_plan *plan, const float *r_upper, const float *c, const float *a,
               const float *h, struct link_images images, const struct link_scratch *scratch)
{
    size_t floats = upper_floats(plan), lower = lower_floats(plan);
    size_t entries = plan->link->upper.channels * plan->link->lower.channels;

    assert(plan->link->kind != LINK_POOL && images.first + images.count <= images.all);
    if (plan->way.method == LINK_LINEAR) {
        flow_linear(joint, plan, r_upper, c, a, h, images, scratch);
        return;
    }
    if (plan->way.method == LINK_WINOGRAD) {
        struct link_call call = {.plan = plan,
                                 .n = images.count,
                                 .r_upper = r_upper,
                                 .c = c + images.first * floats,
                                 .a = a,
                                 .h = h,
                                 .joint = joint,
                                 .scratch = scratch};
        link_winograd_backward(&call, false);
        return;
    }
    for (size_t i = 0; i < images.count; i++)
        link_direct_flow(joint + i * entries, plan, r_upper + i * floats, c + (images.first + i) * floats,
                         images.all * floats, a + i * lower, h ? h + i * lower : NULL, scratch);
}
