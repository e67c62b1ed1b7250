/* Dense layers over a group of n images by OpenBLAS sgemm: x [n][N], y and s [n][K], w [K][N], float32 and contiguous.
 *
 * The bits of a result depend on n and on the image's own slot, so n must be a constant of the run: absent images keep
 * their slot, filled with zeros. No failure, no allocation; arrays must not overlap.
 */
#ifndef NRMFLOW_DENSE_H
#define NRMFLOW_DENSE_H

#include <stdbool.h>
#include <stddef.h>

struct dense {
    size_t upper, lower; /* neurons K and N */
    size_t images;       /* n */
};

/* y[i,k] (+)= sum_j w[k,j] x[i,j]; adds to y if `accumulate`, else overwrites it. */
void dense_forward(float *restrict y, const float *restrict x, const float *restrict w, struct dense shape,
                   bool accumulate);

/* x[i,j] = sum_k w[k,j] s[i,k]. Overwrites x. */
void dense_back(float *restrict x, const float *restrict s, const float *restrict w, struct dense shape);

/* Flow of one image into a dense layer: joint[k,c] = s[k] sum_p w[k, c P + p] x[c P + p], with C P = N; adds to joint
 * [K][C] if `accumulate`, else overwrites it. */
void dense_joint(float *restrict joint, const float *restrict s, const float *restrict x, const float *restrict w,
                 size_t upper, size_t channels, size_t positions, bool accumulate);

#endif
