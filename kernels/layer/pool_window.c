#include "kernels/layer/pool_window.h"

#include "kernels/layer/window.h"

#include <math.h>
#include <string.h>

enum { WORD = 16 /* bits */ };

static const float STABILIZER = 1e-6f;

static size_t positions_of(const struct link *link)
{
    return link->window.height * link->window.width;
}

static size_t words_of(const struct link *link)
{
    return (positions_of(link) + WORD - 1) / WORD;
}

size_t pool_window_shares(const struct link *link, enum pool_mode mode)
{
    size_t windows = shape_neurons(link->upper);

    if (mode == POOL_PROPORTIONAL)
        return windows * (positions_of(link) + 1);
    return (windows * words_of(link) * sizeof(uint16_t) + sizeof(float) - 1) / sizeof(float);
}

/* ---- windows ----------------------------------------------------------------------------------------------------- */

/* A window: where its positions within the map, its upper neuron and its shares are. */
struct window_at {
    struct window_span rows, columns;
    size_t number, channel, upper; /* of all windows; and the float of the upper neuron */
};

/* The next window in the order of channels, rows, columns; false after the last. at->number is one more than before. */
static struct window_at window_at(const struct pool_window *pool, size_t number)
{
    const struct link *link = pool->link;
    size_t x = number % link->upper.width, y = number / link->upper.width % link->upper.height;
    size_t channel = number / shape_positions(link->upper);

    return (struct window_at){.rows = window_taps(window_down(link), y),
                              .columns = window_taps(window_across(link), x),
                              .number = number,
                              .channel = channel,
                              .upper = layout_index(pool->upper, channel, y, x)};
}

/* A position of a window within the map: its number in the window, and its lower float. */
struct position {
    size_t row, column; /* from the first ones in the map */
    size_t tap, lower;
};

static struct position first_position(const struct pool_window *pool, const struct window_at *w)
{
    return (struct position){.tap = w->rows.first * pool->link->window.width + w->columns.first,
                             .lower = layout_index(pool->lower, w->channel, w->rows.lower, w->columns.lower)};
}

static bool is_inside(const struct position *p, const struct window_at *w)
{
    return p->row < w->rows.end - w->rows.first;
}

static void next_position(struct position *p, const struct pool_window *pool, const struct window_at *w)
{
    size_t columns = w->columns.end - w->columns.first;

    p->column++;
    p->tap++;
    p->lower += pool->lower.lanes;
    if (p->column == columns) {
        p->column = 0;
        p->row++;
        p->tap += pool->link->window.width - columns;
        p->lower += (pool->lower.columns - columns) * pool->lower.lanes;
    }
}

/* ---- winners ----------------------------------------------------------------------------------------------------- */

static void choose_winners(uint16_t *words, const float *a, float most, float tolerance, const struct pool_window *pool,
                           const struct window_at *w)
{
    bool shared = most > 0 && pool->mode != POOL_FIRST, found = false;
    float least = shared ? most - tolerance : most;

    memset(words, 0, words_of(pool->link) * sizeof *words);
    for (struct position p = first_position(pool, w); is_inside(&p, w); next_position(&p, pool, w)) {
        float v = a[p.lower];
        bool may = shared ? pool->mode != POOL_WINNER_LIVE || v > 0 : !found;
        if (v >= least && may) {
            words[p.tap / WORD] |= (uint16_t)(1u << p.tap % WORD);
            found = true;
        }
    }
}

static bool wins(const uint16_t *words, size_t tap)
{
    return words[tap / WORD] >> tap % WORD & 1;
}

/* The share of each winner; none win where the maximum is NaN. */
static float winners_share(const uint16_t *words, const struct link *link)
{
    int winners = 0;

    for (size_t i = 0; i < words_of(link); i++)
        winners += __builtin_popcount(words[i]);
    return 1 / (float)(winners ? winners : 1);
}

/* ---- shares ------------------------------------------------------------------------------------------------------ */

/* The shares of a window, of either kind. */
struct shares {
    const uint16_t *words;
    float each;               /* of a winner */
    const float *proportions; /* by tap, the absorbed one last; NULL: winners share */
};

static struct shares shares_of(const float *shares, const struct pool_window *pool, size_t number)
{
    const uint16_t *words = (const uint16_t *)shares + number * words_of(pool->link);

    if (pool->mode == POOL_PROPORTIONAL)
        return (struct shares){.proportions = shares + number * (positions_of(pool->link) + 1)};
    return (struct shares){.words = words, .each = winners_share(words, pool->link)};
}

static float share_of(const struct shares *shares, size_t tap)
{
    if (shares->proportions)
        return shares->proportions[tap];
    return wins(shares->words, tap) ? shares->each : 0;
}

static void choose_proportions(float *proportions, const float *a, const struct pool_window *pool,
                               const struct window_at *w)
{
    float sum = 0;

    for (struct position p = first_position(pool, w); is_inside(&p, w); next_position(&p, pool, w))
        sum += a[p.lower];
    float stabilized = sum < 0 ? sum - STABILIZER : sum + STABILIZER;
    memset(proportions, 0, positions_of(pool->link) * sizeof *proportions);
    for (struct position p = first_position(pool, w); is_inside(&p, w); next_position(&p, pool, w))
        proportions[p.tap] = a[p.lower] / stabilized;
    proportions[positions_of(pool->link)] = STABILIZER / fabsf(stabilized);
}

/* ---- the maps ---------------------------------------------------------------------------------------------------- */

/* NaN if any is. */
static float maximum(const float *a, const struct pool_window *pool, const struct window_at *w)
{
    float most = -INFINITY;

    for (struct position p = first_position(pool, w); is_inside(&p, w); next_position(&p, pool, w))
        most = most > a[p.lower] || most != most ? most : a[p.lower];
    return most;
}

void pool_window_forward(float *restrict y, float *restrict shares, const float *restrict a, float largest,
                         const struct pool_window *pool)
{
    float tolerance = (float)POOL_TIE * largest;
    const struct link *link = pool->link;

    memset(y, 0, layout_floats(pool->upper) * sizeof *y);
    for (size_t number = 0; number < shape_neurons(link->upper); number++) {
        struct window_at w = window_at(pool, number);
        y[w.upper] = maximum(a, pool, &w);
        if (pool->mode == POOL_PROPORTIONAL)
            choose_proportions(shares + number * (positions_of(link) + 1), a, pool, &w);
        else
            choose_winners((uint16_t *)shares + number * words_of(link), a, y[w.upper], tolerance, pool, &w);
    }
}

void pool_window_backward(float *restrict r_lower, double *restrict absorbed, const float *restrict r_upper,
                          const float *restrict shares, const struct pool_window *pool)
{
    memset(r_lower, 0, layout_floats(pool->lower) * sizeof *r_lower);
    if (absorbed)
        memset(absorbed, 0, pool->link->upper.channels * sizeof *absorbed);
    for (size_t number = 0; number < shape_neurons(pool->link->upper); number++) {
        struct window_at w = window_at(pool, number);
        struct shares own = shares_of(shares, pool, number);
        float r = r_upper[w.upper];
        for (struct position p = first_position(pool, &w); is_inside(&p, &w); next_position(&p, pool, &w))
            r_lower[p.lower] += r * share_of(&own, p.tap);
        if (absorbed && own.proportions)
            absorbed[w.channel] += (double)r * (double)own.proportions[positions_of(pool->link)];
    }
}

void pool_window_lift(float *restrict v_upper, const float *restrict v_lower, const float *restrict shares,
                      const struct pool_window *pool)
{
    memset(v_upper, 0, layout_floats(pool->upper) * sizeof *v_upper);
    for (size_t number = 0; number < shape_neurons(pool->link->upper); number++) {
        struct window_at w = window_at(pool, number);
        struct shares own = shares_of(shares, pool, number);
        float v = 0;
        for (struct position p = first_position(pool, &w); is_inside(&p, &w); next_position(&p, pool, &w))
            v += share_of(&own, p.tap) * v_lower[p.lower];
        v_upper[w.upper] = v;
    }
}
