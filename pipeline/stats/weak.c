#include "pipeline/stats/weak.h"

#include <math.h>
#include <stdio.h>

bool weak_mean(double mean, double std_error)
{
    return mean == 0 || fabs(mean) < 3 * std_error;
}

void weak_text(char text[WEAK_TEXT], double mean, double std_error)
{
    if (mean == 0)
        snprintf(text, WEAK_TEXT,
                 "no image meets the condition: its mass is zero in all of them, so what is divided by it is NaN; "
                 "choose another condition, or none");
    else
        snprintf(
            text, WEAK_TEXT,
            "the condition's mean mass, %.3g +- %.2g, is within 3 standard errors of zero, so what is divided by it "
            "is unreliable; choose a wider condition or none, or a composite of nonnegative rules",
            mean, std_error);
}
