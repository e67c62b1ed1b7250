/* How loops write the factors of products (factor.h): floats as they are, or split in parts. */
#ifndef NRMFLOW_KERNELS_OPS_SPLIT_H
#define NRMFLOW_KERNELS_OPS_SPLIT_H

#include "kernels/ops/vector.h"

#ifdef OPS_TILES
enum { PARTS = 3 };
#else
enum { PARTS = 1 };
#endif

enum { ROW_BLOCKS = PARTS == 1 ? 1 : 2 /* of channels that share lines of rows */ };

/* Where the rows of block `block`, a multiple of ROW_BLOCKS, begin: factor_rows_at. */
INLINE size_t rows_at(size_t block, size_t stride)
{
    return block / ROW_BLOCKS * PARTS * stride * OPS_LANES;
}

#ifdef OPS_TILES
/* The upper halves of v's floats in the upper halves of the result; v becomes the rest. They are rounded, but for the
 * last part, which has no more bits: so a NaN, whose bits rounding can turn to zero, is in the last part at least. */
INLINE __m512i split_part(__m512 *v, const bool last)
{
    const __m512i bits = _mm512_castps_si512(*v);
    const __m512i upper = _mm512_and_si512(last ? bits : _mm512_add_epi32(bits, _mm512_set1_epi32(0x8000)),
                                           _mm512_set1_epi32((int)0xffff0000));

    *v = _mm512_sub_ps(*v, _mm512_castsi512_ps(upper));
    return upper;
}

/* A row of an even and of an odd block; `distance` floats from a part to the next. */
INLINE void put_rows(float *to, vec even, vec odd, size_t distance)
{
    __m512 a = (__m512)rounded(even), b = (__m512)rounded(odd);

#pragma GCC unroll 3
    for (size_t p = 0; p < PARTS; p++, to += distance) {
        __m512i low = split_part(&a, p + 1 == PARTS), high = split_part(&b, p + 1 == PARTS);
        _mm512_storeu_si512(to, _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(low, 16), high));
    }
}
#else
INLINE void put_rows(float *to, vec even, vec odd, size_t distance)
{
    (void)odd;
    (void)distance;
    store(to, even);
}
#endif

#endif
