#include "kernels/base/network.h"

#include "kernels/base/number.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { STAGES = 5, DENSE = 3 };

struct variant {
    const char *name;
    size_t convolutions[STAGES]; /* per stage; a pool follows each stage */
};

static const struct variant variants[] = {
    {"vgg11", {1, 1, 2, 2, 2}},
    {"vgg13", {2, 2, 2, 2, 2}},
    {"vgg16", {2, 2, 3, 3, 3}},
    {"vgg19", {2, 2, 4, 4, 4}},
};

enum { NVARIANTS = sizeof variants / sizeof variants[0] };

static size_t convolution_count(const struct variant *v)
{
    size_t n = 0;

    for (size_t s = 0; s < STAGES; s++)
        n += v->convolutions[s];
    return n;
}

static const struct variant *variant_of(size_t convolutions)
{
    for (size_t i = 0; i < NVARIANTS; i++)
        if (convolution_count(&variants[i]) == convolutions)
            return &variants[i];
    return NULL;
}

static size_t square_root(size_t n)
{
    size_t r = 0;

    while (r < 1024 && (r + 1) * (r + 1) <= n)
        r++;
    return r;
}

/* Every layer must have the outputs of the layer below as inputs. fc6 reads the last pool, whose side follows from its
 * inputs. */
static bool check_layers(char *message, size_t nmessage, const struct network_layer *layers, size_t nlayers,
                         size_t *side)
{
    size_t nconv = nlayers - DENSE;

    for (size_t i = 0; i < nlayers; i++) {
        const struct network_layer *l = &layers[i];
        if (l->convolution != (i < nconv) || l->in == 0 || l->out == 0) {
            snprintf(message, nmessage, "layer %zu: the order must be convolutions, then three dense layers", i + 1);
            return false;
        }
        if (i > 0 && i != nconv && l->in != layers[i - 1].out) {
            snprintf(message, nmessage, "layer %zu reads %zu channels, but the layer below has %zu", i + 1, l->in,
                     layers[i - 1].out);
            return false;
        }
    }
    size_t positions = layers[nconv].in / layers[nconv - 1].out;
    *side = square_root(positions);
    if (*side == 0 || *side * *side * layers[nconv - 1].out != layers[nconv].in) {
        snprintf(message, nmessage, "the first dense layer reads %zu values, which is no square map of %zu channels",
                 layers[nconv].in, layers[nconv - 1].out);
        return false;
    }
    return true;
}

static void push_weighted(struct network *net, const char *name, const struct network_layer *layer, struct shape lower,
                          bool rectified)
{
    struct link *l = &net->links[net->nlinks++];

    *l = (struct link){.kind = layer->convolution ? LINK_CONVOLUTION : LINK_DENSE,
                       .lower = lower,
                       .upper = {layer->out, 1, 1},
                       .rectified = rectified,
                       .weight = layer->weight,
                       .bias = layer->bias};
    if (layer->convolution)
        l->upper = (struct shape){layer->out, lower.height, lower.width};
    snprintf(l->name, sizeof l->name, "%s", name);
}

static void push_pool(struct network *net, const char *name, struct shape lower)
{
    struct link *l = &net->links[net->nlinks++];

    *l = (struct link){.kind = LINK_POOL, .lower = lower, .upper = {lower.channels, lower.height / 2, lower.width / 2}};
    snprintf(l->name, sizeof l->name, "%s", name);
}

bool network_init(struct network *net, char *message, size_t nmessage, const struct network_layer *layers,
                  size_t nlayers)
{
    const struct variant *v = nlayers > DENSE ? variant_of(nlayers - DENSE) : NULL;
    size_t side = 0, next = 0;
    char name[NETWORK_NAME];

    if (!v) {
        snprintf(message, nmessage,
                 "%zu weighted layers; VGG11, 13, 16 and 19 have 8, 10, 13 and 16 convolutions and 3 dense layers",
                 nlayers);
        return false;
    }
    if (!check_layers(message, nmessage, layers, nlayers, &side))
        return false;
    *net = (struct network){0};
    snprintf(net->name, sizeof net->name, "%s", v->name);
    struct shape at = {layers[0].in, side << STAGES, side << STAGES};
    for (size_t s = 0; s < STAGES; s++) {
        for (size_t i = 0; i < v->convolutions[s]; i++) {
            snprintf(name, sizeof name, "conv%u_%u", (unsigned)(s + 1), (unsigned)(i + 1));
            push_weighted(net, name, &layers[next++], at, true);
            at = net->links[net->nlinks - 1].upper;
        }
        snprintf(name, sizeof name, "pool%u", (unsigned)(s + 1));
        push_pool(net, name, at);
        at = net->links[net->nlinks - 1].upper;
    }
    for (unsigned d = 0; d < DENSE; d++) {
        snprintf(name, sizeof name, "fc%u", d + 6);
        push_weighted(net, name, &layers[next++], at, d + 1 < DENSE);
        at = net->links[net->nlinks - 1].upper;
    }
    return true;
}

/* Describe one layer of a standard network, and advance *floats past its weight and bias. */
static void push_layer(struct network_layer *layer, bool convolution, size_t out, size_t in, size_t *floats)
{
    size_t weight = out * in * (convolution ? 9 : 1);

    *layer = (struct network_layer){convolution, out, in, *floats, *floats + weight};
    *floats += weight + out;
}

size_t network_standard(struct network *net, const char *name, size_t side, size_t narrow, size_t classes)
{
    static const size_t widths[STAGES] = {64, 128, 256, 512, 512};
    struct network_layer layers[NETWORK_MAX_LINKS];
    size_t n = 0, i = 0, floats = 0, in = 3, dense = larger(4096 / narrow, 1), positions;
    char message[128];

    while (i < NVARIANTS && strcmp(variants[i].name, name) != 0)
        i++;
    if (i == NVARIANTS || side == 0 || side % (1 << STAGES) != 0)
        return 0;
    for (size_t s = 0; s < STAGES; s++) {
        for (size_t c = 0; c < variants[i].convolutions[s]; c++) {
            size_t out = larger(widths[s] / narrow, 1);
            push_layer(&layers[n++], true, out, in, &floats);
            in = out;
        }
    }
    positions = (side >> STAGES) * (side >> STAGES);
    push_layer(&layers[n++], false, dense, in * positions, &floats);
    push_layer(&layers[n++], false, dense, dense, &floats);
    push_layer(&layers[n++], false, classes, dense, &floats);
    return network_init(net, message, sizeof message, layers, n) ? floats : 0;
}

const char *network_variable(const struct network *net, size_t k)
{
    assert(k <= net->nlinks);
    return k ? net->links[k - 1].name : "input";
}

struct shape network_shape(const struct network *net, size_t k)
{
    assert(k <= net->nlinks);
    return k ? net->links[k - 1].upper : net->links[0].lower;
}

struct layout network_layout(const struct network *net, size_t k)
{
    /* the input, dense variables and the variable that the first of these reads are in the model's order */
    bool planar = k == 0 || k == net->nlinks || net->links[k].kind == LINK_DENSE;

    return planar ? layout_planar(network_shape(net, k)) : layout_blocked(network_shape(net, k));
}

size_t network_find(const struct network *net, const char *name)
{
    size_t k = 0;

    while (k <= net->nlinks && strcmp(network_variable(net, k), name) != 0)
        k++;
    return k;
}

size_t network_weighted_below(const struct network *net, size_t k)
{
    while (k-- > 0)
        if (net->links[k].kind != LINK_POOL)
            return k;
    return net->nlinks;
}
