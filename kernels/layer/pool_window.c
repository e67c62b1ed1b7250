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

/* A window: its place, its positions within the map, its upper neuron and its shares. */
struct window_at {
    size_t channel, row, column, number; /* number: among all windows */
    struct window_span rows, columns;
    size_t lower_row, upper_row; /* floats where its first row, and its row of upper neurons, begin */
};

static void enter_row(struct window_at *w, const struct pool_window *pool)
{
    w->rows = window_taps(window_down(pool->link), w->row);
    w->lower_row = layout_index(pool->lower, w->channel, w->rows.lower, 0);
    w->upper_row = layout_index(pool->upper, w->channel, w->row, 0);
}

static struct window_at first_window(const struct pool_window *pool)
{
    struct window_at w = {.columns = window_taps(window_across(pool->link), 0)};

    enter_row(&w, pool);
    return w;
}

static bool is_window(const struct window_at *w, const struct pool_window *pool)
{
    return w->channel < pool->link->upper.channels;
}

/* The next one in the order of channels, rows and columns. */
static void next_window(struct window_at *w, const struct pool_window *pool)
{
    w->number++;
    if (++w->column == pool->link->upper.width) {
        w->column = 0;
        w->row = w->row + 1 == pool->link->upper.height ? 0 : w->row + 1;
        w->channel += w->row == 0;
        if (is_window(w, pool))
            enter_row(w, pool);
    }
    w->columns = window_taps(window_across(pool->link), w->column);
}

/* The upper neuron's float. */
static size_t upper_of(const struct window_at *w, const struct pool_window *pool)
{
    return w->upper_row + w->column * pool->upper.lanes;
}

/* A position of a window within the map: its number in the window, and its lower float. */
struct position {
    size_t row, column; /* from the first ones in the map */
    size_t tap, lower;
};

static struct position first_position(const struct pool_window *pool, const struct window_at *w)
{
    return (struct position){.tap = w->rows.first * pool->link->window.width + w->columns.first,
                             .lower = w->lower_row + w->columns.lower * pool->lower.lanes};
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
    for (struct window_at w = first_window(pool); is_window(&w, pool); next_window(&w, pool)) {
        float most = maximum(a, pool, &w);
        y[upper_of(&w, pool)] = most;
        if (pool->mode == POOL_PROPORTIONAL)
            choose_proportions(shares + w.number * (positions_of(link) + 1), a, pool, &w);
        else
            choose_winners((uint16_t *)shares + w.number * words_of(link), a, most, tolerance, pool, &w);
    }
}

void pool_window_backward(float *restrict r_lower, double *restrict absorbed, const float *restrict r_upper,
                          const float *restrict shares, const struct pool_window *pool)
{
    memset(r_lower, 0, layout_floats(pool->lower) * sizeof *r_lower);
    if (absorbed)
        memset(absorbed, 0, pool->link->upper.channels * sizeof *absorbed);
    for (struct window_at w = first_window(pool); is_window(&w, pool); next_window(&w, pool)) {
        struct shares own = shares_of(shares, pool, w.number);
        float r = r_upper[upper_of(&w, pool)];
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
    for (struct window_at w = first_window(pool); is_window(&w, pool); next_window(&w, pool)) {
        struct shares own = shares_of(shares, pool, w.number);
        float v = 0;
        for (struct position p = first_position(pool, &w); is_inside(&p, &w); next_position(&p, pool, &w))
            v += share_of(&own, p.tap) * v_lower[p.lower];
        v_upper[upper_of(&w, pool)] = v;
    }
}
