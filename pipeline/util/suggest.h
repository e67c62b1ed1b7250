/* The nearest valid name to a mistyped one.
 *
 * Usage: suggest_init, suggest_offer for every valid name, then suggest_best or suggest_hint. */
#ifndef NRMFLOW_PIPELINE_UTIL_SUGGEST_H
#define NRMFLOW_PIPELINE_UTIL_SUGGEST_H

#include <stddef.h>

/* Bytes of a hint for a name of up to 63 letters. */
enum { SUGGEST_HINT = 96 };

struct suggest {
    const char *word; /* borrowed, like `best` */
    const char *best; /* nearest candidate so far, the first of equally near ones; NULL before any */
    size_t distance;  /* between the two */
};

/* Edit distance: how many letters must be inserted, dropped, replaced or swapped with their neighbour to turn a into b.
 * Case does not count. Only the first 63 bytes are compared. */
size_t suggest_distance(const char *a, const char *b);

void suggest_init(struct suggest *s, const char *word);
void suggest_offer(struct suggest *s, const char *candidate);

/* The nearest candidate if at most a third of its letters differ, else NULL. */
const char *suggest_best(const struct suggest *s);

/* Write "; did you mean \"conv1_1\"?", or nothing if no candidate is near, into out[n]. */
void suggest_hint(char *out, size_t n, const struct suggest *s);

#endif
