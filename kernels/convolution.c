#include "convolution.h"

#include <assert.h>
#include <string.h>

#include <cblas.h>

enum { TAPS = 9, COLUMN_FLOATS = 1 << 21 /* 8 MiB of columns at a time */ };

/* Rows of output that one band holds. */
static size_t band_rows(struct convolution shape)
{
    size_t rows = COLUMN_FLOATS / (shape.lower * TAPS * shape.width);

    rows = rows ? rows : 1;
    return rows < shape.height ? rows : shape.height;
}

size_t convolution_scratch(struct convolution shape)
{
    return shape.lower * TAPS * shape.width * band_rows(shape);
}

/* One row of a shifted map: out[x] = in[x + dx - 1], zero outside. */
static void shift_row(float *restrict out, const float *restrict in, size_t width, size_t dx)
{
    if (dx == 0) {
        out[0] = 0;
        memcpy(out + 1, in, (width - 1) * sizeof *out);
    } else if (dx == 1) {
        memcpy(out, in, width * sizeof *out);
    } else {
        memcpy(out, in + 1, (width - 1) * sizeof *out);
        out[width - 1] = 0;
    }
}

/* columns[c,dy,dx][p] = x[c, p + (dy-1, dx-1)] for the output rows first .. first + rows - 1. */
static void gather_columns(float *restrict columns, const float *restrict x, struct convolution shape, size_t first,
                           size_t rows)
{
    size_t width = shape.width;

    for (size_t c = 0; c < shape.lower; c++) {
        for (size_t tap = 0; tap < TAPS; tap++) {
            for (size_t r = 0; r < rows; r++, columns += width) {
                size_t row = first + r + tap / 3; /* one more than the input row */
                if (row == 0 || row > shape.height)
                    memset(columns, 0, width * sizeof *columns);
                else
                    shift_row(columns, x + (c * shape.height + row - 1) * width, width, tap % 3);
            }
        }
    }
}

/* The adjoint of shift_row, added. */
static void add_shifted_row(float *restrict out, const float *restrict in, size_t width, size_t dx)
{
    size_t from = dx == 0, to = dx == 2 ? width - 1 : width;

    for (size_t i = from; i < to; i++)
        out[i + dx - 1] += in[i];
}

/* The adjoint of gather_columns, added to x. */
static void scatter_columns(float *restrict x, const float *restrict columns, struct convolution shape, size_t first,
                            size_t rows)
{
    size_t width = shape.width;

    for (size_t c = 0; c < shape.lower; c++) {
        for (size_t tap = 0; tap < TAPS; tap++) {
            for (size_t r = 0; r < rows; r++, columns += width) {
                size_t row = first + r + tap / 3;
                if (row > 0 && row <= shape.height)
                    add_shifted_row(x + (c * shape.height + row - 1) * width, columns, width, tap % 3);
            }
        }
    }
}

void convolution_forward(float *restrict y, const float *restrict x, const float *restrict w, struct convolution shape,
                         bool accumulate, float *restrict scratch)
{
    size_t step = band_rows(shape), positions = shape.height * shape.width, depth = shape.lower * TAPS;

    for (size_t first = 0; first < shape.height; first += step) {
        size_t rows = shape.height - first < step ? shape.height - first : step, n = rows * shape.width;
        gather_columns(scratch, x, shape, first, rows);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)shape.upper, (int)n, (int)depth, 1, w, (int)depth,
                    scratch, (int)n, accumulate ? 1 : 0, y + first * shape.width, (int)positions);
    }
}

void convolution_back(float *restrict x, const float *restrict s, const float *restrict w, struct convolution shape,
                      float *restrict scratch)
{
    size_t step = band_rows(shape), positions = shape.height * shape.width, depth = shape.lower * TAPS;

    memset(x, 0, shape.lower * positions * sizeof *x);
    for (size_t first = 0; first < shape.height; first += step) {
        size_t rows = shape.height - first < step ? shape.height - first : step, n = rows * shape.width;
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)depth, (int)n, (int)shape.upper, 1, w, (int)depth,
                    s + first * shape.width, (int)positions, 0, scratch, (int)n);
        scatter_columns(x, scratch, shape, first, rows);
    }
}

void convolution_gradient(float *restrict g, const float *restrict s, const float *restrict x, struct convolution shape,
                          float *restrict scratch)
{
    size_t step = band_rows(shape), positions = shape.height * shape.width, depth = shape.lower * TAPS;

    for (size_t first = 0; first < shape.height; first += step) {
        size_t rows = shape.height - first < step ? shape.height - first : step, n = rows * shape.width;
        gather_columns(scratch, x, shape, first, rows);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)shape.upper, (int)depth, (int)n, 1,
                    s + first * shape.width, (int)positions, scratch, (int)n, first ? 1 : 0, g, (int)depth);
    }
}
