/* Vectors of LANES floats for the variants of ops.h (see template.h). Everything here is inlined: no symbol may leave a
 * file that is compiled for more instructions than the others. */
#ifndef NRMFLOW_KERNELS_OPS_VECTOR_H
#define NRMFLOW_KERNELS_OPS_VECTOR_H

#include "kernels/ops/ops.h"

#include <stdint.h>
#if defined(OPS_AVX512) || defined(OPS_AVX2)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

/* How often loops over a register tile are unrolled: not at all where a sanitizer checks every access. */
#ifdef OPS_SANITIZED
enum { UNROLL = 1 };
#else
enum { UNROLL = UNROLLED };
#endif

typedef float vec __attribute__((vector_size(LANES * 4)));
typedef int32_t mask __attribute__((vector_size(LANES * 4))); /* all bits of a lane set, or none */
typedef float unaligned __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

typedef double wide __attribute__((vector_size(LANES * 8)));

INLINE wide widened(vec v)
{
    return __builtin_convertvector(v, wide);
}

INLINE vec load(const float *from)
{
    return *(const unaligned *)from;
}

INLINE void store(float *to, vec v)
{
    *(unaligned *)to = v;
}

/* Store to an aligned address that is not read soon. Where the variant can store whole cache lines past the caches, the
 * old contents are not read from memory and nothing is evicted. */
INLINE void store_past_caches(float *to, vec v)
{
#ifdef OPS_AVX512
    _mm512_stream_ps(to, (__m512)v);
#else
    store(to, v);
#endif
}

/* Copy a cache line of OPS_LANES floats to an address that is aligned to vectors, likewise. */
INLINE void store_line_past_caches(float *to, const float *line)
{
#ifdef OPS_AVX2
    _mm256_stream_ps(to, _mm256_loadu_ps(line));
    _mm256_stream_ps(to + LANES, _mm256_loadu_ps(line + LANES));
#else
    for (size_t lane = 0; lane < OPS_LANES; lane += LANES)
        store_past_caches(to + lane, load(line + lane));
#endif
}

/* i, opaque to the compiler, which would otherwise keep the addresses of all planes of a loop and run out of
 * registers. */
INLINE size_t opaque(size_t i)
{
#if defined(__GNUC__)
    __asm__("" : "+r"(i));
#endif
    return i;
}

/* x in every lane */
INLINE vec every_lane(float x)
{
    return x - (vec){0};
}

/* sum + a b in the register of sum: left alone, compilers copy sums of large register tiles to and fro. */
INLINE vec multiply_add(vec sum, vec a, vec b)
{
#if defined(OPS_AVX512) || defined(OPS_AVX2)
    __asm__("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
#else
    return sum + a * b;
#endif
}

INLINE vec zeros(void)
{
    return (vec){0};
}

INLINE vec magnitude(vec v)
{
    return (vec)((mask)v & INT32_MAX);
}

/* v where m is set, zero elsewhere */
INLINE vec keep(mask m, vec v)
{
    return (vec)(m & (mask)v);
}

/* The larger of the two; b where a is NaN. */
INLINE vec maximum(vec a, vec b)
{
#if defined(OPS_AVX512)
    return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(OPS_AVX2)
    return (vec)_mm256_max_ps((__m256)a, (__m256)b);
#else
    mask left = a > b;

    return (vec)((left & (mask)a) | (~left & (mask)b));
#endif
}

/* Whether any lane is set. */
INLINE bool any(mask m)
{
#if defined(OPS_AVX512)
    return _mm512_movepi32_mask((__m512i)m) != 0;
#elif defined(OPS_AVX2)
    return _mm256_movemask_ps((__m256)m) != 0;
#else
    int32_t bits = 0;

    for (size_t i = 0; i < LANES; i++)
        bits |= m[i];
    return bits != 0;
#endif
}

/* Vectors no wider than registers, for loops with many masks: compilers make slow code of wider ones. */
enum { PART = UNROLLED == 1 ? 4 : LANES };

typedef float part __attribute__((vector_size(PART * 4)));
typedef float unaligned_part __attribute__((vector_size(PART * 4), aligned(4), may_alias));
typedef int32_t part_bits __attribute__((vector_size(PART * 4)));

INLINE part load_part(const float *from)
{
    return *(const unaligned_part *)from;
}

INLINE void store_part(float *to, part v)
{
    *(unaligned_part *)to = v;
}

/* store_past_caches of a part, for loops that store all parts of a cache line one after the other. */
INLINE void store_part_past_caches(float *to, part v)
{
#if defined(OPS_AVX512)
    store_past_caches(to, (vec)v);
#elif defined(OPS_AVX2)
    _mm256_stream_ps(to, (__m256)v);
#else
    store_part(to, v);
#endif
}

INLINE part keep_part(part_bits m, part v)
{
    return (part)(m & (part_bits)v);
}

/* v, opaque to the compiler, which may else fuse its product with a sum, so that adding would not give the bits of a
 * sum of results. */
INLINE vec rounded(vec v)
{
#if defined(OPS_AVX512) || defined(OPS_AVX2)
    __asm__("" : "+v"(v));
#endif
    return v;
}

#endif
