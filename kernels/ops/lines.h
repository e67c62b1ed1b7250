/* Winograd transforms of one line for the variants of ops.h: F(4x4, 3x3) with the interpolation points 0, +-P, +-Q,
 * infinity, and F(2x2, 3x3) with 0, 1, -1, infinity (A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural
 * Networks, 2015, arXiv 1509.09308). For one line of m outputs and n = m + 2 points:
 *
 *   outputs = A' ((G weights) * (B' inputs)),   A' [m][n], G [n][3] (in kernels/layer/winograd.c), B' [n][n]
 *
 * P = 3/4 and Q = 3/2 cost no more than Lavin and Gray's 1 and 2 and are more accurate: on VGG16 the largest error of a
 * layer's z, relative to its largest value, is 1.6e-6 instead of 6.4e-6. Their powers are exact in float32. A value of
 * F(2x2) depends on its own 3x3 inputs only; the rounding of F(4x4) makes it depend on the whole tile.
 */
#ifndef NRMFLOW_KERNELS_OPS_LINES_H
#define NRMFLOW_KERNELS_OPS_LINES_H

#include "kernels/ops/vector.h"

#define P1 0.75f
#define Q1 1.5f
#define P2 (P1 * P1)
#define Q2 (Q1 * Q1)
#define P3 (P2 * P1)
#define Q3 (Q2 * Q1)

/* ---- one line: tile is 2 or 4, a compile-time constant ----------------------------------------------------------- */

/* B' d */
INLINE void input_line(vec *restrict v, const vec *restrict d, const size_t tile)
{
    if (tile == 2) {
        v[0] = d[0] - d[2];
        v[1] = d[1] + d[2];
        v[2] = d[2] - d[1];
        v[3] = d[3] - d[1];
        return;
    }
    vec even = d[4] - Q2 * d[2], odd = d[3] - Q2 * d[1];
    v[1] = even + P1 * odd;
    v[2] = even - P1 * odd;
    even = d[4] - P2 * d[2];
    odd = d[3] - P2 * d[1];
    v[3] = even + Q1 * odd;
    v[4] = even - Q1 * odd;
    v[0] = d[4] - (P2 + Q2) * d[2] + P2 * Q2 * d[0];
    v[5] = d[5] - (P2 + Q2) * d[3] + P2 * Q2 * d[1];
}

/* A' m */
INLINE void output_line(vec *restrict t, const vec *restrict m, const size_t tile)
{
    vec even = m[1] + m[2], odd = m[1] - m[2];

    if (tile == 2) {
        t[0] = m[0] + even;
        t[1] = odd + m[3];
        return;
    }
    vec even_q = m[3] + m[4], odd_q = m[3] - m[4];
    t[0] = m[0] + even + even_q;
    t[1] = P1 * odd + Q1 * odd_q;
    t[2] = P2 * even + Q2 * even_q;
    t[3] = m[5] + P3 * odd + Q3 * odd_q;
}

/* A t */
INLINE void lower_line(vec *restrict m, const vec *restrict t, const size_t tile)
{
    m[0] = t[0];
    if (tile == 2) {
        m[1] = t[0] + t[1];
        m[2] = t[0] - t[1];
        m[3] = t[1];
        return;
    }
    vec even = t[0] + P2 * t[2], odd = t[1] + P2 * t[3];
    m[1] = even + P1 * odd;
    m[2] = even - P1 * odd;
    even = t[0] + Q2 * t[2];
    odd = t[1] + Q2 * t[3];
    m[3] = even + Q1 * odd;
    m[4] = even - Q1 * odd;
    m[5] = t[3];
}

#endif
