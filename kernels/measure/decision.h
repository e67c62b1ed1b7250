/* The measure of the walks through a union of intersections of sets, decided from the top layer down.
 *
 * Walks come down from the highest layer with a set. In every layer with sets the neuron of a walk decides whether the
 * walk is in and is counted at once, is out and is dropped, or is still undecided. A walk that jumps over such a layer
 * is in none of its sets: it is out, or undecided. The *state* of an undecided walk is the list of conditions that it
 * still has to meet. Walks of the same state are propagated together: their relevance is one array a variable, and one
 * sweep takes it down to the next layer with sets. So an intersection costs one sweep whatever the number of its
 * layers, and so does a union of sets of different layers.
 *
 *   step at variable k        r_t(i) = sum over states s with next[s][atom(i)] = t of r_s(i)      and the sum of those
 *                             with next[s][atom(i)] = DECISION_IN is counted
 *   step at the bias of k     relevance of the states in `counts` that goes to the bias of k's link is counted
 *
 * pipeline/sets plans the steps of an expression; this file applies them to one image.
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
    size_t nin, nout;      /* states before and after */
    size_t natoms;         /* classes of neurons that the sets tell apart; the last is for floats without a neuron */
    const uint8_t *atom;   /* [layout_floats]; NULL at a bias, where all neurons are in class 0 */
    const uint8_t *next;   /* [nin][natoms] state, DECISION_IN or DECISION_OUT; floats without a neuron are out */
    const uint8_t *around; /* [nin] state of walks that jump over the variable, or DECISION_OUT; NULL at cuts */
    const bool *counts;    /* [nin] at a bias, NULL elsewhere */
};

/* Steps from the top down; the first has one state before it, the last none after it. With a `map` variable one of the
 * steps is there, and no walk is counted above it. */
struct decision {
    size_t nsteps;
    const struct decision_step *steps;
};

/* Working memory for decisions between two variables; placed in an arena, nothing to free. */
struct decision_workspace {
    const struct measure_plan *plan; /* borrowed */
    size_t lowest, states;
    float **before; /* of variables lowest .. highest, [states][layout_floats]: relevance before the variable's steps */
    float **weights; /* the same of the way up: shares of walks that are in */
    float *now[2];   /* [states][floats of the largest variable] between two steps of a variable */
    float *lower;    /* a variable's floats below a bias */
    double *to_bias; /* [2 x largest number of channels] */
    struct link_scratch scratch;
};

/* Variables that sweeps touch (none if lowest > highest), the largest number of states, and whether maps are
 * computed. */
struct decision_extent {
    size_t lowest, highest, states;
    bool maps;
};

/* The extent of a decision, without maps; the extent that covers two. */
struct decision_extent decision_extent(const struct decision *decision);
struct decision_extent decision_extent_both(struct decision_extent a, struct decision_extent b);

/* Place memory for all decisions within an extent. An arena without memory only finds its size. */
void decision_place(struct decision_workspace *work, const struct measure_plan *plan, struct decision_extent extent,
                    struct arena *arena);

/* The measure of the walks; zero without steps. No failure, no allocation. */
double decision_value(const struct decision *decision, const struct measure_image *image,
                      struct decision_workspace *work);

/* The measure of the walks through each neuron of `variable`, at which the decision has a step, and none at a bias.
 *
 *   map  out  [layout_floats of the variable] sums to the measure of the walks that pass a neuron of the variable */
void decision_map(float *map, const struct decision *decision, size_t variable, const struct measure_image *image,
                  struct decision_workspace *work);

/* Cost for one image: the number of backward passes of one array through one link. */
size_t decision_passes(const struct decision *decision);

#endif
