/* x86 with AVX-512 and AMX: as avx512.c, with products in tiles. */
#define _GNU_SOURCE /* syscall */

enum { LANES = 16, PANEL = 64, UNROLLED = 16 };

#define OPS_AVX512
#define OPS_TILES
#include "kernels/ops/template.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool has_tiles(void)
{
    enum { FEATURES = 7, BFLOAT16 = 1 << 22, TILES = 1 << 24 };

    unsigned a, b, c, d;

    return __get_cpuid_count(FEATURES, 0, &a, &b, &c, &d) && (d & BFLOAT16) && (d & TILES);
}

/* Linux gives a process the registers of tiles when it asks for them. */
static bool granted(void)
{
#if defined(__linux__) && defined(SYS_arch_prctl)
    enum { ASK = 0x1023, TILE_DATA = 18 };

    return syscall(SYS_arch_prctl, ASK, TILE_DATA) == 0;
#else
    return false;
#endif
}

static bool available(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && has_tiles() && granted();
}

extern const struct ops ops_avx512, ops_amx;
const struct ops ops_amx = {
    .name = "amx", .peak = "avx512", .vectors = &ops_avx512, .available = available, OPS_MEMBERS};
