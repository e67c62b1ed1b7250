/* Completions for bash and zsh, from the tables of commands, options and configuration keys.
 *
 * A script consists of completion_*_begin, completion_*_command for every command between its completion_case and
 * completion_esac, and completion_*_end. */
#ifndef NRMFLOW_PIPELINE_COMMAND_COMPLETION_H
#define NRMFLOW_PIPELINE_COMMAND_COMPLETION_H

#include "pipeline/command/command.h"

#include <stdio.h>

void completion_case(FILE *out, const char *command);
void completion_esac(FILE *out);

void completion_bash_begin(FILE *out, const struct command_list *commands);
void completion_bash_command(FILE *out, const struct option_table *table);
void completion_bash_end(FILE *out);

void completion_zsh_begin(FILE *out, const struct command_list *commands);
void completion_zsh_command(FILE *out, const struct option_table *table);
void completion_zsh_end(FILE *out);

#endif
