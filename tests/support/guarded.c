#include "tests/support/guarded.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct guarded guarded_alloc(size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = (n * sizeof(float) + page - 1) / page * page;
    struct guarded g = {.nbytes = inner + 2 * page};

    /* a private mapping of /dev/zero is what POSIX offers for anonymous memory */
    FILE *zero = fopen("/dev/zero", "r+");
    g.mapping = zero ? mmap(NULL, g.nbytes, PROT_NONE, MAP_PRIVATE, fileno(zero), 0) : MAP_FAILED;
    if (g.mapping == MAP_FAILED || mprotect((char *)g.mapping + page, inner, PROT_READ | PROT_WRITE) != 0)
        abort();
    fclose(zero);
    g.values = (float *)(void *)((char *)g.mapping + page + inner) - n;
    for (size_t i = 0; i < n; i++)
        g.values[i] = NAN;
    return g;
}

void guarded_free(struct guarded *g)
{
    munmap(g->mapping, g->nbytes);
}

struct random random_seed(const char *test)
{
    const char *text = getenv("NRMFLOW_SEED");
    unsigned long seed = text ? strtoul(text, NULL, 10) : 20261124;

    printf("%s: seed %lu (NRMFLOW_SEED sets it)\n", test, seed);
    return (struct random){seed};
}

/* splitmix64 */
static uint64_t next(struct random *r)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

double random_uniform(struct random *r)
{
    return (double)(next(r) >> 11) * 0x1p-52 - 1;
}

size_t random_below(struct random *r, size_t n)
{
    return (size_t)(next(r) % n);
}

void random_fill(struct random *r, float *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        values[i] = (float)random_uniform(r);
}
