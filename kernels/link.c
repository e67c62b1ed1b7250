#include "link.h"

#include "convolution.h"
#include "dense.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { LANES = 4 };

static struct convolution convolution_of(const struct link *link)
{
    return (struct convolution){link->upper.channels, link->lower.channels, link->lower.height, link->lower.width};
}

static struct dense dense_of(const struct link *link, size_t n)
{
    return (struct dense){link->upper.channels, shape_neurons(link->lower), n};
}

static size_t weight_floats(const struct link *link)
{
    return link->upper.channels *
           (link->kind == LINK_CONVOLUTION ? 9 * link->lower.channels : shape_neurons(link->lower));
}

/* ---- plans and derived weights --------------------------------------------------------------------------------- */

void link_plan_init(struct link_plan *plan, const struct link *link, struct rule rule, enum bias_mode bias,
                    enum pool_mode pool, const float *model, bool signed_input, bool both_branches)
{
    *plan = (struct link_plan){.link = link, .rule = rule, .bias_mode = bias, .pool = pool};
    if (link->kind == LINK_POOL)
        return;
    plan->weight = model + link->weight;
    plan->bias = model + link->bias;
    plan->parts = rule_expand(rule, signed_input, both_branches);
}

/* The first part with the same form of the weight. */
static size_t first_with_form(const struct rule_parts *parts, size_t p)
{
    size_t first = 0;

    while (parts->part[first].form != parts->part[p].form)
        first++;
    return first;
}

/* Part p needs derived weights of its own. */
static bool derives(const struct rule_parts *parts, size_t p)
{
    return parts->part[p].form != FORM_WEIGHT && first_with_form(parts, p) == p;
}

static bool bounded(const struct link_plan *plan)
{
    return plan->link->kind != LINK_POOL && plan->rule.kind == RULE_ZBOX;
}

static size_t padded(size_t floats)
{
    return (floats + 15) / 16 * 16;
}

size_t link_forms_floats(const struct link_plan *plan)
{
    size_t total = 0;

    for (size_t p = 0; p < plan->parts.nparts; p++)
        if (derives(&plan->parts, p))
            total += padded(weight_floats(plan->link));
    total += plan->parts.nterms * padded(plan->link->upper.channels);
    if (bounded(plan))
        total += 2 * padded(plan->link->lower.channels);
    return total;
}

void link_forms_bind(struct link_plan *plan, const float *memory)
{
    const float *next = memory;

    for (size_t p = 0; p < plan->parts.nparts; p++) {
        plan->forms[p] =
            plan->parts.part[p].form == FORM_WEIGHT ? plan->weight : plan->forms[first_with_form(&plan->parts, p)];
        if (derives(&plan->parts, p)) {
            plan->forms[p] = next;
            next += padded(weight_floats(plan->link));
        }
    }
    for (size_t t = 0; t < plan->parts.nterms; t++) {
        plan->bias_forms[t] = next;
        next += padded(plan->link->upper.channels);
    }
    if (bounded(plan)) {
        plan->low = next;
        plan->high = next + padded(plan->link->lower.channels);
    }
}

static void fill_form(float *restrict out, const float *restrict w, size_t n, enum rule_form form, double gamma)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)rule_form_value(form, gamma, (double)w[i]);
}

void link_forms_compute(const struct link_plan *plan, float *memory, struct link_bounds input_bounds)
{
    double gamma = plan->rule.a;
    size_t upper = plan->link->upper.channels, lower = plan->link->lower.channels;
    float *next = memory;

    for (size_t p = 0; p < plan->parts.nparts; p++) {
        if (!derives(&plan->parts, p))
            continue;
        fill_form(next, plan->weight, weight_floats(plan->link), plan->parts.part[p].form, gamma);
        next += padded(weight_floats(plan->link));
    }
    for (size_t t = 0; t < plan->parts.nterms; t++) {
        bool counts = plan->bias_mode == BIAS_NEURON;
        fill_form(next, plan->bias, upper, counts ? plan->parts.term[t].bias : FORM_NONE, gamma);
        next += padded(upper);
    }
    if (!bounded(plan))
        return;
    for (size_t c = 0; c < lower; c++) {
        next[c] = plan->rule.input_bounds ? input_bounds.low[c] : (float)plan->rule.a;
        next[padded(lower) + c] = plan->rule.input_bounds ? input_bounds.high[c] : (float)plan->rule.b;
    }
}

struct link_scratch_floats link_scratch_floats(const struct link_plan *plan, size_t n)
{
    const struct link *link = plan->link;
    struct link_scratch_floats need = {n * shape_neurons(link->upper), n * shape_neurons(link->lower), 0, 0};

    if (link->kind == LINK_CONVOLUTION) {
        need.columns = convolution_scratch(convolution_of(link));
        need.gradient = weight_floats(link);
    }
    return need;
}

size_t link_coefficients(const struct link_plan *plan, size_t n)
{
    return plan->parts.nterms * n * shape_neurons(plan->link->upper);
}

/* ---- the linear maps, over n images ---------------------------------------------------------------------------- */

static void apply_forward(float *y, const float *x, const float *w, const struct link *link, size_t n, bool accumulate,
                          float *columns)
{
    if (link->kind == LINK_DENSE) {
        dense_forward(y, x, w, dense_of(link, n), accumulate);
        return;
    }
    for (size_t i = 0; i < n; i++)
        convolution_forward(y + i * shape_neurons(link->upper), x + i * shape_neurons(link->lower), w,
                            convolution_of(link), accumulate, columns);
}

static void apply_back(float *x, const float *s, const float *w, const struct link *link, size_t n, float *columns)
{
    if (link->kind == LINK_DENSE) {
        dense_back(x, s, w, dense_of(link, n));
        return;
    }
    for (size_t i = 0; i < n; i++)
        convolution_back(x + i * shape_neurons(link->lower), s + i * shape_neurons(link->upper), w,
                         convolution_of(link), columns);
}

static void add_bias(float *z, const float *bias, const struct link *link, size_t n)
{
    size_t positions = shape_positions(link->upper);

    for (size_t row = 0; row < n * link->upper.channels; row++)
        for (size_t p = 0; p < positions; p++)
            z[row * positions + p] += bias[row % link->upper.channels];
}

void link_evaluate(float *z, const struct link_plan *plan, const float *a, size_t n, const struct link_scratch *scratch)
{
    const struct link *link = plan->link;

    if (link->kind == LINK_POOL) {
        for (size_t i = 0; i < n; i++)
            pool_maximum(z + i * shape_neurons(link->upper), a + i * shape_neurons(link->lower), link->lower);
        return;
    }
    apply_forward(z, a, plan->weight, link, n, false, scratch->columns);
    add_bias(z, plan->bias, link, n);
}

/* ---- a part's input factor x ----------------------------------------------------------------------------------- */

/* x of one channel: an activation or sign of it, or a constant (a NULL). */
struct factor {
    const float *a;
    float constant;
    float low, high; /* the activation is clamped to this range */
};

static struct factor factor_of(const struct link_plan *plan, enum rule_factor kind, const float *a, size_t channel)
{
    switch (kind) {
    case FACTOR_ONE:
        return (struct factor){.constant = 1};
    case FACTOR_MINUS_LOW:
        return (struct factor){.constant = -plan->low[channel]};
    case FACTOR_MINUS_HIGH:
        return (struct factor){.constant = -plan->high[channel]};
    case FACTOR_POSITIVE:
        return (struct factor){.a = a, .low = 0, .high = INFINITY};
    case FACTOR_NEGATIVE:
        return (struct factor){.a = a, .low = -INFINITY, .high = 0};
    case FACTOR_ACTIVATION:
        break;
    }
    return (struct factor){.a = a, .low = -INFINITY, .high = INFINITY};
}

static float clamp(float v, float low, float high)
{
    return v < low ? low : v > high ? high : v;
}

/* out = x * v of one channel, v NULL meaning one; `accumulate` adds. */
static void multiply_channel(float *out, struct factor x, const float *v, size_t n, bool accumulate)
{
    for (size_t i = 0; i < n; i++) {
        float value = x.a ? clamp(x.a[i], x.low, x.high) : x.constant;
        float product = v ? value * v[i] : value;
        out[i] = accumulate ? out[i] + product : product;
    }
}

/* out = x * v over n images of the lower variable; out may be v. */
static void multiply_factor(float *out, const struct link_plan *plan, enum rule_factor kind, const float *a,
                            const float *v, size_t n, bool accumulate)
{
    size_t channels = plan->link->lower.channels, positions = shape_positions(plan->link->lower);

    for (size_t row = 0; row < n * channels; row++) {
        size_t at = row * positions;
        multiply_channel(out + at, factor_of(plan, kind, a + at, row % channels), v ? v + at : NULL, positions,
                         accumulate);
    }
}

/* x * v as an array: the activation itself where that is what it is, else written to `buffer`. */
static const float *factor_array(float *buffer, const struct link_plan *plan, enum rule_factor kind, const float *a,
                                 const float *v, size_t n)
{
    if (kind == FACTOR_ACTIVATION && !v)
        return a;
    multiply_factor(buffer, plan, kind, a, v, n, false);
    return buffer;
}

/* ---- coefficients ---------------------------------------------------------------------------------------------- */

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

/* The denominator of the term is the layer's own z, which a dense link keeps. */
static bool denominator_is_z(const struct link_plan *plan)
{
    return plan->link->kind == LINK_DENSE && plan->bias_mode == BIAS_NEURON && plan->parts.nparts == 1 &&
           plan->parts.part[0].factor == FACTOR_ACTIVATION && plan->parts.part[0].form == FORM_WEIGHT;
}

static void denominator(float *z, const struct link_plan *plan, size_t term, const float *a, size_t n,
                        const struct link_scratch *scratch)
{
    bool started = false;

    for (size_t p = 0; p < plan->parts.nparts; p++) {
        struct rule_part part = plan->parts.part[p];
        if (part.term != term)
            continue;
        const float *x = factor_array(scratch->lower, plan, part.factor, a, NULL, n);
        apply_forward(z, x, plan->forms[p], plan->link, n, started, scratch->columns);
        started = true;
    }
    add_bias(z, plan->bias_forms[term], plan->link, n);
}

void link_prepare(float *c, const struct link_plan *plan, const float *a, const float *upper, size_t n,
                  const struct link_scratch *scratch)
{
    size_t neurons = n * shape_neurons(plan->link->upper);
    const float *sign = upper;

    if (plan->link->kind == LINK_CONVOLUTION && plan->parts.nterms > 1 &&
        plan->parts.term[1].selector == SELECT_NEGATIVE) {
        link_evaluate(scratch->upper, plan, a, n, scratch); /* the ReLU has hidden the sign */
        sign = scratch->upper;
    }
    for (size_t t = 0; t < plan->parts.nterms; t++) {
        float *z = c + t * neurons;
        if (denominator_is_z(plan))
            memcpy(z, upper, neurons * sizeof *z);
        else
            denominator(z, plan, t, a, n, scratch);
        invert(z, plan->parts.term[t], sign, neurons);
    }
}

/* ---- the three operations -------------------------------------------------------------------------------------- */

static void multiply(float *restrict out, const float *restrict a, const float *restrict b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = a[i] * b[i];
}

/* Sums over one channel's neurons of r c and r |c|, and of r where neither c nor `other` acts. Kept in LANES partial
 * sums, which the compiler holds in registers. */
struct channel_sums {
    double flow, magnitude, idle;
};

static struct channel_sums channel_sums(const float *restrict r, const float *restrict c, const float *restrict other,
                                        size_t n)
{
    double flow[LANES] = {0}, magnitude[LANES] = {0}, idle[LANES] = {0};
    struct channel_sums sums = {0, 0, 0};

    for (size_t i = 0; i + LANES <= n; i += LANES) {
        for (size_t j = 0; j < LANES; j++) {
            double share = (double)r[i + j] * (double)c[i + j];
            flow[j] += share;
            magnitude[j] += c[i + j] < 0 ? -share : share;
            idle[j] += c[i + j] == 0 && other[i + j] == 0 ? (double)r[i + j] : 0;
        }
    }
    for (size_t i = n - n % LANES; i < n; i++) {
        flow[0] += (double)r[i] * (double)c[i];
        magnitude[0] += (double)r[i] * fabs((double)c[i]);
        idle[0] += c[i] == 0 && other[i] == 0 ? (double)r[i] : 0;
    }
    for (size_t j = 0; j < LANES; j++) {
        sums.flow += flow[j];
        sums.magnitude += magnitude[j];
        sums.idle += idle[j];
    }
    return sums;
}

/* The ledger's shares of n images, [n][K]: to the bias R sum over terms of b' c; absorbed R sum over terms of
 * sgn(scale) eps |c|, and all of R where no term's denominator acts. */
static void ledger_shares(double *to_bias, double *absorbed, const struct link_plan *plan, const float *r,
                          const float *c, size_t n)
{
    size_t channels = plan->link->upper.channels, positions = shape_positions(plan->link->upper);
    size_t stride = n * channels * positions, last = (plan->parts.nterms - 1) * stride;

    for (size_t row = 0; row < n * channels; row++) {
        const float *r_row = r + row * positions, *c_row = c + row * positions;
        to_bias[row] = 0;
        absorbed[row] = 0;
        for (size_t t = 0; t < plan->parts.nterms; t++) {
            struct rule_term term = plan->parts.term[t];
            struct channel_sums sums = channel_sums(r_row, c_row + t * stride, c_row + last - t * stride, positions);
            to_bias[row] += (double)plan->bias_forms[t][row % channels] * sums.flow;
            absorbed[row] += (term.scale < 0 ? -term.eps : term.eps) * sums.magnitude + (t ? 0 : sums.idle);
        }
    }
}

static void pool_back_all(float *r_lower, double *to_bias, double *absorbed, const struct link_plan *plan,
                          const float *r_upper, const float *a, size_t n)
{
    const struct link *link = plan->link;

    if (to_bias)
        memset(to_bias, 0, n * link->upper.channels * sizeof *to_bias);
    for (size_t i = 0; i < n; i++)
        pool_back(r_lower + i * shape_neurons(link->lower), absorbed ? absorbed + i * link->upper.channels : NULL,
                  r_upper + i * shape_neurons(link->upper), a + i * shape_neurons(link->lower), link->lower,
                  plan->pool);
}

void link_back(float *r_lower, double *to_bias, double *absorbed, const struct link_plan *plan, const float *r_upper,
               const float *c, const float *a, size_t n, const struct link_scratch *scratch)
{
    const struct link *link = plan->link;
    size_t neurons = n * shape_neurons(link->upper), term = plan->parts.nterms;

    if (link->kind == LINK_POOL) {
        pool_back_all(r_lower, to_bias, absorbed, plan, r_upper, a, n);
        return;
    }
    for (size_t p = 0; p < plan->parts.nparts; p++) {
        struct rule_part part = plan->parts.part[p];
        if (part.term != term)
            multiply(scratch->upper, r_upper, c + part.term * neurons, neurons);
        term = part.term;
        float *target = p == 0 ? r_lower : scratch->lower;
        apply_back(target, scratch->upper, plan->forms[p], link, n, scratch->columns);
        multiply_factor(r_lower, plan, part.factor, a, target, n, p > 0);
    }
    if (to_bias)
        ledger_shares(to_bias, absorbed, plan, r_upper, c, n);
}

void link_forward(float *v_upper, const struct link_plan *plan, const float *v_lower, const float *c, const float *a,
                  size_t n, const struct link_scratch *scratch)
{
    const struct link *link = plan->link;
    size_t neurons = n * shape_neurons(link->upper);

    if (link->kind == LINK_POOL) {
        for (size_t i = 0; i < n; i++)
            pool_forward(v_upper + i * shape_neurons(link->upper), v_lower + i * shape_neurons(link->lower),
                         a + i * shape_neurons(link->lower), link->lower, plan->pool);
        return;
    }
    for (size_t t = 0; t < plan->parts.nterms; t++) {
        bool started = false;
        for (size_t p = 0; p < plan->parts.nparts; p++) {
            if (plan->parts.part[p].term != t)
                continue;
            multiply_factor(scratch->lower, plan, plan->parts.part[p].factor, a, v_lower, n, false);
            apply_forward(scratch->upper, scratch->lower, plan->forms[p], link, n, started, scratch->columns);
            started = true;
        }
        const float *coefficient = c + t * neurons;
        for (size_t i = 0; i < neurons; i++)
            v_upper[i] = (t ? v_upper[i] : 0) + coefficient[i] * scratch->upper[i];
    }
}

void link_back_sweeps(float *r_lower, const struct link_plan *plan, const float *r_upper, const float *c,
                      const float *a, size_t n, const struct link_scratch *scratch)
{
    for (size_t i = 0; i < n; i++)
        link_back(r_lower + i * shape_neurons(plan->link->lower), NULL, NULL, plan,
                  r_upper + i * shape_neurons(plan->link->upper), c, a, 1, scratch);
}

void link_forward_sweeps(float *v_upper, const struct link_plan *plan, const float *v_lower, const float *c,
                         const float *a, size_t n, const struct link_scratch *scratch)
{
    for (size_t i = 0; i < n; i++)
        link_forward(v_upper + i * shape_neurons(plan->link->upper), plan,
                     v_lower + i * shape_neurons(plan->link->lower), c, a, 1, scratch);
}

/* joint[k,c] (+)= sum over taps of w * g. */
static void contract(float *joint, const float *w, const float *g, const struct link *link, bool accumulate)
{
    for (size_t i = 0; i < link->upper.channels * link->lower.channels; i++) {
        float total = 0;
        for (size_t tap = 0; tap < 9; tap++)
            total += w[i * 9 + tap] * g[i * 9 + tap];
        joint[i] = accumulate ? joint[i] + total : total;
    }
}

void link_joint(float *joint, const struct link_plan *plan, const float *r_upper, const float *c, const float *a,
                const float *h, size_t image, size_t n, const struct link_scratch *scratch)
{
    const struct link *link = plan->link;
    size_t neurons = shape_neurons(link->upper);

    assert(link->kind != LINK_POOL && image < n);
    for (size_t p = 0; p < plan->parts.nparts; p++) {
        struct rule_part part = plan->parts.part[p];
        const float *x = factor_array(scratch->lower, plan, part.factor, a, h, 1);
        multiply(scratch->upper, r_upper, c + (part.term * n + image) * neurons, neurons);
        if (link->kind == LINK_DENSE) {
            dense_joint(joint, scratch->upper, x, plan->forms[p], link->upper.channels, link->lower.channels,
                        shape_positions(link->lower), p > 0);
            continue;
        }
        convolution_gradient(scratch->gradient, scratch->upper, x, convolution_of(link), scratch->columns);
        contract(joint, plan->forms[p], scratch->gradient, link, p > 0);
    }
}
