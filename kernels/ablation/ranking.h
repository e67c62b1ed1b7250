/* Units (channels, edges, squares of pixels) in the order of their scores. */
#ifndef NRMFLOW_KERNELS_ABLATION_RANKING_H
#define NRMFLOW_KERNELS_ABLATION_RANKING_H

#include <stddef.h>

/* Numbers of the units, highest score first, equal scores by number; NaN counts as the lowest score.
 *
 *   order    out  [n] a permutation of 0 .. n - 1
 *   scratch       [n] */
void ranking_order(size_t *restrict order, size_t *restrict scratch, const double *restrict score, size_t n);

/* Ranks of the scores, 0 for the lowest; equal scores share the mean of their ranks. NaN as above.
 *
 *   rank            out  [n]
 *   order, scratch       [n]; order becomes that of ranking_order */
void ranking_ranks(double *restrict rank, size_t *restrict order, size_t *restrict scratch,
                   const double *restrict score, size_t n);

#endif
