/* A configuration as text, for the store. */
#ifndef NRMFLOW_PIPELINE_CONFIG_TEXT_H
#define NRMFLOW_PIPELINE_CONFIG_TEXT_H

#include "pipeline/config/config.h"

/* The whole configuration, including defaults, as an INI text in one canonical spelling, with paths as written. Parsing
 * it gives the same text again, except with a path from --set that an INI file cannot hold: one with a ';' after a
 * space, or of 180 characters. NULL without memory; the caller frees it. */
char *config_text(const struct config *config);

/* The text of one key's value, as above. NULL without memory, or if there is no such key; the caller frees it. */
char *config_text_value(const struct config *config, const char *section, const char *name);

/* Do two such texts give different numbers in the store? If so, write the first key that differs and both values into
 * message[n]. Paths, memory and the like are ignored: data and model are compared by their checksums. */
bool config_text_differs(char *message, size_t n, const char *mine, const char *stored);

/* The same for a configuration and its text: if a key differs that the configuration leaves at its default, the message
 * says so and what to write to have the store's value. */
bool config_text_differs_from(char *message, size_t n, const struct config *config, const char *mine,
                              const char *stored, const char *const *keys);

/* The same for some keys, "section.key", ended by NULL; NULL: for those above. A key whose names the user chooses
 * stands for all of them: "measure.rule". */
bool config_text_differs_in(char *message, size_t n, const char *mine, const char *stored, const char *const *keys);

#endif
