/* The measure of the walks through a union of intersections of sets, decided from the top layer down.
 *
 * Walks come down from the highest layer that has a set. In every layer with sets the neuron that a walk passes decides
 * something: the walk is in and is counted at once, it is out and is dropped, or it is still undecided. Undecided walks are
 * told apart by what is left to be fulfilled, their *state*, and by nothing else: the relevance of all walks of a state is
 * one array, and goes down to the next layer with sets as one sweep. So an intersection costs one sweep however many layers
 * it has, and so does a union of sets of different layers.
 *
 *   step at variable k        r_t(i) = sum over states s with next[s][atom(i)] = t of r_s(i)      and the sum of those
 *                             with next[s][atom(i)] = DECISION_IN is counted
 *   step at the bias of k     of the states that `counts` names, what k's link hands to its bias is counted
 *
 * Which steps an expression needs is worked out elsewhere; here is what they do to one image.
 */
#ifndef NRMFLOW_KERNELS_MEASURE_DECISION_H
#define NRMFLOW_KERNELS_MEASURE_DECISION_H

#include "kernels/base/arena.h"
#include "kernels/measure/measure.h"
#include "kernels/measure/sweep.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DECISION_MOST_STATES = 32, DECISION_MOST_ATOMS = 128, DECISION_IN = 254, DECISION_OUT = 255 };

/* Borrowed arrays. */
struct decision_step {
    size_t variable;
    size_t nin, nout; /* states before and after */
    size_t natoms;    /* classes of neurons that the sets tell apart; the last is that of floats that are no neurons */
    const uint8_t *atom; /* [layout_floats]; NULL at a bias, where all neurons are of class 0 */
    const uint8_t *next; /* [nin][natoms] state, DECISION_IN or DECISION_OUT; floats that are no neurons are out */
    const bool *counts;  /* [nin] at a bias, NULL elsewhere */
};

/* Steps from the top down; the first has one state before it, the last none after it. With a `map` variable one of the
 * steps is there, and no walk is counted above it. */
struct decision {
    size_t nsteps;
    const struct decision_step *steps;
};

/* Working memory for decisions between two variables; placed in an arena, nothing to free. */
struct decision_workspace {
    struct sweep sweep;
    float *states, *weights; /* [most states][floats of the largest variable] */
    double *to_bias;         /* [largest number of channels] */
};

/* Variables that sweeps touch (none if lowest > highest), how many states there are at most, and whether maps are made. */
struct decision_extent {
    size_t lowest, highest, states;
    bool maps;
};

/* What a decision needs, not for maps; what serves two decisions. */
struct decision_extent decision_extent(const struct decision *decision);
struct decision_extent decision_extent_both(struct decision_extent a, struct decision_extent b);

/* Place memory for all decisions within an extent; with a measuring arena only its size comes out. */
void decision_place(struct decision_workspace *work, const struct measure_plan *plan, struct decision_extent extent,
                    struct arena *arena);

/* The measure of the walks. Without steps it is zero. No failure, no allocation. */
double decision_value(const struct decision *decision, const struct measure_image *image,
                      struct decision_workspace *work);

/* The measure of the walks through each neuron of `variable`, at which the decision has a step, and none at a bias.
 *
 *   map  out  [layout_floats of the variable] sums to the measure of the walks that pass a neuron of the variable */
void decision_map(float *map, const struct decision *decision, size_t variable, const struct measure_image *image,
                  struct decision_workspace *work);

/* How many times a link is passed by one array of an image's neurons. */
size_t decision_passes(const struct decision *decision);

#endif
