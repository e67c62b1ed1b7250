/* Sweeps through the links of one image: relevance of a variable down, or weights of its neurons up, many at once.
 *
 *   down  R_k = backward(R_{k+1})       up  v_{k+1} = lift(v_k)       (kernels/layer/link.h)
 *
 * Between two variables only the walks from one to the other count: edges that lead past the end carry nothing. At
 * every variable on the way, both ends included, the values are multiplied by the variable's mask, and edges that jump
 * over a variable with a mask carry nothing. With R the measure of variable u,
 *
 *   down from R with masks A at u, B at k   gives R(A, B, i) of every neuron i below k
 *   up from a mask A at l                   gives R(A | j) of every neuron j above l, and R(A, j) = R(A | j) R(j)
 *
 * The two are adjoint: sum_j R_j up(v)_j = sum_i v_i down(R)_i.
 *
 * Usage: place once; for each batch of n sweeps fill the arrays that sweep_start returns, then go down or up.
 */
#ifndef NRMFLOW_KERNELS_MEASURE_SWEEP_H
#define NRMFLOW_KERNELS_MEASURE_SWEEP_H

#include "kernels/base/arena.h"
#include "kernels/measure/measure.h"

#include <stddef.h>

/* Working memory for sweeps between two variables; placed in an arena, nothing to free. */
struct sweep {
    const struct measure_plan *plan; /* borrowed */
    size_t lowest, highest;          /* variables that a sweep may reach */
    size_t most;                     /* sweeps at once */
    float **arrays;                  /* of variables lowest .. highest, [most][layout_floats]; they share memory */
    struct link_scratch scratch;
};

/* Receives the n arrays of every variable on a sweep's way, [n][layout_floats of the variable], after its mask; the
 * first call is for the variable where the sweep starts. With a visitor this is every variable between the two ends
 * that walks from the start reach, whether they reach the end or not. Borrowed, valid during the call. */
struct sweep_visitor {
    void *context;
    void (*visit)(void *context, size_t variable, const float *values, size_t n);
};

/* Place memory for up to `most` sweeps at once between variables lowest < highest. An arena without memory only finds
 * its size. The images to be swept come from the sink of a plan with options.images. */
void sweep_place(struct sweep *sweep, const struct measure_plan *plan, size_t lowest, size_t highest, size_t most,
                 struct arena *arena);

/* Number of sweeps at once, at least one and at most `most`, whose memory fits into nbytes. */
size_t sweep_batch(const struct measure_plan *plan, size_t lowest, size_t highest, size_t most, size_t nbytes);

/* Zeroed arrays [n][layout_floats of `variable`] for the caller to fill, 1 <= n <= most. Owned by the sweep. */
float *sweep_start(struct sweep *sweep, size_t variable, size_t n);

/* What a sweep meets. All NULL and NULL functions: nothing. */
struct sweep_way {
    const float *const
        *masks;     /* [number of variables] arrays of layout_floats, NULL for a variable without a mask; NULL
                                  for none at all */
    size_t without; /* variable whose values are dropped, although edges may jump over it; 0: none */
    struct sweep_visitor visitor;
};

/* Go from variable `from`, whose arrays sweep_start returned last, to variable `to`: down if to < from, up if
 * to > from; with to == from only the mask is applied.
 *
 *   image  in  from the sink of measure.h
 *   n      in  as given to sweep_start
 * Returns the arrays of `to`, valid until the next sweep_start; zeros if no walk leads there. No failure, no
 * allocation. */
const float *sweep_go(struct sweep *sweep, const struct measure_image *image, size_t from, size_t to, size_t n,
                      const struct sweep_way *way);

/* Floating-point operations of one sweep between two variables, the same down and up: two for every weight and position
 * of every part of the links' rules. */
double sweep_flops(const struct measure_plan *plan, size_t lower, size_t upper);

#endif
