/* Coloured text, on terminals that support it. */
#ifndef NRMFLOW_PIPELINE_UTIL_PAINT_H
#define NRMFLOW_PIPELINE_UTIL_PAINT_H

#include <stdbool.h>
#include <stdio.h>

enum paint { PAINT_PLAIN, PAINT_BOLD, PAINT_DIM, PAINT_YELLOW, PAINT_RED };

/* Should text on `out` be coloured? True for a terminal that supports colours, unless NO_COLOR is set. */
bool paint_wanted(FILE *out);

/* Escape sequences that start a colour and end all; empty for PAINT_PLAIN, or if `on` is false. */
const char *paint_start(bool on, enum paint paint);
const char *paint_end(bool on, enum paint paint);

#endif
