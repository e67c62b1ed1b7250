#include "kernels/layer/pool.h"

#include "kernels/ops/ops.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum {
    LANES = LAYOUT_LANES,
    WINDOW = 4,
    SHARES = WINDOW + 1, /* of a proportional window, the absorbed one last */
    RUN = 32             /* windows at a time */
};

/* ---- windows ----------------------------------------------------------------------------------------------------- */

/* Some windows of a row of one block. */
struct run {
    size_t windows;
    size_t top, bottom;       /* first float of the rows below */
    size_t upper, step, lane; /* first float above, and its distance to the next window's and the next lane's */
    size_t code;              /* first float of all windows' */
    size_t channel, live;     /* its first channel; lanes that are channels */
};

static size_t windows_across(struct layout lower)
{
    return lower.shape.width / 2;
}

static size_t row_count(struct layout lower)
{
    return (lower.shape.channels + LANES - 1) / LANES * (lower.shape.height / 2);
}

static size_t window_count(struct layout lower)
{
    return row_count(lower) * windows_across(lower) * LANES;
}

/* Windows x, x + 1, ... of a row. */
static struct run run_at(struct layout lower, struct layout upper, size_t row, size_t x)
{
    size_t height = lower.shape.height / 2, channel = row / height * LANES, y = row % height;
    size_t left = lower.shape.channels - channel, ahead = windows_across(lower) - x;

    assert(lower.lanes == LANES);
    return (struct run){.windows = ahead < RUN ? ahead : RUN,
                        .top = layout_index(lower, channel, 2 * y, 2 * x),
                        .bottom = layout_index(lower, channel, 2 * y + 1, 2 * x),
                        .upper = layout_index(upper, channel, y, x),
                        .step = upper.lanes,
                        .lane = upper.lanes == LANES ? 1 : upper.rows * upper.columns,
                        .code = (row * windows_across(lower) + x) * LANES,
                        .channel = channel,
                        .live = left < LANES ? left : LANES};
}

/* The upper floats of a run as [windows][16]: their own place, or a buffer for those in the planar order. */
static const float *gather(float *buffer, const float *upper, struct run run)
{
    if (run.step == LANES)
        return upper + run.upper;
    memset(buffer, 0, run.windows * LANES * sizeof *buffer);
    for (size_t l = 0; l < run.live; l++)
        for (size_t x = 0; x < run.windows; x++)
            buffer[x * LANES + l] = upper[run.upper + x * run.step + l * run.lane];
    return buffer;
}

static float *target(float *buffer, float *upper, struct run run)
{
    return run.step == LANES ? upper + run.upper : buffer;
}

static void scatter(float *upper, const float *buffer, struct run run)
{
    for (size_t l = 0; l < run.live && run.step != LANES; l++)
        for (size_t x = 0; x < run.windows; x++)
            upper[run.upper + x * run.step + l * run.lane] = buffer[x * LANES + l];
}

/* Zero the floats that are in no window: the border, and a last odd row and column. */
static void clear_rest(float *lower, struct layout layout)
{
    struct shape windowed = layout.shape;
    struct layout even = layout;

    windowed.height = windowed.height / 2 * 2;
    windowed.width = windowed.width / 2 * 2;
    even.shape = windowed;
    layout_clear_border(lower, even);
}

/* The lower floats of a window's position i: those of the other lanes follow. */
static size_t position_at(struct run run, size_t x, size_t i)
{
    return (i < 2 ? run.top : run.bottom) + (2 * x + i % 2) * LANES;
}

/* ---- shares ------------------------------------------------------------------------------------------------------ */

size_t pool_shares_floats(struct layout lower, enum pool_mode mode)
{
    size_t windows = window_count(lower);

    return mode == POOL_PROPORTIONAL ? windows * SHARES : (windows + sizeof(float) - 1) / sizeof(float);
}

float pool_largest(const float *a, struct layout lower)
{
    float most = 0;

    for (size_t i = 0; i < layout_floats(lower); i++)
        most = a[i] > most ? a[i] : most;
    return most;
}

static const uint8_t *codes_of(const float *shares, struct run run)
{
    return (const uint8_t *)shares + run.code;
}

/* ---- the proportional mode, with shares [windows][LANES][SHARES] ------------------------------------------------- */

static void forward_proportions(float *restrict y, float *restrict shares, const float *restrict a, struct run run)
{
    const float eps = 1e-6f;

    shares += run.code * SHARES;
    for (size_t n = 0; n < run.windows * LANES; n++, shares += SHARES) {
        float v[WINDOW], sum = 0;
        for (size_t i = 0; i < WINDOW; i++) {
            v[i] = a[position_at(run, n / LANES, i) + n % LANES];
            y[n] = i == 0 || v[i] > y[n] || v[i] != v[i] ? v[i] : y[n];
            sum += v[i];
        }
        float stabilized = sum < 0 ? sum - eps : sum + eps;
        for (size_t i = 0; i < WINDOW; i++)
            shares[i] = v[i] / stabilized;
        shares[WINDOW] = eps / fabsf(stabilized);
    }
}

static void backward_proportions(float *restrict r_lower, double *restrict absorbed, const float *restrict r,
                                 const float *restrict shares, struct run run)
{
    shares += run.code * SHARES;
    for (size_t n = 0; n < run.windows * LANES; n++, shares += SHARES) {
        for (size_t i = 0; i < WINDOW; i++)
            r_lower[position_at(run, n / LANES, i) + n % LANES] = r[n] * shares[i];
        if (absorbed && n % LANES < run.live)
            absorbed[run.channel + n % LANES] += (double)r[n] * (double)shares[WINDOW];
    }
}

static void lift_proportions(float *restrict v_upper, const float *restrict v_lower, const float *restrict shares,
                             struct run run)
{
    shares += run.code * SHARES;
    for (size_t n = 0; n < run.windows * LANES; n++, shares += SHARES) {
        v_upper[n] = 0;
        for (size_t i = 0; i < WINDOW; i++)
            v_upper[n] += shares[i] * v_lower[position_at(run, n / LANES, i) + n % LANES];
    }
}

/* ---- the maps ---------------------------------------------------------------------------------------------------- */

void pool_forward(float *restrict y, float *restrict shares, const float *restrict a, float largest,
                  struct layout lower, struct layout upper, enum pool_mode mode, const struct ops *ops)
{
    float tolerance = (float)POOL_TIE * largest, buffer[RUN * LANES];

    for (size_t row = 0; row < row_count(lower); row++)
        for (size_t x = 0; x < windows_across(lower); x += RUN) {
            struct run run = run_at(lower, upper, row, x);
            float *most = target(buffer, y, run);
            if (mode == POOL_PROPORTIONAL)
                forward_proportions(most, shares, a, run);
            else
                ops->windows_forward(most, (uint8_t *)shares + run.code, a + run.top, a + run.bottom, run.windows,
                                     tolerance, mode);
            scatter(y, most, run);
        }
    layout_clear_border(y, upper);
}

void pool_backward(float *restrict r_lower, double *restrict absorbed, const float *restrict r_upper,
                   const float *restrict shares, struct layout lower, struct layout upper, enum pool_mode mode,
                   const struct ops *ops)
{
    float buffer[RUN * LANES];

    if (absorbed)
        memset(absorbed, 0, lower.shape.channels * sizeof *absorbed);
    for (size_t row = 0; row < row_count(lower); row++)
        for (size_t x = 0; x < windows_across(lower); x += RUN) {
            struct run run = run_at(lower, upper, row, x);
            const float *r = gather(buffer, r_upper, run);
            if (mode == POOL_PROPORTIONAL)
                backward_proportions(r_lower, absorbed, r, shares, run);
            else
                ops->windows_backward(r_lower + run.top, r_lower + run.bottom, r, codes_of(shares, run), run.windows);
        }
    clear_rest(r_lower, lower);
}

void pool_lift(float *restrict v_upper, const float *restrict v_lower, const float *restrict shares,
               struct layout lower, struct layout upper, enum pool_mode mode, const struct ops *ops)
{
    float buffer[RUN * LANES];

    for (size_t row = 0; row < row_count(lower); row++)
        for (size_t x = 0; x < windows_across(lower); x += RUN) {
            struct run run = run_at(lower, upper, row, x);
            float *v = target(buffer, v_upper, run);
            if (mode == POOL_PROPORTIONAL)
                lift_proportions(v, v_lower, shares, run);
            else
                ops->windows_lift(v, v_lower + run.top, v_lower + run.bottom, codes_of(shares, run), run.windows);
            scatter(v_upper, v, run);
        }
    layout_clear_border(v_upper, upper);
}
