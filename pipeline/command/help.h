/* `nrmflow help`, and the list of all commands: a command's help, manual pages, and completions for shells. */
#ifndef NRMFLOW_PIPELINE_COMMAND_HELP_H
#define NRMFLOW_PIPELINE_COMMAND_HELP_H

#include "pipeline/command/command.h"

#include <stdio.h>

extern const struct command command_help; /* help [COMMAND] */

/* The command of this name; NULL if there is none. */
const struct command *command_help_find(const char *name);

/* Print what `nrmflow --help` shows. */
void command_help_usage(FILE *out);

/* Report a command that does not exist, with the nearest one; returns COMMAND_USAGE. */
int command_help_unknown(const char *name);

#endif
