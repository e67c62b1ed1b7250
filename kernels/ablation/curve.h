/* What becomes of a network's output when more and more units are replaced: outcomes, steps, areas and gains.
 *
 * Units are in the order of a score, highest first (ranking.h). MoRF replaces the first k of n, LeRF the last k of the
 * same order, so that MoRF at k and LeRF at n - k are complements.
 */
#ifndef NRMFLOW_KERNELS_ABLATION_CURVE_H
#define NRMFLOW_KERNELS_ABLATION_CURVE_H

#include <stddef.h>

/* Of logits z and a target t: p is softmax_t, the margin z_t less the largest other logit. */
enum curve_outcome { CURVE_P, CURVE_LOGIT, CURVE_MARGIN, CURVE_OUTCOMES };

enum curve_side { CURVE_MORF, CURVE_LERF, CURVE_SIDES };

/* Fractions at which edges are cut: 0, powers of 1/4 and 1/2, and their complements. */
enum { CURVE_EDGE_STEPS = 13 };

extern const double curve_edge_fractions[CURVE_EDGE_STEPS];

/* The outcomes of logits z, [n], n >= 2; p and margin are NaN if any logit is. */
void curve_outcome(double outcome[CURVE_OUTCOMES], const float *z, size_t n, size_t target);

/* fraction[i] = i / steps, [steps + 1]. */
void curve_even_fractions(double *fraction, size_t steps);

/* floor(n f + 1/2): the units of n that are replaced at fraction f. */
size_t curve_count(double fraction, size_t n);

/* keep[unit] = 0 for the first k (MoRF) or last k (LeRF) of the order, 1 for the others.
 *
 *   keep   out  [n]
 *   order  in   [n] of ranking_order */
void curve_keep(float *restrict keep, const size_t *restrict order, size_t n, size_t k, enum curve_side side);

/* Area below values [n] over their fractions, which do not fall, by trapezoids. */
double curve_area(const double *value, const double *fraction, size_t n);

/* Gain of each outcome: the area of LeRF less that of MoRF (the symmetric relevance gain of Bluecher, Vielhaben and
 * Strodthoff, TMLR 2024), 0 for a random order.
 *
 *   morf, lerf  in  [n][CURVE_OUTCOMES] at each fraction */
void curve_gain(double gain[CURVE_OUTCOMES], const double *morf, const double *lerf, const double *fraction, size_t n);

#endif
