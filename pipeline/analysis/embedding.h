/* Reducing the dimensions of points: principal components, spectral embedding, k-means clusters.
 *
 * Results depend only on the points: the sign of a component makes its largest number positive, and clusters start
 * from a generator with a fixed seed.
 *
 * Errors: FAIL_RESOURCE without memory, FAIL_LIMIT for more points than EMBEDDING_MOST_POINTS, FAIL_SYSTEM if LAPACK
 * finds no eigenvectors (numbers that are not finite).
 */
#ifndef NRMFLOW_PIPELINE_ANALYSIS_EMBEDDING_H
#define NRMFLOW_PIPELINE_ANALYSIS_EMBEDDING_H

#include "io/base/error.h"

#include <stddef.h>
#include <stdint.h>

enum {
    EMBEDDING_MOST_POINTS = 10000, /* a matrix of all their pairs takes 800 MB */
    EMBEDDING_NEIGHBOURS = 10
};

struct embedding_points {
    const double *x; /* [n][dims] */
    size_t n, dims;
};

/* Principal components.
 *
 *   out         out  [n][d] largest variance first
 *   eigenvalue  out  [d] the variances
 *   d           in   at most n and dims */
enum status embedding_pca(float *out, float *eigenvalue, struct embedding_points points, size_t d, struct error *err);

/* Spectral embedding of the graph that connects every point with its EMBEDDING_NEIGHBOURS nearest ones,
 *
 *   A[i,j] = ([j is a neighbour of i] + [i is a neighbour of j]) / 2,  L = 1 - D^-1/2 A D^-1/2,  D[i,i] = sum_j A[i,j]
 *
 * as in CoRelAy: the eigenvectors of the smallest eigenvalues of L, each point's row divided by its length.
 *
 *   out         out  [n][d]
 *   eigenvalue  out  [d] smallest first
 *   d           in   below n */
enum status embedding_spectral(float *out, float *eigenvalue, struct embedding_points points, size_t d,
                               struct error *err);

/* K-means, the best of ten starts by k-means++; the largest cluster is number 0.
 *
 *   out  out  [n]
 *   k    in   1 .. n */
enum status embedding_clusters(int32_t *out, struct embedding_points points, size_t k, struct error *err);

#endif
