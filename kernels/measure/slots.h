/* Arrays of variables that share memory: on the way down a variable's array is in use from the highest link that reads
 * the variable to the link that writes it, on the way up the other way round. Two arrays suffice for a chain. */
#ifndef NRMFLOW_KERNELS_MEASURE_SLOTS_H
#define NRMFLOW_KERNELS_MEASURE_SLOTS_H

#include "kernels/base/arena.h"
#include "kernels/base/network.h"

/* Place n arrays of every variable lowest .. highest, for sweeps between these two along swept edges. The arrays of
 * `highest` keep their contents until those of variables that links below it read are written; those of `lowest` share
 * memory with no later one.
 *
 *   arrays  out  [highest - lowest + 1] of each variable [n][layout_floats]; NULL: only find the size */
void slots_place(float **arrays, const struct network *net, size_t lowest, size_t highest, size_t n,
                 struct arena *arena);

/* The same of all variables, for going up from any of them along all links, gates included. */
void slots_place_evaluated(float **arrays, const struct network *net, size_t n, struct arena *arena);

#endif
