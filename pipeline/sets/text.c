#include "pipeline/sets/text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Characters of the expression that an error shows before and after the caret. */
enum { BEFORE = 60, AFTER = 40 };

/* Names of layers may have dots, as layer2.1.conv1. */
static bool in_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits followed by a letter, such as 4x, are a word. */
static enum status read_number(struct sets_reader *reader)
{
    struct sets_token *token = &reader->token;
    const char *text = reader->text + token->at;

    for (size_t i = 0; i < token->length; i++) {
        if (!digit(text[i]))
            return OK;
        token->number = 10 * token->number + (size_t)(text[i] - '0');
        if (token->number > SETS_MOST_NUMBER)
            return sets_text_fail(reader, *token, "the number is too large");
    }
    token->kind = SETS_NUMBER;
    return OK;
}

static enum status read_token(struct sets_reader *reader, size_t at)
{
    const char *text = reader->text;

    while (isspace((unsigned char)text[at]))
        at++;
    reader->token = (struct sets_token){.kind = SETS_END, .at = at};
    if (text[at] == '\0')
        return OK;
    if (!in_word(text[at])) {
        reader->token.kind = SETS_SIGN;
        reader->token.sign = text[at];
        reader->token.length = 1;
        return OK;
    }
    reader->token.kind = SETS_WORD;
    while (in_word(text[at + reader->token.length]))
        reader->token.length++;
    return digit(text[at]) ? read_number(reader) : OK;
}

enum status sets_text_begin(struct sets_reader *reader, const char *text, struct error *err)
{
    *reader = (struct sets_reader){.text = text, .err = err};
    if (strlen(text) > SETS_MOST_TEXT)
        return error_set(err, FAIL_CONFIG, "the expression is longer than %d characters", (int)SETS_MOST_TEXT);
    return read_token(reader, 0);
}

enum status sets_text_next(struct sets_reader *reader)
{
    return read_token(reader, reader->token.at + reader->token.length);
}

bool sets_text_is_word(const struct sets_reader *reader, const char *word)
{
    const struct sets_token *token = &reader->token;

    return token->kind == SETS_WORD && token->length == strlen(word) &&
           memcmp(reader->text + token->at, word, token->length) == 0;
}

bool sets_text_is_sign(const struct sets_reader *reader, char sign)
{
    return reader->token.kind == SETS_SIGN && reader->token.sign == sign;
}

/* One column for every byte, so the caret is at the right place. */
static void copy_plain(char *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        out[i] = (char)(isspace(c) ? ' ' : c < 0x20 || c > 0x7e ? '?' : c);
    }
    out[n] = '\0';
}

enum status sets_text_fail(const struct sets_reader *reader, struct sets_token token, const char *format, ...)
{
    char what[512], shown[BEFORE + AFTER + 1];
    size_t first = token.at > BEFORE ? token.at - BEFORE : 0, length = strlen(reader->text + first);
    bool cut = length > token.at - first + AFTER;
    va_list arguments;

    length = cut ? token.at - first + AFTER : length;
    copy_plain(shown, reader->text + first, length);
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return error_set(reader->err, FAIL_CONFIG, "%s\n  %s%s%s\n  %*s^", what, first ? "..." : "", shown,
                     cut ? "..." : "", (int)(token.at - first + (first ? 3 : 0)), "");
}
