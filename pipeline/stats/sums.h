/* The sums of a whole run: exact sums, maxima and top lists, in one block of memory.
 *
 * A node has the block once. All its ranks add to it, under striped locks in the block itself. None of the three
 * operations depends on order, so the contents do not depend on how images were spread over ranks
 * (docs/explanation/exact-sums.md).
 *
 * Usage: build a plan (the same on every rank), allocate sums_bytes(plan) bytes (node_shared_alloc), attach, and let
 * one of the ranks that share the block call sums_reset before anyone adds.
 *
 * Not collective; sums_reduce.h has the collective part.
 */
#ifndef NRMFLOW_PIPELINE_STATS_SUMS_H
#define NRMFLOW_PIPELINE_STATS_SUMS_H

#include "io/base/error.h"
#include "pipeline/util/exact.h"
#include "pipeline/util/toplist.h"

enum { SUMS_NAME = 64, SUMS_ALIGNMENT = 64 };

enum sums_kind {
    SUMS_EXACT, /* `count` 128-bit sums */
    SUMS_MAX,   /* `count` doubles, -infinity without values; a minimum is kept as the maximum of the negatives */
    SUMS_TOP,   /* `count` lists of `depth` entries */
    SUMS_KINDS
};

struct sums_section {
    char name[SUMS_NAME];
    enum sums_kind kind;
    size_t count;
    size_t depth;     /* 1 unless SUMS_TOP */
    size_t additions; /* upper bound of the additions to any one of its exact sums in the whole run */
    int bits;         /* EXACT_COUNT, EXACT_VALUE or EXACT_SQUARE; 0 unless SUMS_EXACT */
    size_t offset;    /* bytes from the start of the block, set by sums_plan_close; sections of a kind are contiguous */
};

struct sums_plan {
    struct sums_section *sections; /* [nsections] owned */
    size_t nsections, capacity;
    size_t additions;             /* of sections added next */
    size_t first[SUMS_KINDS + 1]; /* byte range of the sections of kind k: first[k] .. first[k + 1] */
    bool failed;
};

struct sums {
    const struct sums_plan *plan; /* borrowed */
    unsigned char *memory;        /* borrowed, sums_bytes(plan) bytes */
};

/* Start a plan. `additions` is normally the number of blocks of the whole dataset, since each adds once to each sum. */
void sums_plan_init(struct sums_plan *plan, size_t additions);

/* Change `additions` for the sections added from now on. */
void sums_plan_additions(struct sums_plan *plan, size_t additions);

/* Add a section; returns its number. The name is cut at SUMS_NAME. sums_plan_close reports a lack of
 * memory or an impossible size. */
size_t sums_plan_exact(struct sums_plan *plan, const char *name, size_t count, int bits);
size_t sums_plan_max(struct sums_plan *plan, const char *name, size_t count);
size_t sums_plan_top(struct sums_plan *plan, const char *name, size_t nlists, size_t depth);

/* Lay the sections out. No section may be added afterwards. Errors: FAIL_LIMIT if memory cannot hold the plan. */
enum status sums_plan_close(struct sums_plan *plan, struct error *err);

void sums_plan_free(struct sums_plan *plan);

/* Bytes of the block of a closed plan. */
size_t sums_bytes(const struct sums_plan *plan);

/* Number of the section of this name; plan->nsections if there is none. */
size_t sums_plan_find(const struct sums_plan *plan, const char *name);

/* Largest |value| that may be added to this exact section at a time without the sum of all overflowing. */
double sums_limit(const struct sums_plan *plan, size_t section);

/* Bytes that the block would lack without an exact section. */
size_t sums_section_bytes(const struct sums_plan *plan, size_t section);

/* Use `memory`, aligned to SUMS_ALIGNMENT, without changing its contents. */
void sums_attach(struct sums *sums, const struct sums_plan *plan, void *memory);

/* Empty all sections and release all locks. Nobody may add at the same time. */
void sums_reset(struct sums *sums);

/* The same for a block that is zero already. Its exact sums are not touched, so memory that is never used, such as
 * that of classes without images, costs nothing. */
void sums_start(struct sums *sums);

/* Add values[i] to sum first + i of an exact section, 0 <= i < n. Thread-safe between the ranks of a node.
 * Errors: FAIL_LIMIT if a value is not finite or beyond sums_limit; nothing is added then. */
enum status sums_add(struct sums *sums, size_t section, size_t first, const double *values, size_t n,
                     struct error *err);

/* Raise maximum first + i to at least values[i]. NaN changes nothing. Thread-safe between the ranks of a node. */
void sums_max(struct sums *sums, size_t section, size_t first, const double *values, size_t n);

/* Add one to each of n sums of an exact section of whole numbers, sums[at[0]], sums[at[1]], ...; at[] ascending.
 * Thread-safe between the ranks of a node. */
void sums_count(struct sums *sums, size_t section, const size_t *at, size_t n);

/* Offer entries[i] to list first + i, 0 <= i < n. Thread-safe between the ranks of a node.
 *
 *   least  in/out  [n] or NULL: the lowest value that can still enter each list; lower entries are skipped. A caller
 *                  that always offers to the same lists starts with -infinity. */
void sums_top(struct sums *sums, size_t section, size_t first, const struct toplist_entry *entries, double *least,
              size_t n);

/* Add everything of `from` to `into`; both have plans with the same sections. Nobody else may add at the same time. */
void sums_merge(struct sums *into, const struct sums *from);

/* Accept contents read from a file as sums over `images` images: release all locks, and check the ranges, so that two
 * such contents can be merged. Errors: FAIL_FORMAT. */
enum status sums_accept(struct sums *sums, size_t images, struct error *err);

/* Make room for an exact section in contents, read from a file, of a plan that is the same without it: move what lies
 * behind it, and empty it. */
void sums_insert(struct sums *sums, size_t section);

/* Add `by` to the images' numbers in all lists. */
void sums_shift_images(struct sums *sums, size_t by);

/* Contents of a section: [count] sums, [count] maxima, [count][depth] entries. Borrowed; not locked. */
exact_int *sums_exact_data(const struct sums *sums, size_t section);
double *sums_max_data(const struct sums *sums, size_t section);
struct toplist_entry *sums_top_data(const struct sums *sums, size_t section);

/* Sum i of an exact section as the nearest double. */
double sums_value(const struct sums *sums, size_t section, size_t i);

#endif
