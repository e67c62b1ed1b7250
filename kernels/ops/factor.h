/* How the factors of the large products lie in memory (ops->factor_product). Every table has its own format, by its
 * number of parts:
 *
 *   1   floats
 *         rows     [depth / 16][stride][16]
 *         panels   [outputs / width][depth][width]
 *   3   a float is the sum of three numbers of 8 bits (bfloat16), exactly; depth is a multiple of 32, stride of 16
 *         rows     [depth / 32][part][stride][16][2]               halves of floats: of an even and of an odd block
 *         panels   [outputs / 16][depth / 32][part][16][16][2]     of these pairs of the depth, by 16 columns
 *
 * No failure; thread-safe. */
#ifndef NRMFLOW_KERNELS_OPS_FACTOR_H
#define NRMFLOW_KERNELS_OPS_FACTOR_H

#include "kernels/ops/ops.h"

#include <stddef.h>

/* The table of flows, whose factors are floats. */
const struct ops *factor_vectors(const struct ops *ops);

/* Channels with the padding of an inner dimension. */
size_t factor_depth(const struct ops *ops, size_t channels);

/* Rows from one block to the next, for so many rows. */
size_t factor_stride(const struct ops *ops, size_t rows);

/* Blocks of 16 channels that share the lines of rows. */
size_t factor_blocks(const struct ops *ops);

/* Floats of memory of rows; and the float from which block `block` of 16 channels lies, a multiple of factor_blocks. */
size_t factor_floats(const struct ops *ops, size_t depth, size_t stride);
size_t factor_rows_at(const struct ops *ops, size_t block, size_t stride);

/* Zero the n rows from `to` on, of the blocks that share them. */
void factor_clear_rows(float *to, size_t n, const struct ops *ops, size_t stride);

/* Panels. `at` is the float from which those of a column lie, from row `row` of the depth on: the column is a multiple
 * of the width, the row one of factor_depth's unit. */
struct factor_panels {
    size_t depth, outputs, width; /* depth from factor_depth; a panel's width from ops_width */
};
struct factor_panels factor_panels(const struct ops *ops, size_t channels, size_t outputs);
size_t factor_panels_floats(const struct ops *ops, struct factor_panels panels);
size_t factor_panels_at(const struct ops *ops, struct factor_panels panels, size_t row, size_t column);

/* Set one number. */
void factor_panels_put(float *to, float value, const struct ops *ops, struct factor_panels panels, size_t row,
                       size_t column);

#endif
