/* What a store says about the layers of its network: which of them walks and pages show, and by default. Not
 * collective; reads on the calling rank. */
#ifndef NRMFLOW_PIPELINE_RESULTS_LAYERS_H
#define NRMFLOW_PIPELINE_RESULTS_LAYERS_H

#include "io/base/error.h"
#include "io/store/store.h"
#include "kernels/base/network.h"

#include <stdbool.h>
#include <stddef.h>

struct layers_item {
    char name[NETWORK_NAME];
    bool cut; /* all walks that come from above pass it or have ended */
    bool own; /* its channels are its own: the input, and what a link with a rule writes; others hand on the channels of
                 layers below */
    bool pool;
    bool features; /* a convolution or an add */
    bool map;      /* it has more than one position */
};

/* All variables of the network, from the input up. */
struct layers {
    size_t count;
    struct layers_item *items; /* [count] owned */
    struct network *net;       /* owned; NULL in a store of an early version, whose network is a VGG */
};

/* Caller frees with layers_free, also after a failure. Errors: FAIL_SYSTEM without memory, else as store_read_text and
 * graph_load. */
enum status layers_read(struct layers *out, const struct store_reader *reader, const char *path, struct error *err);

void layers_free(struct layers *layers);

/* Number of the layer of this name; count if there is none. */
size_t layers_find(const struct layers *layers, const char *name);

/* The layer to show first: the highest cut that has positions and is no pool, in a VGG its last convolution; the
 * highest layer if there is none. */
size_t layers_default(const struct layers *layers);

/* Whether the flow along the connection of two layers is all of their joint relevance: network_adjoin. */
bool layers_adjoin(const struct layers *layers, size_t lower, size_t upper);

#endif
