/* Where the channels of a variable come from. Pools, passes, gates and links that join or choose channels hand
 * relevance of a channel on to one channel below; links with a rule share it. */
#ifndef NRMFLOW_KERNELS_BASE_NETWORK_ORIGIN_H
#define NRMFLOW_KERNELS_BASE_NETWORK_ORIGIN_H

#include "kernels/base/network.h"

/* A channel of the input, or of a variable that a link with a rule writes. */
struct network_origin {
    size_t variable, channel;
};

/* The origin of a channel, looked for from its variable down. */
struct network_origin network_origin(const struct network *net, size_t variable, size_t channel);

#endif
