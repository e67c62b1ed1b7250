/* Dense layers of a few images for the variants of ops.h. The weights are large and are read once, in order, a few rows
 * at a time, for DENSE_IMAGES images at a time, whose activations stay in the cache. */
#ifndef NRMFLOW_KERNELS_OPS_DENSE_H
#define NRMFLOW_KERNELS_OPS_DENSE_H

#include "kernels/ops/vector.h"

enum {
    DENSE_IMAGES = 8,
    DENSE_ROWS = PANEL == 64 ? 3 : 1,        /* multiplied at a time, as registers allow */
    DENSE_STEP = 8,                          /* rows added at a time */
    DENSE_JOINT_ROWS = LANES / DENSE_IMAGES, /* of a flow at a time: a lane for the sum of each row and image */
    DENSE_PREFETCH = 512                     /* floats of a row between the load and its prefetch */
};

typedef float quarter __attribute__((vector_size(16), may_alias)); /* of a vector of 16 */

INLINE float lane_sum(vec v)
{
    const quarter *quarters = (const quarter *)&v;
    quarter sum = quarters[0];

    for (size_t q = 1; q < LANES / 4; q++)
        sum += quarters[q];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* Lane l is the sum of the lanes of v[l], of LANES vectors. */
INLINE vec lane_sums(const vec *v)
{
#if defined(OPS_AVX512)
    __m512 quads[4];

#pragma GCC unroll 4
    for (size_t q = 0; q < 4; q++) {
        __m512 a = (__m512)v[4 * q], b = (__m512)v[4 * q + 1], c = (__m512)v[4 * q + 2], d = (__m512)v[4 * q + 3];
        __m512 ab = _mm512_unpacklo_ps(a, b) + _mm512_unpackhi_ps(a, b);
        __m512 cd = _mm512_unpacklo_ps(c, d) + _mm512_unpackhi_ps(c, d);
        quads[q] = _mm512_shuffle_ps(ab, cd, 0x44) + _mm512_shuffle_ps(ab, cd, 0xee);
    }
    __m512 low = _mm512_shuffle_f32x4(quads[0], quads[1], 0x44) + _mm512_shuffle_f32x4(quads[0], quads[1], 0xee);
    __m512 high = _mm512_shuffle_f32x4(quads[2], quads[3], 0x44) + _mm512_shuffle_f32x4(quads[2], quads[3], 0xee);
    return (vec)(_mm512_shuffle_f32x4(low, high, 0x88) + _mm512_shuffle_f32x4(low, high, 0xdd));
#else
    vec sums = zeros();

    for (size_t l = 0; l < LANES; l++)
        sums[l] = lane_sum(v[l]);
    return sums;
#endif
}

/* Load weights, which no cache holds, and prefetch later ones: processors prefetch by themselves, but not across
 * pages. */
INLINE vec load_prefetching(const float *w)
{
    __builtin_prefetch(w + DENSE_PREFETCH, 0, 2);
    return load(w);
}

INLINE mask last_lanes(size_t n)
{
    mask lane;

    for (int l = 0; l < LANES; l++)
        lane[l] = l;
    return lane >= LANES - (int)n;
}

/* The last n < LANES floats of a row, after zeros. Scalar loops would do, but compilers fuse multiply and add in some
 * of them and not in others, and the bits would then depend on the number of images. */
INLINE vec load_last(const float *row, size_t length, size_t n, mask last)
{
    float last_floats[LANES] = {0};

    if (length >= LANES)
        return keep(last, load(row + length - LANES));
    for (size_t l = 0; l < n; l++)
        last_floats[LANES - n + l] = row[length - n + l];
    return load(last_floats);
}

/* y[i][r] (+)= sum_j x[i][j] w[r][j] */
INLINE void multiply_rows(float *y, const float *x, const float *w, size_t upper, size_t lower, bool accumulate,
                          const size_t images, const size_t rows)
{
    vec lanes[DENSE_ROWS][DENSE_IMAGES], u[DENSE_ROWS];
    mask last = last_lanes(lower % LANES);
    size_t j = 0;

#pragma GCC unroll 8
    for (size_t i = 0; i < images * rows; i++)
        lanes[i / images][i % images] = zeros();
    for (; j + LANES <= lower; j += LANES) {
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++)
            u[r] = load_prefetching(w + r * lower + j);
#pragma GCC unroll 8
        for (size_t i = 0; i < images; i++)
#pragma GCC unroll 8
            for (size_t r = 0; r < rows; r++)
                lanes[r][i] += load(x + i * lower + j) * u[r];
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < images; i++)
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++) {
            if (j < lower)
                lanes[r][i] +=
                    load_last(x + i * lower, lower, lower - j, last) * load_last(w + r * lower, lower, lower - j, last);
            y[i * upper + r] = (accumulate ? y[i * upper + r] : 0) + lane_sum(lanes[r][i]);
        }
}

INLINE void forward_images(float *y, const float *x, const float *w, size_t upper, size_t lower, bool accumulate,
                           const size_t images)
{
    size_t k = 0;

    for (; k + DENSE_ROWS <= upper; k += DENSE_ROWS)
        multiply_rows(y + k, x, w + k * lower, upper, lower, accumulate, images, DENSE_ROWS);
    for (; k < upper; k++)
        multiply_rows(y + k, x, w + k * lower, upper, lower, accumulate, images, 1);
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

/* x[i][j] += sum of `rows` rows w[r][j] s[i][r] */
INLINE void add_rows(float *x, const float *s, const float *w, size_t upper, size_t lower, const size_t images,
                     const size_t rows)
{
    size_t j = 0;

    for (; j + LANES <= lower; j += LANES) {
        vec u[DENSE_STEP];
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++)
            u[r] = load_prefetching(w + r * lower + j);
#pragma GCC unroll 8
        for (size_t i = 0; i < images; i++) {
            vec sum = load(x + i * lower + j);
#pragma GCC unroll 8
            for (size_t r = 0; r < rows; r++)
                sum += u[r] * s[i * upper + r];
            store(x + i * lower + j, sum);
        }
    }
    for (; j < lower; j++)
        for (size_t i = 0; i < images; i++)
            for (size_t r = 0; r < rows; r++)
                x[i * lower + j] += w[r * lower + j] * s[i * upper + r];
}

INLINE void backward_images(float *x, const float *s, const float *w, size_t upper, size_t lower, const size_t images)
{
    size_t k = 0;

    for (size_t j = 0; j < images * lower; j++)
        x[j] = 0;
    for (; k + DENSE_STEP <= upper; k += DENSE_STEP)
        add_rows(x, s + k, w + k * lower, upper, lower, images, DENSE_STEP);
    for (; k < upper; k++)
        add_rows(x, s + k, w + k * lower, upper, lower, images, 1);
}

static void dense_backward(float *x, const float *s, const float *w, size_t images, size_t upper, size_t lower)
{
    size_t i = 0;

    for (; i + DENSE_IMAGES <= images; i += DENSE_IMAGES)
        backward_images(x + i * lower, s + i * upper, w, upper, lower, DENSE_IMAGES);
    for (; i < images; i++)
        backward_images(x + i * lower, s + i * upper, w, upper, lower, 1);
}

/* joint[i][r][c] (+)= s[i][r] sum_p w[r][c][p] x[i][c][p]; the sum of row r and image i is lane r DENSE_IMAGES + i. */
INLINE void joint_rows(float *joint, const float *s, const float *x, const float *w, const struct ops_dense shape,
                       bool accumulate, const size_t images, const size_t rows)
{
    size_t upper = shape.upper, channels = shape.channels, positions = shape.positions;
    size_t lower = channels * positions, rest = positions % LANES;
    mask last = last_lanes(rest);
    vec scale = zeros();

    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < images; i++)
            scale[r * DENSE_IMAGES + i] = s[i * upper + r];
    for (size_t c = 0; c < channels; c++, x += positions, w += positions) {
        vec lanes[LANES] = {zeros()};
        if (rest)
#pragma GCC unroll 8
            for (size_t r = 0; r < rows; r++) {
                vec u = load_last(w + r * lower, positions, rest, last);
#pragma GCC unroll 8
                for (size_t i = 0; i < images; i++)
                    lanes[r * DENSE_IMAGES + i] = load_last(x + i * lower, positions, rest, last) * u;
            }
        for (size_t p = 0; p < positions - rest; p += LANES)
#pragma GCC unroll 8
            for (size_t i = 0; i < images; i++)
#pragma GCC unroll 8
                for (size_t r = 0; r < rows; r++)
                    lanes[r * DENSE_IMAGES + i] += load(x + i * lower + p) * load_prefetching(w + r * lower + p);
        vec shares = lane_sums(lanes) * scale;
#pragma GCC unroll 8
        for (size_t i = 0; i < images; i++)
#pragma GCC unroll 8
            for (size_t r = 0; r < rows; r++) {
                float *entry = &joint[(i * upper + r) * channels + c];
                *entry = (accumulate ? *entry : 0) + shares[r * DENSE_IMAGES + i];
            }
    }
}

INLINE void joint_images(float *joint, const float *s, const float *x, const float *w, const struct ops_dense shape,
                         bool accumulate, const size_t images)
{
    size_t k = 0, channels = shape.channels, lower = channels * shape.positions;

    for (; k + DENSE_JOINT_ROWS <= shape.upper; k += DENSE_JOINT_ROWS)
        joint_rows(joint + k * channels, s + k, x, w + k * lower, shape, accumulate, images, DENSE_JOINT_ROWS);
    for (; k < shape.upper; k++)
        joint_rows(joint + k * channels, s + k, x, w + k * lower, shape, accumulate, images, 1);
}

/* The flow of one row and one image where a channel is one neuron. */
INLINE void joint_neurons(float *joint, float s, const float *x, const float *w, size_t channels, bool accumulate)
{
    size_t c = 0;

    for (; c + LANES <= channels; c += LANES) {
        vec share = load(x + c) * load_prefetching(w + c) * s;
        store(joint + c, accumulate ? load(joint + c) + share : share);
    }
    for (; c < channels; c++)
        joint[c] = (accumulate ? joint[c] : 0) + s * (x[c] * w[c]);
}

static void dense_flow(float *joint, const float *s, const float *x, const float *w, const struct ops_dense *dense,
                       bool accumulate)
{
    const struct ops_dense shape = *dense;
    size_t images = shape.images, upper = shape.upper, channels = shape.channels, positions = shape.positions;
    size_t each = upper * channels, lower = channels * positions, many = images / DENSE_IMAGES * DENSE_IMAGES;

    if (positions == 1) {
        for (size_t k = 0; k < upper; k++)
            for (size_t i = 0; i < images; i++)
                joint_neurons(joint + i * each + k * channels, s[i * upper + k], x + i * lower, w + k * lower, channels,
                              accumulate);
        return;
    }
    for (size_t i = 0; i < many; i += DENSE_IMAGES)
        joint_images(joint + i * each, s + i * upper, x + i * lower, w, shape, accumulate, DENSE_IMAGES);
    for (size_t i = many; i < images; i++)
        joint_images(joint + i * each, s + i * upper, x + i * lower, w, shape, accumulate, 1);
}

#endif
