/* Shapes of variables. */
#ifndef NRMFLOW_KERNELS_BASE_SHAPE_H
#define NRMFLOW_KERNELS_BASE_SHAPE_H

#include <stddef.h>

/* Shape of one variable of one image; a dense variable of n neurons is {n, 1, 1}. */
struct shape {
    size_t channels, height, width;
};

/* channels x height x width */
size_t shape_neurons(struct shape s);

/* height x width */
size_t shape_positions(struct shape s);

#endif
