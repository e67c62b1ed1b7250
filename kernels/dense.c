#include "dense.h"

#include <cblas.h>

enum { LANES = 8 };

void dense_forward(float *restrict y, const float *restrict x, const float *restrict w, struct dense shape,
                   bool accumulate)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)shape.images, (int)shape.upper, (int)shape.lower, 1, x,
                (int)shape.lower, w, (int)shape.lower, accumulate ? 1 : 0, y, (int)shape.upper);
}

void dense_back(float *restrict x, const float *restrict s, const float *restrict w, struct dense shape)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)shape.images, (int)shape.lower, (int)shape.upper, 1, s,
                (int)shape.upper, w, (int)shape.lower, 0, x, (int)shape.lower);
}

/* Dot product in LANES partial sums, which the compiler keeps in one register. */
static float dot(const float *restrict a, const float *restrict b, size_t n)
{
    float lanes[LANES] = {0}, sum = 0;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lanes[j] += a[i + j] * b[i + j];
    for (; i < n; i++)
        sum += a[i] * b[i];
    for (size_t j = 0; j < LANES; j++)
        sum += lanes[j];
    return sum;
}

void dense_joint(float *restrict joint, const float *restrict s, const float *restrict x, const float *restrict w,
                 size_t upper, size_t channels, size_t positions, bool accumulate)
{
    for (size_t k = 0; k < upper; k++) {
        for (size_t c = 0; c < channels; c++) {
            size_t at = c * positions;
            float share = s[k] * dot(w + k * channels * positions + at, x + at, positions);
            float *entry = &joint[k * channels + c];
            *entry = accumulate ? *entry + share : share;
        }
    }
}
