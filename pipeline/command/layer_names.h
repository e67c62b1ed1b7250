/* The names of the layers that a file is about: what completions offer. */
#ifndef NRMFLOW_PIPELINE_COMMAND_LAYER_NAMES_H
#define NRMFLOW_PIPELINE_COMMAND_LAYER_NAMES_H

#include "io/base/error.h"

#include <stdio.h>

/* Print the variables of a store, of a model's file or of the model of a configuration (.ini), one on each line, from
 * the input up. Errors: those of reading the file. */
enum status layer_names_print(FILE *out, const char *path, struct error *err);

#endif
