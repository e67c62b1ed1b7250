/* The tokens of a set expression, and errors that point at one of them. */
#ifndef NRMFLOW_PIPELINE_SETS_TEXT_H
#define NRMFLOW_PIPELINE_SETS_TEXT_H

#include "io/base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { SETS_MOST_TEXT = 16384, SETS_MOST_NUMBER = 999999999 };

enum sets_token_kind { SETS_WORD, SETS_NUMBER, SETS_SIGN, SETS_END };

struct sets_token {
    enum sets_token_kind kind;
    size_t at, length; /* bytes of the text */
    size_t number;     /* of SETS_NUMBER */
    char sign;         /* of SETS_SIGN: any other character */
};

/* A position in a text; `token` is the next one. */
struct sets_reader {
    const char *text; /* borrowed */
    struct sets_token token;
    struct error *err;
};

/* Begin at the first token. Errors: FAIL_CONFIG if the text is too long or a number too large. */
enum status sets_text_begin(struct sets_reader *reader, const char *text, struct error *err);

/* Go on to the next token; stays at the end. Errors: FAIL_CONFIG for a number that is too large. */
enum status sets_text_next(struct sets_reader *reader);

/* Whether the next token is this word, or this sign. */
bool sets_text_is_word(const struct sets_reader *reader, const char *word);
bool sets_text_is_sign(const struct sets_reader *reader, char sign);

/* Fail because of a token. The message has three lines: what is wrong, the expression, and a caret below the token; of
 * a long expression only the surroundings are shown. Returns FAIL_CONFIG. */
enum status sets_text_fail(const struct sets_reader *reader, struct sets_token token, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
