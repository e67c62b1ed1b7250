/* Common parts of the program's commands. */
#ifndef NRMFLOW_PIPELINE_COMMAND_COMMAND_H
#define NRMFLOW_PIPELINE_COMMAND_COMMAND_H

#include "io/base/error.h"
#include "pipeline/util/option.h"

/* Exit statuses. */
enum {
    COMMAND_OK = 0,
    COMMAND_FAILED = 1,
    COMMAND_USAGE = 2,   /* the command line is wrong */
    COMMAND_STOPPED = 75 /* stopped cleanly before the end; the same command continues (EX_TEMPFAIL) */
};

struct command {
    const char *name;
    const char *help;                  /* one line */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit status */
};

struct command_list {
    const struct command *items; /* [count] in the order in which help shows them */
    size_t count;
};

/* Parse the command line, the first step of every command. Prints the help for --help, and for `nrmflow help` the
 * command's part of manual pages and completions (--help=man, --help=bash, --help=zsh). Reports mistakes.
 *
 *   status     out  the exit status, if the command does not continue
 *   arguments  out  as option_parse
 * Returns whether the command continues. */
bool command_start(int *status, struct option_list *arguments, const struct option_table *table, int argc, char **argv);

/* The same for a command whose help also explains the keys of the configuration. */
bool command_start_with_keys(int *status, struct option_list *arguments, const struct option_table *table, int argc,
                             char **argv);

/* Print "nrmflow: " and the message on standard error; returns COMMAND_FAILED. */
int command_fail(const struct error *err);

/* The same for a wrong command line of `command` ("nrmflow weights"), and mention --help; returns COMMAND_USAGE. */
int command_usage(const struct error *err, const char *command);

/* Flush standard output. Returns `status`, or COMMAND_FAILED with a message if output was lost. */
int command_finish(int status);

#endif
