/* VGG networks as tables of links.
 *
 * A network is a chain of variables a^0 (input), a^1, ..., a^L (logits). A link maps one variable to the next: a 3x3
 * convolution with zero padding 1, a dense layer, or a 2x2 max pool with stride 2. ReLU belongs to the variable it is
 * applied to: the outputs of all convolutions and dense layers are rectified, except the logits.
 *
 * Variables are numbered 0 .. nlinks; link k maps variable k to variable k + 1. They are named "input", "conv1_1",
 * "conv1_2", "pool1", ..., "pool5", "fc6", "fc7", "fc8". Dense layers read the variable below as [C][H][W].
 */
#ifndef NRMFLOW_KERNELS_BASE_NETWORK_H
#define NRMFLOW_KERNELS_BASE_NETWORK_H

#include "kernels/base/layout.h"
#include "kernels/base/shape.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    NETWORK_MAX_LINKS = 24, /* VGG19: 16 convolutions, 5 pools, 3 dense layers */
    NETWORK_MAX_VARIABLES = NETWORK_MAX_LINKS + 1,
    NETWORK_NAME = 12
};

enum link_kind { LINK_CONVOLUTION, LINK_DENSE, LINK_POOL };

struct link {
    enum link_kind kind;
    char name[NETWORK_NAME]; /* of the upper variable */
    struct shape lower, upper;
    bool rectified; /* the upper variable goes through a ReLU */
    size_t weight;  /* floats from the start of the model's weights: [K][C][3][3] or [K][N]; unused for pools */
    size_t bias;    /* floats from the start of the model's weights: [K] */
};

struct network {
    char name[NETWORK_NAME]; /* "vgg16" */
    size_t nlinks;
    struct link links[NETWORK_MAX_LINKS];
};

/* One weighted layer of a weights file. */
struct network_layer {
    bool convolution;
    size_t out, in;      /* channels of a convolution, neurons of a dense layer */
    size_t weight, bias; /* float offsets from the start of the model's weights, copied to the link */
};

/* Recognise a network from its layers: the variant from the number of convolutions, the widths from the shapes, and the
 * input size (32 times the side of the last pool's output) from the inputs of fc6.
 *
 *   net      out  the network; undefined on failure
 *   message  out  [nmessage] why the layers are no VGG network; untouched on success
 *   layers   in   [nlayers] convolutions first, then three dense layers
 * Returns true on success. */
bool network_init(struct network *net, char *message, size_t nmessage, const struct network_layer *layers,
                  size_t nlayers);

/* The network of this name ("vgg16") in torchvision's widths, 64 to 512 and 4096, all divided by `narrow`, for images
 * of 3 x side x side. In the model each layer's weight is followed by its bias.
 *
 *   net      out  the network; undefined on failure
 *   classes  in   number of logits
 * Returns the floats of the model; 0 if there is no such network or `side` is not a positive multiple of 32. */
size_t network_standard(struct network *net, const char *name, size_t side, size_t narrow, size_t classes);

/* Name and shape of variable k, 0 <= k <= nlinks. */
const char *network_variable(const struct network *net, size_t k);
struct shape network_shape(const struct network *net, size_t k);

/* How arrays of variable k lie in memory. */
struct layout network_layout(const struct network *net, size_t k);

/* Number of the variable of this name, or nlinks + 1 if there is none. */
size_t network_find(const struct network *net, const char *name);

/* The next weighted link below link k, past any pool; the number of links if there is none. The upper variable of that
 * link, or the input, and link k's upper variable are an adjacent pair. */
size_t network_weighted_below(const struct network *net, size_t k);

#endif
