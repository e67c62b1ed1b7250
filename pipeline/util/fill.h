/* Text in lines that fit a terminal. */
#ifndef NRMFLOW_PIPELINE_UTIL_FILL_H
#define NRMFLOW_PIPELINE_UTIL_FILL_H

#include <stddef.h>
#include <stdio.h>

enum { FILL_WIDTH = 100 };

/* Print words, beginning in `column`, in lines of at most FILL_WIDTH letters; those after the first begin in `indent`. */
void fill_words(FILE *out, const char *text, size_t column, size_t indent);

/* Print paragraphs of filled text; lines that are empty or begin with a blank stay as they are. */
void fill_paragraphs(FILE *out, const char *text);

#endif
