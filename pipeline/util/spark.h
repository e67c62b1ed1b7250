/* A row of numbers as a row of small bars. */
#ifndef NRMFLOW_PIPELINE_UTIL_SPARK_H
#define NRMFLOW_PIPELINE_UTIL_SPARK_H

#include <stdbool.h>
#include <stddef.h>

enum { SPARK_LEVELS = 8, SPARK_BYTES = 3 /* most of one bar */ };

/* Can the user's terminal show UTF-8? Told by LC_ALL, LC_CTYPE or LANG, the first of them that is set. */
bool spark_unicode(void);

/* Draw value[n] between 0 and `top` into out[n * SPARK_BYTES + 1], a character for each: block elements, or letters of
 * ASCII that grow darker. Below 0 is the lowest, above `top` the highest level; what is not finite is a blank. */
void spark_draw(char *out, const double *values, size_t n, double top, bool unicode);

#endif
