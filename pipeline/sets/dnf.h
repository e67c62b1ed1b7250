/* Unions of intersections of up to 64 sets.
 *
 * A way is a choice of sets, bit i standing for set i; a walk goes this way if it is in all of them. It is in the union
 * if it goes any of the ways. No way contains another one and they are sorted, so two lists that are equal for every
 * walk, whatever the sets are, are equal as lists. No way at all is the empty union; a way of no set is everything.
 */
#ifndef NRMFLOW_PIPELINE_SETS_DNF_H
#define NRMFLOW_PIPELINE_SETS_DNF_H

#include "io/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SETS_MOST_WAYS = 256 };

struct sets_ways {
    size_t count;
    uint64_t *ways; /* [count] owned */
};

/* One way. Errors of this and the functions below: FAIL_SYSTEM without memory, FAIL_CONFIG beyond SETS_MOST_WAYS.
 * `out` is for sets_ways_free, also after a failure; it may be none of the arguments. */
enum status sets_ways_one(struct sets_ways *out, uint64_t way, struct error *err);

/* What is in a or in b; what is in both. */
enum status sets_ways_or(struct sets_ways *out, const struct sets_ways *a, const struct sets_ways *b,
                         struct error *err);
enum status sets_ways_and(struct sets_ways *out, const struct sets_ways *a, const struct sets_ways *b,
                          struct error *err);

/* What is left to be fulfilled by a walk that is in the sets `in` and in no other set of `decided`. */
enum status sets_ways_rest(struct sets_ways *out, const struct sets_ways *a, uint64_t decided, uint64_t in,
                           struct error *err);

/* Replace every way w by change(context, w), leaving it out where *keep becomes false. */
enum status sets_ways_change(struct sets_ways *out, const struct sets_ways *a,
                             uint64_t (*change)(const void *context, uint64_t way, bool *keep), const void *context,
                             struct error *err);

bool sets_ways_everything(const struct sets_ways *a);
bool sets_ways_equal(const struct sets_ways *a, const struct sets_ways *b);

/* All sets that some way needs. */
uint64_t sets_ways_sets(const struct sets_ways *a);

/* All zero is fine. */
void sets_ways_free(struct sets_ways *a);

#endif
