#include "kernels/layer/convolution.h"

#include <assert.h>
#include <string.h>

#include <cblas.h>

enum { TAPS = 9, COLUMN_FLOATS = 1 << 21 /* 8 MiB of columns at a time */ };

/* Rows of output in one band. */
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

/* The rows begin <= r < end of a band whose tap row dy is inside the map, and the input row that row `begin` reads. */
struct tap_rows {
    size_t begin, end, input;
};

static struct tap_rows rows_inside(struct convolution shape, size_t first, size_t rows, size_t dy)
{
    size_t begin = first + dy == 0 ? 1 : 0, inside = shape.height + 1 - first - dy;
    size_t end = rows < inside ? rows : inside;

    return (struct tap_rows){begin, end, first + begin + dy - 1};
}

/* Zeros in the column that a tap at dx reads from outside the map. */
static void clear_border(float *map, size_t rows, size_t width, size_t dx)
{
    for (size_t r = 0; r < rows && dx != 1; r++)
        map[r * width + (dx ? width - 1 : 0)] = 0;
}

/* Rows of a shifted map: out[y,x] = in[y, x + dx - 1], zero outside. One copy, after which the ends of the rows are
 * cleared. */
static void shift_rows(float *restrict out, const float *restrict in, size_t rows, size_t width, size_t dx)
{
    size_t n = rows * width;

    if (n == 0)
        return;
    if (dx == 0)
        memcpy(out + 1, in, (n - 1) * sizeof *out);
    else if (dx == 1)
        memcpy(out, in, n * sizeof *out);
    else
        memcpy(out, in + 1, (n - 1) * sizeof *out);
    clear_border(out, rows, width, dx);
}

/* columns[c,dy,dx][p] = x[c, p + (dy-1, dx-1)] for the output rows first .. first + rows - 1. */
static void gather_columns(float *restrict columns, const float *restrict x, struct convolution shape, size_t first,
                           size_t rows)
{
    size_t width = shape.width;

    for (size_t c = 0; c < shape.lower; c++) {
        for (size_t tap = 0; tap < TAPS; tap++, columns += rows * width) {
            struct tap_rows at = rows_inside(shape, first, rows, tap / 3);
            memset(columns, 0, at.begin * width * sizeof *columns);
            shift_rows(columns + at.begin * width, x + (c * shape.height + at.input) * width, at.end - at.begin, width,
                       tap % 3);
            memset(columns + at.end * width, 0, (rows - at.end) * width * sizeof *columns);
        }
    }
}

/* The adjoint of shift_rows, added to `out`. Clears the border of `in`. */
static void add_shifted_rows(float *restrict out, float *restrict in, size_t rows, size_t width, size_t dx)
{
    size_t n = rows * width;

    clear_border(in, rows, width, dx);
    if (dx == 0)
        for (size_t i = 1; i < n; i++)
            out[i - 1] += in[i];
    else if (dx == 1)
        for (size_t i = 0; i < n; i++)
            out[i] += in[i];
    else
        for (size_t i = 1; i < n; i++)
            out[i] += in[i - 1];
}

/* The adjoint of gather_columns, added to x. Changes `columns`. */
static void scatter_columns(float *restrict x, float *restrict columns, struct convolution shape, size_t first,
                            size_t rows)
{
    size_t width = shape.width;

    for (size_t c = 0; c < shape.lower; c++) {
        for (size_t tap = 0; tap < TAPS; tap++, columns += rows * width) {
            struct tap_rows at = rows_inside(shape, first, rows, tap / 3);
            add_shifted_rows(x + (c * shape.height + at.input) * width, columns + at.begin * width, at.end - at.begin,
                             width, tap % 3);
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

void convolution_backward(float *restrict x, const float *restrict s, const float *restrict w, struct convolution shape,
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
