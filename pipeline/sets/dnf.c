#include "pipeline/sets/dnf.h"

#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Sort, and drop every way that contains another one. It ends where too many are left. */
static void reduce(struct sets_ways *a)
{
    size_t kept = 0;

    qsort(a->ways, a->count, sizeof *a->ways, by_value);
    for (size_t i = 0; i < a->count && kept <= SETS_MOST_WAYS; i++) { /* a part of a way is a smaller number */
        bool contains = false;
        for (size_t j = 0; j < kept && !contains; j++)
            contains = (a->ways[i] & a->ways[j]) == a->ways[j];
        if (!contains)
            a->ways[kept++] = a->ways[i];
    }
    a->count = kept;
}

static enum status begin(struct sets_ways *out, size_t most, struct error *err)
{
    *out = (struct sets_ways){0};
    out->ways = malloc((most ? most : 1) * sizeof *out->ways);
    if (!out->ways)
        return error_set(err, FAIL_SYSTEM, "no memory for a set expression");
    return OK;
}

static enum status finish(struct sets_ways *out, struct error *err)
{
    reduce(out);
    if (out->count > SETS_MOST_WAYS)
        return error_set(err, FAIL_CONFIG, "the expression unites more than %d intersections; ask in several parts",
                         (int)SETS_MOST_WAYS);
    return OK;
}

enum status sets_ways_one(struct sets_ways *out, uint64_t way, struct error *err)
{
    enum status rc = begin(out, 1, err);

    if (rc == OK)
        out->ways[out->count++] = way;
    return rc;
}

enum status sets_ways_or(struct sets_ways *out, const struct sets_ways *a, const struct sets_ways *b, struct error *err)
{
    enum status rc = begin(out, a->count + b->count, err);

    if (rc != OK)
        return rc;
    for (size_t i = 0; i < a->count; i++)
        out->ways[out->count++] = a->ways[i];
    for (size_t i = 0; i < b->count; i++)
        out->ways[out->count++] = b->ways[i];
    return finish(out, err);
}

enum status sets_ways_and(struct sets_ways *out, const struct sets_ways *a, const struct sets_ways *b,
                          struct error *err)
{
    enum status rc = begin(out, a->count * b->count, err);

    if (rc != OK)
        return rc;
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < b->count; j++)
            out->ways[out->count++] = a->ways[i] | b->ways[j];
    return finish(out, err);
}

enum status sets_ways_rest(struct sets_ways *out, const struct sets_ways *a, uint64_t decided, uint64_t in,
                           struct error *err)
{
    enum status rc = begin(out, a->count, err);

    if (rc != OK)
        return rc;
    for (size_t i = 0; i < a->count; i++)
        if ((a->ways[i] & decided & ~in) == 0)
            out->ways[out->count++] = a->ways[i] & ~decided;
    return finish(out, err);
}

enum status sets_ways_change(struct sets_ways *out, const struct sets_ways *a,
                             uint64_t (*change)(const void *context, uint64_t way, bool *keep), const void *context,
                             struct error *err)
{
    enum status rc = begin(out, a->count, err);

    if (rc != OK)
        return rc;
    for (size_t i = 0; i < a->count; i++) {
        bool keep = true;
        uint64_t way = change(context, a->ways[i], &keep);
        if (keep)
            out->ways[out->count++] = way;
    }
    return finish(out, err);
}

bool sets_ways_everything(const struct sets_ways *a)
{
    return a->count == 1 && a->ways[0] == 0;
}

bool sets_ways_equal(const struct sets_ways *a, const struct sets_ways *b)
{
    return a->count == b->count && (a->count == 0 || memcmp(a->ways, b->ways, a->count * sizeof *a->ways) == 0);
}

uint64_t sets_ways_sets(const struct sets_ways *a)
{
    uint64_t all = 0;

    for (size_t i = 0; i < a->count; i++)
        all |= a->ways[i];
    return all;
}

void sets_ways_free(struct sets_ways *a)
{
    free(a->ways);
    *a = (struct sets_ways){0};
}
