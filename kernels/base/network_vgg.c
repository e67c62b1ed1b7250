#include "kernels/base/network_vgg.h"

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

/* Appends are within bounds and shapes fit: check_layers. */
static void push(struct network *net, const struct link *link)
{
    char message[128];
    size_t lower = net->nlinks, upper = network_push(net, link, &lower, 1, NULL, message, sizeof message);

    assert(upper == lower + 1);
    (void)upper;
}

static void push_weighted(struct network *net, const char *name, const struct network_layer *layer, bool rectified)
{
    struct link link = {.kind = layer->convolution ? LINK_CONVOLUTION : LINK_DENSE,
                        .upper = {layer->convolution ? 0 : layer->out, 1, 1},
                        .activation = {rectified ? ACTIVATION_RELU : ACTIVATION_NONE, 0, 0},
                        .weight = layer->weight,
                        .bias = layer->bias};
    struct shape lower = network_shape(net, net->nlinks);

    if (layer->convolution) {
        link.upper = (struct shape){layer->out, lower.height, lower.width};
        link.window = (struct window)WINDOW_SAME3;
        link.groups = 1;
    }
    snprintf(link.name, sizeof link.name, "%s", name);
    push(net, &link);
}

static void push_pool(struct network *net, const char *name)
{
    struct link link = {.kind = LINK_POOL, .window = WINDOW_HALVING};

    snprintf(link.name, sizeof link.name, "%s", name);
    push(net, &link);
}

bool network_vgg_init(struct network *net, char *message, size_t nmessage, const struct network_layer *layers,
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
    network_start(net, v->name, (struct shape){layers[0].in, side << STAGES, side << STAGES});
    for (size_t s = 0; s < STAGES; s++) {
        for (size_t i = 0; i < v->convolutions[s]; i++) {
            snprintf(name, sizeof name, "conv%u_%u", (unsigned)(s + 1), (unsigned)(i + 1));
            push_weighted(net, name, &layers[next++], true);
        }
        snprintf(name, sizeof name, "pool%u", (unsigned)(s + 1));
        push_pool(net, name);
    }
    for (unsigned d = 0; d < DENSE; d++) {
        snprintf(name, sizeof name, "fc%u", d + 6);
        push_weighted(net, name, &layers[next++], d + 1 < DENSE);
    }
    return network_finish(net, message, nmessage);
}

/* Describe one layer of a standard network, and advance *floats past its weight and bias. */
static void push_layer(struct network_layer *layer, bool convolution, size_t out, size_t in, size_t *floats)
{
    size_t weight = out * in * (convolution ? 9 : 1);

    *layer = (struct network_layer){convolution, out, in, *floats, *floats + weight};
    *floats += weight + out;
}

size_t network_vgg_standard(struct network *net, const char *name, size_t side, size_t narrow, size_t classes)
{
    static const size_t widths[STAGES] = {64, 128, 256, 512, 512};
    struct network_layer layers[NETWORK_VGG_LAYERS];
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
    return network_vgg_init(net, message, sizeof message, layers, n) ? floats : 0;
}
