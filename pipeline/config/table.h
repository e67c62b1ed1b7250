/* The table of all configuration keys. */
#ifndef NRMFLOW_PIPELINE_CONFIG_TABLE_H
#define NRMFLOW_PIPELINE_CONFIG_TABLE_H

#include "pipeline/config/value.h"

/* Key number i in the order of sections, NULL after the last. */
const struct config_key *config_table_key(size_t i);

/* Number of the key with this name in a section; for rule.<layer> and the like, that of the key before the dot. Beyond
 * the last key if there is none. */
size_t config_table_find(const char *section, const char *name);

#endif
