#include "command.h"

#include <stdio.h>

int command_fail(const struct error *err)
{
    fprintf(stderr, "nrmflow: %s\n", err->message);
    return COMMAND_FAILED;
}

int command_usage(const struct error *err, const char *command)
{
    fprintf(stderr, "nrmflow: %s\n`%s --help` shows how it is used.\n", err->message, command);
    return COMMAND_USAGE;
}

int command_finish(int status)
{
    struct error err = {0};

    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    error_system(&err, "cannot write to standard output");
    return command_fail(&err);
}
