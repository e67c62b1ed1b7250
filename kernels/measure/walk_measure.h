/* The exact joint relevance of channel walks in one image, by sweeps down from each channel to the next.
 *
 *   R(c_0, ..., c_n) = sum over the neurons i of c_n of h_i R_i,   R_i of the walks through c_0, ..., c_n
 *
 * Walks that begin with the same channels share their sweeps. Under a condition only its walks count: its masks are
 * applied on the way down, and h is the share of relevance that goes on through the sets below the lowest layer.
 */
#ifndef NRMFLOW_KERNELS_MEASURE_WALK_MEASURE_H
#define NRMFLOW_KERNELS_MEASURE_WALK_MEASURE_H

#include "kernels/base/arena.h"
#include "kernels/measure/measure.h"
#include "kernels/measure/sweep.h"

#include <stdbool.h>
#include <stddef.h>

/* Channel walks; borrowed. */
struct walk_list {
    size_t nlayers;          /* two at least */
    const size_t *variables; /* [nlayers] descending */
    size_t count;            /* one at least */
    const size_t *channels;  /* [count][nlayers] sorted, so that walks with the same beginning are neighbours */
};

/* A condition as in measure.h; borrowed. */
struct walk_condition {
    enum measure_given given;
    const float *const *masks; /* [number of variables]; with GIVEN_SETS */
    size_t lowest;             /* variable with a set; 0 with GIVEN_INPUT */
};

/* Working memory, placed in an arena; nothing to free. */
struct walk_work {
    const struct measure_plan *plan; /* borrowed; without a condition of its own */
    struct walk_list list;
    struct walk_condition condition;
    struct sweep sweep;
    float *h;              /* of the lowest layer; NULL meaning one */
    float *top;            /* relevance of the highest layer under the condition */
    float *values;         /* [sweeps at once][floats of the largest layer of the walks] */
    float *products;       /* [floats of the lowest layer] */
    double *sums;          /* [channels of the lowest layer] */
    size_t *node, *parent; /* [sweeps at once] of a walk: its beginning, and the one before */
};

/* Place memory with as many sweeps at once as fit into nbytes, at least one. An arena without memory only finds its
 * size. */
void walk_measure_place(struct walk_work *work, const struct measure_plan *plan, struct walk_list list,
                        struct walk_condition condition, size_t nbytes, struct arena *arena);

/* Joint relevance of every walk, [count]. The image comes from the sink of a plan with options.images. No failure, no
 * allocation. */
void walk_measure_image(double *relevance, struct walk_work *work, const struct measure_image *image);

#endif
