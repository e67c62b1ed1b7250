/* Sets of neurons of one variable as arrays of weights, 1 for the neurons of the set and 0 for the others. */
#ifndef NRMFLOW_KERNELS_LAYER_MASK_H
#define NRMFLOW_KERNELS_LAYER_MASK_H

#include "kernels/base/layout.h"

#include <stdbool.h>
#include <stddef.h>

/* Neurons first <= i < end in each direction. */
struct mask_range {
    size_t first, end;
};

struct mask_box {
    struct mask_range channels, rows, columns;
};

/* All neurons of a variable. */
struct mask_box mask_everything(struct shape shape);

/* Whether the box is within the variable. An empty one, first >= end, always is. */
bool mask_fits(struct mask_box box, struct shape shape);

/* mask[i] = 1 where neuron i is in any of the boxes (complement: in none of them), else 0.
 *
 *   mask   out  [layout_floats] overwritten; floats that belong to no neuron become 0
 *   boxes  in   [nboxes] within the variable; may overlap */
void mask_fill(float *restrict mask, const struct mask_box *boxes, size_t nboxes, bool complement,
               struct layout layout);

/* x[i] *= mask[i] for n arrays x, [n][layout_floats]. */
void mask_apply(float *restrict x, const float *restrict mask, size_t n, struct layout layout);

/* out[i] = x[i] for the neurons of one channel, 1 for them if x is NULL; the others stay as they are. */
void mask_copy_channel(float *restrict out, const float *restrict x, size_t channel, struct layout layout);

/* sums[C] = the sum of x[i] w[i], or of |x[i] w[i]| if `absolute`, over the positions of every channel; w NULL means
 * one.
 *
 *   products  scratch  [layout_floats]; not used if w is NULL and `absolute` false */
void mask_channel_sums(double *restrict sums, float *restrict products, const float *restrict x,
                       const float *restrict w, bool absolute, struct layout layout);

#endif
