/* From repeated times to one number. */
#ifndef NRMFLOW_PIPELINE_BENCH_TIMING_H
#define NRMFLOW_PIPELINE_BENCH_TIMING_H

#include "pipeline/mpi/node.h"

#include <stddef.h>

struct bench_spread {
    double median, least, most;
};

/* Of n > 0 values, whose order is changed. Not collective. */
struct bench_spread bench_spread(double *values, size_t n);

/* The median of n > 0 values, whose order is changed. Not collective. */
double bench_median(double *values, size_t n);

/* The slowest rank's time, on all ranks. Collective. */
double bench_slowest(double seconds, const struct node *node);

#endif
