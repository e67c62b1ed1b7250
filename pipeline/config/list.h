/* Configuration values that are lists of any length, "none" or "all"; the functions are as in config/word.h. */
#ifndef NRMFLOW_PIPELINE_CONFIG_LIST_H
#define NRMFLOW_PIPELINE_CONFIG_LIST_H

#include "pipeline/config/value.h"

enum status config_list_parse_words(void *field, const struct config_key *key, const char *text, struct error *err);
enum status config_list_parse_classes(void *field, const struct config_key *key, const char *text, struct error *err);

void config_list_print_words(FILE *out, const void *field, const struct config_key *key);
void config_list_print_classes(FILE *out, const void *field, const struct config_key *key);

void config_list_release_words(void *field);
void config_list_release_classes(void *field);

#endif
