/* How the neurons of one variable of one image lie in memory.
 *
 * Arrays of a variable (activations, relevance, weights of neurons) have layout_floats floats. layout_index is the
 * place of a neuron. Floats that belong to no neuron are zero in every array, and every operation keeps them so.
 * Elementwise work may therefore run over the whole array; only this file knows which float is which neuron.
 */
#ifndef NRMFLOW_KERNELS_BASE_LAYOUT_H
#define NRMFLOW_KERNELS_BASE_LAYOUT_H

#include "kernels/base/shape.h"

#include <stdbool.h>
#include <stddef.h>

struct layout {
    struct shape shape;
    size_t lanes;         /* channels that lie side by side */
    size_t rows, columns; /* of a plane, border included */
    size_t origin;        /* float of neuron (0, 0, 0) */
};

/* Neurons in the order [C][H][W], nothing between them. */
struct layout layout_planar(struct shape shape);

/* Neurons in the order [ceil(C/16)][rows][columns][16]: planes of whole tiles of 4 x 4 with a border of one, so that
 * convolutions read and write whole vectors. Neuron (0, 0) of a plane is at row 1, column 1. */
enum { LAYOUT_LANES = 16, LAYOUT_TILE = 4 };
struct layout layout_blocked(struct shape shape);

/* The same without the border, for variables that no 3x3 convolution with stride 1 reads or writes: [ceil(C/16)][H][W]
 * [16]. */
struct layout layout_flat(struct shape shape);

/* Whether it is that of layout_blocked. */
bool layout_bordered(struct layout layout);

size_t layout_floats(struct layout layout);

/* Float of neuron (channel, y, x). */
size_t layout_index(struct layout layout, size_t channel, size_t y, size_t x);

/* Copy to and from the planar order. `out` is overwritten; floats that belong to no neuron become zero. */
void layout_to_planar(float *restrict out, const float *restrict x, struct layout layout);
void layout_from_planar(float *restrict out, const float *restrict planar, struct layout layout);

/* Copy x w to the planar order; w NULL means one. */
void layout_products_to_planar(float *restrict out, const float *restrict x, const float *restrict w,
                               struct layout layout);

/* Zero all floats that belong to no neuron, after work that did not keep them zero. */
void layout_clear_border(float *x, struct layout layout);

/* sums[C] = the sum of every channel's positions, in double. */
void layout_channel_sums(double *restrict sums, const float *restrict x, struct layout layout);

#endif
