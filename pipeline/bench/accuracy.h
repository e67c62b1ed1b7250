/* The error of a link's operations against the double reference. */
#ifndef NRMFLOW_PIPELINE_BENCH_ACCURACY_H
#define NRMFLOW_PIPELINE_BENCH_ACCURACY_H

#include "pipeline/bench/bench.h"

/* What the kernels have computed for n images of a link; arrays as link.h has them, the first image is looked at. */
struct bench_operands {
    const struct link_plan *link;
    struct layout lower, upper;
    size_t n;
    const float *a, *z, *c, *r_upper, *r_lower, *h_lower, *h_upper, *joint;
};

/* Largest |error| of each operation over the largest |value|, of forward for activations and denominators 1 / c. Each operation is
 * compared on its own: the reference gets the operands that the kernel got.
 *
 * The reference is slow, so that it computes a part of the output, from all of its inputs: 16 channels of 12 x 12 neurons in
 * the upper left corner; of flow 8 x 8 channels, from all positions; of a dense layer's backward 4 channels below. Weighted
 * links only. Errors: FAIL_RESOURCE without memory. Not collective. */
enum status bench_accuracy(double errors[BENCH_OPERATIONS], const struct bench_operands *operands, struct error *err);

#endif
