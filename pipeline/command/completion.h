/* Completion scripts for bash and zsh, from the tables of commands, options and configuration keys. */
#ifndef NRMFLOW_PIPELINE_COMMAND_COMPLETION_H
#define NRMFLOW_PIPELINE_COMMAND_COMPLETION_H

#include "pipeline/command/command.h"

#include <stdio.h>

void completion_bash(FILE *out, const struct command_list *commands);
void completion_zsh(FILE *out, const struct command_list *commands);

#endif
