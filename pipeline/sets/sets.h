/* Set expressions: the choice of walks that a query measures.
 *
 *   expression   = union [ "given" union ]
 *   union        = intersection { "or" intersection }
 *   intersection = part { "and" part }
 *   part         = "not" part | "(" union ")" | set
 *   set          = layer [ "[" channels "]" ] [ "@" "(" range "," range ")" ] | "bias" "(" layer ")"
 *   channels     = "*" | range { "," range }
 *   range        = number | number ":" number         half-open; rows come before columns
 *
 * Names of layers are those of the network, such as conv4_2 or layer2.1.conv1. A set is a choice of neurons of one
 * layer; a walk is in the set if it passes one of them. A layer alone is all its neurons: all walks only if the layer
 * is a cut. `not` takes the other neurons of the layer, without its bias; a walk that jumps over the layer is in
 * neither. The intersection of sets in parallel branches is empty. bias(conv4_2) is the set of walks that end in the
 * bias of conv4_2's link: they pass a neuron of conv4_2 and none below, so the intersection with a set below, or with
 * another bias, is empty.
 */
#ifndef NRMFLOW_PIPELINE_SETS_SETS_H
#define NRMFLOW_PIPELINE_SETS_SETS_H

#include "io/base/error.h"
#include "kernels/base/network.h"
#include "pipeline/sets/dnf.h"

#include <stdbool.h>
#include <stddef.h>

enum { SETS_MAX = 64, SETS_DEPTH = 64 };

struct sets_set {
    size_t variable;
    bool bias;           /* the bias of the link that writes `variable` */
    size_t count;        /* neurons */
    unsigned char *bits; /* [neurons + 7 / 8] in the order [C][H][W], low bit first; owned; NULL for a bias */
};

/* An expression. */
struct sets {
    const struct network *net; /* borrowed */
    size_t nsets;
    struct sets_set sets[SETS_MAX];
    struct dnf value; /* walks that are counted; they fulfil the condition, too */
    struct dnf given; /* the condition; everything without one */
    bool conditional;
};

/* Parse an expression.
 *
 *   out  out  to be freed with sets_free, also after a failure
 *   net  in   borrowed as long as `out` is used
 * Errors: FAIL_CONFIG with a caret below the mistake and what was expected, the layer's size or the nearest layer;
 * FAIL_SYSTEM without memory. Not collective. */
enum status sets_parse(struct sets *out, const char *text, const struct network *net, struct error *err);

/* All zero is fine. */
void sets_free(struct sets *sets);

/* Is neuron i, in the order [C][H][W], in a set of neurons? */
static inline bool sets_has(const struct sets_set *set, size_t i)
{
    return set->bits[i / 8] >> i % 8 & 1;
}

/* Masks of an expression that is an intersection: sets of one or more layers joined by `and`, without `given`, `bias`
 * or a union of several layers.
 *
 *   masks  out  [number of variables] NULL for a variable without a set, else layout_floats of one and zero; to be
 *               freed with sets_masks_free, also after a failure
 * Errors: FAIL_CONFIG, FAIL_SYSTEM, as sets_parse. */
enum status sets_masks(float *masks[NETWORK_MAX_VARIABLES], const char *text, const struct network *net,
                       struct error *err);
void sets_masks_free(float *masks[NETWORK_MAX_VARIABLES]);

#endif
