#include "exact.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>

__extension__ typedef unsigned __int128 magnitude;

/* The value in units of 2^-64 is split into a whole and a fractional part of 64 bits each. Scaling by a power of two,
 * cutting off the whole part and scaling the rest are exact, so the only rounding is the last truncation. (A scaled
 * value that underflows is below one unit and becomes zero, which is its truncation.) */
static inline exact_int convert(double x, double scale)
{
    double y = fabs(x) * scale;
    uint64_t whole = (uint64_t)y;
    uint64_t part = (uint64_t)((y - (double)whole) * 0x1p64);
    exact_int value = (exact_int)((magnitude)whole << 64 | part);

    return x < 0 ? -value : value;
}

static double scale_of(int bits)
{
    assert(bits >= 0 && bits <= EXACT_SQUARE);
    return ldexp(1, bits - 64);
}

exact_int exact_from_double(double x, int bits)
{
    assert(fabs(x) < ldexp(1, EXACT_RANGE - bits));
    return convert(x, scale_of(bits));
}

double exact_to_double(exact_int value, int bits)
{
    return ldexp((double)value, -bits);
}

void exact_add(exact_int *restrict into, const double *restrict x, size_t n, int bits)
{
    double scale = scale_of(bits);

    for (size_t i = 0; i < n; i++)
        into[i] += convert(x[i], scale);
}

double exact_limit(int bits, size_t additions)
{
    double share = ldexp(1, EXACT_RANGE - bits) / (additions ? (double)additions : 1);

    return nextafter(share, 0); /* the division may have rounded up */
}

bool exact_plan_fits(size_t images, double limit)
{
    return (double)images * limit * limit <= 0x1p46;
}
