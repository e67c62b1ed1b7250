#include "pipeline/stats/sums.h"

#include "kernels/base/number.h"

#include <assert.h>
#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A lock guards the entries of one stripe of one section. Two ranks that add the same section meet once, at its first
 * stripe, and then follow each other through the stripes without waiting. */
enum { LOCKS = 256, STRIPE = 2048, SPINS = 64 };

struct lock {
    atomic_flag taken;
    char own_cache_line[63];
};

_Static_assert(sizeof(struct lock) == SUMS_ALIGNMENT, "each lock fills a cache line");

static struct lock *stripe_lock(const struct sums *sums, size_t section, size_t entry)
{
    struct lock *locks = (struct lock *)(void *)sums->memory;

    return &locks[(section * 31 + entry / STRIPE) % LOCKS];
}

static void lock_take(struct lock *lock)
{
    for (unsigned n = 1; atomic_flag_test_and_set_explicit(&lock->taken, memory_order_acquire); n++)
        if (n % SPINS == 0)
            sched_yield();
}

static void lock_release(struct lock *lock)
{
    atomic_flag_clear_explicit(&lock->taken, memory_order_release);
}

/* How many of the entries first .. end - 1 are in the stripe of the first. */
static size_t stripe_part(size_t first, size_t end)
{
    size_t next = first - first % STRIPE + STRIPE;

    return smaller(next, end) - first;
}

/* ---- plan ------------------------------------------------------------------------------------------------------ */

static size_t entry_bytes(enum sums_kind kind)
{
    static const size_t nbytes[] = {
        [SUMS_EXACT] = sizeof(exact_int), [SUMS_MAX] = sizeof(double), [SUMS_TOP] = sizeof(struct toplist_entry)};

    return nbytes[kind];
}

void sums_plan_init(struct sums_plan *plan, size_t additions)
{
    *plan = (struct sums_plan){.additions = additions};
}

void sums_plan_additions(struct sums_plan *plan, size_t additions)
{
    plan->additions = additions;
}

static size_t push(struct sums_plan *plan, const char *name, const struct sums_section *section)
{
    if (plan->nsections == plan->capacity) {
        size_t capacity = plan->capacity ? 2 * plan->capacity : 64;
        struct sums_section *grown = realloc(plan->sections, capacity * sizeof *grown);
        if (!grown) {
            plan->failed = true;
            return 0;
        }
        plan->sections = grown;
        plan->capacity = capacity;
    }
    struct sums_section *s = &plan->sections[plan->nsections];
    *s = *section;
    s->additions = plan->additions;
    snprintf(s->name, sizeof s->name, "%s", name);
    return plan->nsections++;
}

size_t sums_plan_exact(struct sums_plan *plan, const char *name, size_t count, int bits)
{
    return push(plan, name, &(struct sums_section){.kind = SUMS_EXACT, .count = count, .depth = 1, .bits = bits});
}

size_t sums_plan_max(struct sums_plan *plan, const char *name, size_t count)
{
    return push(plan, name, &(struct sums_section){.kind = SUMS_MAX, .count = count, .depth = 1});
}

size_t sums_plan_top(struct sums_plan *plan, const char *name, size_t nlists, size_t depth)
{
    return push(plan, name, &(struct sums_section){.kind = SUMS_TOP, .count = nlists, .depth = depth});
}

/* Bytes of a section, a multiple of the alignment; false if they are too many. */
static bool measure(size_t *nbytes, const struct sums_section *s)
{
    size_t entries, own;

    if (__builtin_mul_overflow(s->count, s->depth, &entries) ||
        __builtin_mul_overflow(entries, entry_bytes(s->kind), &own) ||
        __builtin_add_overflow(own, (size_t)SUMS_ALIGNMENT - 1, nbytes))
        return false;
    *nbytes -= *nbytes % SUMS_ALIGNMENT;
    return true;
}

/* Place one section at *end, a multiple of the alignment, and move *end behind it. */
static bool place(struct sums_section *s, size_t *end)
{
    size_t nbytes;

    if (!measure(&nbytes, s))
        return false;
    s->offset = *end;
    return !__builtin_add_overflow(*end, nbytes, end);
}

enum status sums_plan_close(struct sums_plan *plan, struct error *err)
{
    size_t end = LOCKS * sizeof(struct lock);

    if (plan->failed)
        return error_set(err, FAIL_LIMIT, "not enough memory for the list of sums");
    for (int kind = 0; kind < SUMS_KINDS; kind++) {
        plan->first[kind] = end;
        for (size_t i = 0; i < plan->nsections; i++)
            if (plan->sections[i].kind == (enum sums_kind)kind && !place(&plan->sections[i], &end))
                return error_set(err, FAIL_LIMIT, "the sums \"%s\" (%zu x %zu) are larger than the address space",
                                 plan->sections[i].name, plan->sections[i].count, plan->sections[i].depth);
    }
    plan->first[SUMS_KINDS] = end;
    return OK;
}

void sums_plan_free(struct sums_plan *plan)
{
    if (plan) {
        free(plan->sections);
        *plan = (struct sums_plan){0};
    }
}

size_t sums_bytes(const struct sums_plan *plan)
{
    return plan->first[SUMS_KINDS];
}

size_t sums_section_bytes(const struct sums_plan *plan, size_t section)
{
    size_t nbytes = 0;

    measure(&nbytes, &plan->sections[section]);
    return nbytes;
}

size_t sums_plan_find(const struct sums_plan *plan, const char *name)
{
    size_t i = 0;

    while (i < plan->nsections && strcmp(plan->sections[i].name, name) != 0)
        i++;
    return i;
}

double sums_limit(const struct sums_plan *plan, size_t section)
{
    assert(section < plan->nsections && plan->sections[section].kind == SUMS_EXACT);
    return exact_limit(plan->sections[section].bits, plan->sections[section].additions);
}

/* ---- contents -------------------------------------------------------------------------------------------------- */

static void *data(const struct sums *sums, size_t section, enum sums_kind kind)
{
    assert(section < sums->plan->nsections && sums->plan->sections[section].kind == kind);
    (void)kind;
    return sums->memory + sums->plan->sections[section].offset;
}

exact_int *sums_exact_data(const struct sums *sums, size_t section)
{
    return data(sums, section, SUMS_EXACT);
}

double *sums_max_data(const struct sums *sums, size_t section)
{
    return data(sums, section, SUMS_MAX);
}

struct toplist_entry *sums_top_data(const struct sums *sums, size_t section)
{
    return data(sums, section, SUMS_TOP);
}

double sums_value(const struct sums *sums, size_t section, size_t i)
{
    assert(i < sums->plan->sections[section].count);
    return exact_to_double(sums_exact_data(sums, section)[i], sums->plan->sections[section].bits);
}

void sums_attach(struct sums *sums, const struct sums_plan *plan, void *memory)
{
    assert((size_t)memory % SUMS_ALIGNMENT == 0);
    *sums = (struct sums){.plan = plan, .memory = memory};
}

static void reset_section(struct sums *sums, size_t section)
{
    const struct sums_section *s = &sums->plan->sections[section];

    if (s->kind == SUMS_MAX)
        for (size_t i = 0; i < s->count; i++)
            sums_max_data(sums, section)[i] = (double)-INFINITY;
    else if (s->kind == SUMS_TOP)
        toplist_init(sums_top_data(sums, section), s->count * s->depth);
}

void sums_reset(struct sums *sums)
{
    memset(sums->memory, 0, sums_bytes(sums->plan));
    sums_start(sums);
}

static void open_locks(struct sums *sums)
{
    struct lock *locks = (struct lock *)(void *)sums->memory;

    for (size_t i = 0; i < LOCKS; i++)
        atomic_flag_clear(&locks[i].taken);
}

void sums_start(struct sums *sums)
{
    open_locks(sums);
    for (size_t i = 0; i < sums->plan->nsections; i++)
        reset_section(sums, i);
}

/* ---- adding ---------------------------------------------------------------------------------------------------- */

static enum status check_range(const struct sums *sums, size_t section, size_t first, const double *values, size_t n,
                               struct error *err)
{
    double limit = sums_limit(sums->plan, section);
    size_t outside = 0;

    for (size_t i = 0; i < n; i++)
        outside += !(fabs(values[i]) < limit);
    for (size_t i = 0; outside && i < n; i++)
        if (!(fabs(values[i]) < limit))
            return error_set(err, FAIL_LIMIT,
                             "%g does not fit the exact sum %s[%zu], which takes values below %g; lower "
                             "run.variation_limit",
                             values[i], sums->plan->sections[section].name, first + i, limit);
    return OK;
}

enum status sums_add(struct sums *sums, size_t section, size_t first, const double *values, size_t n, struct error *err)
{
    exact_int *into = sums_exact_data(sums, section);
    const struct sums_section *s = &sums->plan->sections[section];
    enum status rc = check_range(sums, section, first, values, n, err);
    size_t part;

    assert(first <= s->count && n <= s->count - first);
    for (size_t i = 0; rc == OK && i < n; i += part) {
        struct lock *lock = stripe_lock(sums, section, first + i);
        part = stripe_part(first + i, first + n);
        lock_take(lock);
        exact_add(into + first + i, values + i, part, s->bits);
        lock_release(lock);
    }
    return rc;
}

/* + 0.0 turns -0 into +0, of which the larger would depend on the order. */
static void raise_all(double *restrict into, const double *restrict values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (values[i] > into[i])
            into[i] = values[i] + 0.0;
}

void sums_max(struct sums *sums, size_t section, size_t first, const double *values, size_t n)
{
    double *into = sums_max_data(sums, section);
    size_t part;

    assert(first <= sums->plan->sections[section].count && n <= sums->plan->sections[section].count - first);
    for (size_t i = 0; i < n; i += part) {
        struct lock *lock = stripe_lock(sums, section, first + i);
        part = stripe_part(first + i, first + n);
        lock_take(lock);
        raise_all(into + first + i, values + i, part);
        lock_release(lock);
    }
}

void sums_count(struct sums *sums, size_t section, const size_t *at, size_t n)
{
    exact_int *into = sums_exact_data(sums, section);
    size_t next;

    assert(sums->plan->sections[section].bits == EXACT_COUNT);
    for (size_t i = 0; i < n; i = next) {
        struct lock *lock = stripe_lock(sums, section, at[i]);
        size_t stripe = at[i] / STRIPE;
        lock_take(lock);
        for (next = i; next < n && at[next] / STRIPE == stripe; next++)
            into[at[next]]++;
        lock_release(lock);
    }
}

/* Insert, and return what the next entry must reach: lists only get better, so that it holds for good. */
static double offer(struct toplist_entry *list, size_t depth, struct toplist_entry entry)
{
    toplist_insert(list, depth, entry);
    if (depth == 0)
        return (double)INFINITY;
    return list[depth - 1].image < 0 ? (double)-INFINITY : list[depth - 1].value;
}

/* The first entry from i on, before `end`, that is worth a look. */
static size_t next_entry(const struct toplist_entry *entries, const double *least, size_t i, size_t end)
{
    while (least && i < end && entries[i].value < least[i])
        i++;
    return i;
}

void sums_top(struct sums *sums, size_t section, size_t first, const struct toplist_entry *entries, double *least,
              size_t n)
{
    struct toplist_entry *lists = sums_top_data(sums, section);
    size_t depth = sums->plan->sections[section].depth;

    assert(first <= sums->plan->sections[section].count && n <= sums->plan->sections[section].count - first);
    for (size_t i = next_entry(entries, least, 0, n); i < n; i = next_entry(entries, least, i, n)) {
        struct lock *lock = stripe_lock(sums, section, first + i);
        size_t end = i + stripe_part(first + i, first + n);
        lock_take(lock);
        for (; i < end; i = next_entry(entries, least, i + 1, end)) {
            double reach = offer(lists + (first + i) * depth, depth, entries[i]);
            if (least)
                least[i] = reach;
        }
        lock_release(lock);
    }
}

static void merge_section(struct sums *into, const struct sums *from, size_t section)
{
    const struct sums_section *s = &into->plan->sections[section];

    switch (s->kind) {
    case SUMS_EXACT:
        for (size_t i = 0; i < s->count; i++)
            sums_exact_data(into, section)[i] += sums_exact_data(from, section)[i];
        break;
    case SUMS_MAX:
        raise_all(sums_max_data(into, section), sums_max_data(from, section), s->count);
        break;
    default:
        for (size_t i = 0; i < s->count; i++)
            toplist_merge(sums_top_data(into, section) + i * s->depth, sums_top_data(from, section) + i * s->depth,
                          s->depth);
    }
}

void sums_merge(struct sums *into, const struct sums *from)
{
    for (size_t i = 0; i < into->plan->nsections; i++)
        merge_section(into, from, i);
}

/* ---- from files ------------------------------------------------------------------------------------------------ */

static bool exact_in_range(const struct sums *sums, size_t section)
{
    const exact_int *values = sums_exact_data(sums, section), limit = (exact_int)1 << EXACT_RANGE;
    bool good = true;

    for (size_t i = 0; i < sums->plan->sections[section].count; i++)
        good = good && values[i] < limit && values[i] > -limit;
    return good;
}

static bool lists_in_range(const struct sums *sums, size_t section, size_t images)
{
    const struct sums_section *s = &sums->plan->sections[section];
    const struct toplist_entry *entries = sums_top_data(sums, section);
    bool good = true;

    for (size_t i = 0; i < s->count * s->depth; i++)
        good = good && entries[i].image >= -1 && (entries[i].image < 0 || (uint64_t)entries[i].image < images);
    return good;
}

enum status sums_accept(struct sums *sums, size_t images, struct error *err)
{
    bool good = true;

    open_locks(sums);
    for (size_t i = 0; good && i < sums->plan->nsections; i++)
        if (sums->plan->sections[i].kind == SUMS_EXACT)
            good = exact_in_range(sums, i);
        else if (sums->plan->sections[i].kind == SUMS_TOP)
            good = lists_in_range(sums, i, images);
    return good ? OK : error_set(err, FAIL_FORMAT, "the sums of an unfinished store or a shard are damaged");
}

void sums_insert(struct sums *sums, size_t section)
{
    size_t from = sums->plan->sections[section].offset, n = sums_section_bytes(sums->plan, section);

    assert(sums->plan->sections[section].kind == SUMS_EXACT);
    memmove(sums->memory + from + n, sums->memory + from, sums_bytes(sums->plan) - from - n);
    memset(sums->memory + from, 0, n);
}

void sums_shift_images(struct sums *sums, size_t by)
{
    for (size_t section = 0; section < sums->plan->nsections; section++) {
        const struct sums_section *s = &sums->plan->sections[section];
        if (s->kind != SUMS_TOP)
            continue;
        struct toplist_entry *entries = sums_top_data(sums, section);
        for (size_t i = 0; i < s->count * s->depth; i++)
            entries[i].image += entries[i].image >= 0 ? (int64_t)by : 0;
    }
}
