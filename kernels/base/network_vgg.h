/* VGG networks: chains of 3x3 convolutions with zero padding 1, 2x2 max pools with stride 2, and three dense layers.
 * All outputs but the logits are rectified. Variables are "input", "conv1_1", "conv1_2", "pool1", ..., "pool5", "fc6",
 * "fc7", "fc8". */
#ifndef NRMFLOW_KERNELS_BASE_NETWORK_VGG_H
#define NRMFLOW_KERNELS_BASE_NETWORK_VGG_H

#include "kernels/base/network.h"

enum { NETWORK_VGG_LAYERS = 19 /* most weighted layers */ };

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
bool network_vgg_init(struct network *net, char *message, size_t nmessage, const struct network_layer *layers,
                      size_t nlayers);

/* The network of this name ("vgg16") in torchvision's widths, 64 to 512 and 4096, all divided by `narrow`, for images
 * of 3 x side x side. In the model each layer's weight is followed by its bias.
 *
 *   net      out  the network; undefined on failure
 *   classes  in   number of logits
 * Returns the floats of the model; 0 if there is no such network or `side` is not a positive multiple of 32. */
size_t network_vgg_standard(struct network *net, const char *name, size_t side, size_t narrow, size_t classes);

#endif
