#include "pipeline/command/command.h"

#include "pipeline/config/help.h"

#include <stdio.h>
#include <stdlib.h>

void command_print_help(FILE *out, const struct command *command)
{
    option_help(out, &command->table);
    if (command->keys) {
        fputs("\nKeys of CONFIG and of --set:\n\n", out);
        config_help(out);
    }
}

/* With memory for the arguments. */
static int call(const struct command *command, void *arguments, int argc, char **argv)
{
    struct error err = {0};
    bool help;
    enum status rc = option_parse(arguments, &help, &command->table, argc, argv, &err);

    if (rc == OK && help) {
        command_print_help(stdout, command);
        return command_finish(COMMAND_OK);
    }
    if (rc == OK && command->check)
        rc = command->check(arguments, &err);
    return rc == OK ? command->run(arguments) : command_usage(&err, command->table.command);
}

int command_call(const struct command *command, int argc, char **argv)
{
    void *arguments = calloc(1, command->size);
    struct error err = {0};
    int status;

    if (!arguments) {
        error_set(&err, FAIL_SYSTEM, "no memory for a command line");
        return command_fail(&err);
    }
    status = call(command, arguments, argc, argv);
    free(arguments);
    return status;
}

int command_fail(const struct error *err)
{
    fprintf(stderr, "nrmflow: %s\n", err->message);
    return COMMAND_FAILED;
}

int command_usage(const struct error *err, const char *name)
{
    fprintf(stderr, "nrmflow: %s\n`nrmflow%s%s --help` explains the usage.\n", err->message, *name ? " " : "", name);
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

int command_end(enum status rc, const struct error *err)
{
    return rc == OK ? command_finish(COMMAND_OK) : command_fail(err);
}
