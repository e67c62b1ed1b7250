/* Configuration values made of numbers; the functions are as in config/word.h. */
#ifndef NRMFLOW_PIPELINE_CONFIG_NUMBER_H
#define NRMFLOW_PIPELINE_CONFIG_NUMBER_H

#include "pipeline/config/value.h"

enum status config_number_parse_whole(void *field, const struct config_key *key, const char *text, struct error *err);
enum status config_number_parse_optional(void *field, const struct config_key *key, const char *text,
                                         struct error *err);
enum status config_number_parse_bytes(void *field, const struct config_key *key, const char *text, struct error *err);
enum status config_number_parse_real(void *field, const struct config_key *key, const char *text, struct error *err);
enum status config_number_parse_share(void *field, const struct config_key *key, const char *text, struct error *err);
enum status config_number_parse_seconds(void *field, const struct config_key *key, const char *text, struct error *err);
enum status config_number_parse_any_real(void *field, const struct config_key *key, const char *text,
                                         struct error *err);
enum status config_number_parse_reals(void *field, const struct config_key *key, const char *text, struct error *err);
enum status config_number_parse_range(void *field, const struct config_key *key, const char *text, struct error *err);
enum status config_number_parse_shard(void *field, const struct config_key *key, const char *text, struct error *err);

void config_number_print_whole(FILE *out, const void *field, const struct config_key *key);
void config_number_print_optional(FILE *out, const void *field, const struct config_key *key);
void config_number_print_real(FILE *out, const void *field, const struct config_key *key);
void config_number_print_any_real(FILE *out, const void *field, const struct config_key *key);
void config_number_print_reals(FILE *out, const void *field, const struct config_key *key);
void config_number_print_range(FILE *out, const void *field, const struct config_key *key);
void config_number_print_shard(FILE *out, const void *field, const struct config_key *key);

#endif
