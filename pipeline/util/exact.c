#include "pipeline/util/exact.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

__extension__ typedef unsigned __int128 magnitude;

/* A double is m 2^(e - 1075) with a whole m < 2^53, so trunc(|x| 2^bits) is m shifted. (The m of a
 * subnormal number is wrong here, but it is shifted out.) */
static inline exact_int convert(double x, int bits)
{
    uint64_t word, mantissa;
    exact_int sign;
    magnitude value;

    memcpy(&word, &x, sizeof word);
    int shift = (int)(word >> 52 & 0x7ff) - 1075 + bits;
    mantissa = (word & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    if (shift < 0)
        value = shift > -64 ? mantissa >> -shift : 0;
    else
        value = (magnitude)mantissa << shift;
    sign = -(exact_int)(word >> 63);
    return ((exact_int)value ^ sign) - sign;
}

exact_int exact_from_double(double x, int bits)
{
    assert(bits >= 0 && bits <= EXACT_SQUARE && fabs(x) < ldexp(1, EXACT_RANGE - bits));
    return convert(x, bits);
}

double exact_to_double(exact_int value, int bits)
{
    return ldexp((double)value, -bits);
}

void exact_add(exact_int *restrict into, const double *restrict x, size_t n, int bits)
{
    assert(bits >= 0 && bits <= EXACT_SQUARE);
    for (size_t i = 0; i < n; i++)
        into[i] += convert(x[i], bits);
}

double exact_limit(int bits, size_t additions)
{
    double limit = ldexp(1, EXACT_RANGE - bits) / (additions ? (double)additions : 1);

    return nextafter(limit, 0); /* the division may have rounded up */
}

bool exact_plan_fits(size_t images, double limit)
{
    return (double)images * limit * limit <= 0x1p46;
}
