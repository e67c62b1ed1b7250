/* Keys whose names the user chooses, such as rule.conv1_1. */
#ifndef NRMFLOW_PIPELINE_CONFIG_PAIRS_H
#define NRMFLOW_PIPELINE_CONFIG_PAIRS_H

#include "pipeline/config/config.h"

/* The pair of this name, or NULL. Borrowed, until the next change. */
struct config_pair *config_pairs_find(const struct config_pairs *pairs, const char *name);

/* Append a pair, or replace one of the same name, which becomes the last. Errors: FAIL_SYSTEM without memory. */
enum status config_pairs_set(struct config_pairs *pairs, const char *name, const char *text, size_t line,
                             struct error *err);

/* Whether a name is a pattern for several names, as of a shell: * any letters, ? one, [a-c] one of these. */
bool config_pairs_is_pattern(const char *name);

/* Sort pairs by name, unless a name is a pattern: then their order has a meaning. */
void config_pairs_sort(struct config_pairs *pairs);

/* Free all pairs. */
void config_pairs_release(struct config_pairs *pairs);

#endif
