/* The network evaluated anew from changed activations: n copies of one image, of which some neurons were replaced.
 *
 * Only what depends on the changed variable is computed again; every other variable keeps the image's activations. No
 * coefficients are computed, so it costs a third of a measure or less, and any rule gives the same logits.
 *
 * Usage: place once; for each batch of n copies change the arrays that ablation_start returns, then go forward. A hook
 * sees every variable on the way and may change it too, or compute a link itself.
 *
 * Of a variable that only a pool reads the image has no activations (measure_image.a is NULL). A constant in a whole
 * channel of it is put behind the pool instead, which is the same: ablation_spot. A hook sees it like any other.
 */
#ifndef NRMFLOW_KERNELS_ABLATION_ABLATION_H
#define NRMFLOW_KERNELS_ABLATION_ABLATION_H

#include "kernels/base/arena.h"
#include "kernels/measure/measure.h"

#include <stdbool.h>
#include <stddef.h>

/* Working memory; placed in an arena, nothing to free. */
struct ablation {
    const struct measure_plan *plan; /* borrowed */
    size_t most;                     /* copies at once */
    float **arrays;                  /* of all variables, [most][layout_floats]; they share memory */
    const float **inputs;            /* [edges of a link] */
    struct link_scratch scratch;
};

/* What happens on the way. NULL functions: nothing.
 *
 *   reach  called with the copies of every variable that was computed, [n][layout_floats] in its layout, after its
 *          activation; may change them, but not the floats that belong to no neuron
 *   link   called before link k is computed for the copies; may do so itself: fills call->upper, with the activation
 *          applied, and returns true. Its call has plan, scratch, n, inputs, a, gate and upper. */
struct ablation_hook {
    void *context;
    void (*reach)(void *context, size_t variable, float *a, size_t n);
    bool (*link)(void *context, size_t k, const struct link_call *call);
};

/* Place memory for up to `most` copies at once. An arena without memory only finds its size. The plan must keep images
 * (options.images). */
void ablation_place(struct ablation *ablation, const struct measure_plan *plan, size_t most, struct arena *arena);

/* Where a constant is to be put that replaces a channel of variable k: k itself, or the variable behind the pool that
 * alone reads k. */
size_t ablation_spot(const struct measure_plan *plan, size_t k);

/* What a value v of a channel of variable k is at its spot: v, or the pool's activation of it. */
float ablation_value(const struct measure_plan *plan, size_t k, float v);

/* The image's activations of variable k, [layout_floats]: its own, or computed again where it has none. Valid until the
 * next call of a function that takes the ablation. */
const float *ablation_activations(struct ablation *ablation, const struct measure_image *image, size_t k);

/* n copies [n][layout_floats] of the image's activations of variable `from`, for the caller to change, 1 <= n <= most.
 * `from` is its own spot. Owned by the ablation. */
float *ablation_start(struct ablation *ablation, const struct measure_image *image, size_t from, size_t n);

/* Go from the copies of `from`, which ablation_start returned last, to the logits.
 *
 *   image  in  as given to ablation_start
 * Returns the logits [n][layout_floats of the last variable], valid until the next ablation_start. The bits of a copy
 * do not depend on the others. No failure, no allocation. */
const float *ablation_forward(struct ablation *ablation, const struct measure_image *image, size_t from, size_t n,
                              struct ablation_hook hook);

/* Replace all neurons of a channel of one copy by a value. */
void ablation_fill_channel(float *a, size_t channel, float value, struct layout layout);

/* Floating-point operations of one copy from variable `from` to the logits: two for every weight and position. */
double ablation_flops(const struct measure_plan *plan, size_t from);

#endif
