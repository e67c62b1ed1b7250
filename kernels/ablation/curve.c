#include "kernels/ablation/curve.h"

#include <assert.h>
#include <math.h>

const double curve_edge_fractions[CURVE_EDGE_STEPS] = {0,      1. / 256, 1. / 64,  1. / 16,  1. / 8,     1. / 4, 1. / 2,
                                                       3. / 4, 7. / 8,   15. / 16, 63. / 64, 255. / 256, 1};

void curve_outcome(double outcome[CURVE_OUTCOMES], const float *z, size_t n, size_t target)
{
    double own = (double)z[target], other = -INFINITY, sum = 0;

    assert(n >= 2 && target < n);
    for (size_t i = 0; i < n; i++)
        if (i != target && (double)z[i] > other)
            other = (double)z[i];
    for (size_t i = 0; i < n; i++)
        sum += exp((double)z[i] - fmax(own, other));
    outcome[CURVE_P] = exp(own - fmax(own, other)) / sum;
    outcome[CURVE_LOGIT] = own;
    outcome[CURVE_MARGIN] = isnan(sum) ? NAN : own - other;
}

void curve_even_fractions(double *fraction, size_t steps)
{
    for (size_t i = 0; i <= steps; i++)
        fraction[i] = (double)i / (double)steps;
}

size_t curve_count(double fraction, size_t n)
{
    return (size_t)floor((double)n * fraction + 0.5);
}

void curve_keep(float *restrict keep, const size_t *restrict order, size_t n, size_t k, enum curve_side side)
{
    assert(k <= n);
    for (size_t i = 0; i < n; i++)
        keep[order[i]] = side == CURVE_MORF ? i >= k : i < n - k;
}

double curve_area(const double *value, const double *fraction, size_t n)
{
    double area = 0;

    for (size_t i = 1; i < n; i++)
        area += (fraction[i] - fraction[i - 1]) * (value[i] + value[i - 1]) / 2;
    return area;
}

void curve_gain(double gain[CURVE_OUTCOMES], const double *morf, const double *lerf, const double *fraction, size_t n)
{
    for (size_t o = 0; o < CURVE_OUTCOMES; o++) {
        gain[o] = 0;
        for (size_t i = 1; i < n; i++) {
            size_t at = i * CURVE_OUTCOMES + o, before = at - CURVE_OUTCOMES;
            gain[o] += (fraction[i] - fraction[i - 1]) * (lerf[at] - morf[at] + lerf[before] - morf[before]) / 2;
        }
    }
}
