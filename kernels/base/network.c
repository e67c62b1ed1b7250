#include "kernels/base/network.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MOST_NEURONS = 1 << 30, MOST_SIDE = 1 << 24 };

/* ---- building ---------------------------------------------------------------------------------------------------- */

struct reason {
    char *text;
    size_t nbytes;
};

__attribute__((format(printf, 2, 3))) static bool refuse(struct reason reason, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason.text, reason.nbytes, format, arguments);
    va_end(arguments);
    return false;
}

void network_start(struct network *net, const char *name, struct shape input)
{
    *net = (struct network){.input = input};
    snprintf(net->name, sizeof net->name, "%s", name);
}

static bool same_shape(struct shape a, struct shape b)
{
    return a.channels == b.channels && a.height == b.height && a.width == b.width;
}

static bool has_window(const struct link *link)
{
    return link->kind == LINK_CONVOLUTION || link->kind == LINK_POOL || link->kind == LINK_AVERAGE;
}

static bool check_window(const struct link *link, struct reason reason)
{
    struct window w = link->window;

    if (w.height == 0 || w.width == 0 || w.down == 0 || w.across == 0 || w.height > MOST_SIDE || w.width > MOST_SIDE ||
        w.down > MOST_SIDE || w.across > MOST_SIDE)
        return refuse(reason, "%s has a window of %zu x %zu with stride %zu x %zu", link->name, w.height, w.width,
                      w.down, w.across);
    if (w.top >= w.height || w.left >= w.width || w.bottom >= w.height || w.right >= w.width)
        return refuse(reason, "%s has padding as large as its window", link->name);
    if (link->lower.height + w.top + w.bottom < w.height || link->lower.width + w.left + w.right < w.width)
        return refuse(reason, "%s has a window of %zu x %zu, larger than its map of %zu x %zu", link->name, w.height,
                      w.width, link->lower.height, link->lower.width);
    return true;
}

/* The upper shape where the link does not say it. */
static struct shape upper_shape(const struct link *link, const struct edge_channels *pieces, size_t nlower)
{
    struct shape upper = link->upper, lower = link->lower;
    struct window w = link->window;

    if (upper.height == 0)
        upper.height = has_window(link) ? (lower.height + w.top + w.bottom - w.height) / w.down + 1 : lower.height;
    if (upper.width == 0)
        upper.width = has_window(link) ? (lower.width + w.left + w.right - w.width) / w.across + 1 : lower.width;
    if (upper.channels == 0 && link->kind != LINK_CHANNELS)
        upper.channels = lower.channels;
    for (size_t e = 0; e < nlower && link->upper.channels == 0 && link->kind == LINK_CHANNELS; e++)
        upper.channels += pieces[e].count;
    return upper;
}

/* Every window begins within the map, so that none is empty. */
static bool check_windows(const struct link *link, struct reason reason)
{
    struct window w = link->window;

    if ((link->upper.height - 1) * w.down >= link->lower.height + w.top ||
        (link->upper.width - 1) * w.across >= link->lower.width + w.left)
        return refuse(reason, "%s has windows outside of its map", link->name);
    if (link->kind != LINK_CONVOLUTION)
        return link->upper.channels == link->lower.channels || refuse(reason, "%s changes its channels", link->name);
    if (link->groups == 0 || link->lower.channels % link->groups != 0 || link->upper.channels % link->groups != 0)
        return refuse(reason, "%s has %zu groups of %zu input and %zu output channels", link->name, link->groups,
                      link->lower.channels, link->upper.channels);
    return true;
}

/* Whether upper channel k is one of the piece. */
static bool holds(struct edge_channels piece, size_t k)
{
    return k >= piece.upper && (k - piece.upper) % piece.step == 0 && (k - piece.upper) / piece.step < piece.count;
}

static bool overlap(const struct edge_channels *pieces, size_t e)
{
    for (size_t i = 0; i < pieces[e].count; i++)
        for (size_t other = 0; other < e; other++)
            if (holds(pieces[other], pieces[e].upper + i * pieces[e].step))
                return true;
    return false;
}

static bool check_pieces(const struct network *net, const struct link *link, const size_t *lower, size_t nlower,
                         const struct edge_channels *pieces, struct reason reason)
{
    size_t count = 0;

    for (size_t e = 0; e < nlower; e++) {
        struct edge_channels p = pieces[e];
        struct shape from = network_shape(net, lower[e]);
        if (from.height != link->upper.height || from.width != link->upper.width)
            return refuse(reason, "%s joins maps of different size", link->name);
        if (p.count == 0 || p.step == 0 || p.count > from.channels || p.lower > from.channels - p.count ||
            p.upper >= link->upper.channels || (link->upper.channels - 1 - p.upper) / p.step < p.count - 1)
            return refuse(reason, "%s takes channels that are not there", link->name);
        if (overlap(pieces, e))
            return refuse(reason, "%s writes channels twice", link->name);
        count += p.count;
    }
    return count == link->upper.channels || refuse(reason, "%s does not fill its channels", link->name);
}

static bool check_others(const struct network *net, const struct link *link, const size_t *lower, size_t nlower,
                         struct reason reason)
{
    for (size_t e = 0; e < nlower && link->kind == LINK_ADD; e++)
        if (!same_shape(network_shape(net, lower[e]), link->upper))
            return refuse(reason, "%s adds maps of different shape", link->name);
    if (link->kind == LINK_GATE) {
        struct shape gate = link->gate <= net->nlinks ? network_shape(net, link->gate) : (struct shape){0};
        if (gate.channels != link->upper.channels || !(shape_positions(gate) == 1 || same_shape(gate, link->upper)))
            return refuse(reason, "%s has a gate of another shape", link->name);
    }
    if ((link->kind == LINK_GATE || link->kind == LINK_PASS) && !same_shape(link->lower, link->upper))
        return refuse(reason, "%s changes its shape", link->name);
    if (link->kind == LINK_DENSE && shape_positions(link->upper) != 1)
        return refuse(reason, "%s is dense and has more than one position", link->name);
    return true;
}

static bool check_size(struct shape s)
{
    size_t neurons;

    return s.channels && s.height && s.width && !__builtin_mul_overflow(s.channels, s.height, &neurons) &&
           !__builtin_mul_overflow(neurons, s.width, &neurons) && neurons <= MOST_NEURONS;
}

static bool check_link(const struct network *net, const struct link *link, const size_t *lower, size_t nlower,
                       const struct edge_channels *pieces, struct reason reason)
{
    bool several = link->kind == LINK_ADD || link->kind == LINK_CHANNELS;

    if (nlower == 0 || (nlower > 1 && !several))
        return refuse(reason, "%s reads %zu variables", link->name, nlower);
    if (!check_size(link->upper))
        return refuse(reason, "%s has %zu x %zu x %zu neurons", link->name, link->upper.channels, link->upper.height,
                      link->upper.width);
    if (has_window(link) && !check_windows(link, reason))
        return false;
    if (link->kind == LINK_CHANNELS && !check_pieces(net, link, lower, nlower, pieces, reason))
        return false;
    return check_others(net, link, lower, nlower, reason);
}

size_t network_push(struct network *net, const struct link *link, const size_t *lower, size_t nlower,
                    const struct edge_channels *pieces, char *message, size_t nmessage)
{
    struct reason reason = {message, nmessage};
    struct link *own = &net->links[net->nlinks];

    if (net->nlinks == NETWORK_MAX_LINKS || nlower > NETWORK_MAX_EDGES - net->nedges) {
        refuse(reason, "%s: networks have at most %d layers and %d edges", link->name, NETWORK_MAX_LINKS,
               NETWORK_MAX_EDGES);
        return 0;
    }
    if (network_find(net, link->name) <= net->nlinks) {
        refuse(reason, "there are two layers with the name %s", link->name);
        return 0;
    }
    for (size_t e = 0; e < nlower; e++)
        if (lower[e] > net->nlinks) {
            refuse(reason, "%s reads a layer that is not below it", link->name);
            return 0;
        }
    *own = *link;
    own->lower = network_shape(net, nlower ? lower[0] : 0);
    own->first_edge = net->nedges;
    own->nedges = nlower;
    if (has_window(own) && !check_window(own, reason))
        return 0;
    own->upper = upper_shape(own, pieces, nlower);
    if (!check_link(net, own, lower, nlower, pieces, reason))
        return 0;
    for (size_t e = 0; e < nlower; e++)
        net->edges[net->nedges++] = (struct edge){
            .link = net->nlinks, .lower = lower[e], .channels = pieces ? pieces[e] : (struct edge_channels){0}};
    return ++net->nlinks;
}

/* ---- readers, cuts and layouts ----------------------------------------------------------------------------------- */

static void find_readers(struct network *net)
{
    size_t n = 0;

    for (size_t k = 0; k <= net->nlinks; k++) {
        net->first_reader[k] = n;
        for (size_t e = 0; e < net->nedges; e++)
            if (net->edges[e].lower == k)
                net->readers[n++] = e;
    }
    net->first_reader[net->nlinks + 1] = n;
}

static void find_gates(struct network *net)
{
    for (size_t k = 0; k < net->nlinks; k++)
        if (net->links[k].kind == LINK_GATE)
            net->gates[net->links[k].gate] = true;
}

/* Edges of links that are not swept carry nothing, so nothing jumps along them. */
static void find_cuts(struct network *net)
{
    net->swept[net->nlinks] = true;
    for (size_t k = 0; k <= net->nlinks; k++)
        net->cut[k] = true;
    for (size_t k = net->nlinks; k-- > 0;) {
        const struct link *link = &net->links[k];
        for (size_t e = 0; e < link->nedges && net->swept[k + 1]; e++) {
            size_t lower = net->edges[link->first_edge + e].lower;
            net->swept[lower] = true;
            for (size_t between = lower + 1; between <= k; between++)
                net->cut[between] = false;
        }
    }
}

/* Whether the variable that a link writes is never negative, if those that it reads are known. */
static bool is_nonnegative(const struct network *net, const struct link *link)
{
    switch (link->activation.kind) {
    case ACTIVATION_RELU:
    case ACTIVATION_SIGMOID:
    case ACTIVATION_HARD_SIGMOID:
    case ACTIVATION_SOFTPLUS:
        return true;
    case ACTIVATION_CLIP:
        return link->activation.a >= 0;
    case ACTIVATION_LEAKY:
    case ACTIVATION_SILU:
    case ACTIVATION_HARD_SWISH:
    case ACTIVATION_GELU:
    case ACTIVATION_ELU:
    case ACTIVATION_TANH:
    case ACTIVATION_MISH:
    case ACTIVATION_NONE:
        break;
    }
    if (link->kind == LINK_CONVOLUTION || link->kind == LINK_DENSE || link->weighted)
        return false;
    for (size_t e = 0; e < link->nedges; e++)
        if (!net->nonnegative[net->edges[link->first_edge + e].lower])
            return false;
    return link->kind != LINK_GATE || net->nonnegative[link->gate];
}

static bool is_winograd(const struct link *link)
{
    return link->kind == LINK_CONVOLUTION && network_same3(link);
}

static enum network_order order_of(const struct network *net, size_t k)
{
    bool bordered = k > 0 && is_winograd(&net->links[k - 1]);

    if (k == 0 || k == net->nlinks || net->links[k - 1].kind == LINK_DENSE)
        return NETWORK_PLANAR;
    for (size_t i = net->first_reader[k]; i < net->first_reader[k + 1]; i++) {
        const struct link *reader = &net->links[net->edges[net->readers[i]].link];
        if (reader->kind == LINK_DENSE)
            return NETWORK_PLANAR;
        bordered = bordered || is_winograd(reader);
    }
    return bordered ? NETWORK_BORDERED : NETWORK_FLAT;
}

bool network_finish(struct network *net, char *message, size_t nmessage)
{
    struct reason reason = {message, nmessage};

    if (net->nlinks == 0)
        return refuse(reason, "the network has no layers");
    if (shape_positions(network_shape(net, net->nlinks)) != 1)
        return refuse(reason, "the last layer, %s, has %zu positions, not one value for every class",
                      network_variable(net, net->nlinks), shape_positions(network_shape(net, net->nlinks)));
    find_readers(net);
    find_gates(net);
    for (size_t k = 0; k < net->nlinks; k++)
        if (network_reader_count(net, k) == 0 && !net->gates[k])
            return refuse(reason, "no layer reads %s", network_variable(net, k));
    find_cuts(net);
    if (!net->swept[0])
        return refuse(reason, "the output does not depend on the input");
    for (size_t k = 0; k < net->nlinks; k++)
        net->nonnegative[k + 1] = is_nonnegative(net, &net->links[k]);
    for (size_t k = 0; k <= net->nlinks; k++)
        net->order[k] = order_of(net, k);
    return true;
}

/* ---- properties -------------------------------------------------------------------------------------------------- */

const char *network_variable(const struct network *net, size_t k)
{
    assert(k <= net->nlinks);
    return k ? net->links[k - 1].name : "input";
}

struct shape network_shape(const struct network *net, size_t k)
{
    assert(k <= net->nlinks);
    return k ? net->links[k - 1].upper : net->input;
}

struct layout network_layout(const struct network *net, size_t k)
{
    struct shape shape = network_shape(net, k);

    if (net->order[k] == NETWORK_FLAT)
        return layout_flat(shape);
    return net->order[k] == NETWORK_BORDERED ? layout_blocked(shape) : layout_planar(shape);
}

size_t network_find(const struct network *net, const char *name)
{
    size_t k = 0;

    while (k <= net->nlinks && strcmp(network_variable(net, k), name) != 0)
        k++;
    return k;
}

const struct edge *network_edge(const struct network *net, size_t k, size_t e)
{
    assert(k < net->nlinks && e < net->links[k].nedges);
    return &net->edges[net->links[k].first_edge + e];
}

size_t network_reader_count(const struct network *net, size_t k)
{
    return net->first_reader[k + 1] - net->first_reader[k];
}

bool network_leads(const struct network *net, size_t upper, size_t lower)
{
    bool reached[NETWORK_MAX_VARIABLES] = {false};

    reached[upper] = true;
    for (size_t k = upper; k > lower; k--)
        for (size_t e = 0; reached[k] && e < net->links[k - 1].nedges; e++)
            reached[network_edge(net, k - 1, e)->lower] = true;
    return reached[lower];
}

bool network_adjoin(const struct network *net, size_t lower, size_t upper)
{
    for (size_t k = lower + 1; k < upper; k++)
        if (network_has_rule(&net->links[k - 1]) && network_leads(net, upper, k) && network_leads(net, k, lower))
            return false;
    return network_leads(net, upper, lower);
}

bool network_is_step(const struct network *net, size_t k)
{
    return net->links[k].nedges == 1 && network_edge(net, k, 0)->lower == k && network_reader_count(net, k) == 1 &&
           !net->gates[k];
}

bool network_rectified(const struct link *link)
{
    return link->activation.kind == ACTIVATION_RELU;
}

bool network_has_rule(const struct link *link)
{
    return link->kind == LINK_CONVOLUTION || link->kind == LINK_DENSE || link->kind == LINK_ADD ||
           link->kind == LINK_AVERAGE;
}

bool network_diagonal(const struct link *link)
{
    return link->kind == LINK_ADD || link->kind == LINK_AVERAGE ||
           (link->kind == LINK_CONVOLUTION && link->groups > 1 && link->groups == link->lower.channels &&
            link->groups == link->upper.channels);
}

bool network_same3(const struct link *link)
{
    struct window w = link->window;

    return link->groups == 1 && w.height == 3 && w.width == 3 && w.down == 1 && w.across == 1 && w.top == 1 &&
           w.left == 1 && w.bottom == 1 && w.right == 1;
}

bool network_halving(const struct link *link)
{
    struct window w = link->window;

    return w.height == 2 && w.width == 2 && w.down == 2 && w.across == 2 && w.top == 0 && w.left == 0 &&
           link->upper.height == link->lower.height / 2 && link->upper.width == link->lower.width / 2;
}

size_t network_weight_floats(const struct link *link)
{
    switch (link->kind) {
    case LINK_CONVOLUTION:
        return link->upper.channels * (link->lower.channels / link->groups) * link->window.height * link->window.width;
    case LINK_DENSE:
        return link->upper.channels * shape_neurons(link->lower);
    case LINK_PASS:
        return link->weighted ? link->upper.channels : 0;
    case LINK_ADD:
    case LINK_AVERAGE:
        return 1;
    case LINK_POOL:
    case LINK_CHANNELS:
    case LINK_GATE:
        break;
    }
    return 0;
}
