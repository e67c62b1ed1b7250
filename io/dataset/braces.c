#include "io/dataset/braces.h"

#include "io/dataset/builder.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 1 << 20, MAX_DIGITS = 9 };

/* The parts of a pattern: before the first brace, in the braces, and behind them. */
struct braces {
    const char *open, *close;
    bool range; /* {A..B}, else {X,Y} */
    size_t first, last;
    int digits; /* to pad with zeros; 0: none */
};

static bool read_number(size_t *number, size_t *ndigits, const char **at)
{
    *ndigits = strspn(*at, "0123456789");
    *number = strtoull(*at, NULL, 10);
    *at += *ndigits;
    return *ndigits > 0 && *ndigits <= MAX_DIGITS;
}

static bool read_range(struct braces *b)
{
    const char *at = b->open + 1, *second;
    size_t own[2];

    if (!read_number(&b->first, &own[0], &at) || strncmp(at, "..", 2) != 0)
        return false;
    second = at += 2;
    if (!read_number(&b->last, &own[1], &at) || at != b->close || b->last < b->first)
        return false;
    bool padded = (b->open[1] == '0' && own[0] > 1) || (second[0] == '0' && own[1] > 1);
    b->digits = padded ? (int)(own[0] > own[1] ? own[0] : own[1]) : 0;
    return true;
}

/* Find the first braces that have a meaning. */
static bool find_braces(struct braces *b, const char *pattern)
{
    for (const char *c = pattern; *c; c++) {
        if (*c == '\\' && c[1]) {
            c++;
            continue;
        }
        if (*c != '{')
            continue;
        *b = (struct braces){.open = c, .close = c + strcspn(c, "}")};
        b->range = *b->close && read_range(b);
        const char *comma = memchr(c, ',', (size_t)(b->close - c));
        if (*b->close && (b->range || comma))
            return true;
    }
    return false;
}

static enum status add(glob_t *found, const char *pattern, struct error *err);

/* Add the files of the pattern with a text in place of its first braces. */
static enum status add_replaced(glob_t *found, const char *pattern, const struct braces *b, const char *text, int ntext,
                                struct error *err)
{
    char one[DATASET_PATH];
    int length = snprintf(one, sizeof one, "%.*s%.*s%s", (int)(b->open - pattern), pattern, ntext, text, b->close + 1);

    if (length < 0 || (size_t)length >= sizeof one)
        return error_set(err, FAIL_LIMIT, "%.200s...: the path is too long", pattern);
    return add(found, one, err);
}

static enum status add_range(glob_t *found, const char *pattern, const struct braces *b, struct error *err)
{
    char number[MAX_DIGITS + 2];
    enum status rc = OK;

    for (size_t i = b->first; i <= b->last; i++) {
        int n = snprintf(number, sizeof number, "%0*zu", b->digits, i);
        TRY(add_replaced(found, pattern, b, number, n, err));
    }
done:
    return rc;
}

static enum status add_words(glob_t *found, const char *pattern, const struct braces *b, struct error *err)
{
    enum status rc = OK;

    for (const char *word = b->open + 1; word <= b->close;) {
        size_t n = strcspn(word, ",}");
        TRY(add_replaced(found, pattern, b, word, (int)n, err));
        word += n + 1;
    }
done:
    return rc;
}

/* Every replacement removes a pair of braces, so the recursion ends. */
static enum status add(glob_t *found, const char *pattern, struct error *err)
{
    struct braces b;

    if (find_braces(&b, pattern))
        return (b.range ? add_range : add_words)(found, pattern, &b, err);
    if (glob(pattern, found->gl_pathc > 0 ? GLOB_APPEND : 0, NULL, found) != 0)
        return error_set(err, FAIL_SYSTEM, "%s: no shard matches", pattern);
    return OK;
}

/* Whether the braces, none within others, name too many files. */
static bool is_large(const char *pattern)
{
    struct braces b;
    size_t files = 1;

    for (; find_braces(&b, pattern); pattern = b.close + 1) {
        size_t words = b.range ? b.last - b.first + 1 : 1;
        for (const char *c = b.open; c < b.close && !b.range; c++)
            words += *c == ',';
        if (words > MAX_FILES / files)
            return true;
        files *= words;
    }
    return false;
}

/* Whether braces are within braces. */
static bool is_nested(const char *pattern)
{
    const char *open = NULL;

    for (const char *c = pattern; *c; c++) {
        if (*c == '\\' && c[1])
            c++;
        else if (*c == '{' && open && strchr(c, '}'))
            return true;
        else if (*c == '{' || *c == '}')
            open = *c == '{' ? c : NULL;
    }
    return false;
}

enum status dataset_braces_glob(glob_t *found, const char *pattern, struct error *err)
{
    *found = (glob_t){0};
    if (is_nested(pattern))
        return error_set(err, FAIL_CONFIG, "%s: there are braces within braces; write \\{ for a brace in a name",
                         pattern);
    if (is_large(pattern))
        return error_set(err, FAIL_LIMIT, "%s: the braces name more than %d files", pattern, MAX_FILES);
    return add(found, pattern, err);
}

enum status dataset_braces_tars(char *out, const char *folder, struct error *err)
{
    size_t n = 0;

    for (const char *c = folder; *c; c++) {
        if (n + sizeof "\\x/*.tar" >= DATASET_PATH)
            return error_set(err, FAIL_LIMIT, "%.200s...: the path is too long", folder);
        if (strchr("*?[\\{", *c))
            out[n++] = '\\';
        out[n++] = *c;
    }
    memcpy(out + n, "/*.tar", sizeof "/*.tar");
    return OK;
}
