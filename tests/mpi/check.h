/* Checks for the tests that run under MPI: a failure is printed with its place and ends all ranks. */
#ifndef NRMFLOW_TESTS_MPI_CHECK_H
#define NRMFLOW_TESTS_MPI_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <mpi.h>

#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)

static inline void check(bool holds, const char *condition, const char *file, int line)
{
    int rank;

    if (holds)
        return;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    fprintf(stderr, "%s:%d: rank %d: %s does not hold\n", file, line, rank, condition);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

#endif
