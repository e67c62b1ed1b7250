#include "pool.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { LANES = LAYOUT_LANES, WINDOW = 4, SHARES = WINDOW + 1 /* of a proportional window, with what is absorbed */ };

/* ---- windows ----------------------------------------------------------------------------------------------------- */

/* A row of windows of one block: its floats below, in both rows, and above. */
struct window_row {
    size_t top, bottom;           /* first float of the rows below */
    size_t upper, step, lane;     /* first float above, and its distance to the next window's and the next lane's */
    size_t window, channel, live; /* number of its first window; of its first channel; lanes that are channels */
};

static size_t windows_across(struct layout lower)
{
    return lower.shape.width / 2;
}

static size_t row_count(struct layout lower)
{
    return (lower.shape.channels + LANES - 1) / LANES * (lower.shape.height / 2);
}

static struct window_row row_at(struct layout lower, struct layout upper, size_t row)
{
    size_t height = lower.shape.height / 2, channel = row / height * LANES, y = row % height;
    size_t left = lower.shape.channels - channel;

    assert(lower.lanes == LANES);
    return (struct window_row){.top = layout_index(lower, channel, 2 * y, 0),
                               .bottom = layout_index(lower, channel, 2 * y + 1, 0),
                               .upper = layout_index(upper, channel, y, 0),
                               .step = upper.lanes,
                               .lane = upper.lanes == LANES ? 1 : upper.rows * upper.columns,
                               .window = row * windows_across(lower) * LANES,
                               .channel = channel,
                               .live = left < LANES ? left : LANES};
}

/* The values of a lane's window in row-major order. */
static void window_values(float v[WINDOW], const float *restrict a, struct window_row row, size_t x, size_t lane)
{
    v[0] = a[row.top + 2 * x * LANES + lane];
    v[1] = a[row.top + (2 * x + 1) * LANES + lane];
    v[2] = a[row.bottom + 2 * x * LANES + lane];
    v[3] = a[row.bottom + (2 * x + 1) * LANES + lane];
}

/* ---- shares ------------------------------------------------------------------------------------------------------ */

static size_t window_count(struct layout lower)
{
    return row_count(lower) * windows_across(lower) * LANES;
}

size_t pool_shares_floats(struct layout lower, enum pool_mode mode)
{
    size_t windows = window_count(lower);

    return mode == POOL_PROPORTIONAL ? windows * SHARES : (windows + sizeof(float) - 1) / sizeof(float);
}

/* The larger of two values, NaN if one is. */
static float larger(float a, float b)
{
    return a > b || isnan(a) ? a : b;
}

static float layer_maximum(const float *a, size_t n)
{
    float lanes[LANES] = {0}, most = 0;

    for (size_t i = 0; i < n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lanes[l] = a[i + l] > lanes[l] ? a[i + l] : lanes[l];
    for (size_t l = 0; l < LANES; l++)
        most = lanes[l] > most ? lanes[l] : most;
    return most;
}

/* A bit for every position that gets its share; they share equally. */
static uint8_t winners(const float v[WINDOW], float most, float tolerance, enum pool_mode mode)
{
    bool near = most > 0 && mode != POOL_FIRST;
    float least = near ? most - tolerance : most;
    uint8_t code = 0;

    for (size_t i = 0; i < WINDOW; i++)
        code = (uint8_t)(code | (v[i] >= least && !(near && mode == POOL_WINNER_LIVE && v[i] <= 0)) << i);
    return near ? code : (uint8_t)(code & -code);
}

static void keep_proportional(float share[SHARES], const float v[WINDOW])
{
    const float eps = 1e-6f;
    float sum = v[0] + v[1] + v[2] + v[3], stabilized = sum < 0 ? sum - eps : sum + eps;

    for (size_t i = 0; i < WINDOW; i++)
        share[i] = v[i] / stabilized;
    share[WINDOW] = eps / fabsf(stabilized);
}

void pool_evaluate(float *restrict y, float *restrict shares, const float *restrict a, struct layout lower,
                   struct layout upper, enum pool_mode mode)
{
    float tolerance = (float)POOL_TIE * layer_maximum(a, layout_floats(lower)), v[WINDOW];
    uint8_t *codes = (uint8_t *)shares;

    memset(y, 0, layout_floats(upper) * sizeof *y);
    for (size_t r = 0; r < row_count(lower); r++) {
        struct window_row row = row_at(lower, upper, r);
        for (size_t i = 0; i < windows_across(lower) * LANES; i++) {
            size_t x = i / LANES, lane = i % LANES;
            window_values(v, a, row, x, lane);
            float most = larger(larger(v[0], v[1]), larger(v[2], v[3]));
            if (mode == POOL_PROPORTIONAL)
                keep_proportional(shares + (row.window + i) * SHARES, v);
            else
                codes[row.window + i] = winners(v, most, tolerance, mode);
            if (lane < row.live)
                y[row.upper + x * row.step + lane * row.lane] = most;
        }
    }
}

/* The shares of a window, and what is absorbed. */
static void window_shares(float share[SHARES], const float *shares, size_t window, enum pool_mode mode)
{
    static const float part[WINDOW + 1] = {0, 1, 1.f / 2, 1.f / 3, 1.f / 4};

    if (mode == POOL_PROPORTIONAL) {
        memcpy(share, shares + window * SHARES, SHARES * sizeof *share);
        return;
    }
    unsigned code = ((const uint8_t *)shares)[window];
    unsigned winning = (code & 1) + (code >> 1 & 1) + (code >> 2 & 1) + (code >> 3);
    for (size_t i = 0; i < WINDOW; i++)
        share[i] = code >> i & 1 ? part[winning] : 0;
    share[WINDOW] = 0;
}

/* ---- the maps ---------------------------------------------------------------------------------------------------- */

void pool_back(float *restrict r_lower, double *restrict absorbed, const float *restrict r_upper,
               const float *restrict shares, struct layout lower, struct layout upper, enum pool_mode mode)
{
    float share[SHARES];

    memset(r_lower, 0, layout_floats(lower) * sizeof *r_lower);
    if (absorbed)
        memset(absorbed, 0, lower.shape.channels * sizeof *absorbed);
    for (size_t n = 0; n < row_count(lower); n++) {
        struct window_row row = row_at(lower, upper, n);
        for (size_t i = 0; i < windows_across(lower) * LANES; i++) {
            size_t x = i / LANES, lane = i % LANES;
            float r = lane < row.live ? r_upper[row.upper + x * row.step + lane * row.lane] : 0;
            if (r == 0)
                continue;
            window_shares(share, shares, row.window + i, mode);
            r_lower[row.top + 2 * x * LANES + lane] = r * share[0];
            r_lower[row.top + (2 * x + 1) * LANES + lane] = r * share[1];
            r_lower[row.bottom + 2 * x * LANES + lane] = r * share[2];
            r_lower[row.bottom + (2 * x + 1) * LANES + lane] = r * share[3];
            if (absorbed)
                absorbed[row.channel + lane] += (double)r * (double)share[WINDOW];
        }
    }
}

void pool_forward(float *restrict v_upper, const float *restrict v_lower, const float *restrict shares,
                  struct layout lower, struct layout upper, enum pool_mode mode)
{
    float share[SHARES], v[WINDOW];

    memset(v_upper, 0, layout_floats(upper) * sizeof *v_upper);
    for (size_t n = 0; n < row_count(lower); n++) {
        struct window_row row = row_at(lower, upper, n);
        for (size_t i = 0; i < windows_across(lower) * LANES; i++) {
            size_t x = i / LANES, lane = i % LANES;
            if (lane >= row.live)
                continue;
            window_values(v, v_lower, row, x, lane);
            window_shares(share, shares, row.window + i, mode);
            v_upper[row.upper + x * row.step + lane * row.lane] =
                share[0] * v[0] + share[1] * v[1] + share[2] * v[2] + share[3] * v[3];
        }
    }
}
