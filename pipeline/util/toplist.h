/* Lists of the T highest values, sorted.
 *
 * A list is an array of `depth` entries: highest value first, equal values by image, then by position, both ascending;
 * unused entries last. This order is total, so the list of a set of entries does not depend on the order of insertion
 * or on how partial lists were merged.
 */
#ifndef NRMFLOW_PIPELINE_UTIL_TOPLIST_H
#define NRMFLOW_PIPELINE_UTIL_TOPLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct toplist_entry {
    double value;     /* never NaN where used */
    int64_t image;    /* global index; -1: unused, and then value is NaN and position -1 */
    int64_t position; /* y * W + x in the channel's map */
};

/* Make every entry unused. */
void toplist_init(struct toplist_entry *list, size_t depth);

/* Does a come before b? */
bool toplist_before(const struct toplist_entry *a, const struct toplist_entry *b);

/* Insert an entry at its place; the last one drops out. An unused entry, or one whose value is NaN, changes nothing. */
void toplist_insert(struct toplist_entry *list, size_t depth, struct toplist_entry entry);

/* Insert all entries of another list of the same depth. */
void toplist_merge(struct toplist_entry *into, const struct toplist_entry *from, size_t depth);

#endif
