#include "tests/support/assert.h"

#include <math.h>
#include <string.h>

void assert_check_compare(double value, const char *relation, double bound, struct assert_place place)
{
    if ((strchr(relation, '=') && value == bound) || (relation[0] == '<' && value < bound) ||
        (relation[0] == '>' && value > bound))
        return;
    print_error("%s is %.17g, and should be %s %.17g\n", place.text, value, relation, bound);
    _fail(place.file, place.line);
}

void assert_check_nan(double value, struct assert_place place)
{
    if (isnan(value))
        return;
    print_error("%s is %.17g, and should be NaN\n", place.text, value);
    _fail(place.file, place.line);
}

void assert_check_near(double value, double want, double tolerance, struct assert_place place)
{
    if (fabs(value - want) <= tolerance)
        return;
    print_error("%s is %.17g, which is %.3g from %.17g; the tolerance is %.3g\n", place.text, value, fabs(value - want),
                want, tolerance);
    _fail(place.file, place.line);
}

void assert_check_within(double value, double low, double high, const char *why, struct assert_place place)
{
    if (value >= low && value <= high)
        return;
    print_error("%s is %.17g, and should be from %.17g to %.17g: %s\n", place.text, value, low, high, why);
    _fail(place.file, place.line);
}
