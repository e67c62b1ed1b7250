/* Colours of text, on terminals that show them. */
#ifndef NRMFLOW_PIPELINE_UTIL_PAINT_H
#define NRMFLOW_PIPELINE_UTIL_PAINT_H

#include <stdbool.h>
#include <stdio.h>

enum paint { PAINT_PLAIN, PAINT_BOLD, PAINT_DIM, PAINT_YELLOW, PAINT_RED };

/* Whether `out` is to be painted: it is a terminal that knows colours, and the variable NO_COLOR is not set. */
bool paint_wanted(FILE *out);

/* What turns a paint on, and what turns all off again; empty for PAINT_PLAIN and where `on` is false. */
const char *paint_start(bool on, enum paint paint);
const char *paint_end(bool on, enum paint paint);

#endif
