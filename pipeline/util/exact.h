/* Exact sums: doubles as 128-bit fixed-point numbers.
 *
 * A value x is held as the integer trunc(x 2^bits). Integers add without rounding, so a sum of many values does not
 * depend on their order, on which rank adds which of them, or on a restart in between. Truncation happens once per
 * value and is below one unit, 2^-bits.
 *
 *   EXACT_COUNT    whole numbers
 *   EXACT_VALUE    relevance and activations
 *   EXACT_SQUARE   squares and cross products of values
 *
 * A sum must stay below 2^126 units. exact_plan_fits checks this for a whole run; exact_limit is the largest value that
 * one addition may have.
 */
#ifndef NRMFLOW_PIPELINE_UTIL_EXACT_H
#define NRMFLOW_PIPELINE_UTIL_EXACT_H

#include <stdbool.h>
#include <stddef.h>

__extension__ typedef __int128 exact_int;

enum { EXACT_COUNT = 0, EXACT_VALUE = 64, EXACT_SQUARE = 80, EXACT_RANGE = 126 };

/* trunc(x 2^bits), toward zero. |x| must be below 2^(EXACT_RANGE - bits), 0 <= bits <= EXACT_SQUARE. */
exact_int exact_from_double(double x, int bits);

/* value 2^-bits, rounded once to the nearest double, ties to even. */
double exact_to_double(exact_int value, int bits);

/* into[i] += trunc(x[i] 2^bits) for 0 <= i < n; each |x[i]| as for exact_from_double. Arrays must not overlap. */
void exact_add(exact_int *restrict into, const double *restrict x, size_t n, int bits);

/* The largest magnitude that each of so many additions to one sum may have; 0 additions count as one. */
double exact_limit(int bits, size_t additions);

/* Do the squares of values up to `limit` of so many images fit: images * limit^2 <= 2^46? */
bool exact_plan_fits(size_t images, double limit);

#endif
