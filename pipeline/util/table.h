/* Tables of text: every column as wide as its widest cell. */
#ifndef NRMFLOW_PIPELINE_UTIL_TABLE_H
#define NRMFLOW_PIPELINE_UTIL_TABLE_H

#include "pipeline/util/paint.h"

#include <stddef.h>
#include <stdint.h>

enum { TABLE_CELL = 512, TABLE_MAX_COLUMNS = 16 };

struct table_column {
    const char *title;
    bool left; /* aligned to the left: names; else to the right: numbers */
};

struct table {
    const struct table_column *columns; /* [ncolumns] */
    size_t ncolumns, nrows;
    const void *data;
    /* Write the text of a cell, which may stay empty. Called twice for every cell. */
    void (*cell)(char out[TABLE_CELL], const void *data, size_t row, size_t column);
    enum paint (*paint)(const void *data, size_t row, size_t column); /* NULL: all plain */
};

/* Print an empty line, the titles and the rows; nothing if there are no rows. Cells may come from files: control
 * characters in them become '?'. `colours`: as paint_wanted(out). */
void table_print(FILE *out, const struct table *table, bool colours);

/* "512 bytes", "1.5 MiB" */
void table_size(char out[TABLE_CELL], uint64_t nbytes);

/* Print text from a file, with '?' for control characters, which a terminal would obey. */
void table_text(FILE *out, const char *text);

#endif
