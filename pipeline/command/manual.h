/* Manual pages in roff, for man(1), from the tables of commands, options and configuration keys. */
#ifndef NRMFLOW_PIPELINE_COMMAND_MANUAL_H
#define NRMFLOW_PIPELINE_COMMAND_MANUAL_H

#include "pipeline/command/command.h"

#include <stdio.h>

/* The page of the program, nrmflow(1). */
void manual_program(FILE *out, const struct command_list *commands);

/* The page of a command, such as nrmflow-run(1). */
void manual_command(FILE *out, const struct command *command);

#endif
