#include "kernels/layer/reference.h"

#include <math.h>
#include <stdint.h>
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

/* The weight of adds and means is one, and they have no bias. */
static bool has_weights(const struct link *link)
{
    return link->kind == LINK_CONVOLUTION || link->kind == LINK_DENSE || (link->kind == LINK_PASS && link->weighted);
}

static double weight_at(const struct reference_link *l, size_t index)
{
    return has_weights(l->link) ? (double)l->weight[index] : 1;
}

static double bias_of(const struct reference_link *l, size_t j)
{
    return has_weights(l->link) ? (double)l->bias[j / shape_positions(l->link->upper)] : 0;
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

/* ---- edges and windows ------------------------------------------------------------------------------------------- */

static size_t edge_count(const struct reference_link *l)
{
    return l->inputs ? l->link->nedges : 1;
}

static const double *activations(const struct reference_link *l, size_t edge)
{
    return l->inputs ? l->inputs[edge].a : l->a;
}

static struct shape lower_shape(const struct reference_link *l, size_t edge)
{
    return l->inputs ? l->inputs[edge].shape : l->link->lower;
}

static size_t tap_count(const struct link *link)
{
    return link->window.height * link->window.width;
}

/* A row and a column of the lower map, or of the padding around it. */
struct position {
    long row, column;
};

static struct position position_of(const struct link *link, size_t j, size_t tap)
{
    struct window w = link->window;
    size_t y = j / link->upper.width % link->upper.height, x = j % link->upper.width;

    return (struct position){(long)(y * w.down + tap / w.width) - (long)w.top,
                             (long)(x * w.across + tap % w.width) - (long)w.left};
}

/* Whether the position is in the map, or in the padding below and to the right of it. */
static bool within(struct position at, size_t height, size_t width)
{
    return at.row < (long)height && at.column < (long)width;
}

/* The lower neuron of a channel at a tap of the window of j; false if it is padding. */
static bool lower_neuron(size_t *i, const struct link *link, size_t channel, size_t j, size_t tap)
{
    struct position at = position_of(link, j, tap);

    if (at.row < 0 || at.column < 0 || !within(at, link->lower.height, link->lower.width))
        return false;
    *i = (channel * link->lower.height + (size_t)at.row) * link->lower.width + (size_t)at.column;
    return true;
}

/* m_ij: one over the positions that a mean counts. */
static double mean_weight(const struct link *link, size_t j)
{
    double count = 0;
    size_t unused;

    if (link->kind != LINK_AVERAGE)
        return 1;
    for (size_t tap = 0; tap < tap_count(link); tap++)
        if (lower_neuron(&unused, link, 0, j, tap) ||
            (link->count_padding && within(position_of(link, j, tap), link->lower.height + link->window.bottom,
                                           link->lower.width + link->window.right)))
            count++;
    return 1 / count;
}

/* ---- which i reach which j --------------------------------------------------------------------------------------- */

/* An upper neuron j, a lower neuron i of an edge, and what is between them. */
struct pair {
    size_t edge, j, i;
    size_t channel;    /* of i */
    long double w, m;  /* w_ij and m_ij */
    long double share; /* r(i|j), from visit_shares */
};

typedef void (*visitor)(void *context, const struct reference_link *l, const struct pair *pair);

/* Convolutions and means: the channels of j's group at every tap of its window. */
static void visit_window(const struct reference_link *l, struct pair pair, visitor visit, void *context)
{
    const struct link *link = l->link;
    size_t groups = link->kind == LINK_AVERAGE ? link->lower.channels : link->groups;
    size_t depth = link->lower.channels / groups, k = pair.j / shape_positions(link->upper);

    pair.m = mean_weight(link, pair.j);
    for (size_t tap = 0; tap < tap_count(link); tap++) {
        pair.channel = k / (link->upper.channels / groups) * depth;
        if (!lower_neuron(&pair.i, link, pair.channel, pair.j, tap))
            continue;
        for (size_t c = 0; c < depth; c++, pair.channel++, pair.i += shape_positions(link->lower)) {
            pair.w = weight_at(l, (k * depth + c) * tap_count(link) + tap);
            visit(context, l, &pair);
        }
    }
}

/* Dense links: every lower neuron. */
static void visit_all(const struct reference_link *l, struct pair pair, visitor visit, void *context)
{
    size_t lower = shape_neurons(l->link->lower), positions = shape_positions(l->link->lower);

    for (pair.i = 0; pair.i < lower; pair.i++) {
        pair.channel = pair.i / positions;
        pair.w = weight_at(l, pair.j * lower + pair.i);
        visit(context, l, &pair);
    }
}

/* Visit all pairs of an edge of a link with a rule, or with `relevance` those whose upper neuron has any. */
static void visit_pairs(const struct reference_link *l, size_t edge, const double *relevance, visitor visit,
                        void *context)
{
    for (size_t j = 0; j < shape_neurons(l->link->upper); j++) {
        struct pair pair = {
            .edge = edge, .j = j, .i = j, .channel = j / shape_positions(l->link->upper), .w = 1, .m = 1};
        if (relevance && relevance[j] == 0)
            continue;
        if (l->link->kind == LINK_DENSE)
            visit_all(l, pair, visit, context);
        else if (l->link->kind == LINK_ADD)
            visit(context, l, &pair);
        else
            visit_window(l, pair, visit, context);
    }
}

/* m_ij phi_t(a_i, w_ij) */
static long double weighted_phi(const struct reference_link *l, size_t term, const struct pair *p)
{
    return p->m * phi(l, term, activations(l, p->edge)[p->i], p->w, p->channel);
}

/* ---- pools ------------------------------------------------------------------------------------------------------- */

/* The values of a pool's window. */
struct values {
    double maximum, sum;
    size_t first;          /* lower neuron of the first maximum */
    double least, winners; /* the smallest value that wins, and how many do */
};

static bool wins(const struct reference_link *l, const struct values *values, size_t i)
{
    if (l->pool == POOL_FIRST || values->maximum <= 0)
        return i == values->first;
    return l->a[i] >= values->least && (l->pool == POOL_WINNER || l->a[i] > 0);
}

/* The values of the window of j; `largest` is the variable's largest. */
static struct values window_values(const struct reference_link *l, size_t j, double largest)
{
    size_t channel = j / shape_positions(l->link->upper), i;
    struct values values = {.maximum = -INFINITY};

    for (size_t tap = 0; tap < tap_count(l->link); tap++) {
        if (!lower_neuron(&i, l->link, channel, j, tap))
            continue;
        values.first = l->a[i] > values.maximum ? i : values.first;
        values.maximum = fmax(values.maximum, l->a[i]);
        values.sum += l->a[i];
    }
    values.least = values.maximum - POOL_TIE * largest;
    for (size_t tap = 0; tap < tap_count(l->link); tap++)
        if (lower_neuron(&i, l->link, channel, j, tap))
            values.winners += wins(l, &values, i) ? 1 : 0;
    return values;
}

/* The largest value of a pool's variable, at least zero. */
static double largest_value(const struct reference_link *l)
{
    double largest = 0;

    for (size_t i = 0; i < shape_neurons(l->link->lower); i++)
        largest = fmax(largest, l->a[i]);
    return largest;
}

static double stabilized_sum(const struct values *values)
{
    return values->sum < 0 ? values->sum - 1e-6 : values->sum + 1e-6;
}

static double pool_share(const struct reference_link *l, const struct values *values, size_t i)
{
    if (l->pool == POOL_PROPORTIONAL)
        return l->a[i] / stabilized_sum(values);
    return wins(l, values, i) ? 1 / values->winners : 0;
}

static void visit_pool(const struct reference_link *l, const double *relevance, visitor visit, void *context)
{
    double largest = largest_value(l);

    for (size_t j = 0; j < shape_neurons(l->link->upper); j++) {
        struct pair pair = {.j = j, .channel = j / shape_positions(l->link->upper)};
        if (relevance && relevance[j] == 0)
            continue;
        struct values values = window_values(l, j, largest);
        for (size_t tap = 0; tap < tap_count(l->link); tap++)
            if (lower_neuron(&pair.i, l->link, pair.channel, j, tap)) {
                pair.share = pool_share(l, &values, pair.i);
                visit(context, l, &pair);
            }
    }
}

/* ---- copies ------------------------------------------------------------------------------------------------------ */

/* The upper channels that an edge writes, and the lower ones that they copy; gates and passes copy all. */
static struct edge_channels channels_of(const struct reference_link *l, size_t edge)
{
    if (l->link->kind == LINK_CHANNELS)
        return l->inputs[edge].channels;
    return (struct edge_channels){.step = 1, .count = l->link->upper.channels};
}

static void visit_copies(const struct reference_link *l, size_t edge, visitor visit, void *context)
{
    struct edge_channels channels = channels_of(l, edge);
    size_t positions = shape_positions(l->link->upper);

    for (size_t n = 0; n < channels.count; n++)
        for (size_t p = 0; p < positions; p++) {
            struct pair pair = {.edge = edge,
                                .j = (channels.upper + n * channels.step) * positions + p,
                                .i = (channels.lower + n) * positions + p,
                                .channel = channels.lower + n,
                                .share = 1};
            visit(context, l, &pair);
        }
}

/* ---- shares ------------------------------------------------------------------------------------------------------ */

struct sharer {
    visitor visit;
    void *context;
};

static void visit_with_share(void *context, const struct reference_link *l, const struct pair *pair)
{
    const struct sharer *sharer = context;
    struct pair shared = *pair;

    shared.share = 0;
    for (size_t t = 0; t < term_count(l); t++)
        shared.share += weighted_phi(l, t, pair) * l->c[t][pair->j];
    sharer->visit(sharer->context, l, &shared);
}

/* Visit the pairs of the link's `edge` with their shares r(i|j). */
static void visit_shares(const struct reference_link *l, const double *relevance, visitor visit, void *context)
{
    struct sharer sharer = {visit, context};

    if (network_has_rule(l->link))
        visit_pairs(l, l->edge, relevance, visit_with_share, &sharer);
    else if (l->link->kind == LINK_POOL)
        visit_pool(l, relevance, visit, context);
    else
        visit_copies(l, l->edge, visit, context);
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

/* log(1 + exp(z)) without overflow. */
static double softplus(double z)
{
    return z > 30 ? z + exp(-z) : log1p(exp(z));
}

double reference_activation(struct activation f, double z)
{
    switch (f.kind) {
    case ACTIVATION_NONE:
        return z;
    case ACTIVATION_RELU:
        return z < 0 ? 0 : z;
    case ACTIVATION_CLIP:
        return fmin(fmax(z, (double)f.a), (double)f.b);
    case ACTIVATION_LEAKY:
        return z > 0 ? z : (double)f.a * z;
    case ACTIVATION_SIGMOID:
        return 1 / (1 + exp(-z));
    case ACTIVATION_HARD_SIGMOID:
        return fmin(fmax((double)f.a * z + (double)f.b, 0), 1);
    case ACTIVATION_SILU:
        return z / (1 + exp(-z));
    case ACTIVATION_HARD_SWISH:
        return z * fmin(fmax(z + 3, 0), 6) / 6;
    case ACTIVATION_GELU:
        return z * erfc(-z / sqrt(2)) / 2;
    case ACTIVATION_ELU:
        return z > 0 ? (double)f.b * z : (double)f.a * expm1(z);
    case ACTIVATION_TANH:
        return tanh(z);
    case ACTIVATION_SOFTPLUS:
        return softplus(z);
    case ACTIVATION_MISH:
        return z * tanh(softplus(z));
    }
    return z;
}

static void clear_sums(const struct reference_link *l, size_t n)
{
    for (size_t i = 0; i < n; i++)
        l->sums[i] = 0;
}

static void round_sums(double *out, const struct reference_link *l, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (double)l->sums[i];
}

static void add_product(void *unused, const struct reference_link *l, const struct pair *p)
{
    (void)unused;
    l->sums[p->j] += p->m * p->w * activations(l, p->edge)[p->i];
}

static void copy_value(void *z, const struct reference_link *l, const struct pair *p)
{
    ((double *)z)[p->j] = activations(l, p->edge)[p->i];
}

/* What gates and passes do with the value that they copy. */
static double copied(const struct reference_link *l, size_t j, double a)
{
    size_t k = j / shape_positions(l->link->upper);

    if (l->link->kind == LINK_GATE)
        return a * l->gate[l->one_gate ? k : j];
    return weight_at(l, k) * a + bias_of(l, j);
}

void reference_forward(double *z, const struct reference_link *l)
{
    size_t upper = shape_neurons(l->link->upper);

    if (l->link->kind == LINK_POOL) {
        for (size_t j = 0; j < upper; j++)
            z[j] = window_values(l, j, 0).maximum;
        return;
    }
    if (network_has_rule(l->link)) {
        for (size_t j = 0; j < upper; j++)
            l->sums[j] = bias_of(l, j);
        for (size_t e = 0; e < edge_count(l); e++)
            visit_pairs(l, e, NULL, add_product, NULL);
        round_sums(z, l, upper);
        return;
    }
    for (size_t e = 0; e < edge_count(l); e++)
        visit_copies(l, e, copy_value, z);
    for (size_t j = 0; j < upper; j++)
        z[j] = copied(l, j, z[j]);
}

static void add_denominators(void *unused, const struct reference_link *l, const struct pair *p)
{
    (void)unused;
    for (size_t t = 0; t < term_count(l); t++)
        l->sums[t * shape_neurons(l->link->upper) + p->j] += weighted_phi(l, t, p);
}

void reference_prepare(struct reference_link *l)
{
    size_t upper = shape_neurons(l->link->upper);
    long double eps = stabilizer(l);

    if (!network_has_rule(l->link))
        return;
    for (size_t t = 0; t < term_count(l); t++)
        for (size_t j = 0; j < upper; j++)
            l->sums[t * upper + j] = phi_bias(l, t, bias_of(l, j));
    for (size_t e = 0; e < edge_count(l); e++)
        visit_pairs(l, e, NULL, add_denominators, NULL);
    for (size_t t = 0; t < term_count(l); t++) {
        for (size_t j = 0; j < upper; j++) {
            long double z = l->sums[t * upper + j], stabilized = z < 0 ? z - eps : z + eps;
            l->c[t][j] = stabilized == 0 || !selected(l, t, l->z[j]) ? 0 : (double)(scale(l, t) / stabilized);
        }
    }
}

static void add_backward(void *relevance, const struct reference_link *l, const struct pair *p)
{
    l->sums[p->i] += p->share * ((const double *)relevance)[p->j];
}

void reference_backward(double *r_lower, const struct reference_link *l, const double *r_upper)
{
    size_t lower = shape_neurons(lower_shape(l, l->edge));

    clear_sums(l, lower);
    visit_shares(l, r_upper, add_backward, (void *)(uintptr_t)r_upper); /* only read */
    round_sums(r_lower, l, lower);
}

static void add_lift(void *weights, const struct reference_link *l, const struct pair *p)
{
    l->sums[p->j] += ((const double *)weights)[p->i] * p->share;
}

void reference_lift(double *v_upper, const struct reference_link *l, const double *v_lower)
{
    size_t upper = shape_neurons(l->link->upper);

    clear_sums(l, upper);
    visit_shares(l, NULL, add_lift, (void *)(uintptr_t)v_lower); /* only read */
    round_sums(v_upper, l, upper);
}

struct flow {
    double *joint;
    const double *r, *h;
};

static void add_flow(void *context, const struct reference_link *l, const struct pair *p)
{
    const struct flow *flow = context;
    size_t k = p->j / shape_positions(l->link->upper);
    size_t entry = network_diagonal(l->link) ? k : k * l->link->lower.channels + p->channel;

    flow->joint[entry] += (double)(p->share * flow->r[p->j] * (flow->h ? flow->h[p->i] : 1));
}

void reference_flow(double *joint, const struct reference_link *l, const double *r_upper, const double *h)
{
    struct flow flow = {joint, r_upper, h};
    size_t columns = network_diagonal(l->link) ? 1 : l->link->lower.channels;

    memset(joint, 0, l->link->upper.channels * columns * sizeof *joint);
    visit_shares(l, r_upper, add_flow, &flow);
}

/* ---- the ledger -------------------------------------------------------------------------------------------------- */

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

/* Where no rule shares, only the stabilizer of the proportional mode absorbs: eps / |stab(sum a)|. */
static double absorbed_by_pool(const struct reference_link *l, size_t j)
{
    if (l->link->kind != LINK_POOL || l->pool != POOL_PROPORTIONAL)
        return 0;
    struct values values = window_values(l, j, 0);
    return 1e-6 / fabs(stabilized_sum(&values));
}

void reference_shares(double *to_bias, double *absorbed, const struct reference_link *l, const double *r_upper)
{
    size_t positions = shape_positions(l->link->upper);
    bool rule = network_has_rule(l->link);

    memset(to_bias, 0, l->link->upper.channels * sizeof *to_bias);
    memset(absorbed, 0, l->link->upper.channels * sizeof *absorbed);
    for (size_t j = 0; j < shape_neurons(l->link->upper); j++) {
        size_t k = j / positions;
        for (size_t t = 0; t < term_count(l) && rule; t++)
            to_bias[k] += (double)(r_upper[j] * l->c[t][j] * phi_bias(l, t, bias_of(l, j)));
        absorbed[k] += r_upper[j] * (rule ? absorbed_share(l, j) : absorbed_by_pool(l, j));
    }
}
