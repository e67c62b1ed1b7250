/* The kernels that a test uses: those of the environment's NRMFLOW_ISA, or the best of this processor. Where it does
 * not have them the test ends as skipped, with the reason. */
#ifndef NRMFLOW_TESTS_SUPPORT_ISA_UNDER_TEST_H
#define NRMFLOW_TESTS_SUPPORT_ISA_UNDER_TEST_H

#include "kernels/ops/ops.h"

const struct ops *isa_under_test(void);

#endif
