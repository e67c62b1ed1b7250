/* Any processor: the compiler splits vectors of 16 into what the processor has. The loops are those of avx512. */
enum { LANES = 16, PANEL = 64, UNROLLED = 1 };

#include "kernels/ops/template.h"

static bool available(void)
{
    return true;
}

extern const struct ops ops_generic;
const struct ops ops_generic = {.name = "generic", .peak = "generic", .available = available, OPS_MEMBERS};
