#include "pool.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    LANES = LAYOUT_LANES,
    QUAD = 4,
    WINDOW = 4,
    SHARES = WINDOW + 1 /* of a proportional window, with what is absorbed */
};

/* Vectors that every processor has; compilers make worse of such loops by themselves. */
typedef float quad __attribute__((vector_size(QUAD * 4), aligned(4), may_alias));
typedef int32_t bits __attribute__((vector_size(QUAD * 4))); /* all of a lane set, or none */

static quad keep(bits mask, quad v)
{
    return (quad)(mask & (bits)v);
}

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

/* First float of a window's four positions in row-major order; those of the other lanes follow. */
static void window_positions(size_t at[WINDOW], struct window_row row, size_t x)
{
    at[0] = row.top + 2 * x * LANES;
    at[1] = at[0] + LANES;
    at[2] = row.bottom + 2 * x * LANES;
    at[3] = at[2] + LANES;
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
static inline float larger(float a, float b)
{
    return a > b || a != a ? a : b;
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

/* A bit for every position of a lane's window that gets its share; they share equally. */
static void keep_winners(uint8_t *restrict codes, const float *restrict a, const size_t at[WINDOW],
                         const float *restrict most, float tolerance, enum pool_mode mode)
{
    const bits all = {-1, -1, -1, -1}, none = {0}, live = mode == POOL_WINNER_LIVE ? all : none;
    const bits shared = mode == POOL_FIRST ? none : all;

    for (size_t l = 0; l < LANES; l += QUAD) {
        quad top = *(const quad *)(most + l);
        bits near = (top > 0) & shared, code = none;
        quad least = top - keep(near, (quad){0} + tolerance);
        for (int i = 0; i < WINDOW; i++) {
            quad v = *(const quad *)(a + at[i] + l);
            code |= (v >= least) & ((v > 0) | ~(near & live)) & (1 << i);
        }
        code = (code & near) | (code & -code & ~near);
        for (size_t j = 0; j < QUAD; j++)
            codes[l + j] = (uint8_t)code[j];
    }
}

/* The four shares of every lane's window, and what is absorbed: [LANES][SHARES]. */
static void keep_proportions(float *restrict shares, const float *restrict a, const size_t at[WINDOW])
{
    const float eps = 1e-6f;

    for (size_t l = 0; l < LANES; l++) {
        float sum = a[at[0] + l] + a[at[1] + l] + a[at[2] + l] + a[at[3] + l];
        float stabilized = sum < 0 ? sum - eps : sum + eps;
        for (size_t i = 0; i < WINDOW; i++)
            shares[l * SHARES + i] = a[at[i] + l] / stabilized;
        shares[l * SHARES + WINDOW] = eps / fabsf(stabilized);
    }
}

void pool_evaluate(float *restrict y, float *restrict shares, const float *restrict a, struct layout lower,
                   struct layout upper, enum pool_mode mode)
{
    float tolerance = (float)POOL_TIE * layer_maximum(a, layout_floats(lower)), most[LANES];
    size_t at[WINDOW];

    memset(y, 0, layout_floats(upper) * sizeof *y);
    for (size_t r = 0; r < row_count(lower); r++) {
        struct window_row row = row_at(lower, upper, r);
        for (size_t x = 0; x < windows_across(lower); x++) {
            size_t window = row.window + x * LANES;
            window_positions(at, row, x);
            for (size_t l = 0; l < LANES; l++)
                most[l] = larger(larger(a[at[0] + l], a[at[1] + l]), larger(a[at[2] + l], a[at[3] + l]));
            if (mode == POOL_PROPORTIONAL)
                keep_proportions(shares + window * SHARES, a, at);
            else
                keep_winners((uint8_t *)shares + window, a, at, most, tolerance, mode);
            for (size_t l = 0; l < row.live; l++)
                y[row.upper + x * row.step + l * row.lane] = most[l];
        }
    }
}

/* share[i][l] of a window's four positions and, in the end, of what is absorbed. */
static void window_shares(float share[SHARES][LANES], const float *restrict shares, size_t window, enum pool_mode mode)
{
    const uint8_t *codes = (const uint8_t *)shares + window;

    for (size_t i = 0; i < SHARES && mode == POOL_PROPORTIONAL; i++)
        for (size_t l = 0; l < LANES; l++)
            share[i][l] = shares[(window + l) * SHARES + i];
    if (mode == POOL_PROPORTIONAL)
        return;
    for (size_t l = 0; l < LANES; l += QUAD) {
        bits code = {codes[l], codes[l + 1], codes[l + 2], codes[l + 3]};
        bits winning = (code & 1) + (code >> 1 & 1) + (code >> 2 & 1) + (code >> 3);
        quad part = 1 / __builtin_convertvector(winning - (winning == 0), quad);
        for (int i = 0; i < WINDOW; i++)
            *(quad *)&share[i][l] = keep(-(code >> i & 1), part);
        *(quad *)&share[WINDOW][l] = (quad){0};
    }
}

/* ---- the maps ---------------------------------------------------------------------------------------------------- */

void pool_back(float *restrict r_lower, double *restrict absorbed, const float *restrict r_upper,
               const float *restrict shares, struct layout lower, struct layout upper, enum pool_mode mode)
{
    float share[SHARES][LANES], r[LANES] = {0};
    size_t at[WINDOW];

    memset(r_lower, 0, layout_floats(lower) * sizeof *r_lower);
    if (absorbed)
        memset(absorbed, 0, lower.shape.channels * sizeof *absorbed);
    for (size_t n = 0; n < row_count(lower); n++) {
        struct window_row row = row_at(lower, upper, n);
        for (size_t x = 0; x < windows_across(lower); x++) {
            window_positions(at, row, x);
            window_shares(share, shares, row.window + x * LANES, mode);
            for (size_t l = 0; l < LANES; l++)
                r[l] = l < row.live ? r_upper[row.upper + x * row.step + l * row.lane] : 0;
            for (size_t i = 0; i < WINDOW; i++)
                for (size_t l = 0; l < LANES; l++)
                    r_lower[at[i] + l] = r[l] * share[i][l];
            for (size_t l = 0; l < row.live && absorbed && mode == POOL_PROPORTIONAL; l++)
                absorbed[row.channel + l] += (double)r[l] * (double)share[WINDOW][l];
        }
    }
}

void pool_forward(float *restrict v_upper, const float *restrict v_lower, const float *restrict shares,
                  struct layout lower, struct layout upper, enum pool_mode mode)
{
    float share[SHARES][LANES], sum[LANES];
    size_t at[WINDOW];

    memset(v_upper, 0, layout_floats(upper) * sizeof *v_upper);
    for (size_t n = 0; n < row_count(lower); n++) {
        struct window_row row = row_at(lower, upper, n);
        for (size_t x = 0; x < windows_across(lower); x++) {
            window_positions(at, row, x);
            window_shares(share, shares, row.window + x * LANES, mode);
            for (size_t l = 0; l < LANES; l++)
                sum[l] = share[0][l] * v_lower[at[0] + l] + share[1][l] * v_lower[at[1] + l] +
                         share[2][l] * v_lower[at[2] + l] + share[3][l] * v_lower[at[3] + l];
            for (size_t l = 0; l < row.live; l++)
                v_upper[row.upper + x * row.step + l * row.lane] = sum[l];
        }
    }
}
