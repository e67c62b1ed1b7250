/* From repeated times to one number. */
#ifndef NRMFLOW_PIPELINE_BENCH_TIMING_H
#define NRMFLOW_PIPELINE_BENCH_TIMING_H

#include "pipeline/mpi/node.h"

#include <stddef.h>

/* The median of n values, whose order is changed. Not collective. */
double bench_median(double *values, size_t n);

/* The slowest rank's time, on all ranks. Collective. */
double bench_slowest(double seconds, const struct node *node);

#endif
