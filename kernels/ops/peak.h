/* How fast one core multiplies and adds: loops of independent fused multiply-adds in registers, one for each
 * instruction set. Benchmarks divide by it.
 */
#ifndef NRMFLOW_KERNELS_OPS_PEAK_H
#define NRMFLOW_KERNELS_OPS_PEAK_H

#include <stdbool.h>
#include <stddef.h>

/* Loop number i: its instruction set ("generic", "avx2", "avx512"), NULL after the last; the slowest first. */
const char *peak_name(size_t i);

/* Can this processor run loop i? */
bool peak_available(size_t i);

/* Run loop i for so many rounds. Returns the floating point operations that were done, a multiplication and an addition
 * counting one each. */
double peak_run(size_t i, size_t rounds);

#endif
