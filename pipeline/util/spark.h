/* Sparklines: numbers as a row of small bars. */
#ifndef NRMFLOW_PIPELINE_UTIL_SPARK_H
#define NRMFLOW_PIPELINE_UTIL_SPARK_H

#include <stdbool.h>
#include <stddef.h>

enum { SPARK_LEVELS = 8, SPARK_BYTES = 3 /* of one bar at most */ };

/* Does the user's terminal show UTF-8? The first of LC_ALL, LC_CTYPE and LANG that is set decides. */
bool spark_unicode(void);

/* Draw values[n] on a scale from 0 to `top` into out[n * SPARK_BYTES + 1], one character each: block elements, or ASCII
 * characters of increasing darkness. Values below 0 get the lowest level, values above `top` the highest; a value that
 * is not finite is a space. */
void spark_draw(char *out, const double *values, size_t n, double top, bool unicode);

#endif
