/* Dense layers of a few images for the variants of ops.h: the weights, which are large, are read once and in their order,
 * for DENSE_IMAGES images at a time, whose activations stay near. */
#ifndef NRMFLOW_OPS_DENSE_H
#define NRMFLOW_OPS_DENSE_H

#include "ops_vector.h"

enum {
    DENSE_IMAGES = 8,
    DENSE_PIECE = 4096 /* of a row of weights */,
    DENSE_STEP = 4 /* rows that are added at a time */
};

INLINE size_t dense_smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

INLINE float lane_sum(vec v)
{
    float sum = 0;

    for (size_t l = 0; l < LANES; l++)
        sum += v[l];
    return sum;
}

/* sums[i] = sum_j x[i * stride + j] w[j] */
INLINE void dots(float *sums, const float *x, size_t stride, const float *w, size_t n, const size_t images)
{
    vec lanes[DENSE_IMAGES];
    size_t j = 0;

#pragma GCC unroll 8
    for (size_t i = 0; i < images; i++)
        lanes[i] = zeros();
    for (; j + LANES <= n; j += LANES) {
        vec u = load(w + j);
#pragma GCC unroll 8
        for (size_t i = 0; i < images; i++)
            lanes[i] += load(x + i * stride + j) * u;
    }
    for (size_t i = 0; i < images; i++)
        sums[i] = lane_sum(lanes[i]);
    for (; j < n; j++)
        for (size_t i = 0; i < images; i++)
            sums[i] += x[i * stride + j] * w[j];
}

INLINE void forward_images(float *y, const float *x, const float *w, size_t upper, size_t lower, bool accumulate,
                           const size_t images)
{
    float sums[DENSE_IMAGES];

    for (size_t first = 0; first < lower; first += DENSE_PIECE) {
        size_t n = dense_smaller(DENSE_PIECE, lower - first);
        for (size_t k = 0; k < upper; k++) {
            const float *row = w + k * lower + first;
            dots(sums, x + first, lower, row, n, images);
            for (size_t i = 0; i < images; i++)
                y[i * upper + k] = (first || accumulate ? y[i * upper + k] : 0) + sums[i];
        }
    }
}

static void dense_forward(float *y, const float *x, const float *w, size_t images, size_t upper, size_t lower,
                          bool accumulate)
{
    size_t i = 0;

    for (; i + DENSE_IMAGES <= images; i += DENSE_IMAGES)
        forward_images(y + i * upper, x + i * lower, w, upper, lower, accumulate, DENSE_IMAGES);
    for (; i < images; i++)
        forward_images(y + i * upper, x + i * lower, w, upper, lower, accumulate, 1);
}

/* x[i][j] += sum of `rows` rows w[r][j] s[i][r], j < n */
INLINE void add_rows(float *x, const float *s, const float *w, size_t upper, size_t lower, size_t n,
                     const size_t images, const size_t rows)
{
    size_t j = 0;

    for (; j + LANES <= n; j += LANES) {
        vec u[DENSE_STEP];
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++)
            u[r] = load(w + r * lower + j);
#pragma GCC unroll 8
        for (size_t i = 0; i < images; i++) {
            vec sum = load(x + i * lower + j);
#pragma GCC unroll 4
            for (size_t r = 0; r < rows; r++)
                sum += u[r] * s[i * upper + r];
            store(x + i * lower + j, sum);
        }
    }
    for (; j < n; j++)
        for (size_t i = 0; i < images; i++)
            for (size_t r = 0; r < rows; r++)
                x[i * lower + j] += w[r * lower + j] * s[i * upper + r];
}

INLINE void back_images(float *x, const float *s, const float *w, size_t upper, size_t lower, const size_t images)
{
    for (size_t first = 0; first < lower; first += DENSE_PIECE) {
        size_t n = dense_smaller(DENSE_PIECE, lower - first), k = 0;
        for (size_t i = 0; i < images; i++)
            for (size_t j = first; j < first + n; j++)
                x[i * lower + j] = 0;
        for (; k + DENSE_STEP <= upper; k += DENSE_STEP) {
            const float *rows = w + k * lower + first;
            add_rows(x + first, s + k, rows, upper, lower, n, images, DENSE_STEP);
        }
        for (; k < upper; k++)
            add_rows(x + first, s + k, w + k * lower + first, upper, lower, n, images, 1);
    }
}

static void dense_back(float *x, const float *s, const float *w, size_t images, size_t upper, size_t lower)
{
    size_t i = 0;

    for (; i + DENSE_IMAGES <= images; i += DENSE_IMAGES)
        back_images(x + i * lower, s + i * upper, w, upper, lower, DENSE_IMAGES);
    for (; i < images; i++)
        back_images(x + i * lower, s + i * upper, w, upper, lower, 1);
}

INLINE void add_share(float *entry, float share, bool accumulate)
{
    *entry = accumulate ? *entry + share : share;
}

INLINE void joint_images(float *joint, const float *s, const float *x, const float *w, size_t upper, size_t channels,
                         size_t positions, bool accumulate, const size_t images)
{
    size_t lower = channels * positions;
    float sums[DENSE_IMAGES];

    for (size_t k = 0; k < upper; k++)
        for (size_t c = 0; c < channels; c++) {
            dots(sums, x + c * positions, lower, w + k * lower + c * positions, positions, images);
            for (size_t i = 0; i < images; i++)
                add_share(&joint[(i * upper + k) * channels + c], s[i * upper + k] * sums[i], accumulate);
        }
}

static void dense_joint(float *joint, const float *s, const float *x, const float *w, size_t images, size_t upper,
                        size_t channels, size_t positions, bool accumulate)
{
    size_t i = 0, each = upper * channels, lower = channels * positions;

    for (; i + DENSE_IMAGES <= images; i += DENSE_IMAGES)
        joint_images(joint + i * each, s + i * upper, x + i * lower, w, upper, channels, positions, accumulate,
                     DENSE_IMAGES);
    for (; i < images; i++)
        joint_images(joint + i * each, s + i * upper, x + i * lower, w, upper, channels, positions, accumulate, 1);
}

#endif
