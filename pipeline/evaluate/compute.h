/* The tests of one image. Not collective. */
#ifndef NRMFLOW_PIPELINE_EVALUATE_COMPUTE_H
#define NRMFLOW_PIPELINE_EVALUATE_COMPUTE_H

#include "pipeline/evaluate/work.h"

/* Read and measure image `index` and run the design's tests.
 *
 *   row  out  [design->row]; results are NaN where an order has no scores
 * Errors: FAIL_RESOURCE where memory is short. */
enum status compute_image(struct evaluate_work *work, float *row, size_t index, struct error *err);

/* Floating-point operations of the trials of one image, and of its measures. */
double compute_flops(const struct design *design, const struct measure_plan *plan);

#endif
