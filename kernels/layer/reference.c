#include "kernels/layer/reference.h"

#include <math.h>
#include <string.h>

/* ---- the rules ------------------------------------------------------------------------------------------------- */

static long double positive(long double v)
{
    return v > 0 ? v : 0;
}

static long double negative(long double v)
{
    return v < 0 ? v : 0;
}

static size_t term_count(const struct reference_link *l)
{
    return l->rule.kind == RULE_GAMMA || (l->rule.kind == RULE_ALPHABETA && l->rule.b != 0) ? 2 : 1;
}

/* phi_t(a_i, w_ij); channel is that of i. */
static long double phi(const struct reference_link *l, size_t term, long double a, long double w, size_t channel)
{
    long double g = l->rule.a;

    switch (l->rule.kind) {
    case RULE_ZERO:
    case RULE_EPSILON:
        return a * w;
    case RULE_GAMMA:
        if (term == 0)
            return positive(a) * (w + g * positive(w)) + negative(a) * (w + g * negative(w));
        return positive(a) * (w + g * negative(w)) + negative(a) * (w + g * positive(w));
    case RULE_ZPLUS:
        return positive(a) * positive(w) + negative(a) * negative(w);
    case RULE_ALPHABETA:
        if (term == 0)
            return positive(a) * positive(w) + negative(a) * negative(w);
        return positive(a) * negative(w) + negative(a) * positive(w);
    case RULE_ZBOX:
        return a * w - l->low[channel] * positive(w) - l->high[channel] * negative(w);
    case RULE_WSQUARE:
        return w * w;
    case RULE_FLAT:
        return 1;
    }
    return 0;
}

/* phi_t of the bias neuron, whose activation is one; with zbox and flat the bias gets no relevance. */
static long double phi_bias(const struct reference_link *l, size_t term, double b)
{
    if (l->bias_mode == BIAS_SPREAD || l->rule.kind == RULE_ZBOX || l->rule.kind == RULE_FLAT)
        return 0;
    return phi(l, term, 1, b, 0);
}

static double stabilizer(const struct reference_link *l)
{
    return l->rule.kind == RULE_ZERO ? 0 : l->rule.kind == RULE_EPSILON ? l->rule.a : 1e-6;
}

static double scale(const struct reference_link *l, size_t term)
{
    if (l->rule.kind != RULE_ALPHABETA)
        return 1;
    return term == 0 ? l->rule.a : -l->rule.b;
}

static bool selected(const struct reference_link *l, size_t term, double z)
{
    if (l->rule.kind != RULE_GAMMA)
        return true;
    return term == 0 ? z > 0 : z < 0;
}

/* ---- which i reach which j ------------------------------------------------------------------------------------- */

/* Called for every pair of an upper neuron j and a lower neuron i with weight w between them. */
typedef void (*visitor)(void *context, const struct reference_link *l, size_t j, size_t i, double w, size_t channel);

static void visit_taps(const struct reference_link *l, size_t j, visitor visit, void *context)
{
    size_t height = l->link->lower.height, width = l->link->lower.width, k = j / (height * width);
    size_t y = j / width % height, x = j % width;

    for (size_t c = 0; c < l->link->lower.channels; c++) {
        for (size_t tap = 0; tap < 9; tap++) {
            size_t row = y + tap / 3, column = x + tap % 3; /* one more than the position in the lower map */
            if (row < 1 || row > height || column < 1 || column > width)
                continue;
            size_t i = (c * height + row - 1) * width + column - 1;
            visit(context, l, j, i, (double)l->weight[(k * l->link->lower.channels + c) * 9 + tap], c);
        }
    }
}

/* Visit all pairs, or with `relevance` those whose upper neuron has any. */
static void visit_pairs(const struct reference_link *l, const double *relevance, visitor visit, void *context)
{
    size_t lower = shape_neurons(l->link->lower), positions = shape_positions(l->link->lower);

    for (size_t j = 0; j < shape_neurons(l->link->upper); j++) {
        if (relevance && relevance[j] == 0)
            continue;
        if (l->link->kind == LINK_CONVOLUTION)
            visit_taps(l, j, visit, context);
        else
            for (size_t i = 0; i < lower; i++)
                visit(context, l, j, i, (double)l->weight[j * lower + i], i / positions);
    }
}

/* r(i|j) of a weighted link. */
static long double share(const struct reference_link *l, size_t j, size_t i, double w, size_t channel)
{
    long double r = 0;

    for (size_t t = 0; t < term_count(l); t++)
        r += phi(l, t, l->a[i], w, channel) * l->c[t][j];
    return r;
}

static double bias_of(const struct reference_link *l, size_t j)
{
    return (double)l->bias[j / shape_positions(l->link->upper)];
}

/* ---- pools ------------------------------------------------------------------------------------------------------- */

/* r(i|j) of the four positions `at` of window j. */
static void pool_shares(double r[4], size_t at[4], const struct reference_link *l, size_t j)
{
    size_t width = l->link->lower.width, out_width = l->link->upper.width, out_height = l->link->upper.height;
    size_t c = j / (out_width * out_height), y = j / out_width % out_height, x = j % out_width, first = 0;
    double most = 0, sum = 0, near = 0;

    for (size_t i = 0; i < 4; i++) {
        at[i] = (c * l->link->lower.height + 2 * y + i / 2) * width + 2 * x + i % 2;
        first = l->a[at[i]] > l->a[at[first]] ? i : first;
        sum += l->a[at[i]];
    }
    double top = l->a[at[first]];
    for (size_t i = 0; i < shape_neurons(l->link->lower); i++)
        most = fmax(most, l->a[i]);
    for (size_t i = 0; i < 4; i++)
        near += l->a[at[i]] >= top - POOL_TIE * most ? 1 : 0;
    for (size_t i = 0; i < 4; i++) {
        if (l->pool == POOL_PROPORTIONAL)
            r[i] = l->a[at[i]] / (sum < 0 ? sum - 1e-6 : sum + 1e-6);
        else if (l->pool == POOL_FIRST || top <= 0)
            r[i] = i == first ? 1 : 0;
        else
            r[i] = l->a[at[i]] >= top - POOL_TIE * most ? 1 / near : 0;
    }
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static void round_sums(double *out, const long double *sums, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (double)sums[i];
}

static void add_product(void *z, const struct reference_link *l, size_t j, size_t i, double w, size_t channel)
{
    (void)channel;
    ((long double *)z)[j] += (long double)l->a[i] * w;
}

void reference_forward(double *z, const struct reference_link *l)
{
    size_t upper = shape_neurons(l->link->upper);
    double r[4];
    size_t at[4];

    for (size_t j = 0; j < upper; j++) {
        if (l->link->kind == LINK_POOL) {
            pool_shares(r, at, l, j);
            z[j] = fmax(fmax(l->a[at[0]], l->a[at[1]]), fmax(l->a[at[2]], l->a[at[3]]));
        } else {
            l->sums[j] = bias_of(l, j);
        }
    }
    if (l->link->kind == LINK_POOL)
        return;
    visit_pairs(l, NULL, add_product, l->sums);
    round_sums(z, l->sums, upper);
}

static void add_denominators(void *unused, const struct reference_link *l, size_t j, size_t i, double w, size_t channel)
{
    (void)unused;
    for (size_t t = 0; t < term_count(l); t++)
        l->sums[t * shape_neurons(l->link->upper) + j] += phi(l, t, l->a[i], w, channel);
}

void reference_prepare(struct reference_link *l)
{
    size_t upper = shape_neurons(l->link->upper);
    long double eps = stabilizer(l);

    if (l->link->kind == LINK_POOL)
        return;
    for (size_t t = 0; t < term_count(l); t++)
        for (size_t j = 0; j < upper; j++)
            l->sums[t * upper + j] = phi_bias(l, t, bias_of(l, j));
    visit_pairs(l, NULL, add_denominators, NULL);
    for (size_t t = 0; t < term_count(l); t++) {
        for (size_t j = 0; j < upper; j++) {
            long double z = l->sums[t * upper + j], stabilized = z < 0 ? z - eps : z + eps;
            l->c[t][j] = stabilized == 0 || !selected(l, t, l->z[j]) ? 0 : (double)(scale(l, t) / stabilized);
        }
    }
}

struct pair {
    double *out;
    const double *in, *h;
};

static void add_backward(void *context, const struct reference_link *l, size_t j, size_t i, double w, size_t channel)
{
    struct pair *p = context;

    l->sums[i] += share(l, j, i, w, channel) * p->in[j];
}

void reference_backward(double *r_lower, const struct reference_link *l, const double *r_upper)
{
    struct pair p = {r_lower, r_upper, NULL};
    double r[4];
    size_t at[4];

    memset(r_lower, 0, shape_neurons(l->link->lower) * sizeof *r_lower);
    if (l->link->kind != LINK_POOL) {
        for (size_t i = 0; i < shape_neurons(l->link->lower); i++)
            l->sums[i] = 0;
        visit_pairs(l, r_upper, add_backward, &p);
        round_sums(r_lower, l->sums, shape_neurons(l->link->lower));
        return;
    }
    for (size_t j = 0; j < shape_neurons(l->link->upper); j++) {
        pool_shares(r, at, l, j);
        for (size_t i = 0; i < 4; i++)
            r_lower[at[i]] = r[i] * r_upper[j];
    }
}

static void add_lift(void *context, const struct reference_link *l, size_t j, size_t i, double w, size_t channel)
{
    struct pair *p = context;

    p->out[j] += (double)(p->in[i] * share(l, j, i, w, channel));
}

void reference_lift(double *v_upper, const struct reference_link *l, const double *v_lower)
{
    struct pair p = {v_upper, v_lower, NULL};
    double r[4];
    size_t at[4];

    memset(v_upper, 0, shape_neurons(l->link->upper) * sizeof *v_upper);
    if (l->link->kind != LINK_POOL) {
        visit_pairs(l, NULL, add_lift, &p);
        return;
    }
    for (size_t j = 0; j < shape_neurons(l->link->upper); j++) {
        pool_shares(r, at, l, j);
        for (size_t i = 0; i < 4; i++)
            v_upper[j] += r[i] * v_lower[at[i]];
    }
}

static void add_flow(void *context, const struct reference_link *l, size_t j, size_t i, double w, size_t channel)
{
    struct pair *p = context;
    size_t k = j / shape_positions(l->link->upper);

    p->out[k * l->link->lower.channels + channel] +=
        (double)(share(l, j, i, w, channel) * p->in[j] * (p->h ? p->h[i] : 1));
}

void reference_flow(double *joint, const struct reference_link *l, const double *r_upper, const double *h)
{
    struct pair p = {joint, r_upper, h};

    memset(joint, 0, l->link->upper.channels * l->link->lower.channels * sizeof *joint);
    visit_pairs(l, r_upper, add_flow, &p);
}

/* The stabilizer of each term absorbs sgn(scale) eps |c|; if no term has a coefficient, everything is absorbed. */
static double absorbed_share(const struct reference_link *l, size_t j)
{
    double taken = 0;
    bool acts = false;

    for (size_t t = 0; t < term_count(l); t++) {
        taken += (scale(l, t) < 0 ? -1 : 1) * stabilizer(l) * fabs(l->c[t][j]);
        acts = acts || l->c[t][j] != 0;
    }
    return acts ? taken : 1;
}

/* For pools: the share that the stabilizer of the proportional mode absorbs, eps / |stab(sum a)|. */
static double pool_absorbed(const struct reference_link *l, size_t j)
{
    double r[4], sum = 0;
    size_t at[4];

    pool_shares(r, at, l, j);
    for (size_t i = 0; i < 4; i++)
        sum += l->a[at[i]];
    return l->pool == POOL_PROPORTIONAL ? 1e-6 / (fabs(sum) + 1e-6) : 0;
}

void reference_shares(double *to_bias, double *absorbed, const struct reference_link *l, const double *r_upper)
{
    size_t positions = shape_positions(l->link->upper);

    memset(to_bias, 0, l->link->upper.channels * sizeof *to_bias);
    memset(absorbed, 0, l->link->upper.channels * sizeof *absorbed);
    for (size_t j = 0; j < shape_neurons(l->link->upper); j++) {
        size_t k = j / positions;
        if (l->link->kind == LINK_POOL) {
            absorbed[k] += r_upper[j] * pool_absorbed(l, j);
            continue;
        }
        for (size_t t = 0; t < term_count(l); t++)
            to_bias[k] += (double)(r_upper[j] * l->c[t][j] * phi_bias(l, t, bias_of(l, j)));
        absorbed[k] += r_upper[j] * absorbed_share(l, j);
    }
}
