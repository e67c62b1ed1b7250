#include "pipeline/util/table.h"

#include <assert.h>
#include <string.h>

/* Spaces between two columns. */
enum { GAP = 2 };

static void replace_controls(char *text)
{
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
}

/* Characters of UTF-8. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (const char *c = text; *c; c++)
        width += ((unsigned char)*c & 0xc0) != 0x80;
    return width;
}

static void get_cell(char out[TABLE_CELL], const struct table *table, size_t row, size_t column)
{
    out[0] = '\0';
    table->cell(out, table->data, row, column);
    replace_controls(out);
}

/* Print a cell after *blanks spaces, then set *blanks to the spaces behind it, which only a later cell prints: lines do
 * not end with spaces. */
static void put_cell(FILE *out, int *blanks, const struct table_column *column, size_t width, const char *text,
                     enum paint paint, bool colours)
{
    int padding = (int)(width - width_of(text));

    *blanks += column->left ? 0 : padding;
    if (*text) {
        fprintf(out, "%*s%s%s%s", *blanks, "", paint_start(colours, paint), text, paint_end(colours, paint));
        *blanks = 0;
    }
    *blanks += (column->left ? padding : 0) + GAP;
}

static void find_widths(size_t widths[TABLE_MAX_COLUMNS], const struct table *table)
{
    char text[TABLE_CELL];

    for (size_t c = 0; c < table->ncolumns; c++) {
        widths[c] = width_of(table->columns[c].title);
        for (size_t row = 0; row < table->nrows; row++) {
            get_cell(text, table, row, c);
            if (width_of(text) > widths[c])
                widths[c] = width_of(text);
        }
    }
}

void table_print(FILE *out, const struct table *table, bool colours)
{
    size_t widths[TABLE_MAX_COLUMNS];
    char text[TABLE_CELL];
    int blanks = 0;

    assert(table->ncolumns <= TABLE_MAX_COLUMNS);
    if (table->nrows == 0)
        return;
    find_widths(widths, table);
    fputc('\n', out);
    for (size_t c = 0; c < table->ncolumns; c++)
        put_cell(out, &blanks, &table->columns[c], widths[c], table->columns[c].title, PAINT_BOLD, colours);
    fputc('\n', out);
    for (size_t row = 0; row < table->nrows; row++) {
        blanks = 0;
        for (size_t c = 0; c < table->ncolumns; c++) {
            get_cell(text, table, row, c);
            put_cell(out, &blanks, &table->columns[c], widths[c], text,
                     table->paint ? table->paint(table->data, row, c) : PAINT_PLAIN, colours);
        }
        fputc('\n', out);
    }
}

void table_size(char out[TABLE_CELL], uint64_t nbytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)nbytes;
    size_t unit = 0;

    for (; value >= 1024 && unit < 4; unit++)
        value /= 1024;
    snprintf(out, TABLE_CELL, "%.*f %s", unit ? 1 : 0, value, units[unit]);
}

void table_text(FILE *out, const char *text)
{
    for (const char *c = text; *c; c++)
        fputc((unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c, out);
}
