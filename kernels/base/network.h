/* Networks as graphs of links.
 *
 * A network has variables a^0 (input), a^1, ..., a^L (logits). Link k writes variable k + 1 from one or more variables
 * below it. An *edge* is (link, position in its list, variable read); x + x has two. Relevance goes down along edges;
 * a gate is evaluated and never swept, so what a link reads as its gate is no edge. A chain has one edge for every
 * link, from variable k.
 *
 *   convolution  z = W * a + b over windows, in groups of channels
 *   dense        z = W a + b; reads the variable below as [C][H][W]
 *   pool         maximum of a window; padding is absent
 *   average      mean of a window
 *   add          sum of its edges' variables
 *   channels     concatenation, slice and shuffle: every upper channel is a lower one
 *   gate         a times the gate, whose map is of the same size or one position
 *   pass         z = w_c a + b_c per channel (weights may be absent: z = a); relevance passes unchanged
 *
 * An activation belongs to the variable it is applied to: relevance passes through it unchanged.
 *
 * A variable is a *cut* if no edge jumps over it: all walks that come from above it pass it or have ended.
 */
#ifndef NRMFLOW_KERNELS_BASE_NETWORK_H
#define NRMFLOW_KERNELS_BASE_NETWORK_H

#include "kernels/base/layout.h"
#include "kernels/base/shape.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    NETWORK_MAX_LINKS = 512,
    NETWORK_MAX_VARIABLES = NETWORK_MAX_LINKS + 1,
    NETWORK_MAX_EDGES = 1024,
    NETWORK_NAME = 64
};

enum link_kind { LINK_CONVOLUTION, LINK_DENSE, LINK_POOL, LINK_AVERAGE, LINK_ADD, LINK_CHANNELS, LINK_GATE, LINK_PASS };

enum activation_kind {
    ACTIVATION_NONE,
    ACTIVATION_RELU,
    ACTIVATION_CLIP,         /* min(max(z, a), b): ReLU6 with 0 and 6 */
    ACTIVATION_LEAKY,        /* z > 0 ? z : a z */
    ACTIVATION_SIGMOID,      /* of gates */
    ACTIVATION_HARD_SIGMOID, /* min(max(a z + b, 0), 1) */
    ACTIVATION_SILU,         /* z sigmoid(z) */
    ACTIVATION_HARD_SWISH,   /* z min(max(z + 3, 0), 6) / 6 */
    ACTIVATION_GELU,         /* z (1 + erf(z / sqrt 2)) / 2 */
    ACTIVATION_ELU,          /* z > 0 ? b z : a (exp(z) - 1) */
    ACTIVATION_TANH,
    ACTIVATION_SOFTPLUS, /* log(1 + exp(z)) */
    ACTIVATION_MISH      /* z tanh(log(1 + exp(z))) */
};

struct activation {
    enum activation_kind kind;
    float a, b;
};

/* The window of upper position (y, x) is the lower rows down y - top .. + height - 1 and columns across x - left ..
 * + width - 1. Positions outside of the lower map are padding. bottom and right are the padding that a mean may count;
 * the number of windows is in the link's upper shape. */
struct window {
    size_t height, width, down, across;
    size_t top, left, bottom, right;
};

/* Those of VGG: 3 x 3 with stride 1 and padding 1, 2 x 2 with stride 2. */
#define WINDOW_SAME3                                                                                                   \
    {                                                                                                                  \
        3, 3, 1, 1, 1, 1, 1, 1                                                                                         \
    }
#define WINDOW_HALVING                                                                                                 \
    {                                                                                                                  \
        2, 2, 2, 2, 0, 0, 0, 0                                                                                         \
    }

struct link {
    enum link_kind kind;
    char name[NETWORK_NAME];   /* of the upper variable */
    struct shape lower, upper; /* lower: of the first edge's variable; all of an add have the same */
    struct activation activation;
    struct window window; /* of convolutions, pools and averages */
    size_t groups;        /* of convolutions: one, or the number of groups of channels */
    bool count_padding;   /* averages: divide by the window's positions within the map and its padding, else within
                             the map */
    size_t gate;          /* of a gate: the variable that multiplies */
    bool weighted;        /* a pass has weights; convolutions and dense links always do */
    size_t weight;        /* floats from the start of the model's weights: [K][C / groups][height][width] or [K][N],
                             or [K] of a pass */
    size_t bias;          /* likewise: [K] */
    size_t first_edge, nedges;
};

/* Of an edge of LINK_CHANNELS: its upper channels upper, upper + step, ... read lower, lower + 1, ... */
struct edge_channels {
    size_t lower, upper, step, count;
};

struct edge {
    size_t link;
    size_t lower; /* variable */
    struct edge_channels channels;
};

/* The order of a variable's neurons in memory: layout_planar, layout_blocked, layout_flat. */
enum network_order { NETWORK_PLANAR, NETWORK_BORDERED, NETWORK_FLAT };

struct network {
    char name[NETWORK_NAME]; /* "vgg16" */
    struct shape input;
    size_t nlinks, nedges;
    struct link links[NETWORK_MAX_LINKS];
    struct edge edges[NETWORK_MAX_EDGES]; /* by link */

    /* Set by network_finish: */
    size_t first_reader[NETWORK_MAX_VARIABLES + 1]; /* in readers, of every variable; the last is their number */
    size_t readers[NETWORK_MAX_EDGES];              /* edges by the variable they read, then by link */
    bool cut[NETWORK_MAX_VARIABLES];
    bool swept[NETWORK_MAX_VARIABLES]; /* some walk from the logits passes the variable: it serves not only as gate */
    bool gates[NETWORK_MAX_VARIABLES]; /* the variable is the gate of a link */
    bool nonnegative[NETWORK_MAX_VARIABLES]; /* for any image */
    enum network_order order[NETWORK_MAX_VARIABLES];
};

/* ---- building ---------------------------------------------------------------------------------------------------- */

/* A network that has only an input. */
void network_start(struct network *net, const char *name, struct shape input);

/* Append a link that reads these variables, in order; the link's `lower` and edges are filled in, for LINK_CHANNELS
 * from `pieces` [nlower], which else is not read (NULL). With upper {0, 0, 0} the upper shape follows from the lower
 * ones: windows are counted without what is left over at the end. Returns the variable that the link writes, or 0 with
 * a message if the network is full, the name is taken or the shapes do not fit.
 *
 *   message  out  [nmessage] one sentence that names the link; untouched on success */
size_t network_push(struct network *net, const struct link *link, const size_t *lower, size_t nlower,
                    const struct edge_channels *pieces, char *message, size_t nmessage);

/* Find readers, cuts and layouts. The last link writes the logits, which have one position. Returns false with a
 * message if it has more, or if a variable besides the logits is read by nobody. */
bool network_finish(struct network *net, char *message, size_t nmessage);

/* ---- properties -------------------------------------------------------------------------------------------------- */

/* Name and shape of variable k, 0 <= k <= nlinks. */
const char *network_variable(const struct network *net, size_t k);
struct shape network_shape(const struct network *net, size_t k);

/* How arrays of variable k lie in memory: in the model's order the input, the logits and what a dense link reads or
 * writes; else in blocks, with a border if a 3x3 convolution with stride 1 reads or writes it. */
struct layout network_layout(const struct network *net, size_t k);

/* Number of the variable of this name, or nlinks + 1 if there is none. */
size_t network_find(const struct network *net, const char *name);

/* Edge e of link k. */
const struct edge *network_edge(const struct network *net, size_t k, size_t e);

/* The number of edges that read variable k. */
size_t network_reader_count(const struct network *net, size_t k);

/* Whether edges lead from variable `upper` down to variable `lower`; they do if both are the same. */
bool network_leads(const struct network *net, size_t upper, size_t lower);

/* Whether all walks from variable `upper` to variable `lower` go straight from one to the other, past links without a
 * rule only: then the flow along these edges is all of their joint relevance. */
bool network_adjoin(const struct network *net, size_t lower, size_t upper);

/* Whether link k is the only one that reads variable k, and reads nothing else: a step of a chain. */
bool network_is_step(const struct network *net, size_t k);

bool network_rectified(const struct link *link);

/* Whether a link has weights, or weights one: relevance is shared by a rule. */
bool network_has_rule(const struct link *link);

/* Whether the link's flow has only the entries between a channel and itself: an add, an average, or a convolution of
 * every channel alone. Its flow is then a vector of channels. */
bool network_diagonal(const struct link *link);

/* Whether the map is 3 x 3 with stride 1 and padding 1, in one group. */
bool network_same3(const struct link *link);

/* Whether the pool is 2 x 2 with stride 2 and without padding. */
bool network_halving(const struct link *link);

/* Floats of the weights of a convolution, a dense link or a pass; 1 for adds and averages, whose weight is one. */
size_t network_weight_floats(const struct link *link);

#endif
