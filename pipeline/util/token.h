/* Tokens of configuration values. Each function reads at *at and, if it succeeds, advances *at past the token. */
#ifndef NRMFLOW_PIPELINE_UTIL_TOKEN_H
#define NRMFLOW_PIPELINE_UTIL_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { TOKEN = 192 /* a pair of names of layers */ };

enum token { TOKEN_WORD, TOKEN_END, TOKEN_BAD };

/* Decimal digits, no sign, below 2^64. */
bool token_whole(const char **at, size_t *value);

/* A finite decimal number, such as 1, -0.5 or 1e-6. */
bool token_real(const char **at, double *value);

/* One character. */
bool token_mark(const char **at, char mark);

/* The next item of a list separated by commas, spaces or both; `start` is the beginning of the list. TOKEN_BAD:
 * an empty item, or one that is too long. */
enum token token_item(char item[TOKEN], const char **at, const char *start);

/* Print a number with the fewest digits that give it back exactly. */
void token_print_real(FILE *out, double value);

#endif
