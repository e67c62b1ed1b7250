/* Pieces of arrays in blocks of 16 channels (layout_blocked, layout_flat): some rows of the map of one image. */
#ifndef NRMFLOW_KERNELS_LAYER_PIECE_H
#define NRMFLOW_KERNELS_LAYER_PIECE_H

#include "kernels/base/layout.h"
#include "kernels/ops/ops.h"

struct piece {
    size_t image, row, rows;
    size_t first; /* its first position among those that are computed together */
};

/* Float of the first neuron of row r of the piece, in its image's array. */
size_t piece_at(struct layout layout, const struct piece *piece, size_t block, size_t r);

/* Of an array's block of channels. */
struct ops_block piece_block(struct layout layout, const struct piece *piece, size_t block);

/* How many of some rows lie next to each other: all of them, or one. */
size_t piece_adjacent(struct layout layout, size_t rows);

/* Zero what is no neuron of n arrays, whose neurons were written. */
void piece_clear_border(float *x, struct layout layout, size_t n);

#endif
