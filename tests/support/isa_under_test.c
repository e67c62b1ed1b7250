#include "tests/support/isa_under_test.h"

#include <stdio.h>
#include <stdlib.h>

enum { SKIPPED = 77 };

const struct ops *isa_under_test(void)
{
    static const struct ops *ops; /* asking the processor is slow in virtual machines */
    const char *wanted = getenv("NRMFLOW_ISA");

    ops = ops ? ops : ops_select(wanted);
    if (!ops) {
        printf("skipped: this processor has no %s\n", wanted);
        exit(SKIPPED);
    }
    return ops;
}
