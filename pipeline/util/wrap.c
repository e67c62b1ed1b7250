#include "pipeline/util/wrap.h"

#include <stdbool.h>
#include <string.h>

/* As wrap_words, for the text up to `end`. */
static void print_words(FILE *out, const char *text, const char *end, size_t column, size_t indent)
{
    for (bool first = true; text < end; first = false) {
        size_t length = strcspn(text, " \n");
        bool fits = first || column + 1 + length <= WRAP_WIDTH;

        if (!fits)
            fprintf(out, "\n%*s", (int)indent, "");
        else if (!first)
            fputc(' ', out);
        fprintf(out, "%.*s", (int)length, text);
        column = length + (!fits ? indent : first ? column : column + 1);
        text += length + 1;
    }
    fputc('\n', out);
}

void wrap_words(FILE *out, const char *text, size_t column, size_t indent)
{
    print_words(out, text, text + strlen(text), column, indent);
}

/* The end of the line that begins at `text`, or of the last line of its paragraph. */
static const char *find_end(const char *text)
{
    const char *end = text + strcspn(text, "\n");

    while (*text != ' ' && *text != '\n' && end[0] && end[1] != ' ' && end[1] != '\n')
        end += 1 + strcspn(end + 1, "\n");
    return end;
}

void wrap_paragraphs(FILE *out, const char *text)
{
    for (const char *end; *text; text = end + (*end == '\n')) {
        end = find_end(text);
        if (*text == ' ')
            fprintf(out, "%.*s\n", (int)(end - text), text);
        else
            print_words(out, text, end, 0, 0);
    }
}
