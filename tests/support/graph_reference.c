#include "tests/support/graph_reference.h"

#include "kernels/base/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *allocate(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);

    if (!p)
        abort();
    return p;
}

static size_t neurons(const struct network *net, size_t k)
{
    return shape_neurons(network_shape(net, k));
}

static double sum(const double *v, size_t n)
{
    double s = 0;

    for (size_t i = 0; i < n; i++)
        s += v[i];
    return s;
}

static double magnitude(const double *v, size_t n)
{
    double s = 0;

    for (size_t i = 0; i < n; i++)
        s += fabs(v[i]);
    return s;
}

/* v within the variable's set. */
static void apply(double *v, size_t n, const double *mask)
{
    for (size_t i = 0; i < n && mask; i++)
        v[i] *= mask[i];
}

static const double *mask_of(const double *const *masks, size_t k)
{
    return masks ? masks[k] : NULL;
}

void graph_arrays_init(struct graph_arrays *arrays, const struct network *net)
{
    *arrays = (struct graph_arrays){.of = {NULL}};
    for (size_t k = 0; k <= net->nlinks; k++)
        arrays->of[k] = allocate(neurons(net, k), sizeof(double));
}

void graph_arrays_free(struct graph_arrays *arrays)
{
    for (size_t k = 0; k < NETWORK_MAX_VARIABLES; k++)
        free(arrays->of[k]);
}

static void clear(struct graph_arrays *arrays, const struct network *net, size_t first)
{
    for (size_t k = first; k <= net->nlinks; k++)
        memset(arrays->of[k], 0, neurons(net, k) * sizeof(double));
}

/* ---- the forward pass -------------------------------------------------------------------------------------------- */

static double *bounds_of(const struct graph_case *c, size_t k, const float *input, double given)
{
    double *bounds = allocate(c->net.links[k].lower.channels, sizeof *bounds);

    for (size_t i = 0; i < c->net.links[k].lower.channels; i++)
        bounds[i] = c->rules[k].input_bounds && i < GRAPH_CHANNELS ? (double)input[i] : given;
    return bounds;
}

static void link_init(struct graph_reference *ref, size_t k)
{
    const struct graph_case *c = ref->c;
    const struct link *link = &c->net.links[k];
    struct reference_input *inputs = ref->inputs[k] = allocate(link->nedges, sizeof *inputs);
    size_t upper = shape_neurons(link->upper), most = 0;

    for (size_t e = 0; e < link->nedges; e++) {
        const struct edge *edge = network_edge(&c->net, k, e);
        inputs[e] =
            (struct reference_input){ref->a.of[edge->lower], network_shape(&c->net, edge->lower), edge->channels};
        most = larger(most, neurons(&c->net, edge->lower));
    }
    ref->low[k] = bounds_of(c, k, c->low, c->rules[k].a);
    ref->high[k] = bounds_of(c, k, c->high, c->rules[k].b);
    ref->links[k] = (struct reference_link){.link = link,
                                            .inputs = inputs,
                                            .rule = c->rules[k],
                                            .bias_mode = c->bias,
                                            .pool = c->pool,
                                            .weight = c->model + link->weight,
                                            .bias = c->model + link->bias,
                                            .low = ref->low[k],
                                            .high = ref->high[k],
                                            .a = inputs[0].a,
                                            .z = ref->z.of[k + 1],
                                            .gate = link->kind == LINK_GATE ? ref->a.of[link->gate] : NULL,
                                            .one_gate = link->kind == LINK_GATE &&
                                                        shape_positions(network_shape(&c->net, link->gate)) == 1,
                                            .sums = allocate(2 * upper + most, sizeof(long double))};
    for (size_t t = 0; t < RULE_MAX_TERMS; t++)
        ref->links[k].c[t] = allocate(upper, sizeof(double));
}

static void link_free(struct graph_reference *ref, size_t k)
{
    free(ref->inputs[k]);
    free(ref->low[k]);
    free(ref->high[k]);
    free(ref->links[k].sums);
    for (size_t t = 0; t < RULE_MAX_TERMS; t++)
        free(ref->links[k].c[t]);
}

static void start_init(struct graph_reference *ref)
{
    struct measure_target target = ref->c->target;
    const double *z = ref->a.of[ref->c->net.nlinks];
    double difference = z[target.a] - z[target.b];

    ref->start = allocate(neurons(&ref->c->net, ref->c->net.nlinks), sizeof *ref->start);
    ref->start[target.a] = target.kind == TARGET_CONTRAST ? z[target.a] / difference : 1;
    if (target.kind == TARGET_CONTRAST)
        ref->start[target.b] = -z[target.b] / difference;
}

static void init(struct graph_reference *ref, const struct graph_case *c, bool rounded)
{
    *ref = (struct graph_reference){.c = c};
    graph_arrays_init(&ref->z, &c->net);
    graph_arrays_init(&ref->a, &c->net);
    for (size_t i = 0; i < neurons(&c->net, 0); i++)
        ref->a.of[0][i] = (double)c->input[i];
    for (size_t k = 0; k < c->net.nlinks; k++) {
        link_init(ref, k);
        reference_forward(ref->z.of[k + 1], &ref->links[k]);
        for (size_t j = 0; j < neurons(&c->net, k + 1); j++) {
            double a = reference_activation(c->net.links[k].activation, ref->z.of[k + 1][j]);
            ref->a.of[k + 1][j] = rounded ? (double)(float)a : a;
        }
        reference_prepare(&ref->links[k]);
    }
    start_init(ref);
}

void graph_reference_init(struct graph_reference *ref, const struct graph_case *c)
{
    init(ref, c, false);
}

void graph_reference_init_rounded(struct graph_reference *ref, const struct graph_case *c)
{
    init(ref, c, true);
}

void graph_reference_free(struct graph_reference *ref)
{
    for (size_t k = 0; k < ref->c->net.nlinks; k++)
        link_free(ref, k);
    graph_arrays_free(&ref->z);
    graph_arrays_free(&ref->a);
    free(ref->start);
}

/* ---- sweeps ------------------------------------------------------------------------------------------------------ */

bool graph_reference_blocked(const struct network *net, size_t edge, const double *const *masks)
{
    for (size_t k = net->edges[edge].lower + 1; k <= net->edges[edge].link; k++)
        if (mask_of(masks, k))
            return true;
    return false;
}

/* The link with the edge that backward, lift and flow are of. */
static struct reference_link along_edge(const struct graph_reference *ref, size_t k, size_t e)
{
    struct reference_link l = ref->links[k];

    l.edge = e;
    return l;
}

/* What the link that writes variable v hands to the variables of its edges. */
static void hand_down(struct graph_arrays *r, const struct graph_reference *ref, const struct graph_sweep *sweep,
                      size_t v)
{
    const struct network *net = &ref->c->net;
    const struct link *link = &net->links[v - 1];

    for (size_t e = 0; e < link->nedges; e++) {
        size_t edge = link->first_edge + e, lower = net->edges[edge].lower, n = neurons(net, lower);
        if (edge == sweep->forgotten || graph_reference_blocked(net, edge, sweep->masks))
            continue;
        double *part = allocate(n, sizeof *part);
        struct reference_link along = along_edge(ref, v - 1, e);
        reference_backward(part, &along, r->of[v]);
        for (size_t i = 0; i < n; i++)
            r->of[lower][i] += part[i];
        free(part);
    }
}

static void count_ends(struct graph_ledger *ledger, const struct graph_reference *ref, size_t k, const double *r)
{
    size_t channels = ref->c->net.links[k].upper.channels;
    double *to_bias = allocate(channels, sizeof *to_bias), *absorbed = allocate(channels, sizeof *absorbed);

    reference_shares(to_bias, absorbed, &ref->links[k], r);
    ledger->bias += sum(to_bias, channels);
    ledger->absorbed += sum(absorbed, channels);
    free(to_bias);
    free(absorbed);
}

/* What lies at variable v and below it, beside bias and absorbed from above. */
static void take_stock(struct graph_ledger *ledger, const struct graph_arrays *r, const struct network *net, size_t v)
{
    ledger->mass = sum(r->of[v], neurons(net, v));
    ledger->bypass = 0;
    ledger->variation = magnitude(r->of[v], neurons(net, v)) + fabs(ledger->bias) + fabs(ledger->absorbed);
    for (size_t u = 0; u < v; u++) {
        ledger->bypass += sum(r->of[u], neurons(net, u));
        ledger->variation += magnitude(r->of[u], neurons(net, u));
    }
}

void graph_reference_down(struct graph_arrays *r, struct graph_ledger *ledger, const struct graph_reference *ref,
                          const struct graph_sweep *sweep)
{
    const struct network *net = &ref->c->net;
    struct graph_ledger now = {0, 0, 0, 0, 0};

    clear(r, net, 0);
    memcpy(r->of[sweep->top], sweep->start, neurons(net, sweep->top) * sizeof(double));
    for (size_t v = sweep->top + 1; v-- > 0;) {
        apply(r->of[v], neurons(net, v), mask_of(sweep->masks, v));
        if (v == sweep->without)
            memset(r->of[v], 0, neurons(net, v) * sizeof(double));
        take_stock(&now, r, net, v);
        if (ledger)
            ledger[v] = now;
        if (v > 0) {
            count_ends(&now, ref, v - 1, r->of[v]);
            hand_down(r, ref, sweep, v);
        }
    }
}

void graph_reference_up(struct graph_arrays *h, const struct graph_reference *ref, size_t from,
                        const double *const *masks)
{
    const struct network *net = &ref->c->net;

    clear(h, net, from + 1);
    for (size_t k = from; k < net->nlinks; k++) {
        size_t n = neurons(net, k + 1);
        double *part = allocate(n, sizeof *part);
        for (size_t e = 0; e < net->links[k].nedges; e++) {
            size_t edge = net->links[k].first_edge + e, lower = net->edges[edge].lower;
            if (lower < from || graph_reference_blocked(net, edge, masks))
                continue;
            struct reference_link along = along_edge(ref, k, e);
            reference_lift(part, &along, h->of[lower]);
            for (size_t j = 0; j < n; j++)
                h->of[k + 1][j] += part[j];
        }
        apply(h->of[k + 1], n, mask_of(masks, k + 1));
        free(part);
    }
}

static struct graph_sweep from_logits(const struct graph_reference *ref, const double *const *masks)
{
    return (struct graph_sweep){ref->c->net.nlinks, ref->start, masks, GRAPH_NONE, GRAPH_NONE};
}

static size_t lowest_of(const struct network *net, const double *const *masks)
{
    for (size_t k = 0; k <= net->nlinks; k++)
        if (mask_of(masks, k))
            return k;
    return net->nlinks + 1;
}

static void fill(double *v, size_t n, double value)
{
    for (size_t i = 0; i < n; i++)
        v[i] = value;
}

void graph_reference_condition(struct graph_arrays *m, struct graph_arrays *h, const struct graph_reference *ref,
                               const double *const *masks)
{
    const struct network *net = &ref->c->net;
    struct graph_sweep sweep = from_logits(ref, masks);
    size_t lowest = lowest_of(net, masks);

    graph_reference_down(m, NULL, ref, &sweep);
    for (size_t k = 0; k <= net->nlinks; k++)
        fill(h->of[k], neurons(net, k), 1);
    if (lowest > net->nlinks)
        return;
    memcpy(h->of[lowest], masks[lowest], neurons(net, lowest) * sizeof(double));
    graph_reference_up(h, ref, lowest, masks);
}

double graph_reference_measure(const struct graph_reference *ref, const double *const *masks)
{
    const struct network *net = &ref->c->net;
    struct graph_sweep sweep = from_logits(ref, masks);
    size_t lowest = lowest_of(net, masks);
    struct graph_arrays r;

    graph_arrays_init(&r, net);
    graph_reference_down(&r, NULL, ref, &sweep);
    double measure = sum(r.of[lowest], neurons(net, lowest));
    graph_arrays_free(&r);
    return measure;
}

/* ---- pairs ------------------------------------------------------------------------------------------------------- */

void graph_reference_channels(double *sums, const struct network *net, size_t k, const double *values)
{
    struct shape s = network_shape(net, k);

    for (size_t c = 0; c < s.channels; c++)
        sums[c] = sum(values + c * shape_positions(s), shape_positions(s));
}

/* v of variable k times h, as sums of channels. */
static void weighted_channels(double *sums, const struct network *net, size_t k, const double *v, const double *h)
{
    double *product = allocate(neurons(net, k), sizeof *product);

    for (size_t i = 0; i < neurons(net, k); i++)
        product[i] = v[i] * h[i];
    graph_reference_channels(sums, net, k, product);
    free(product);
}

/* A row of the joint: the sweep from one channel of the upper variable. */
static void pair_row(double *row, const struct graph_pair *pair, const struct graph_reference *ref, size_t channel,
                     const struct graph_arrays *const m_and_h[2], const double *const *masks)
{
    const struct network *net = &ref->c->net;
    size_t positions = shape_positions(network_shape(net, pair->upper));
    double *start = allocate(neurons(net, pair->upper), sizeof *start);
    struct graph_sweep sweep = {pair->upper, start, masks, GRAPH_NONE, GRAPH_NONE};
    struct graph_arrays r;

    memcpy(start + channel * positions, m_and_h[0]->of[pair->upper] + channel * positions, positions * sizeof *start);
    graph_arrays_init(&r, net);
    graph_reference_down(&r, NULL, ref, &sweep);
    weighted_channels(row, net, pair->lower, r.of[pair->lower], m_and_h[1]->of[pair->lower]);
    graph_arrays_free(&r);
    free(start);
}

/* lost: M (h - what of h has passed the lower variable). */
static void pair_lost(struct graph_pair *pair, const struct graph_reference *ref,
                      const struct graph_arrays *const m_and_h[2], const double *const *masks)
{
    const struct network *net = &ref->c->net;
    struct graph_arrays passed;

    graph_arrays_init(&passed, net);
    memcpy(passed.of[pair->lower], m_and_h[1]->of[pair->lower], neurons(net, pair->lower) * sizeof(double));
    graph_reference_up(&passed, ref, pair->lower, masks);
    for (size_t j = 0; j < neurons(net, pair->upper); j++)
        passed.of[pair->upper][j] = m_and_h[1]->of[pair->upper][j] - passed.of[pair->upper][j];
    weighted_channels(pair->lost, net, pair->upper, m_and_h[0]->of[pair->upper], passed.of[pair->upper]);
    graph_arrays_free(&passed);
}

static void pair_around(struct graph_pair *pair, const struct graph_reference *ref, const struct graph_arrays *h,
                        const double *const *masks)
{
    struct graph_sweep sweep = from_logits(ref, masks);
    struct graph_arrays r;

    sweep.without = pair->upper;
    graph_arrays_init(&r, &ref->c->net);
    graph_reference_down(&r, NULL, ref, &sweep);
    weighted_channels(pair->around, &ref->c->net, pair->lower, r.of[pair->lower], h->of[pair->lower]);
    graph_arrays_free(&r);
}

void graph_reference_pair_init(struct graph_pair *pair, const struct graph_reference *ref, size_t lower, size_t upper,
                               const double *const *masks)
{
    const struct network *net = &ref->c->net;
    size_t rows = network_shape(net, upper).channels, columns = network_shape(net, lower).channels;
    struct graph_arrays m, h;
    const struct graph_arrays *const m_and_h[2] = {&m, &h};

    *pair = (struct graph_pair){lower, upper, allocate(rows * columns, sizeof(double)), allocate(rows, sizeof(double)),
                                allocate(columns, sizeof(double))};
    graph_arrays_init(&m, net);
    graph_arrays_init(&h, net);
    graph_reference_condition(&m, &h, ref, masks);
    for (size_t c = 0; c < rows; c++)
        pair_row(pair->joint + c * columns, pair, ref, c, m_and_h, masks);
    pair_lost(pair, ref, m_and_h, masks);
    pair_around(pair, ref, &h, masks);
    graph_arrays_free(&m);
    graph_arrays_free(&h);
}

void graph_reference_pair_free(struct graph_pair *pair)
{
    free(pair->joint);
    free(pair->lost);
    free(pair->around);
}

void graph_reference_flow(double *joint, const struct graph_reference *ref, size_t k, size_t e,
                          const struct graph_arrays *m, const struct graph_arrays *h, const double *const *masks)
{
    const struct network *net = &ref->c->net;
    const struct edge *edge = network_edge(net, k, e);
    struct reference_link along = along_edge(ref, k, e);
    size_t rows = net->links[k].upper.channels;
    size_t columns = network_diagonal(&net->links[k]) ? 1 : network_shape(net, edge->lower).channels;

    if (graph_reference_blocked(net, net->links[k].first_edge + e, masks))
        memset(joint, 0, rows * columns * sizeof *joint);
    else
        reference_flow(joint, &along, m->of[k + 1], h->of[edge->lower]);
}
