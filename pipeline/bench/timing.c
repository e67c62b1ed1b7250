#include "pipeline/bench/timing.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

struct bench_spread bench_spread(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare);
    return (struct bench_spread){n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2, values[0],
                                 values[n - 1]};
}

double bench_median(double *values, size_t n)
{
    return bench_spread(values, n).median;
}

double bench_slowest(double seconds, const struct node *node)
{
    double slowest;

    MPI_Allreduce(&seconds, &slowest, 1, MPI_DOUBLE, MPI_MAX, node->world);
    return slowest;
}
