#include "tests/support/graph_walks.h"

#include "kernels/base/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One way down from a neuron. */
struct step {
    size_t edge, lower; /* of the network; the variable */
    size_t neuron;
    double r;
};

/* What can follow a neuron of the variable that link k writes: steps[first .. first + n - 1], or an end. */
struct fork {
    size_t first, n;
    double bias, absorbed;
};

/* Activations of all variables, and the forks of all neurons of all links. */
struct plain {
    const struct graph_case *c;
    double *a[NETWORK_MAX_VARIABLES];
    double *z; /* of the link at hand */
    struct fork *forks[NETWORK_MAX_LINKS];
    struct step *steps;
    size_t nsteps, room;
};

static void *allocate(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);

    if (!p)
        abort();
    return p;
}

/* ---- networks ---------------------------------------------------------------------------------------------------- */

struct place {
    size_t channel, y, x;
};

static struct place place_of(struct shape s, size_t neuron)
{
    return (struct place){neuron / (s.height * s.width), neuron / s.width % s.height, neuron % s.width};
}

/* How many lower positions of an axis window `at` has, within the map or within the map and its padding. */
static size_t covered(size_t at, size_t stride, size_t size, size_t before, size_t map, size_t after, bool padding)
{
    size_t n = 0;

    for (size_t p = at * stride; p < at * stride + size; p++)
        n += padding ? p < before + map + after : p >= before && p < before + map;
    return n;
}

static double average_weight(const struct link *l, struct place j)
{
    struct window w = l->window;

    return 1 / (double)(covered(j.y, w.down, w.height, w.top, l->lower.height, w.bottom, l->count_padding) *
                        covered(j.x, w.across, w.width, w.left, l->lower.width, w.right, l->count_padding));
}

/* What a lower neuron i is to an upper neuron j along one edge: whether it reaches it, and by which weight w of the
 * model and which factor that rules do not touch. */
struct tie {
    bool reaches;
    double w, factor;
};

static struct tie tie_of(const struct plain *p, const struct link *l, const struct edge *e, size_t j, size_t i)
{
    struct place up = place_of(l->upper, j), low = place_of(network_shape(&p->c->net, e->lower), i);
    size_t dy = low.y + l->window.top - up.y * l->window.down, dx = low.x + l->window.left - up.x * l->window.across;
    bool within = dy < l->window.height && dx < l->window.width; /* before the window the difference wraps around */
    const float *weight = p->c->model + l->weight;
    size_t depth;

    switch (l->kind) {
    case LINK_CONVOLUTION:
        depth = l->lower.channels / l->groups;
        if (!within || low.channel / depth != up.channel / (l->upper.channels / l->groups))
            break;
        weight += ((up.channel * depth + low.channel % depth) * l->window.height + dy) * l->window.width + dx;
        return (struct tie){true, (double)*weight, 1};
    case LINK_DENSE:
        return (struct tie){true, (double)weight[j * shape_neurons(l->lower) + i], 1};
    case LINK_AVERAGE:
        return (struct tie){within && low.channel == up.channel, 1, average_weight(l, up)};
    case LINK_POOL:
        return (struct tie){within && low.channel == up.channel, 1, 1};
    case LINK_CHANNELS:
        for (size_t n = 0; n < e->channels.count; n++)
            if (up.channel == e->channels.upper + n * e->channels.step && low.channel == e->channels.lower + n)
                return (struct tie){up.y == low.y && up.x == low.x, 1, 1};
        break;
    case LINK_ADD:
    case LINK_GATE:
    case LINK_PASS:
        return (struct tie){i == j, 1, 1};
    }
    return (struct tie){false, 0, 0};
}

/* ---- rules ------------------------------------------------------------------------------------------------------- */

/* phi of the rule's first and second branch, of a neuron with activation a, weight w and bounds low and high. */
struct branches {
    double of[2];
};

static struct branches phi(struct rule rule, double a, double w, double low, double high)
{
    double on = fmax(a, 0), off = fmin(a, 0), up = fmax(w, 0), down = fmin(w, 0), g = rule.a;

    switch (rule.kind) {
    case RULE_ZERO:
    case RULE_EPSILON:
        return (struct branches){{a * w, 0}};
    case RULE_GAMMA:
        return (struct branches){{on * (w + g * up) + off * (w + g * down), on * (w + g * down) + off * (w + g * up)}};
    case RULE_ZPLUS:
        return (struct branches){{on * up + off * down, 0}};
    case RULE_ALPHABETA:
        return (struct branches){{on * up + off * down, on * down + off * up}};
    case RULE_ZBOX:
        return (struct branches){{a * w - low * up - high * down, 0}};
    case RULE_WSQUARE:
        return (struct branches){{w * w, 0}};
    case RULE_FLAT:
        return (struct branches){{1, 0}};
    }
    return (struct branches){{0, 0}};
}

static struct branches phi_of_bias(struct rule rule, double b)
{
    if (rule.kind == RULE_ZBOX || rule.kind == RULE_FLAT)
        return (struct branches){{0, 0}};
    return phi(rule, 1, b, 0, 0);
}

/* How much of the relevance goes by each branch. */
static struct branches choice(struct rule rule, double z)
{
    switch (rule.kind) {
    case RULE_GAMMA:
        return (struct branches){{z > 0, z < 0}};
    case RULE_ALPHABETA:
        return (struct branches){{rule.a, -rule.b}};
    default:
        return (struct branches){{1, 0}};
    }
}

static double stabilizer(struct rule rule)
{
    return rule.kind == RULE_ZERO ? 0 : rule.kind == RULE_EPSILON ? rule.a : 1e-6;
}

/* phi of neuron i along an edge. */
static struct branches phi_of_neuron(const struct plain *p, size_t k, const struct edge *e, size_t i, struct tie tie)
{
    struct rule rule = p->c->rules[k];
    size_t channel = place_of(network_shape(&p->c->net, e->lower), i).channel;
    bool given = rule.kind == RULE_ZBOX && rule.input_bounds;
    double low = given ? (double)p->c->low[channel] : rule.a, high = given ? (double)p->c->high[channel] : rule.b;
    struct branches b = phi(rule, p->a[e->lower][i], tie.w, low, high);

    return (struct branches){{b.of[0] * tie.factor, b.of[1] * tie.factor}};
}

/* ---- links ------------------------------------------------------------------------------------------------------- */

static bool has_bias(const struct link *l)
{
    return l->kind == LINK_CONVOLUTION || l->kind == LINK_DENSE || (l->kind == LINK_PASS && l->weighted);
}

static double bias_of(const struct plain *p, const struct link *l, size_t j)
{
    return has_bias(l) ? (double)p->c->model[l->bias + place_of(l->upper, j).channel] : 0;
}

static size_t neurons_below(const struct plain *p, const struct edge *e)
{
    return shape_neurons(network_shape(&p->c->net, e->lower));
}

static double gate_of(const struct plain *p, const struct link *l, size_t j)
{
    struct shape s = network_shape(&p->c->net, l->gate);

    return p->a[l->gate][shape_positions(s) == 1 ? place_of(l->upper, j).channel : j];
}

/* z of one upper neuron, before the activation. */
static double evaluate(const struct plain *p, size_t k, size_t j)
{
    const struct link *l = &p->c->net.links[k];
    double most = -INFINITY;
    long double z = bias_of(p, l, j);

    for (size_t n = 0; n < l->nedges; n++) {
        const struct edge *e = network_edge(&p->c->net, k, n);
        for (size_t i = 0; i < neurons_below(p, e); i++) {
            struct tie tie = tie_of(p, l, e, j, i);
            if (!tie.reaches)
                continue;
            double scale = l->kind == LINK_GATE ? gate_of(p, l, j)
                           : l->kind == LINK_PASS && l->weighted
                               ? (double)p->c->model[l->weight + place_of(l->upper, j).channel]
                               : tie.factor;
            z += (long double)tie.w * scale * p->a[e->lower][i];
            most = fmax(most, p->a[e->lower][i]);
        }
    }
    return l->kind == LINK_POOL ? most : (double)z;
}

static double activate(struct activation f, double z)
{
    double a = (double)f.a, b = (double)f.b;

    switch (f.kind) {
    case ACTIVATION_NONE:
        return z;
    case ACTIVATION_RELU:
        return fmax(z, 0);
    case ACTIVATION_CLIP:
        return fmin(fmax(z, a), b);
    case ACTIVATION_LEAKY:
        return z > 0 ? z : a * z;
    case ACTIVATION_SIGMOID:
        return 1 / (1 + exp(-z));
    case ACTIVATION_HARD_SIGMOID:
        return fmin(fmax(a * z + b, 0), 1);
    case ACTIVATION_SILU:
        return z / (1 + exp(-z));
    case ACTIVATION_HARD_SWISH:
        return z * fmin(fmax(z + 3, 0), 6) / 6;
    case ACTIVATION_GELU:
        return z * erfc(-z / sqrt(2)) / 2; /* 1 + erf would lose the digits of a small result */
    case ACTIVATION_ELU:
        return z > 0 ? b * z : a * (exp(z) - 1);
    case ACTIVATION_TANH:
        return tanh(z);
    case ACTIVATION_SOFTPLUS:
        return log1p(exp(z));
    case ACTIVATION_MISH:
        return z * tanh(log1p(exp(z)));
    }
    return NAN;
}

/* ---- forks ------------------------------------------------------------------------------------------------------- */

static void add_step(struct plain *p, struct fork *fork, size_t edge, size_t neuron, double r)
{
    if (r == 0)
        return;
    if (p->nsteps == p->room) {
        p->room = 2 * p->room + 1024;
        p->steps = realloc(p->steps, p->room * sizeof *p->steps);
        if (!p->steps)
            abort();
    }
    p->steps[p->nsteps++] = (struct step){edge, p->c->net.edges[edge].lower, neuron, r};
    fork->n++;
}

/* A link with a rule: all edges share the denominator of each branch. */
static void fork_by_rule(struct plain *p, struct fork *fork, size_t k, size_t j)
{
    const struct link *l = &p->c->net.links[k];
    struct rule rule = p->c->rules[k];
    struct branches number = choice(rule, p->z[j]), bias = phi_of_bias(rule, bias_of(p, l, j));
    long double sums[2] = {p->c->bias == BIAS_NEURON ? bias.of[0] : 0, p->c->bias == BIAS_NEURON ? bias.of[1] : 0};
    double c[2], taken = 0;

    for (size_t n = 0; n < l->nedges; n++) {
        const struct edge *e = network_edge(&p->c->net, k, n);
        for (size_t i = 0; i < neurons_below(p, e); i++) {
            struct tie tie = tie_of(p, l, e, j, i);
            for (size_t t = 0; t < 2 && tie.reaches; t++)
                sums[t] += (long double)phi_of_neuron(p, k, e, i, tie).of[t];
        }
    }
    for (size_t t = 0; t < 2; t++) {
        long double total = sums[t] < 0 ? sums[t] - stabilizer(rule) : sums[t] + stabilizer(rule);
        c[t] = number.of[t] == 0 || total == 0 ? 0 : (double)(number.of[t] / total);
        taken += (double)(c[t] * (total - sums[t]));
        fork->bias += p->c->bias == BIAS_NEURON ? c[t] * bias.of[t] : 0;
    }
    fork->absorbed = c[0] == 0 && c[1] == 0 ? 1 : taken;
    for (size_t n = 0; n < l->nedges; n++) {
        const struct edge *e = network_edge(&p->c->net, k, n);
        for (size_t i = 0; i < neurons_below(p, e); i++) {
            struct tie tie = tie_of(p, l, e, j, i);
            struct branches b = tie.reaches ? phi_of_neuron(p, k, e, i, tie) : (struct branches){{0, 0}};
            add_step(p, fork, l->first_edge + n, i, b.of[0] * c[0] + b.of[1] * c[1]);
        }
    }
}

/* A max pool: what of a lower neuron's activation a counts, among the window's greatest and their number. */
static void fork_by_maximum(struct plain *p, struct fork *fork, size_t k, size_t j)
{
    const struct link *l = &p->c->net.links[k];
    const struct edge *e = network_edge(&p->c->net, k, 0);
    const double *a = p->a[e->lower];
    double greatest = 0, tie_width, sum = 0, winners = 0;
    size_t first = SIZE_MAX;

    for (size_t i = 0; i < neurons_below(p, e); i++)
        greatest = fmax(greatest, a[i]);
    tie_width = 2e-5 * greatest;
    for (size_t i = 0; i < neurons_below(p, e); i++)
        if (tie_of(p, l, e, j, i).reaches) {
            bool lives = p->c->pool != POOL_WINNER_LIVE || a[i] > 0;
            first = first == SIZE_MAX || a[i] > a[first] ? i : first;
            winners += lives && a[i] >= p->z[j] - tie_width;
            sum += a[i];
        }
    for (size_t i = 0; i < neurons_below(p, e); i++) {
        bool lives = p->c->pool != POOL_WINNER_LIVE || a[i] > 0;
        if (!tie_of(p, l, e, j, i).reaches)
            continue;
        if (p->c->pool == POOL_PROPORTIONAL)
            add_step(p, fork, l->first_edge, i, a[i] / (sum < 0 ? sum - 1e-6 : sum + 1e-6));
        else if (p->c->pool == POOL_FIRST || p->z[j] <= 0)
            add_step(p, fork, l->first_edge, i, i == first);
        else
            add_step(p, fork, l->first_edge, i, lives && a[i] >= p->z[j] - tie_width ? 1 / winners : 0);
    }
    fork->absorbed = p->c->pool == POOL_PROPORTIONAL ? 1e-6 / (fabs(sum) + 1e-6) : 0;
}

/* Channels, gates and passes hand everything to one neuron. */
static void fork_by_name(struct plain *p, struct fork *fork, size_t k, size_t j)
{
    for (size_t n = 0; n < p->c->net.links[k].nedges; n++) {
        const struct edge *e = network_edge(&p->c->net, k, n);
        for (size_t i = 0; i < neurons_below(p, e); i++)
            add_step(p, fork, p->c->net.links[k].first_edge + n, i, tie_of(p, &p->c->net.links[k], e, j, i).reaches);
    }
}

static void fork_of(struct plain *p, size_t k, size_t j)
{
    struct fork *fork = &p->forks[k][j];
    const struct link *l = &p->c->net.links[k];

    fork->first = p->nsteps;
    if (network_has_rule(l))
        fork_by_rule(p, fork, k, j);
    else if (l->kind == LINK_POOL)
        fork_by_maximum(p, fork, k, j);
    else
        fork_by_name(p, fork, k, j);
}

static void plain_init(struct plain *p, const struct graph_case *c)
{
    *p = (struct plain){.c = c, .a = {allocate(shape_neurons(c->net.input), sizeof(double))}};
    for (size_t i = 0; i < shape_neurons(c->net.input); i++)
        p->a[0][i] = (double)c->input[i];
    for (size_t k = 0; k < c->net.nlinks; k++) {
        size_t n = shape_neurons(c->net.links[k].upper);
        p->a[k + 1] = allocate(n, sizeof(double));
        p->forks[k] = allocate(n, sizeof(struct fork));
        free(p->z);
        p->z = allocate(n, sizeof(double));
        for (size_t j = 0; j < n; j++) {
            p->z[j] = evaluate(p, k, j);
            p->a[k + 1][j] = activate(c->net.links[k].activation, p->z[j]);
        }
        for (size_t j = 0; j < n; j++)
            fork_of(p, k, j);
    }
}

static void plain_free(struct plain *p)
{
    for (size_t k = 0; k <= p->c->net.nlinks; k++)
        free(p->a[k]);
    for (size_t k = 0; k < p->c->net.nlinks; k++)
        free(p->forks[k]);
    free(p->z);
    free(p->steps);
}

/* Where walks begin: the target's logit, or both of a contrast, z_a / (z_a - z_b) and - z_b / (z_a - z_b); nowhere if
 * those are too near each other. z is of the last link. */
static struct branches start_of(const struct plain *p)
{
    struct measure_target target = p->c->target;
    size_t classes = network_shape(&p->c->net, p->c->net.nlinks).channels;
    double a = p->z[target.a], b = p->z[target.b], most = 0;

    if (target.kind != TARGET_CONTRAST)
        return (struct branches){{1, 0}};
    for (size_t i = 0; i < classes; i++)
        most = fmax(most, fabs(p->z[i]));
    if (!(fabs(a - b) >= MEASURE_CONTRAST_LIMIT * most) || a == b)
        return (struct branches){{0, 0}};
    return (struct branches){{a / (a - b), -b / (a - b)}};
}

/* ---- walks ------------------------------------------------------------------------------------------------------- */

/* The number of walks from every neuron up, lowest variable first. */
static size_t count(const struct plain *p, size_t most)
{
    const struct network *net = &p->c->net;
    size_t *from[NETWORK_MAX_VARIABLES], n = 0;

    from[0] = allocate(shape_neurons(net->input), sizeof *from[0]);
    for (size_t i = 0; i < shape_neurons(net->input); i++)
        from[0][i] = 1;
    for (size_t k = 0; k < net->nlinks; k++) {
        from[k + 1] = allocate(shape_neurons(net->links[k].upper), sizeof *from[k + 1]);
        for (size_t j = 0; j < shape_neurons(net->links[k].upper); j++) {
            const struct fork *f = &p->forks[k][j];
            n = (size_t)(f->bias != 0) + (size_t)(f->absorbed != 0);
            for (size_t s = f->first; s < f->first + f->n && n <= most; s++)
                n += from[p->steps[s].lower][p->steps[s].neuron];
            from[k + 1][j] = smaller(n, most + 1);
        }
    }
    struct branches start = start_of(p);
    n = (start.of[0] != 0 ? from[net->nlinks][p->c->target.a] : 0) +
        (start.of[1] != 0 ? from[net->nlinks][p->c->target.b] : 0);
    for (size_t k = 0; k <= net->nlinks; k++)
        free(from[k]);
    return n > most ? SIZE_MAX : n;
}

/* The walk that is being followed: at each variable that it has come to, which steps are left. */
struct trail {
    size_t depth; /* of what follows, at most a neuron of every variable */

    struct {
        size_t variable, neuron, next;
        double measure;
    } at[NETWORK_MAX_VARIABLES];
};

static void keep(struct graph_walks *w, const struct plain *p, const struct trail *t, enum graph_end end,
                 double measure)
{
    int32_t *neurons = w->places + w->n * 2 * w->variables, *edges = neurons + w->variables;

    if (measure == 0)
        return;
    memset(neurons, 0xff, 2 * w->variables * sizeof *neurons);
    for (size_t d = 0; d < t->depth; d++) {
        size_t v = t->at[d].variable, j = t->at[d].neuron;
        neurons[v] = (int32_t)j;
        if (d + 1 < t->depth)
            edges[v] = (int32_t)p->steps[p->forks[v - 1][j].first + t->at[d].next - 1].edge;
    }
    w->walks[w->n++] = (struct graph_walk){measure, end, t->at[t->depth - 1].variable, neurons, edges};
    w->magnitude += fabs(measure);
    w->sum += measure;
}

/* Follow all walks from a logit, depth first. */
static void follow(struct graph_walks *w, const struct plain *p, struct trail *t, size_t logit, double start)
{
    t->at[0].variable = w->variables - 1;
    t->at[0].neuron = logit;
    t->at[0].next = 0;
    t->at[0].measure = start;
    t->depth = 1;
    while (t->depth > 0) {
        size_t d = t->depth - 1, v = t->at[d].variable;
        double measure = t->at[d].measure;
        const struct fork *f = v > 0 ? &p->forks[v - 1][t->at[d].neuron] : NULL;
        if (!f) {
            keep(w, p, t, GRAPH_INPUT, measure);
        } else if (t->at[d].next == 0) {
            keep(w, p, t, GRAPH_BIAS, measure * f->bias);
            keep(w, p, t, GRAPH_ABSORBED, measure * f->absorbed);
        }
        if (!f || t->at[d].next == f->n) {
            t->depth--;
            continue;
        }
        const struct step *s = &p->steps[f->first + t->at[d].next++];
        t->at[d + 1].variable = s->lower;
        t->at[d + 1].neuron = s->neuron;
        t->at[d + 1].next = 0;
        t->at[d + 1].measure = measure * s->r;
        t->depth++;
    }
}

size_t graph_walks_count(const struct graph_case *c, size_t most)
{
    struct plain p;

    plain_init(&p, c);
    size_t n = count(&p, most);
    plain_free(&p);
    return n;
}

void graph_walks_init(struct graph_walks *w, const struct graph_case *c)
{
    struct trail *trail = allocate(1, sizeof *trail);
    struct plain p;

    plain_init(&p, c);
    size_t n = count(&p, SIZE_MAX / 2);
    struct branches start = start_of(&p);
    *w = (struct graph_walks){.variables = c->net.nlinks + 1};
    w->walks = allocate(n, sizeof *w->walks);
    w->places = allocate(n * 2 * w->variables, sizeof *w->places);
    follow(w, &p, trail, c->target.a, start.of[0]);
    if (c->target.kind == TARGET_CONTRAST)
        follow(w, &p, trail, c->target.b, start.of[1]);
    plain_free(&p);
    free(trail);
}

void graph_walks_free(struct graph_walks *w)
{
    free(w->walks);
    free(w->places);
}
