/* Text wrapped to lines that fit a terminal. */
#ifndef NRMFLOW_PIPELINE_UTIL_WRAP_H
#define NRMFLOW_PIPELINE_UTIL_WRAP_H

#include <stddef.h>
#include <stdio.h>

enum { WRAP_WIDTH = 100 };

/* Print text that begins at `column`, in lines of at most WRAP_WIDTH characters; lines after the first are indented by
 * `indent`. */
void wrap_words(FILE *out, const char *text, size_t column, size_t indent);

/* Print wrapped paragraphs; empty lines and lines that begin with a space are printed as they are. */
void wrap_paragraphs(FILE *out, const char *text);

#endif
