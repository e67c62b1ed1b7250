#include "kernels/base/arena.h"

#include <assert.h>

struct arena arena_over(void *memory, size_t nbytes)
{
    return (struct arena){.memory = memory, .nbytes = nbytes};
}

void *arena_bytes(struct arena *arena, size_t nbytes)
{
    size_t at = arena->used;

    arena->used += (nbytes + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    if (arena->used > arena->peak)
        arena->peak = arena->used;
    if (!arena->memory)
        return NULL;
    assert(arena->used <= arena->nbytes);
    return arena->memory + at;
}

float *arena_floats(struct arena *arena, size_t n)
{
    return arena_bytes(arena, n * sizeof(float));
}

double *arena_doubles(struct arena *arena, size_t n)
{
    return arena_bytes(arena, n * sizeof(double));
}

size_t arena_mark(const struct arena *arena)
{
    return arena->used;
}

void arena_release(struct arena *arena, size_t mark)
{
    arena->used = mark;
}
