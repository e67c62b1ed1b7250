/* Weights in a random order: a network of the same weights that has not learnt where they belong. */
#ifndef NRMFLOW_KERNELS_ABLATION_PERMUTATION_H
#define NRMFLOW_KERNELS_ABLATION_PERMUTATION_H

#include "kernels/base/arena.h"
#include "kernels/base/network.h"

#include <stddef.h>
#include <stdint.h>

/* Working memory, placed in an arena: 28 bytes for each weight of the largest link. */
struct permutation_work {
    double *score;
    size_t *order, *scratch;
    float *copy;
};

/* Place memory for any link of the network. An arena without memory only finds its size. */
void permutation_place(struct permutation_work *work, const struct network *net, struct arena *arena);

/* Permute the weights of link k, if it is a convolution or a dense link, and its biases. Weight number i of the result
 * is number order[i] of before, order being 0, 1, ... sorted by sample_uniform(seed, i, k, 2^32 - 1), lowest first, and
 * of the biases by sample_uniform(seed, i, k, 2^32 - 2).
 *
 *   model  in/out  the network's weights */
void permutation_apply(float *model, const struct network *net, size_t k, uint64_t seed, struct permutation_work *work);

#endif
