/* Conditions whose mean mass cannot be told from zero, so that what is divided by it says nothing: the attribute
 * weak_condition. Everything that writes, checks or shows such a mean asks here. */
#ifndef NRMFLOW_PIPELINE_STATS_WEAK_H
#define NRMFLOW_PIPELINE_STATS_WEAK_H

#include <stdbool.h>

enum { WEAK_TEXT = 320 };

/* Is this mean zero, or within three standard errors of it? Without images (NaN) there is nothing to tell: false. */
bool weak_mean(double mean, double std_error);

/* One sentence for a weak mean: what it is, what follows and what to do. */
void weak_text(char text[WEAK_TEXT], double mean, double std_error);

#endif
