/* Loops over positions of one block of 16 channels, [n][16], for the variants of ops.h: what convolutions by taps
 * (kernels/layer/taps.h), depthwise convolutions and adds do around their products. */
#ifndef NRMFLOW_KERNELS_OPS_POSITIONS_H
#define NRMFLOW_KERNELS_OPS_POSITIONS_H

#include "kernels/ops/winograd.h"

/* What is gathered becomes floats, or a factor's rows of one or two blocks. */
enum gathered { GATHERED_FLOATS, GATHERED_ROW, GATHERED_ROWS };

INLINE vec gathered_at(const float *x, const float *factor, mask bits, float scale)
{
    vec v = (vec)((mask)load(x) & bits) * scale;

    return factor ? v * load(factor) : v;
}

INLINE void gather_positions(float *to, const float *x, const float *factor, size_t n, const struct ops_gather *g,
                             const enum gathered as)
{
    const size_t step = g->step * OPS_LANES;
    const mask bits = g->magnitude ? (mask){0} + INT32_MAX : ~(mask){0};

    for (size_t i = 0; i < n; i++)
        for (size_t lane = 0; lane < OPS_LANES; lane += LANES) {
            const size_t at = i * step + lane;
            const vec even = gathered_at(x + at, factor ? factor + at : NULL, bits, g->scale);
            const vec odd = as == GATHERED_ROWS
                                ? gathered_at(x + at + g->next, factor ? factor + at + g->next : NULL, bits, g->scale)
                                : zeros();
            if (as == GATHERED_ROW || as == GATHERED_ROWS)
                put_rows(to + i * OPS_LANES + lane, even, odd, g->part);
            else
                store(to + i * OPS_LANES + lane, even);
        }
}

INLINE void gather_as(float *to, const float *x, const float *factor, size_t n, const struct ops_gather *g,
                      const enum gathered as)
{
    if (factor)
        gather_positions(to, x, factor, n, g, as);
    else
        gather_positions(to, x, NULL, n, g, as);
}

static void positions_gather(float *to, const float *x, const float *factor, size_t n, const struct ops_gather *g)
{
    gather_as(to, x, factor, n, g, GATHERED_FLOATS);
}

static void factor_rows(float *to, const float *x, const float *factor, size_t n, const struct ops_gather *g)
{
    if (g->next)
        gather_as(to, x, factor, n, g, GATHERED_ROWS);
    else
        gather_as(to, x, factor, n, g, GATHERED_ROW);
}

/* v within low .. high, NaN kept */
INLINE vec clamped(vec v, float low, float high)
{
    const mask below = v<low, above = v> high;

    return (vec)((below & (mask)(zeros() + low)) | (above & (mask)(zeros() + high)) | (~(below | above) & (mask)v));
}

/* Denominators from z and the second sum, see enum ops_denominator. */
INLINE vec denominator_of(vec z, vec second, const struct ops_evaluate *e, const enum ops_denominator kind)
{
    const vec half = zeros() + e->gamma / 2;

    if (kind == OPS_DENOMINATOR_Z)
        return z;
    if (kind == OPS_DENOMINATOR_SECOND)
        return second;
    return z + half * (keep(z > zeros(), rectified(second + z)) - keep(z < zeros(), rectified(second - z)));
}

INLINE void evaluate_positions(float *y, float *c, const float *z, const float *second, size_t n,
                               const struct ops_evaluate *e, const enum ops_denominator kind)
{
    for (size_t lane = 0; lane < OPS_LANES; lane += LANES) {
        const vec bias = load(e->bias + lane), scale = load(e->scale + lane);
        const vec second_bias = kind == OPS_DENOMINATOR_Z ? zeros() : load(e->second_bias + lane);
        for (size_t i = lane; i < n * OPS_LANES; i += OPS_LANES) {
            vec own = load(z + i) + bias, sum = zeros();
            if (kind == OPS_DENOMINATOR_SECOND)
                sum = (e->nonnegative ? rectified(load(second + i)) : load(second + i)) + second_bias;
            if (kind == OPS_DENOMINATOR_GAMMA)
                sum = load(second + i) + second_bias;
            vec factor = stabilized_inverse(denominator_of(own, sum, e, kind), e->eps, scale);
            factor = e->select ? keep(own > zeros(), factor) : factor;
            if (kind == OPS_DENOMINATOR_GAMMA) /* neither branch acts at zero */
                factor = keep(own != zeros(), factor);
            store(c + i, factor);
            store(y + i, clamped(own, e->low, e->high));
        }
    }
}

static void positions_evaluate(float *y, float *c, const float *z, const float *second, size_t n,
                               const struct ops_evaluate *e)
{
    if (e->denominator == OPS_DENOMINATOR_Z)
        evaluate_positions(y, c, z, second, n, e, OPS_DENOMINATOR_Z);
    else if (e->denominator == OPS_DENOMINATOR_SECOND)
        evaluate_positions(y, c, z, second, n, e, OPS_DENOMINATOR_SECOND);
    else
        evaluate_positions(y, c, z, second, n, e, OPS_DENOMINATOR_GAMMA);
}

INLINE void multiply_positions(float *y, const float *m, const float *second, const float *by, size_t n,
                               const bool both, const bool add)
{
    for (size_t i = 0; i < n * OPS_LANES; i += LANES) {
        vec v = load(by + i) * load(m + i);
        if (both)
            v += magnitude(load(by + i)) * load(second + i);
        store(y + i, add ? load(y + i) + rounded(v) : v);
    }
}

static void positions_multiply(float *y, const float *m, const float *second, const float *by, size_t n, bool add)
{
    if (second && add)
        multiply_positions(y, m, second, by, n, true, true);
    else if (second)
        multiply_positions(y, m, second, by, n, true, false);
    else if (add)
        multiply_positions(y, m, second, by, n, false, true);
    else
        multiply_positions(y, m, second, by, n, false, false);
}

static void positions_accumulate(float *to, size_t to_step, const float *x, size_t x_step, const float *w, size_t n)
{
    for (size_t lane = 0; lane < OPS_LANES; lane += LANES) {
        const vec weight = load(w + lane);
        for (size_t i = 0; i < n; i++) {
            float *at = to + i * to_step * OPS_LANES + lane;
            store(at, load(at) + weight * load(x + i * x_step * OPS_LANES + lane));
        }
    }
}

/* ---- sums over taps ---------------------------------------------------------------------------------------------- */

/* Positions whose sums, both of them, are in registers; and of a short row. */
enum { SUMMED = LANES / 2, SUMMED_SHORT = 4 };

INLINE void sum_positions(float *z, float *second, const struct ops_taps *taps, size_t first, const bool both,
                          const size_t count)
{
    const size_t x_step = taps->x_step * OPS_LANES, to_step = taps->to_step * OPS_LANES;

    for (size_t lane = 0; lane < OPS_LANES; lane += LANES) {
        vec own[SUMMED], other[SUMMED];
#pragma GCC unroll UNROLL
        for (size_t i = 0; i < count; i++)
            own[i] = other[i] = zeros();
        for (const struct ops_tap *tap = taps->taps; tap < taps->taps + taps->count; tap++) {
            const float *x = tap->x + first * x_step + lane;
            const vec w = load(tap->w + lane), v = both ? load(tap->second + lane) : zeros();
#pragma GCC unroll UNROLL
            for (size_t i = 0; i < count; i++) {
                own[i] += w * load(x + i * x_step);
                if (both)
                    other[i] += v * load(x + i * x_step);
            }
        }
#pragma GCC unroll UNROLL
        for (size_t i = 0; i < count; i++) {
            store(z + (first + i) * to_step + lane, own[i]);
            if (both)
                store(second + (first + i) * to_step + lane, other[i]);
        }
    }
}

/* The last ones of a row are computed together with some before them once more. */
INLINE void sum_run(float *z, float *second, const struct ops_taps *taps, size_t n, const bool both)
{
    if (n < SUMMED_SHORT)
        for (size_t i = 0; i < n; i++)
            sum_positions(z, second, taps, i, both, 1);
    else if (n < SUMMED)
        for (size_t i = 0; i < n; i += SUMMED_SHORT)
            sum_positions(z, second, taps, smaller(i, n - SUMMED_SHORT), both, SUMMED_SHORT);
    else
        for (size_t i = 0; i < n; i += SUMMED)
            sum_positions(z, second, taps, smaller(i, n - SUMMED), both, SUMMED);
}

static void positions_sum(float *z, float *second, const struct ops_taps *taps, size_t n)
{
    if (second)
        sum_run(z, second, taps, n, true);
    else
        sum_run(z, second, taps, n, false);
}

#endif
