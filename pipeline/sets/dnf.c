#include "pipeline/sets/dnf.h"

#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Sort, and drop every clause that contains another one. Stops early once too many are left. */
static void reduce(struct dnf *a)
{
    size_t kept = 0;

    qsort(a->clauses, a->count, sizeof *a->clauses, by_value);
    for (size_t i = 0; i < a->count && kept <= DNF_MAX_CLAUSES; i++) { /* a subset is a smaller number */
        bool contains = false;
        for (size_t j = 0; j < kept && !contains; j++)
            contains = (a->clauses[i] & a->clauses[j]) == a->clauses[j];
        if (!contains)
            a->clauses[kept++] = a->clauses[i];
    }
    a->count = kept;
}

static enum status begin(struct dnf *out, size_t most, struct error *err)
{
    *out = (struct dnf){0};
    out->clauses = malloc((most ? most : 1) * sizeof *out->clauses);
    if (!out->clauses)
        return error_set(err, FAIL_SYSTEM, "no memory for a set expression");
    return OK;
}

static enum status finish(struct dnf *out, struct error *err)
{
    reduce(out);
    if (out->count > DNF_MAX_CLAUSES)
        return error_set(err, FAIL_CONFIG,
                         "the expression has more than %d intersections; split it into several queries",
                         (int)DNF_MAX_CLAUSES);
    return OK;
}

enum status dnf_one(struct dnf *out, uint64_t clause, struct error *err)
{
    enum status rc = begin(out, 1, err);

    if (rc == OK)
        out->clauses[out->count++] = clause;
    return rc;
}

enum status dnf_or(struct dnf *out, const struct dnf *a, const struct dnf *b, struct error *err)
{
    enum status rc = begin(out, a->count + b->count, err);

    if (rc != OK)
        return rc;
    for (size_t i = 0; i < a->count; i++)
        out->clauses[out->count++] = a->clauses[i];
    for (size_t i = 0; i < b->count; i++)
        out->clauses[out->count++] = b->clauses[i];
    return finish(out, err);
}

enum status dnf_and(struct dnf *out, const struct dnf *a, const struct dnf *b, struct error *err)
{
    enum status rc = begin(out, a->count * b->count, err);

    if (rc != OK)
        return rc;
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < b->count; j++)
            out->clauses[out->count++] = a->clauses[i] | b->clauses[j];
    return finish(out, err);
}

enum status dnf_rest(struct dnf *out, const struct dnf *a, uint64_t decided, uint64_t in, struct error *err)
{
    enum status rc = begin(out, a->count, err);

    if (rc != OK)
        return rc;
    for (size_t i = 0; i < a->count; i++)
        if ((a->clauses[i] & decided & ~in) == 0)
            out->clauses[out->count++] = a->clauses[i] & ~decided;
    return finish(out, err);
}

enum status dnf_change(struct dnf *out, const struct dnf *a,
                       uint64_t (*change)(const void *context, uint64_t clause, bool *keep), const void *context,
                       struct error *err)
{
    enum status rc = begin(out, a->count, err);

    if (rc != OK)
        return rc;
    for (size_t i = 0; i < a->count; i++) {
        bool keep = true;
        uint64_t clause = change(context, a->clauses[i], &keep);
        if (keep)
            out->clauses[out->count++] = clause;
    }
    return finish(out, err);
}

bool dnf_everything(const struct dnf *a)
{
    return a->count == 1 && a->clauses[0] == 0;
}

bool dnf_equal(const struct dnf *a, const struct dnf *b)
{
    return a->count == b->count &&
           (a->count == 0 || memcmp(a->clauses, b->clauses, a->count * sizeof *a->clauses) == 0);
}

uint64_t dnf_sets(const struct dnf *a)
{
    uint64_t all = 0;

    for (size_t i = 0; i < a->count; i++)
        all |= a->clauses[i];
    return all;
}

void dnf_free(struct dnf *a)
{
    free(a->clauses);
    *a = (struct dnf){0};
}
