/* The main function of nrmflow: calls the command that the first argument names. */
#include "io/base/fault.h"
#include "pipeline/command/commands.h"
#include "pipeline/command/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* If requested, print how often each point of io/base/fault.h was reached. */
static int finish(int status)
{
    for (size_t i = 0; fault_counting() && i < FAULT_NPOINTS; i++)
        fprintf(stderr, "fault %s met=%zu\n", fault_name((enum fault_point)i), fault_met((enum fault_point)i));
    return status;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    const struct command *command;

    if (fault_start(getenv("NRMFLOW_FAULT"), &err) != OK)
        return command_usage(&err, "");
    if (argc < 2) {
        command_help_usage(stderr);
        return COMMAND_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        command_help_usage(stdout);
        return command_finish(COMMAND_OK);
    }
    if (strcmp(argv[1], "--version") == 0)
        return command_call(&command_version, argc - 1, argv + 1);
    command = command_help_find(argv[1]);
    return command ? finish(command_call(command, argc - 1, argv + 1)) : command_help_unknown(argv[1]);
}
