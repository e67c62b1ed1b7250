/* Convolutions of any window and stride in one group, between variables in blocks of 16 channels, as products: the
 * window's taps are gathered side by side, so that the depth of the product is taps x channels. A window of one
 * position is its own row.
 *
 * Work goes by bands that fit the cache: rows of the upper map of one image, or the maps of several images. A piece is
 * a band's part of one image. An image's pieces depend on the link only, so the bits of its arrays, flows and sums over
 * positions depend on no other image; exact zeros are kept. No failure, no allocation; arrays must not overlap.
 * Thread-safe. */
#ifndef NRMFLOW_KERNELS_LAYER_TAPS_H
#define NRMFLOW_KERNELS_LAYER_TAPS_H

#include "kernels/base/network.h"
#include "kernels/layer/piece.h"
#include "kernels/ops/ops.h"

#include <stdbool.h>
#include <stddef.h>

struct taps {
    const struct link *link;
    struct layout lower, upper; /* not planar */
    const struct ops *ops;
};

/* Whether a window is one position, and neighbours are read by neighbours. */
bool taps_pointwise(const struct link *link);

/* Weights, or their magnitudes, for upward products or, as adjoint, for downward ones and flows. */
enum taps_packed { TAPS_UP, TAPS_UP_MAGNITUDE, TAPS_DOWN, TAPS_DOWN_MAGNITUDE };

/* Floats of packed weights; and packing w [K][C][height][width]. They serve only the table that they are packed for. */
size_t taps_weights_floats(const struct link *link, bool adjoint, const struct ops *ops);
void taps_pack(float *packed, const float *w, enum taps_packed as, const struct ops *ops, const struct link *link);

/* What is gathered: scale x factor, or scale |x| factor; factor NULL means one. Strides are floats from image to
 * image. */
struct taps_source {
    const float *x, *factor;
    size_t x_stride, factor_stride;
    float scale;
    bool magnitude;
};

/* An array that `finish` reads or writes at the positions of its results, of the results' variable: it is prefetched
 * where every result belongs to one neuron. x NULL: none. */
struct taps_beside {
    const float *x;
    size_t stride; /* floats from image to image */
};

/* Products of one or two sources with one or two sets of weights; product i is of the source of that number, or the
 * last. Two sources differ in scale and magnitude only. */
struct taps_call {
    size_t images, nsources, nproducts;
    struct taps_source source[2];
    const float *packed[2];
    struct taps_beside beside[2];
    void *context;
    /* Of a block of 16 source channels of a piece that has been gathered; downward only; NULL: not called. */
    void (*gathered)(void *context, const struct piece *piece, size_t block);
    /* Receives the results of a block of 16 channels of a piece, [positions][16]: upward those of the upper variable;
     * downward what tap number `tap` of the windows adds to lower neurons. second: NULL with one product. */
    void (*finish)(void *context, const struct piece *piece, size_t block, size_t tap, const float *m,
                   const float *second);
};

size_t taps_scratch_floats(struct taps taps);

/* Sources are of the lower variable; of the upper one. */
void taps_up(const struct taps_call *call, struct taps taps, float *scratch);
void taps_down(const struct taps_call *call, struct taps taps, float *scratch);

/* joint[image][k][c] += sum over taps and windows of w upper lower. packed: as adjoint. */
void taps_flow(float *joint, const struct taps_source *upper, const struct taps_source *lower, const float *packed,
               size_t images, struct taps taps, float *scratch);

/* Where a tap's results of one upper row go: lower neurons of a row, `count` of them, from the window `first` on. */
struct taps_target {
    size_t row, column, first, count;
};
struct taps_target taps_target(const struct link *link, size_t tap, size_t row);

#endif
