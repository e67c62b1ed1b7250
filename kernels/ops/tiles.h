/* Products of factors in tiles of AMX, which multiplies numbers of 8 bits of significand (bfloat16) and sums in
 * float32. A float of 24 bits is exactly the sum of three such parts, x = x0 + x1 + x2, each at most 2^-8 of the one
 * before. Of the nine products of two numbers the six largest are summed, the largest last; the three others are below
 * the rounding of one float32 operation: x1 y2, x2 y1 (2^-24 of x y) and x2 y2.
 *
 * The unit takes subnormal numbers for zero, so that numbers below 2^-103 lose their last parts and results below
 * 2^-126 are zero. Infinities, and finite numbers that round to one (from 3.395e38 on), become NaN; NaN stays NaN. */
#ifndef NRMFLOW_KERNELS_OPS_TILES_H
#define NRMFLOW_KERNELS_OPS_TILES_H

#include "kernels/ops/product.h"
#include "kernels/ops/split.h"

enum {
    TILE = 16,                       /* rows and columns of a tile of floats */
    TILE_DEPTH = 2 * OPS_LANES,      /* of a tile of parts */
    TILE_FLOATS = TILE * TILE,       /* of memory of a tile of either kind */
    TILE_STEP = PARTS * TILE_FLOATS, /* floats of a column's panels of one step of the depth */
    TILE_LINES = TILE_STEP / 16,     /* cache lines of a column's panels of one step */
};

/* What LDTILECFG reads: eight tiles of 16 rows of 64 bytes. */
struct tile_shapes {
    uint8_t palette, start, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

INLINE void open_tiles(void)
{
    static const struct tile_shapes shapes = {.palette = 1,
                                              .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                                              .rows = {TILE, TILE, TILE, TILE, TILE, TILE, TILE, TILE}};

    _tile_loadconfig(&shapes);
    __asm__ volatile("" ::: "memory"); /* the loads that follow are not known to the compiler as such */
}

/* ---- to = from panels -------------------------------------------------------------------------------------------- */

/* Two tiles of rows, or of columns: their first parts, and floats from a part to the next. */
struct tile_pair {
    const float *first, *second;
    size_t part;
};

/* Registers 0 to 3 are sums [2][2], 4 and 5 parts of rows, 6 and 7 of columns. */
#define TILE_LOAD_ROWS(p)                                                                                              \
    do {                                                                                                               \
        _tile_loadd(4, rows.first + (p)*rows.part, 64);                                                                \
        if (nrows == 2)                                                                                                \
            _tile_loadd(5, rows.second + (p)*rows.part, 64);                                                           \
    } while (0)
#define TILE_LOAD_COLUMNS(p)                                                                                           \
    do {                                                                                                               \
        _tile_loadd(6, columns.first + (p)*columns.part, 64);                                                          \
        if (ncolumns == 2)                                                                                             \
            _tile_loadd(7, columns.second + (p)*columns.part, 64);                                                     \
    } while (0)
#define TILE_MULTIPLY                                                                                                  \
    do {                                                                                                               \
        _tile_dpbf16ps(0, 4, 6);                                                                                       \
        if (ncolumns == 2)                                                                                             \
            _tile_dpbf16ps(1, 4, 7);                                                                                   \
        if (nrows == 2)                                                                                                \
            _tile_dpbf16ps(2, 5, 6);                                                                                   \
        if (nrows == 2 && ncolumns == 2)                                                                               \
            _tile_dpbf16ps(3, 5, 7);                                                                                   \
    } while (0)

/* sums += rows columns, of one step. */
INLINE void tile_step(struct tile_pair rows, struct tile_pair columns, const size_t nrows, const size_t ncolumns)
{
    TILE_LOAD_ROWS(2);
    TILE_LOAD_COLUMNS(0);
    TILE_MULTIPLY;
    TILE_LOAD_ROWS(1);
    TILE_MULTIPLY;
    TILE_LOAD_COLUMNS(1);
    TILE_MULTIPLY;
    TILE_LOAD_ROWS(0);
    TILE_MULTIPLY;
    TILE_LOAD_COLUMNS(2);
    TILE_MULTIPLY;
    TILE_LOAD_COLUMNS(0);
    TILE_MULTIPLY;
}

/* Where the sums go, or come from: those of two tiles of rows lie 16 rows of `line` floats apart. */
struct tile_sums_at {
    float *first, *second;
    size_t line;
};

/* Load or store the sums. */
#define TILE_SUMS(operation)                                                                                           \
    do {                                                                                                               \
        const size_t next = TILE * at.line, bytes = at.line * sizeof(float);                                           \
        operation(0, at.first, bytes);                                                                                 \
        if (ncolumns == 2)                                                                                             \
            operation(1, at.second, bytes);                                                                            \
        if (nrows == 2)                                                                                                \
            operation(2, at.first + next, bytes);                                                                      \
        if (nrows == 2 && ncolumns == 2)                                                                               \
            operation(3, at.second + next, bytes);                                                                     \
    } while (0)

INLINE void zero_sums(void)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

/* What is prefetched meanwhile: `lines` of each of the next two columns at every step, and the caller's. */
struct tile_ahead {
    const float *first, *second;
    size_t lines;
    struct ops_prefetch_cursor *cursor;
};

INLINE void prefetch_ahead(struct tile_ahead *ahead)
{
    for (size_t i = 0; i < ahead->lines; i++, ahead->first += 16, ahead->second += 16) {
        __builtin_prefetch(ahead->first, 0, 2);
        __builtin_prefetch(ahead->second, 0, 2);
    }
    prefetch_step(ahead->cursor);
}

/* Up to two tiles of rows and of columns, over the whole depth. */
INLINE void tile_products(struct tile_sums_at at, struct tile_pair rows, struct tile_pair columns,
                          const struct ops_product *s, struct tile_ahead *ahead, const size_t nrows,
                          const size_t ncolumns)
{
    const size_t steps = s->depth / TILE_DEPTH, step_floats = PARTS * rows.part;

    if (s->add)
        TILE_SUMS(_tile_loadd);
    else
        zero_sums();
    for (size_t step = 0; step < steps; step++) {
        tile_step(rows, columns, nrows, ncolumns);
        rows.first += step_floats;
        rows.second += step_floats;
        columns.first += TILE_STEP;
        columns.second += TILE_STEP;
        prefetch_ahead(ahead);
    }
    TILE_SUMS(_tile_stored);
}

INLINE void tile_columns(struct tile_sums_at at, const float *from, struct tile_pair columns,
                         const struct ops_product *s, struct tile_ahead *ahead, const size_t ncolumns)
{
    for (size_t row = 0; row < s->rows; row += 2 * TILE, from += 2 * TILE_FLOATS) {
        struct tile_pair rows = {from, from + TILE_FLOATS, s->from_stride * OPS_LANES};
        if (row + TILE < s->rows)
            tile_products(at, rows, columns, s, ahead, 2, ncolumns);
        else
            tile_products(at, rows, columns, s, ahead, 1, ncolumns);
        at.first += 2 * TILE_FLOATS;
        at.second += 2 * TILE_FLOATS;
    }
}

static void tile_product(float *to, const float *from, const float *panels, const struct ops_product *s,
                         struct ops_prefetch_cursor *cursor)
{
    const size_t depth = s->panel_depth ? s->panel_depth : s->depth, column = depth / TILE_DEPTH * TILE_STEP;
    const size_t row_pairs = (s->rows + 2 * TILE - 1) / (2 * TILE), block = s->to_stride * OPS_LANES;

    open_tiles();
    for (size_t o = 0; o < s->outputs; o += 2 * TILE, to += 2 * block, panels += 2 * column) {
        const float *next = o + 2 * TILE < s->outputs ? panels + 2 * column : cursor->panel;
        struct tile_ahead ahead = {next, next + column, (TILE_LINES + row_pairs - 1) / row_pairs, cursor};
        struct tile_pair columns = {panels, panels + column, TILE_FLOATS};
        struct tile_sums_at at = {to, to + block, TILE};
        if (o + TILE < s->outputs)
            tile_columns(at, from, columns, s, &ahead, 2);
        else
            tile_columns(at, from, columns, s, &ahead, 1);
    }
    _tile_release();
}

#endif
