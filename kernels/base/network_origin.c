#include "kernels/base/network_origin.h"

#include <assert.h>

/* The edge from which a link that joins channels takes upper channel k; `channel` becomes the lower one. */
static const struct edge *edge_of_channel(const struct network *net, const struct link *link, size_t *channel)
{
    for (size_t e = 0; e < link->nedges; e++) {
        const struct edge *edge = &net->edges[link->first_edge + e];
        const struct edge_channels *piece = &edge->channels;
        size_t number = *channel < piece->upper ? piece->count : (*channel - piece->upper) / piece->step;
        if (number < piece->count && piece->upper + number * piece->step == *channel) {
            *channel = piece->lower + number;
            return edge;
        }
    }
    assert(!"every channel has a piece");
    return &net->edges[link->first_edge];
}

struct network_origin network_origin(const struct network *net, size_t variable, size_t channel)
{
    while (variable > 0 && !network_has_rule(&net->links[variable - 1])) {
        const struct link *link = &net->links[variable - 1];
        const struct edge *edge =
            link->kind == LINK_CHANNELS ? edge_of_channel(net, link, &channel) : &net->edges[link->first_edge];
        variable = edge->lower;
    }
    return (struct network_origin){variable, channel};
}
