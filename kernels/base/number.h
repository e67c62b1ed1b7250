/* Small functions of numbers for all of kernels/. They are always inlined, since the loops of kernels/ops/ depend on it
 * and no symbol may leave those files. */
#ifndef NRMFLOW_KERNELS_BASE_NUMBER_H
#define NRMFLOW_KERNELS_BASE_NUMBER_H

#include <stddef.h>

#define NUMBER_INLINE static inline __attribute__((always_inline))

NUMBER_INLINE size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

NUMBER_INLINE size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* n rounded up to a multiple of 16: the channels of a block (LAYOUT_LANES), and the floats of a cache line. */
NUMBER_INLINE size_t padded(size_t n)
{
    return (n + 15) / 16 * 16;
}

/* v within low .. high; NaN stays NaN. */
NUMBER_INLINE float clamp(float v, float low, float high)
{
    return v < low ? low : v > high ? high : v;
}

#endif
