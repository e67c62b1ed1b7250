/* x86 with AVX2 and FMA: 16 registers, of which a product of 6 x 16 takes 12 for its sums. */
enum { LANES = 8, PANEL = 16, UNROLLED = 16 };

#define OPS_AVX2
#include "kernels/ops/template.h"

static bool available(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

extern const struct ops ops_avx2;
const struct ops ops_avx2 = {.name = "avx2", .peak = "avx2", .available = available, OPS_MEMBERS};
