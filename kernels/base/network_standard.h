/* Networks that many know, by name: VGG, and torchvision's residual networks, whose batch normalisation is folded into
 * the convolutions. For measurements and tests; networks of files come with their own shapes. */
#ifndef NRMFLOW_KERNELS_BASE_NETWORK_STANDARD_H
#define NRMFLOW_KERNELS_BASE_NETWORK_STANDARD_H

#include "kernels/base/network.h"

/* What network_standard knows, for messages and help texts. */
#define NETWORK_STANDARD_NAMES "vgg11, vgg13, vgg16, vgg19, resnet18, resnet50 or mobilenet_v2"

/* The network of this name in torchvision's widths, all divided by `narrow`, for images of 3 x side x side. In the
 * model each layer's weight is followed by its bias.
 *
 *   net      out  the network; undefined on failure
 *   classes  in   number of logits
 * Returns the floats of the model; 0 if there is no such network or `side` is not a positive multiple of 32. */
size_t network_standard(struct network *net, const char *name, size_t side, size_t narrow, size_t classes);

#endif
