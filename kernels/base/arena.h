/* Scratch memory laid out once: the caller owns the bytes, kernels only place arrays in them.
 *
 * Sizes are planned by running the same placement with no memory (`arena_measure`): pushes then return NULL and only
 * count.
 */
#ifndef NRMFLOW_KERNELS_BASE_ARENA_H
#define NRMFLOW_KERNELS_BASE_ARENA_H

#include <stddef.h>

enum { ARENA_ALIGNMENT = 64 };

struct arena {
    unsigned char *memory; /* borrowed, 64-byte aligned; NULL while measuring */
    size_t nbytes, used, peak;
};

/* An arena over the caller's memory, or over none to measure a plan (memory NULL). */
struct arena arena_over(void *memory, size_t nbytes);

/* Place n bytes, floats or doubles, 64-byte aligned, contents arbitrary. NULL while measuring. Running out is a bug (assert).
 */
void *arena_bytes(struct arena *arena, size_t nbytes);
float *arena_floats(struct arena *arena, size_t n);
double *arena_doubles(struct arena *arena, size_t n);

/* Everything placed after a mark is given back by the release. */
size_t arena_mark(const struct arena *arena);
void arena_release(struct arena *arena, size_t mark);

#endif
