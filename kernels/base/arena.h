/* Scratch memory laid out once: the caller owns the bytes, kernels only place arrays in them.
 *
 * The size is found by the same placement in an arena without memory (arena_over(NULL, 0)): the functions then return
 * NULL and only count, and `peak` is the number of bytes needed.
 */
#ifndef NRMFLOW_KERNELS_BASE_ARENA_H
#define NRMFLOW_KERNELS_BASE_ARENA_H

#include <stddef.h>

enum { ARENA_ALIGNMENT = 64 };

struct arena {
    unsigned char *memory; /* borrowed, 64-byte aligned; NULL to find a size */
    size_t nbytes, used, peak;
};

/* An arena over the caller's memory; memory NULL: one that only finds a size. */
struct arena arena_over(void *memory, size_t nbytes);

/* Place n bytes, floats or doubles, 64-byte aligned, with arbitrary contents. Returns NULL without memory. Running out
 * is a bug (assert). */
void *arena_bytes(struct arena *arena, size_t nbytes);
float *arena_floats(struct arena *arena, size_t n);
double *arena_doubles(struct arena *arena, size_t n);

/* Releasing a mark frees everything that was placed after it. */
size_t arena_mark(const struct arena *arena);
void arena_release(struct arena *arena, size_t mark);

#endif
