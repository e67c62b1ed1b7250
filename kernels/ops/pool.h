/* Rows of windows of max pools for the variants of ops.h. */
#ifndef NRMFLOW_KERNELS_OPS_POOL_H
#define NRMFLOW_KERNELS_OPS_POOL_H

#include "kernels/ops/vector.h"

enum { CORNERS = 4 /* positions of a window */ };

typedef uint8_t part_codes __attribute__((vector_size(PART)));
typedef uint8_t unaligned_codes __attribute__((vector_size(PART), aligned(1), may_alias));

/* The larger of the two; NaN if either is. */
INLINE part larger_part(part a, part b)
{
    part_bits first = (a > b) | (a != a);

    return (part)((first & (part_bits)a) | (~first & (part_bits)b));
}

/* Position i, in row-major order, of the windows whose upper floats start at number `at` of their row. */
INLINE size_t corner(size_t at, size_t i)
{
    return at / OPS_LANES * 2 * OPS_LANES + at % OPS_LANES + i % 2 * OPS_LANES;
}

INLINE void forward_windows(float *y, uint8_t *codes, const float *top, const float *bottom, size_t windows,
                            float tolerance, const enum pool_mode mode)
{
    const part_bits none = {0};

    for (size_t at = 0; at < windows * OPS_LANES; at += PART) {
        part v[CORNERS];
#pragma GCC unroll 4
        for (size_t i = 0; i < CORNERS; i++)
            v[i] = load_part((i < 2 ? top : bottom) + corner(at, i));
        part most = larger_part(larger_part(v[0], v[1]), larger_part(v[2], v[3]));
        part_bits shared = mode == POOL_FIRST ? none : most > 0, code = none;
        part least = most - keep_part(shared, (part){0} + tolerance);
#pragma GCC unroll 4
        for (int i = 0; i < CORNERS; i++) {
            part_bits may = mode == POOL_WINNER_LIVE ? (v[i] > 0) | ~shared : ~none;
            code |= (v[i] >= least) & may & (1 << i);
        }
        code &= shared | -code; /* without shared winners the first one takes all */
        *(unaligned_codes *)(codes + at) = __builtin_convertvector(code, part_codes);
        store_part(y + at, most);
    }
}

static void windows_forward(float *y, uint8_t *codes, const float *top, const float *bottom, size_t windows,
                            float tolerance, enum pool_mode mode)
{
    if (mode == POOL_WINNER)
        forward_windows(y, codes, top, bottom, windows, tolerance, POOL_WINNER);
    else if (mode == POOL_WINNER_LIVE)
        forward_windows(y, codes, top, bottom, windows, tolerance, POOL_WINNER_LIVE);
    else
        forward_windows(y, codes, top, bottom, windows, tolerance, POOL_FIRST);
}

INLINE part_bits load_codes(const uint8_t *codes)
{
    return __builtin_convertvector(*(const unaligned_codes *)codes, part_bits);
}

/* The share of each winner of a code. */
INLINE part winners_share(part_bits code)
{
    part_bits winners = (code & 1) + (code >> 1 & 1) + (code >> 2 & 1) + (code >> 3);

    return 1 / __builtin_convertvector(winners - (winners == 0), part);
}

static void windows_backward(float *top, float *bottom, const float *r, const uint8_t *codes, size_t windows)
{
    for (size_t at = 0; at < windows * OPS_LANES; at += PART) {
        part_bits code = load_codes(codes + at);
        part share = load_part(r + at) * winners_share(code);
#pragma GCC unroll 4
        for (int i = 0; i < CORNERS; i++)
            store_part((i < 2 ? top : bottom) + corner(at, (size_t)i), keep_part(-(code >> i & 1), share));
    }
}

static void windows_lift(float *v, const float *top, const float *bottom, const uint8_t *codes, size_t windows)
{
    for (size_t at = 0; at < windows * OPS_LANES; at += PART) {
        part_bits code = load_codes(codes + at);
        part share = winners_share(code), sum = {0};
#pragma GCC unroll 4
        for (int i = 0; i < CORNERS; i++)
            sum += keep_part(-(code >> i & 1), share) * load_part((i < 2 ? top : bottom) + corner(at, (size_t)i));
        store_part(v + at, sum);
    }
}

/* ---- windows of up to 16 positions, one at a time ---------------------------------------------------------------- */

typedef uint16_t part_words __attribute__((vector_size(2 * PART)));
typedef uint16_t unaligned_words __attribute__((vector_size(2 * PART), aligned(2), may_alias));

INLINE part_bits load_words(const uint16_t *codes)
{
    return __builtin_convertvector(*(const unaligned_words *)codes, part_bits);
}

/* Whether tap number `tap` wins. */
INLINE part_bits wins(part_bits code, size_t tap)
{
    return -(code >> (int)tap & 1);
}

INLINE part share_of_winners(part_bits code, const struct ops_window *w)
{
    part_bits winners = {0};

    for (size_t r = 0; r < w->rows; r++)
        for (size_t c = 0; c < w->columns; c++)
            winners -= wins(code, w->tap + r * w->taps + c);
    return 1 / __builtin_convertvector(winners - (winners == 0), part);
}

static void window_forward(float *y, uint16_t *codes, const float *a, const struct ops_window *w, float tolerance,
                           enum pool_mode mode)
{
    const part_bits none = {0};

    for (size_t at = 0; at < OPS_LANES; at += PART) {
        part most = load_part(a + at);
        for (size_t r = 0; r < w->rows; r++)
            for (size_t c = 0; c < w->columns; c++)
                most = larger_part(most, load_part(a + at + r * w->row + c * OPS_LANES));
        part_bits shared = mode == POOL_FIRST ? none : most > 0, code = none;
        part least = most - keep_part(shared, (part){0} + tolerance);
        for (size_t r = 0; r < w->rows; r++)
            for (size_t c = 0; c < w->columns; c++) {
                part v = load_part(a + at + r * w->row + c * OPS_LANES);
                part_bits may = mode == POOL_WINNER_LIVE ? (v > 0) | ~shared : ~none;
                code |= (v >= least) & may & (1 << (int)(w->tap + r * w->taps + c));
            }
        code &= shared | -code; /* without shared winners the first one takes all */
        *(unaligned_words *)(codes + at) = __builtin_convertvector(code, part_words);
        store_part(y + at, most);
    }
}

static void window_backward(float *lower, const float *r, const uint16_t *codes, const struct ops_window *w)
{
    for (size_t at = 0; at < OPS_LANES; at += PART) {
        part_bits code = load_words(codes + at);
        part share = load_part(r + at) * share_of_winners(code, w);
        for (size_t i = 0; i < w->rows; i++)
            for (size_t c = 0; c < w->columns; c++) {
                float *to = lower + at + i * w->row + c * OPS_LANES;
                store_part(to, load_part(to) + keep_part(wins(code, w->tap + i * w->taps + c), share));
            }
    }
}

static void window_lift(float *v, const float *lower, const uint16_t *codes, const struct ops_window *w)
{
    for (size_t at = 0; at < OPS_LANES; at += PART) {
        part_bits code = load_words(codes + at);
        part share = share_of_winners(code, w), sum = {0};
        for (size_t i = 0; i < w->rows; i++)
            for (size_t c = 0; c < w->columns; c++)
                sum += keep_part(wins(code, w->tap + i * w->taps + c), share) *
                       load_part(lower + at + i * w->row + c * OPS_LANES);
        store_part(v + at, sum);
    }
}

#endif
