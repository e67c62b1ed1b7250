/* What a command is, and how it begins and ends. */
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

/* Offset of a value in the arguments of the command whose file this is. */
#define FIELD(member) offsetof(struct arguments, member)

/* A command: a static description, from which the command line, --help, manual pages and completions follow. The
 * offsets of its options are those of the command's own struct of arguments, which is all zero at first. */
struct command {
    const char *summary; /* one line */
    struct option_table table;
    bool keys;   /* the help also explains the keys of the configuration */
    size_t size; /* of the arguments */

    /* What the table cannot express: combinations of options, and what follows from them. FAIL_CONFIG is a mistake in
     * the command line. NULL: nothing. */
    enum status (*check)(void *arguments, struct error *err);
    /* Do the work: results to standard output, errors to standard error. Returns the exit status. */
    int (*run)(const void *arguments);
};

struct command_list {
    const struct command *const *items; /* [count] in the order in which help shows them */
    size_t count;
};

/* Read a command line, argv[0] being the command's name, and run the command, or print its help for --help. Reports
 * mistakes. Returns the exit status. */
int command_call(const struct command *command, int argc, char **argv);

/* Print what --help shows. */
void command_print_help(FILE *out, const struct command *command);

/* Print "nrmflow: " and the message on standard error; returns COMMAND_FAILED. */
int command_fail(const struct error *err);

/* The same for a wrong command line of a command ("" for the program), and mention --help; returns COMMAND_USAGE. */
int command_usage(const struct error *err, const char *name);

/* Flush standard output. Returns `status`, or COMMAND_FAILED with a message if output was lost. */
int command_finish(int status);

/* The exit status of a command that ends with `rc`: command_finish, or command_fail. */
int command_end(enum status rc, const struct error *err);

#endif
