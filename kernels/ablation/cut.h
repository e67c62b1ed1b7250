/* Edges between the channels of two layers, and links with some of them cut.
 *
 * An edge of a convolution or a dense link is a pair of an upper channel d and a lower channel c: all weights between
 * the two. Cutting it takes what c adds to the z of d out of z, at all positions; the bias stays. Edges are numbered by
 * upper channel, then by the lower channels that it reads: d C + c in a link of one group. The weights of edge e are
 * e x taps .. e x taps + taps - 1 of the link's.
 */
#ifndef NRMFLOW_KERNELS_ABLATION_CUT_H
#define NRMFLOW_KERNELS_ABLATION_CUT_H

#include "kernels/layer/link.h"

#include <stdbool.h>
#include <stddef.h>

struct cut_edges {
    size_t upper; /* channels */
    size_t read;  /* lower channels that each of them reads */
    size_t taps;  /* weights of an edge */
    size_t count; /* of edges; 0: the link has none that can be cut */
};

struct cut_edges cut_edges_of(const struct link *link);

/* The upper and the lower channel of edge e. */
size_t cut_upper_channel(const struct link *link, size_t e);
size_t cut_lower_channel(const struct link *link, size_t e);

/* Where the flow of edge e is in the flow of its link, as link.h has it. */
size_t cut_flow_place(const struct link *link, size_t e);

/* out = w in the edges that are kept, else zero.
 *
 *   out, w  [count x taps]; may be the same
 *   keep    [count] 0 for edges that are cut */
void cut_weights(float *out, const float *w, const float *keep, struct cut_edges edges);

/* sums[e] = the sum of the magnitudes of edge e's weights, [count]. */
void cut_magnitudes(double *sums, const float *w, struct cut_edges edges);

/* Upper activations of a link with other weights, for n images.
 *
 *   upper    out  [n][layout_floats]
 *   a        in   lower activations, [n][layout_floats]
 *   weights  in   in place of the link's own
 *   scratch       cut_scratch_floats(link) floats */
void cut_forward(float *restrict upper, const float *restrict a, const float *restrict weights,
                 const struct link_plan *plan, size_t n, float *restrict scratch);
size_t cut_scratch_floats(const struct link *link);

/* Working memory of cut_copies, placed in an arena for any link of the network. */
struct cut_work {
    float *weights, *scratch;
};

void cut_place(struct cut_work *work, const struct network *net, struct arena *arena);

/* Compute a link for copies of an image of which each has its own edges cut, in a hook of ablation.h.
 *
 *   call  in/out  of the hook, whose link has edges; fills call->upper
 *   keep  in      [n] of each copy [count] */
void cut_copies(const struct link_call *call, const float *const *keep, struct cut_work *work);

#endif
