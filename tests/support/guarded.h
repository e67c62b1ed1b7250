/* Arrays between pages that nobody may touch, and seeded random numbers, for kernel tests. */
#ifndef NRMFLOW_TESTS_SUPPORT_GUARDED_H
#define NRMFLOW_TESTS_SUPPORT_GUARDED_H

#include <stddef.h>
#include <stdint.h>

struct guarded {
    float *values; /* [n]; the byte after the last one is in a forbidden page */
    void *mapping;
    size_t nbytes;
};

/* n floats, all NaN, that end where a forbidden page begins. */
struct guarded guarded_alloc(size_t n);
void guarded_free(struct guarded *g);

/* A small deterministic generator; the seed comes from NRMFLOW_SEED or is fixed, and is printed by random_seed. */
struct random {
    uint64_t state;
};

struct random random_seed(const char *test);
double random_uniform(struct random *r); /* in [-1, 1) */
size_t random_below(struct random *r, size_t n);
void random_fill(struct random *r, float *values, size_t n);

#endif
