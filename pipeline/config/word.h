/* Configuration values that are words: parsing, printing and freeing for the table in config/value.c.
 *
 * A parser overwrites the field without reading it; if it fails, there is nothing to free. Errors: FAIL_CONFIG with the
 * mistake and the valid values, FAIL_SYSTEM without memory. */
#ifndef NRMFLOW_PIPELINE_CONFIG_WORD_H
#define NRMFLOW_PIPELINE_CONFIG_WORD_H

#include "pipeline/config/value.h"

enum status config_word_parse_name(void *field, const struct config_key *key, const char *text, struct error *err);
enum status config_word_parse_expression(void *field, const struct config_key *key, const char *text,
                                         struct error *err);
enum status config_word_parse_choice(void *field, const struct config_key *key, const char *text, struct error *err);
enum status config_word_parse_flows(void *field, const struct config_key *key, const char *text, struct error *err);
enum status config_word_parse_target(void *field, const struct config_key *key, const char *text, struct error *err);

void config_word_print_name(FILE *out, const void *field, const struct config_key *key);
void config_word_print_choice(FILE *out, const void *field, const struct config_key *key);
void config_word_print_flows(FILE *out, const void *field, const struct config_key *key);
void config_word_print_target(FILE *out, const void *field, const struct config_key *key);

void config_word_release_name(void *field);
void config_word_release_flows(void *field);

#endif
