/* Keys whose names the user chooses, such as rule.conv1_1. */
#ifndef NRMFLOW_PIPELINE_CONFIG_PAIRS_H
#define NRMFLOW_PIPELINE_CONFIG_PAIRS_H

#include "pipeline/config/config.h"

/* The pair of this name, or NULL. Borrowed, until the next change. */
struct config_pair *config_pairs_find(const struct config_pairs *pairs, const char *name);

/* Insert a pair in order of its name, or replace the text of an existing one. Errors: FAIL_SYSTEM without memory. */
enum status config_pairs_set(struct config_pairs *pairs, const char *name, const char *text, size_t line,
                             struct error *err);

/* Free all pairs. */
void config_pairs_release(struct config_pairs *pairs);

#endif
