#include "pipeline/stats/moments.h"

#include "kernels/base/number.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- plan and memory --------------------------------------------------------------------------------------------- */

struct moments moments_plan(struct sums_plan *plan, const char *name, size_t count, enum moments_kept kept, int bits)
{
    static const char *const suffix[] = {"", " square", " product"};
    struct moments m = {kept, count, plan->nsections};

    for (size_t i = 0; i < (size_t)kept; i++) {
        char section[SUMS_NAME];
        snprintf(section, sizeof section, "%s%s", name, suffix[i]);
        sums_plan_exact(plan, section, count, i == 0 ? bits : EXACT_SQUARE);
    }
    return m;
}

void moments_book_place(struct moments_book *book, const struct sums_plan *plan, struct arena *arena)
{
    *book = (struct moments_book){.plan = plan};
    book->block = arena_bytes(arena, plan->nsections * sizeof *book->block);
    book->values = arena_doubles(arena, MOMENTS_CHUNK);
    book->products = arena_doubles(arena, MOMENTS_CHUNK);
    for (size_t i = 0; book->block && i < plan->nsections; i++)
        book->block[i] = NULL;
}

void moments_place_section(struct moments_book *book, size_t section, struct arena *arena)
{
    double *block = arena_doubles(arena, book->plan->sections[section].count);

    if (book->block) /* not measuring */
        book->block[section] = block;
}

void moments_place(struct moments_book *book, const struct moments *m, struct arena *arena)
{
    for (size_t i = 0; i < (size_t)m->kept; i++)
        moments_place_section(book, m->first + i, arena);
}

/* ---- a block ---------------------------------------------------------------------------------------------------- */

void moments_reset(struct moments_book *book, struct sums *sums)
{
    book->sums = sums;
    error_clear(&book->failure);
    for (size_t section = 0; section < book->plan->nsections; section++) {
        const struct sums_section *s = &book->plan->sections[section];
        if (book->block[section] && s->kind == SUMS_EXACT)
            memset(book->block[section], 0, s->count * sizeof(double));
        for (size_t i = 0; book->block[section] && s->kind == SUMS_MAX && i < s->count; i++)
            book->block[section][i] = (double)-INFINITY;
    }
}

static void add_exact(struct moments_book *book, size_t section, size_t first, const double *x, size_t n)
{
    if (book->failure.status == OK)
        sums_add(book->sums, section, first, x, n, &book->failure);
}

/* Up to MOMENTS_CHUNK values, at once. */
static void add_at_once(struct moments_book *book, const struct moments *m, size_t first, const double *x, double y,
                        size_t n)
{
    add_exact(book, m->first, first, x, n);
    if (m->kept < MOMENTS_SQUARE)
        return;
    for (size_t i = 0; i < n; i++)
        book->products[i] = x[i] * x[i];
    add_exact(book, m->first + 1, first, book->products, n);
    if (m->kept < MOMENTS_PRODUCT)
        return;
    for (size_t i = 0; i < n; i++)
        book->products[i] = x[i] * y;
    add_exact(book, m->first + 2, first, book->products, n);
}

/* All sums in one pass, since flows are larger than the caches; callers pass constants for `kept` and `floats`. */
NUMBER_INLINE void add_sums(double *restrict sum, double *restrict square, double *restrict product,
                            const void *restrict x, bool floats, double y, size_t n, enum moments_kept kept)
{
    for (size_t i = 0; i < n; i++) {
        double v = floats ? (double)((const float *)x)[i] : ((const double *)x)[i];
        sum[i] += v;
        if (kept >= MOMENTS_SQUARE)
            square[i] += v * v;
        if (kept >= MOMENTS_PRODUCT)
            product[i] += v * y;
    }
}

/* To the sums of the block. */
NUMBER_INLINE void add_to_block(double *const *block, const struct moments *m, size_t first, const void *x, bool floats,
                                double y, size_t n)
{
    if (m->kept == MOMENTS_X)
        add_sums(block[0] + first, NULL, NULL, x, floats, y, n, MOMENTS_X);
    else if (m->kept == MOMENTS_SQUARE)
        add_sums(block[0] + first, block[1] + first, NULL, x, floats, y, n, MOMENTS_SQUARE);
    else
        add_sums(block[0] + first, block[1] + first, block[2] + first, x, floats, y, n, MOMENTS_PRODUCT);
}

void moments_add(struct moments_book *book, const struct moments *m, size_t first, const double *x, double y, size_t n)
{
    assert(m->kept == MOMENTS_NONE || (first <= m->count && n <= m->count - first));
    if (m->kept == MOMENTS_NONE)
        return;
    if (book->block[m->first])
        add_to_block(book->block + m->first, m, first, x, false, y, n);
    else
        for (size_t at = 0; at < n; at += MOMENTS_CHUNK)
            add_at_once(book, m, first + at, x + at, y, smaller(n - at, MOMENTS_CHUNK));
}

void moments_add_floats(struct moments_book *book, const struct moments *m, size_t first, const float *x, double y,
                        size_t n)
{
    assert(m->kept == MOMENTS_NONE || (first <= m->count && n <= m->count - first));
    if (m->kept == MOMENTS_NONE)
        return;
    if (book->block[m->first]) {
        add_to_block(book->block + m->first, m, first, x, true, y, n);
        return;
    }
    for (size_t at = 0; at < n; at += MOMENTS_CHUNK) {
        size_t part = smaller(n - at, MOMENTS_CHUNK);
        for (size_t i = 0; i < part; i++)
            book->values[i] = (double)x[at + i];
        add_at_once(book, m, first + at, book->values, y, part);
    }
}

enum status moments_commit(struct moments_book *book, struct error *err)
{
    for (size_t section = 0; section < book->plan->nsections; section++) {
        const struct sums_section *s = &book->plan->sections[section];
        if (!book->block[section])
            continue;
        if (s->kind == SUMS_MAX)
            sums_max(book->sums, section, 0, book->block[section], s->count);
        else
            add_exact(book, section, 0, book->block[section], s->count);
    }
    if (book->failure.status != OK)
        return error_set(err, book->failure.status, "%s", book->failure.message);
    return OK;
}

/* ---- what becomes of them ---------------------------------------------------------------------------------------- */

/* Covariance of two quantities from their sums and the sum of their products; rounding can make a variance negative. */
static double covariance(double n, double x, double y, double xy)
{
    return (xy - x * y / n) / (n - 1);
}

double moments_given_error(struct moments_given given)
{
    return given.n >= 2 ? sqrt(fmax(covariance(given.n, given.y, given.y, given.yy), 0) / given.n) : NAN;
}

struct moments_ratio moments_ratio(struct moments_given given, double x, double xx, double xy)
{
    double n = given.n, y = given.y, ratio = x / y, mean_y = fabs(y / n), var_x = covariance(n, x, x, xx);
    double spread = var_x - 2 * ratio * covariance(n, x, y, xy) + ratio * ratio * covariance(n, y, y, given.yy);

    if (n < 1)
        return (struct moments_ratio){NAN, NAN, NAN};
    if (n < 2)
        return (struct moments_ratio){ratio, NAN, NAN};
    return (struct moments_ratio){ratio, sqrt(fmax(var_x, 0)) / mean_y, sqrt(fmax(spread, 0) / n) / mean_y};
}

struct moments_ratio moments_ratio_at(const struct moments *m, const struct sums *sums, size_t i,
                                      struct moments_given given)
{
    assert(m->kept >= MOMENTS_SQUARE);
    double x = sums_value(sums, m->first, i), square = sums_value(sums, m->first + 1, i);

    return moments_ratio(given, x, square, m->kept == MOMENTS_PRODUCT ? sums_value(sums, m->first + 2, i) : x);
}
