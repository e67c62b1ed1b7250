#include "pipeline/command/command.h"

#include "pipeline/command/completion.h"
#include "pipeline/command/manual.h"
#include "pipeline/config/help.h"

#include <stdio.h>
#include <string.h>

/* The forms of help that `nrmflow help` requests from a command. */
static const struct {
    const char *word;
    void (*print)(FILE *out, const struct option_table *table);
} forms[] = {
    {"--help=man", manual_command},
    {"--help=bash", completion_bash_command},
    {"--help=zsh", completion_zsh_command},
};

static bool print_form(const char *word, const struct option_table *table)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (strcmp(word, forms[i].word) == 0) {
            forms[i].print(stdout, table);
            return true;
        }
    return false;
}

/* `help`: --help was given, and the text has been printed. */
static bool start(int *status, bool *help, struct option_list *arguments, const struct option_table *table, int argc,
                  char **argv)
{
    struct error err = {0};

    *help = false;
    *status = COMMAND_OK;
    if (argc == 2 && print_form(argv[1], table))
        return false;
    if (option_parse(arguments, help, table, argc, argv, &err) != OK) {
        *status = command_usage(&err, table->command);
        return false;
    }
    if (*help)
        option_help(stdout, table);
    return !*help;
}

bool command_start(int *status, struct option_list *arguments, const struct option_table *table, int argc, char **argv)
{
    bool help, on = start(status, &help, arguments, table, argc, argv);

    if (!on)
        *status = command_finish(*status);
    return on;
}

bool command_start_with_keys(int *status, struct option_list *arguments, const struct option_table *table, int argc,
                             char **argv)
{
    bool help, on = start(status, &help, arguments, table, argc, argv);

    if (help) {
        puts("\nKeys of CONFIG and of --set:\n");
        config_help(stdout);
    } else if (argc == 2 && strcmp(argv[1], "--help=man") == 0)
        manual_keys(stdout);
    if (!on)
        *status = command_finish(*status);
    return on;
}

int command_fail(const struct error *err)
{
    fprintf(stderr, "nrmflow: %s\n", err->message);
    return COMMAND_FAILED;
}

int command_usage(const struct error *err, const char *command)
{
    fprintf(stderr, "nrmflow: %s\n`%s --help` explains the usage.\n", err->message, command);
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
