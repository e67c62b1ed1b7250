/* The error of a link's operations against the double reference. */
#ifndef NRMFLOW_PIPELINE_BENCH_ACCURACY_H
#define NRMFLOW_PIPELINE_BENCH_ACCURACY_H

#include "pipeline/bench/bench.h"

/* The kernels' results for n images of a link, in arrays as in link.h. Only the first image is compared. */
struct bench_operands {
    const struct link_plan *link;
    struct layout lower, upper;
    size_t n;
    const float *a, *z, *c, *r_upper, *r_lower, *h_lower, *h_upper, *joint;
};

/* Largest |error| of each operation, divided by the largest |value|; for forward, of activations and denominators 1 /
 * c. The reference gets the kernel's operands, so each operation is compared on its own.
 *
 * The reference is slow, so it computes only a part of the output, from all inputs: 16 channels of 12 x 12 neurons in
 * the upper left corner; for flow 8 x 8 channels, from all positions; for backward of a dense layer 4 lower channels.
 * Weighted links only. Errors: FAIL_RESOURCE without memory. Not collective. */
enum status bench_accuracy(double errors[BENCH_OPERATIONS], const struct bench_operands *operands, struct error *err);

#endif
