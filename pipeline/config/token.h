/* Pieces of configuration values. Each take_ function reads at *at and, if it succeeds, moves *at behind what it read.
 */
#ifndef NRMFLOW_PIPELINE_CONFIG_TOKEN_H
#define NRMFLOW_PIPELINE_CONFIG_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { CONFIG_TOKEN = 64 };

enum config_token { CONFIG_TOKEN_WORD, CONFIG_TOKEN_END, CONFIG_TOKEN_BAD };

/* Decimal digits, no sign, below 2^64. */
bool config_token_whole(const char **at, size_t *value);

/* A finite decimal number, as 1, -0.5 or 1e-6. */
bool config_token_real(const char **at, double *value);

/* One character. */
bool config_token_mark(const char **at, char mark);

/* The next item of a list that is separated by commas, blanks or both. Bad: an empty item, or one that is too long.
 * `start` is where the list begins. */
enum config_token config_token_item(char item[CONFIG_TOKEN], const char **at, const char *start);

/* Print a number with as few digits as bring it back exactly. */
void config_token_print_real(FILE *out, double value);

#endif
