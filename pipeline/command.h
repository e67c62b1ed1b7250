/* What the commands of the program have in common. */
#ifndef NRMFLOW_COMMAND_H
#define NRMFLOW_COMMAND_H

#include "error.h"

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

/* Print "nrmflow: " and the message on standard error; returns COMMAND_FAILED. */
int command_fail(const struct error *err);

/* The same for a wrong command line of `command` ("nrmflow weights"), with a hint at --help; returns COMMAND_USAGE. */
int command_usage(const struct error *err, const char *command);

/* Flush standard output. Returns `status`, or COMMAND_FAILED with a message if what was printed did not get there. */
int command_finish(int status);

#endif
