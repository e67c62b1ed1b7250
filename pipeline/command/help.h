/* `nrmflow help`: the list of commands, a command's help, manual pages, and completions for shells. */
#ifndef NRMFLOW_PIPELINE_COMMAND_HELP_H
#define NRMFLOW_PIPELINE_COMMAND_HELP_H

#include "pipeline/command/command.h"

#include <stdio.h>

/* Print what `nrmflow --help` shows. */
void command_help_usage(FILE *out, const struct command_list *commands);

/* Report a command that does not exist, with the nearest one; returns COMMAND_USAGE. */
int command_help_unknown(const char *name, const struct command_list *commands);

/* Run `nrmflow help`; the list has all commands, including `help`. */
int command_help(const struct command_list *commands, int argc, char **argv);

#endif
