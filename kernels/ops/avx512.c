/* x86 with AVX-512: 32 registers, of which a product of 6 x 64 takes 24 for its sums. */
enum { LANES = 16, PANEL = 64, UNROLLED = 16 };

#define OPS_AVX512
#include "kernels/ops/template.h"

static bool available(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

extern const struct ops ops_avx512;
const struct ops ops_avx512 = {.name = "avx512", .peak = "avx512", .available = available, OPS_MEMBERS};
