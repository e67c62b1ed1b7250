/* Images of random tiny networks after their sweeps, for property tests of what builds on measure.h's image sink,
 * and all walks of a network one by one. */
#ifndef NRMFLOW_TESTS_SUPPORT_RANDOM_IMAGE_H
#define NRMFLOW_TESTS_SUPPORT_RANDOM_IMAGE_H

#include "kernels/base/arena.h"
#include "kernels/measure/sweep.h"
#include "tests/support/random_vgg.h"

enum { RANDOM_IMAGE_SWEEPS = 3 };

/* What a check gets: a network, an image after its sweeps, and memory for sweeps of its own. */
struct random_image {
    struct random_vgg *vgg;
    struct random *random;
    const struct measure_image *image;
    struct sweep sweep; /* of RANDOM_IMAGE_SWEEPS at once */
};

/* Check the images of random networks and rules that do not cancel too much. The name seeds them. */
void random_image_check_all(void (*check)(struct random_image *image), size_t networks, const char *name);

/* The same after a change of the network's options. */
void random_image_check_all_of(void (*change)(struct random_vgg *vgg), void (*check)(struct random_image *image),
                               size_t networks, const char *name);

/* Floats and neurons of a variable. */
size_t random_image_floats(const struct random_image *s, size_t k);
size_t random_image_neurons(const struct random_image *s, size_t k);

/* n floats that are NaN, aligned for an arena; the caller frees them. */
float *random_image_alloc(size_t n);

/* A random pair of variables, lower < upper. */
void random_image_pair(const struct random_image *s, size_t *lower, size_t *upper);

/* Follow every walk of nonzero relevance from variable `upper` down to `lower`, which must be small.
 *
 *   visit  gets the neuron (planar number) of every variable on the way, neurons[lower] .. neurons[upper], and
 *          R(neurons[upper]) times the product of r(i|j) */
void random_image_walks(const struct random_image *s, size_t lower, size_t upper,
                        void (*visit)(void *context, const size_t *neurons, double relevance), void *context);

#endif
