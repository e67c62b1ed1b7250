/* The smaller and the larger of two numbers. */
#ifndef NRMFLOW_PIPELINE_UTIL_NUMBER_H
#define NRMFLOW_PIPELINE_UTIL_NUMBER_H

#include <stddef.h>

static inline size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

#endif
