#include "clock.h"

#include <time.h>

double clock_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void clock_lap(double *start, double *total)
{
    double now = clock_seconds();

    *total += now - *start;
    *start = now;
}
