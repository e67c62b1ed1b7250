/* Assertions for the tests that run under MPI, in cmocka's words: a failure is printed with its numbers, its place and
 * the rank, and ends all ranks. */
#ifndef NRMFLOW_TESTS_MPI_CHECK_H
#define NRMFLOW_TESTS_MPI_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mpi.h>

#define assert_true(condition)   check((condition), #condition, __FILE__, __LINE__)
#define assert_false(condition)  check(!(condition), "!(" #condition ")", __FILE__, __LINE__)
#define assert_non_null(pointer) check((pointer) != NULL, #pointer " != NULL", __FILE__, __LINE__)

#define assert_int_equal(value, want)    check_int((long long)(value), (long long)(want), #value, __FILE__, __LINE__)
#define assert_string_equal(value, want) check_string((value), (want), #value, __FILE__, __LINE__)

static inline void check_fail(const char *file, int line)
{
    int rank;

    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    fprintf(stderr, "%s:%d: failed on rank %d\n", file, line, rank);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static inline void check(bool holds, const char *condition, const char *file, int line)
{
    if (holds)
        return;
    fprintf(stderr, "%s does not hold\n", condition);
    check_fail(file, line);
}

static inline void check_int(long long value, long long want, const char *text, const char *file, int line)
{
    if (value == want)
        return;
    fprintf(stderr, "%s is %lld, and should be %lld\n", text, value, want);
    check_fail(file, line);
}

static inline void check_string(const char *value, const char *want, const char *text, const char *file, int line)
{
    if (strcmp(value, want) == 0)
        return;
    fprintf(stderr, "%s is \"%s\", and should be \"%s\"\n", text, value, want);
    check_fail(file, line);
}

#endif
