/* Flows from a layer to every layer below, by sampling its channels, for one image.
 *
 * Channel d is drawn with probability pi_d = min(1, c |R|_d), independently of the others. |R|_d is its total variation
 * sum_j |R_j|, or sum_j |R_j h_j| under a condition, and c is such that the probabilities sum to the budget S; if S
 * exceeds the number of channels that are not zero, all of these have pi = 1. One sweep down from a drawn channel gives
 * its joint with all channels of every lower layer, row d of their flows. Row d divided by pi_d, or zero if d is not
 * drawn, is an unbiased estimate (Horvitz and Thompson) with variance J^2 (1 - pi) / pi. An unbiased estimate of that
 * variance is J^2 (1 - pi) / pi^2, or zero if d is not drawn. docs/explanation/sampling.md explains the method.
 *
 * Draws are a function of (seed, image, layer, channel) alone: Philox4x32-10 of Random123 (J. K. Salmon, M. A. Moraes,
 * R. O. Dror, D. E. Shaw, 2011), key the seed, counter the other three.
 */
#ifndef NRMFLOW_KERNELS_MEASURE_SAMPLE_H
#define NRMFLOW_KERNELS_MEASURE_SAMPLE_H

#include "kernels/base/arena.h"
#include "kernels/measure/measure.h"
#include "kernels/measure/sweep.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Uniform on [0, 1), a multiple of 2^-53. */
double sample_uniform(uint64_t seed, uint64_t image, uint32_t layer, uint32_t channel);

/* pi[n] from the total variations variation[n] >= 0 and the budget > 0. */
void sample_probabilities(double *restrict pi, const double *restrict variation, size_t n, double budget);

/* Options of the draws of a run. */
struct sample_options {
    uint64_t seed;
    double budget;
};

/* Working memory, placed in an arena; nothing to free. */
struct sample_work {
    const struct measure_plan *plan; /* borrowed */
    struct sweep sweep;
    float *products;        /* [floats of the largest variable] */
    double *row;            /* [channels of the widest variable] */
    double *variation, *pi; /* [channels of the widest variable] of the last layer sampled */
    size_t *drawn;          /* the same */
};

/* Receives row `channel` of the joint with every wanted variable below.
 *
 *   pi   probability of the draw, 0 < pi <= 1
 *   row  [channels of `lower`] the joint itself, not divided by pi; borrowed, valid during the call */
struct sample_sink {
    void *context;
    void (*row)(void *context, size_t lower, size_t channel, double pi, const double *row);
};

/* Place memory for sampling variables up to `highest`, at most the top pool, with as many sweeps at once as fit into
 * nbytes. An arena without memory only finds its size. The plan must keep images (options.images). */
void sample_place(struct sample_work *work, const struct measure_plan *plan, size_t highest, size_t nbytes,
                  struct arena *arena);

/* Sample the channels of variable `upper` of one image and pass the rows to the sink, for the wanted variables below
 * from top to bottom. Returns the number of sweeps. No failure, no allocation.
 *
 *   index   the image's number in the whole dataset
 *   wanted  [upper] at least one of them */
size_t sample_layer(struct sample_work *work, const struct measure_image *image, uint64_t index, size_t upper,
                    const bool *wanted, struct sample_options options, struct sample_sink sink);

#endif
