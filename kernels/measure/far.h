/* Exact flows between two variables that are not adjacent, for one image.
 *
 *   joint[c_u, c_l] = R(channel c_u of u, channel c_l of l)        of the plain measure, or of the condition's walks
 *   lost[c_u]       = sum over j in c_u of M_j (h_j - up(h)_j)     relevance that passes no neuron of l; 0 if l is a
 *                                                                  cut from the lowest variable of the condition up
 *                                                                  (M and h: measure.h)
 *   around[c_l]     = what reaches c_l without passing u: one sweep down from the logits without u; 0 if u is a cut
 *
 * computed by whichever costs less: sweeps down from the upper channels, each with M on one of them, or sweeps up from
 * the lower channels, weighted by M of u at the end. Row sums of the joint plus lost are the marginals of u; column
 * sums plus around are those of l.
 *
 * With `rows`, only that many upper channels have rows: those of largest |marginal relevance| in this image, ties going
 * to the lower channel. The marginals of the others are `left_out`: row sums plus lost plus left_out are the marginals
 * of u. Column sums then miss what is left out.
 */
#ifndef NRMFLOW_KERNELS_MEASURE_FAR_H
#define NRMFLOW_KERNELS_MEASURE_FAR_H

#include "kernels/base/arena.h"
#include "kernels/measure/measure.h"
#include "kernels/measure/sweep.h"

#include <stdbool.h>
#include <stddef.h>

struct far_pair {
    size_t lower, upper; /* variables, lower < upper */
    size_t rows;         /* 0: every upper channel */
};

/* How a pair is computed, and its cost for one image in which every channel has relevance. */
struct far_cost {
    bool up;       /* sweeps up from the lower channels, else down from the upper ones */
    size_t sweeps; /* one from each channel, one for `lost` and one for `around` */
    double flops;
};

struct far_cost far_cost(const struct measure_plan *plan, struct far_pair pair);

/* One image's flow. All arrays are the caller's and overwritten. */
struct far_flow {
    float *joint;     /* [C_upper][C_lower]; zeros in rows that are absent */
    double *lost;     /* [C_upper]; zero where the row is absent */
    double *left_out; /* [C_upper]; zero where the row is present */
    double *around;   /* [C_lower] */
    bool *present;    /* [C_upper] */
};

/* Working memory, placed in an arena; nothing to free. */
struct far_work {
    const struct measure_plan *plan; /* borrowed */
    struct far_pair pair;
    struct far_cost cost;
    struct sweep sweep;
    float *products, *h_lower, *h_upper; /* [floats of a variable] */
    double *sums;                        /* [channels of a variable] */
    size_t *channels;                    /* [C_upper] */
};

/* Place memory for a pair, with as many sweeps at once as fit into nbytes, at least one. An arena without memory only
 * finds its size. The plan must keep images (options.images). */
void far_place(struct far_work *work, const struct measure_plan *plan, struct far_pair pair, size_t nbytes,
               struct arena *arena);

/* Compute the flow of an image. No failure, no allocation. */
void far_compute(struct far_flow *flow, struct far_work *work, const struct measure_image *image);

#endif
