/* How alike two scores of the same units are. */
#ifndef NRMFLOW_KERNELS_ABLATION_SIMILARITY_H
#define NRMFLOW_KERNELS_ABLATION_SIMILARITY_H

#include "kernels/base/arena.h"

#include <stddef.h>

/* NaN where one of the two is zero (cosine) or constant (the others).
 *
 *   cosine    sum u v / sqrt(sum u^2 sum v^2)
 *   pearson   the cosine of u and v less their means
 *   spearman  pearson of the ranks; equal values share the mean of their ranks */
struct similarity {
    double cosine, pearson, spearman;
};

/* Working memory, placed in an arena. */
struct similarity_work {
    double *ranks[2];
    size_t *order, *scratch;
};

/* Place memory for at most n units. An arena without memory only finds its size. */
void similarity_place(struct similarity_work *work, size_t n, struct arena *arena);

/* Of u and v, [n]. */
struct similarity similarity_of(const double *u, const double *v, size_t n, struct similarity_work *work);

#endif
