#include "kernels/ops/peak.h"

#include <assert.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Enough independent sums to fill the pipelines of two multiply-add units, and few enough for 16 registers. */
enum { SUMS = 12 };

/* x -> x m + c tends to one, whatever x is. */
static const float FACTOR = 0.75f, SUMMAND = 0.25f;

/* ---- what the compiler makes of vectors of four ------------------------------------------------------------------ */

typedef float four __attribute__((vector_size(16)));

static float run_generic(size_t rounds)
{
    four x[SUMS], total = {0};

    for (size_t j = 0; j < SUMS; j++)
        x[j] = (four){(float)j, 1, 2, 3};
    for (size_t i = 0; i < rounds; i++)
        for (size_t j = 0; j < SUMS; j++)
            x[j] = x[j] * FACTOR + SUMMAND;
    for (size_t j = 0; j < SUMS; j++)
        total += x[j];
    return total[0] + total[1] + total[2] + total[3];
}

static bool always(void)
{
    return true;
}

/* ---- x86 --------------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)

__attribute__((target("avx2,fma"))) static float run_avx2(size_t rounds)
{
    __m256 x[SUMS], factor = _mm256_set1_ps(FACTOR), summand = _mm256_set1_ps(SUMMAND), total = _mm256_setzero_ps();

    for (size_t j = 0; j < SUMS; j++)
        x[j] = _mm256_set1_ps((float)j);
    for (size_t i = 0; i < rounds; i++)
        for (size_t j = 0; j < SUMS; j++)
            x[j] = _mm256_fmadd_ps(x[j], factor, summand);
    for (size_t j = 0; j < SUMS; j++)
        total = _mm256_add_ps(total, x[j]);
    return _mm256_cvtss_f32(total);
}

__attribute__((target("avx512f"))) static float run_avx512(size_t rounds)
{
    __m512 x[SUMS], factor = _mm512_set1_ps(FACTOR), summand = _mm512_set1_ps(SUMMAND), total = _mm512_setzero_ps();

    for (size_t j = 0; j < SUMS; j++)
        x[j] = _mm512_set1_ps((float)j);
    for (size_t i = 0; i < rounds; i++)
        for (size_t j = 0; j < SUMS; j++)
            x[j] = _mm512_fmadd_ps(x[j], factor, summand);
    for (size_t j = 0; j < SUMS; j++)
        total = _mm512_add_ps(total, x[j]);
    return _mm512_reduce_add_ps(total);
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f");
}

#endif

/* ---- the table --------------------------------------------------------------------------------------------------- */

static const struct peak {
    const char *name;
    size_t lanes;
    bool (*available)(void);
    float (*run)(size_t rounds);
} peaks[] = {
    {"generic", 4, always, run_generic},
#if defined(__x86_64__)
    {"avx2", 8, has_avx2, run_avx2},
    {"avx512", 16, has_avx512, run_avx512},
#endif
};

enum { NPEAKS = sizeof peaks / sizeof peaks[0] };

const char *peak_name(size_t i)
{
    return i < NPEAKS ? peaks[i].name : NULL;
}

bool peak_available(size_t i)
{
    assert(i < NPEAKS);
    return peaks[i].available();
}

double peak_run(size_t i, size_t rounds)
{
    volatile float kept; /* so that the loop has a purpose */

    assert(i < NPEAKS);
    kept = peaks[i].run(rounds);
    (void)kept;
    return 2.0 * (double)(rounds * SUMS * peaks[i].lanes);
}
