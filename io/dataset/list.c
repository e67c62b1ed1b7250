#include "io/dataset/builder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_LIST_BYTES = 1 << 30 };

/* "-1" or digits only. */
static bool parse_label(long long *label, const char *text)
{
    char *end = NULL;

    if ((text[0] < '0' || text[0] > '9') && text[0] != '-')
        return false;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*end || end == text || errno)
        return false;
    *label = value;
    return true;
}

static void strip_end(char *line)
{
    size_t n = strlen(line);

    while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == ' ' || line[n - 1] == '\t'))
        line[--n] = '\0';
}

static bool names_file(const struct dataset_builder *builder, const char *line)
{
    char path[DATASET_PATH];
    struct stat info;

    return dataset_buffer_join(path, (const char *)builder->sections[DATASET_ROOT].bytes, line, NULL) == OK &&
           stat(path, &info) == 0;
}

/* The end of a line of a table, or of a name. The table's first line is its header, unless it has a label. */
static enum status check_comma(const struct dataset_builder *builder, const char *line, const char *end, bool first,
                               const char *where, struct error *err)
{
    const char *comma = strrchr(end, ',');
    char text[24] = ""; /* without quotes */
    long long label;

    if (comma)
        snprintf(text, sizeof text, "%.*s", (int)strcspn(comma + 1 + (comma[1] == '"'), "\""),
                 comma + 1 + (comma[1] == '"'));
    if (!parse_label(&label, text) || names_file(builder, line))
        return OK;
    return error_set(err, FAIL_FORMAT,
                     "%s: a comma before the label; write a list with tabs, in Python: import pandas; "
                     "pandas.read_csv(\"FILE\"%s).to_csv(\"list.txt\", sep=\"\\t\", header=False, index=False)",
                     where, first ? ", header=None" : "");
}

/* Cut the label off the path. Text after a tab must be a label; text after a space may be part of the name. */
static enum status split(long long *label, const struct dataset_builder *builder, char *line, bool first,
                         const char *where, struct error *err)
{
    char *tab = strrchr(line, '\t'), *space = strrchr(line, ' '), *at = tab ? tab : space;

    *label = -1;
    enum status rc = check_comma(builder, line, at ? at : line, first, where, err);
    if (rc != OK || !at)
        return rc;
    if (!parse_label(label, at + 1))
        return tab ? error_set(err, FAIL_FORMAT, "%s: \"%.100s\" is not a label; it must be an integer", where, at + 1)
                   : OK;
    *at = '\0';
    strip_end(line);
    return dataset_builder_check_label(*label, where, err);
}

/* Take quotes off a path. Two quoted words are a line of a table. */
static enum status unquote(char **line, const struct dataset_builder *builder, const char *where, struct error *err)
{
    size_t n = strlen(*line);

    if (**line != '"' || names_file(builder, *line))
        return OK;
    if (n < 3 || strchr(*line + 1, '"') != *line + n - 1)
        return error_set(err, FAIL_FORMAT,
                         "%s: quotes that do not enclose one path; write a list without them, in R: write.table(x, "
                         "\"list.txt\", quote = FALSE, sep = \"\\t\", row.names = FALSE, col.names = FALSE)",
                         where);
    (*line)[n - 1] = '\0';
    (*line)++;
    return OK;
}

static enum status add_line(struct dataset_builder *builder, char *line, size_t length, bool first, const char *where,
                            struct error *err)
{
    long long label;
    enum status rc = OK;

    if (strlen(line) != length)
        return error_set(err, FAIL_FORMAT, "%s: contains a NUL byte; the list is not a text file", where);
    strip_end(line);
    if (line[0] == '\0' || line[0] == '#')
        return OK;
    TRY(split(&label, builder, line, first, where, err));
    if (line[0] == '\0')
        return error_set(err, FAIL_FORMAT, "%s: has a label but no path", where);
    TRY(unquote(&line, builder, where, err));
    rc = dataset_builder_image(builder, line, (int)label, err);
done:
    return rc;
}

enum status dataset_list_scan(struct dataset_builder *builder, const struct dataset_options *o, struct error *err)
{
    struct dataset_buffer text = {0};
    enum status rc;

    TRY(dataset_buffer_read(&text, o->path, MAX_LIST_BYTES, err));
    TRY(dataset_buffer_append(&text, "\n", 1, err));
    TRY(dataset_builder_file(builder, o->path, err));
    char *line = (char *)text.bytes, *end = line + text.size;
    if (strncmp(line, "\xef\xbb\xbf", 3) == 0)
        line += 3;
    for (size_t number = 1; line < end; number++) {
        char where[DATASET_PATH + 32], *newline = memchr(line, '\n', (size_t)(end - line));
        *newline = '\0';
        snprintf(where, sizeof where, "%s, line %zu", o->path, number);
        TRY(add_line(builder, line, (size_t)(newline - line), number == 1, where, err));
        line = newline + 1;
    }
done:
    dataset_buffer_free(&text);
    return rc;
}
