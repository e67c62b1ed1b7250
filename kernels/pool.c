#include "pool.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { WINDOW = 4 };

/* Offsets of a window's positions in row-major order; `at` is the first. */
static void window_positions(size_t at[WINDOW], size_t first, size_t width)
{
    at[0] = first;
    at[1] = first + 1;
    at[2] = first + width;
    at[3] = first + width + 1;
}

static float layer_maximum(const float *a, size_t n)
{
    float m = 0;

    for (size_t i = 0; i < n; i++)
        m = a[i] > m ? a[i] : m;
    return m;
}

static size_t first_maximum(const float v[WINDOW])
{
    size_t best = 0;

    for (size_t i = 1; i < WINDOW; i++)
        if (v[i] > v[best])
            best = i;
    return best;
}

static void share_winner(float share[WINDOW], const float v[WINDOW], float tolerance, bool live)
{
    size_t best = first_maximum(v);
    float near[WINDOW], count = 0;

    for (size_t i = 0; i < WINDOW; i++) {
        bool wins = v[best] > 0 ? v[i] >= v[best] - tolerance && !(live && v[i] <= 0) : i == best;
        near[i] = wins ? 1 : 0;
        count += near[i];
    }
    for (size_t i = 0; i < WINDOW; i++)
        share[i] = near[i] / count;
}

/* Returns what the stabilizer takes. */
static float share_proportional(float share[WINDOW], const float v[WINDOW])
{
    const float eps = 1e-6f;
    float sum = v[0] + v[1] + v[2] + v[3], stabilized = sum < 0 ? sum - eps : sum + eps;

    for (size_t i = 0; i < WINDOW; i++)
        share[i] = v[i] / stabilized;
    return eps / fabsf(stabilized);
}

static float share_window(float share[WINDOW], const float v[WINDOW], float tolerance, enum pool_mode mode)
{
    if (mode == POOL_PROPORTIONAL)
        return share_proportional(share, v);
    if (mode != POOL_FIRST) {
        share_winner(share, v, tolerance, mode == POOL_WINNER_LIVE);
        return 0;
    }
    memset(share, 0, WINDOW * sizeof *share);
    share[first_maximum(v)] = 1;
    return 0;
}

static float tie_tolerance(const float *a, struct shape lower, enum pool_mode mode)
{
    return mode == POOL_WINNER || mode == POOL_WINNER_LIVE ? (float)POOL_TIE * layer_maximum(a, shape_neurons(lower))
                                                           : 0;
}

/* The larger of two values, NaN if one is. */
static float larger(float a, float b)
{
    return a > b || isnan(a) ? a : b;
}

void pool_maximum(float *restrict y, const float *restrict a, struct shape lower)
{
    size_t height = lower.height / 2, width = lower.width / 2;

    for (size_t row = 0; row < lower.channels * height; row++) {
        const float *top = a + (row / height * lower.height + row % height * 2) * lower.width;
        for (size_t x = 0; x < width; x++) {
            float upper_pair = larger(top[2 * x], top[2 * x + 1]);
            float lower_pair = larger(top[lower.width + 2 * x], top[lower.width + 2 * x + 1]);
            *y++ = larger(upper_pair, lower_pair);
        }
    }
}

void pool_back(float *restrict r_lower, double *restrict absorbed, const float *restrict r_upper,
               const float *restrict a, struct shape lower, enum pool_mode mode)
{
    float tolerance = tie_tolerance(a, lower, mode);
    size_t at[WINDOW];

    memset(r_lower, 0, shape_neurons(lower) * sizeof *r_lower);
    for (size_t c = 0; c < lower.channels; c++) {
        double taken = 0;
        for (size_t y = 0; y < lower.height / 2; y++) {
            for (size_t x = 0; x < lower.width / 2; x++) {
                float share[WINDOW], v[WINDOW], r = *r_upper++;
                if (r == 0)
                    continue;
                window_positions(at, (c * lower.height + 2 * y) * lower.width + 2 * x, lower.width);
                for (size_t i = 0; i < WINDOW; i++)
                    v[i] = a[at[i]];
                taken += (double)r * (double)share_window(share, v, tolerance, mode);
                for (size_t i = 0; i < WINDOW; i++)
                    r_lower[at[i]] = r * share[i];
            }
        }
        if (absorbed)
            absorbed[c] = taken;
    }
}

void pool_forward(float *restrict v_upper, const float *restrict v_lower, const float *restrict a, struct shape lower,
                  enum pool_mode mode)
{
    float tolerance = tie_tolerance(a, lower, mode);
    size_t at[WINDOW];

    for (size_t row = 0; row < lower.channels * (lower.height / 2); row++) {
        size_t c = row / (lower.height / 2), y = row % (lower.height / 2);
        for (size_t x = 0; x < lower.width / 2; x++) {
            float share[WINDOW], v[WINDOW], sum = 0;
            window_positions(at, (c * lower.height + 2 * y) * lower.width + 2 * x, lower.width);
            for (size_t i = 0; i < WINDOW; i++)
                v[i] = a[at[i]];
            share_window(share, v, tolerance, mode);
            for (size_t i = 0; i < WINDOW; i++)
                sum += share[i] * v_lower[at[i]];
            *v_upper++ = sum;
        }
    }
}
