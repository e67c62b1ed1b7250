/* Disjunctive normal form: unions of intersections of up to 64 sets.
 *
 * A clause is an intersection of sets, bit i standing for set i; a walk satisfies it if it is in all of them. A walk is
 * in the union if it satisfies any clause. Clauses are sorted and none contains another, so two unions that are equal
 * whatever the sets are have equal lists. A list without clauses is the empty union; a clause without sets is
 * everything.
 */
#ifndef NRMFLOW_PIPELINE_SETS_DNF_H
#define NRMFLOW_PIPELINE_SETS_DNF_H

#include "io/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DNF_MAX_CLAUSES = 256 };

struct dnf {
    size_t count;
    uint64_t *clauses; /* [count] owned */
};

/* A single clause. Errors of this and the functions below: FAIL_SYSTEM without memory, FAIL_CONFIG beyond
 * DNF_MAX_CLAUSES. The caller frees `out` with dnf_free, also after a failure; it must not be one of the arguments. */
enum status dnf_one(struct dnf *out, uint64_t clause, struct error *err);

/* Union and intersection. */
enum status dnf_or(struct dnf *out, const struct dnf *a, const struct dnf *b, struct error *err);
enum status dnf_and(struct dnf *out, const struct dnf *a, const struct dnf *b, struct error *err);

/* The condition that remains for a walk that is in the sets `in` and in no other set of `decided`. */
enum status dnf_rest(struct dnf *out, const struct dnf *a, uint64_t decided, uint64_t in, struct error *err);

/* Replace every clause by change(context, clause), dropping it if *keep becomes false. */
enum status dnf_change(struct dnf *out, const struct dnf *a,
                       uint64_t (*change)(const void *context, uint64_t clause, bool *keep), const void *context,
                       struct error *err);

bool dnf_everything(const struct dnf *a);
bool dnf_equal(const struct dnf *a, const struct dnf *b);

/* All sets that some clause needs. */
uint64_t dnf_sets(const struct dnf *a);

/* All zero is fine. */
void dnf_free(struct dnf *a);

#endif
