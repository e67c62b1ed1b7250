/* Direct convolutions of one row for the variants of ops.h. Tap dx reads the line shifted by dx. */
#ifndef NRMFLOW_KERNELS_OPS_DIRECT_H
#define NRMFLOW_KERNELS_OPS_DIRECT_H

#include "kernels/ops/product.h"

enum { SIDE = 3 };

/* `rows` positions of one panel of outputs. */
INLINE void forward_rows(float *to, const float *lines, const float *panel, const float *bias,
                         const struct ops_product *s, const size_t rows, const size_t vectors)
{
    vec sum[ROWS][VECTORS];

#pragma GCC unroll UNROLL
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll UNROLL
        for (size_t j = 0; j < vectors; j++)
            sum[i][j] = load(bias + j * LANES);
    for (size_t d = 0; d < s->depth; d += SIDE, lines += s->from_stride) {
#pragma GCC unroll UNROLL
        for (size_t dx = 0; dx < SIDE; dx++, panel += vectors * LANES) {
            vec u[VECTORS];
#pragma GCC unroll UNROLL
            for (size_t j = 0; j < vectors; j++)
                u[j] = load(panel + j * LANES);
#pragma GCC unroll UNROLL
            for (size_t i = 0; i < rows; i++) {
#pragma GCC unroll UNROLL
                for (size_t j = 0; j < vectors; j++)
                    sum[i][j] += lines[i + dx] * u[j];
            }
        }
    }
    store_sums(to, sum, s->to_stride, rows, vectors);
}

INLINE void forward_panels(float *to, const float *lines, const float *panels, const float *bias,
                           const struct ops_product *s, const size_t vectors)
{
    for (size_t o = 0; o < s->outputs; o += vectors * LANES)
        for (size_t row = 0; row < s->rows; row += ROWS) {
            float *at = to + o * s->to_stride + row * OPS_LANES;
            const float *panel = panels + o * s->depth;
            if (s->rows - row >= ROWS) {
                forward_rows(at, lines + row, panel, bias + o, s, ROWS, vectors);
                continue;
            }
            for (size_t i = row; i < s->rows; i++)
                forward_rows(at + (i - row) * OPS_LANES, lines + i, panel, bias + o, s, 1, vectors);
        }
}

static void direct_forward(float *to, const float *lines, const float *panels, const float *bias,
                           const struct ops_product *s)
{
    if (s->width == PANEL)
        forward_panels(to, lines, panels, bias, s, VECTORS);
    else if (s->width == WIDTH_2)
        forward_panels(to, lines, panels, bias, s, WIDTH_2 / LANES);
    else
        forward_panels(to, lines, panels, bias, s, OPS_LANES / LANES);
}

static void direct_finish(float *z, float *c, size_t positions, const struct ops_finish *f)
{
    const bool past = (uintptr_t)c % (PART * sizeof(float)) == 0;
    const part eps = (part){0} + f->eps;

    for (size_t i = 0; i < positions * OPS_LANES; i += PART) {
        part v = load_part(z + i), d = v - load_part(f->bias + i % OPS_LANES) + load_part(f->constant + i % OPS_LANES);
        part stabilized = d + (keep_part(~(d < 0), eps) - keep_part(d < 0, eps));
        part factor = keep_part(stabilized != 0, f->scale / stabilized);
        if (past)
            store_part_past_caches(c + i, factor);
        else
            store_part(c + i, factor);
        if (f->rectified)
            store_part(z + i, keep_part(~(v < 0), v)); /* keeps NaN */
    }
}

/* sums[tap][lane] += sum_i line(tap)[i] row[i][lane] for `taps` taps. */
INLINE void gradient_taps(float *sums, const float *row, const float *lines, size_t first, const struct ops_product *s,
                          const size_t taps)
{
    enum { BLOCK = OPS_LANES / LANES };

    vec sum[ROWS][BLOCK];
    const float *line[ROWS];

#pragma GCC unroll UNROLL
    for (size_t t = 0; t < taps; t++) {
        line[t] = lines + (first + t) / SIDE * s->to_stride + (first + t) % SIDE;
#pragma GCC unroll UNROLL
        for (size_t j = 0; j < BLOCK; j++)
            sum[t][j] = load(sums + ((first + t) * BLOCK + j) * LANES);
    }
    for (size_t i = 0; i < s->rows; i++, row += OPS_LANES) {
#pragma GCC unroll UNROLL
        for (size_t t = 0; t < taps; t++)
#pragma GCC unroll UNROLL
            for (size_t j = 0; j < BLOCK; j++)
                sum[t][j] += line[t][i] * load(row + j * LANES);
    }
#pragma GCC unroll UNROLL
    for (size_t t = 0; t < taps; t++)
#pragma GCC unroll UNROLL
        for (size_t j = 0; j < BLOCK; j++)
            store(sums + ((first + t) * BLOCK + j) * LANES, sum[t][j]);
}

static void direct_gradient(float *sums, const float *row, const float *lines, const struct ops_product *s)
{
    for (size_t d = 0; d < s->depth; d += OPS_LANES) {
        float *to = sums + d * s->outputs;
        const float *from = row + d * s->from_stride;
        size_t tap = 0;
        for (; tap + ROWS <= s->outputs; tap += ROWS)
            gradient_taps(to, from, lines, tap, s, ROWS);
        for (; tap < s->outputs; tap += SIDE)
            gradient_taps(to, from, lines, tap, s, SIDE);
    }
}

#endif
