/* Help for the configuration file, from its table of keys. */
#ifndef NRMFLOW_PIPELINE_CONFIG_HELP_H
#define NRMFLOW_PIPELINE_CONFIG_HELP_H

#include "pipeline/config/value.h"

#include <stdio.h>

enum { CONFIG_HELP_FORM = 512 };

/* Print all keys: section, name, form of the value, help and default. */
void config_help(FILE *out);

/* How a key is set: "measure.bias" gives "bias = neuron | spread"; truncated to the size of `out`. */
void config_help_form(char out[CONFIG_HELP_FORM], const struct config_key *key);

/* The end of a key's help: " (required)", " (default: neuron)" or nothing. */
void config_help_default(char out[CONFIG_HELP_FORM], const struct config_key *key);

#endif
