/* Command lines: a table of long options drives the parser and the help text. */
#ifndef NRMFLOW_PIPELINE_UTIL_OPTION_H
#define NRMFLOW_PIPELINE_UTIL_OPTION_H

#include "io/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { OPTION_MAX_ITEMS = 2048 };

/* Arguments in the order in which they were given; borrowed from argv. */
struct option_list {
    size_t count;
    const char *items[OPTION_MAX_ITEMS];
};

enum option_kind {
    OPTION_FLAG, /* --json: a bool becomes true */
    OPTION_TEXT, /* --output FILE or --output=FILE: a const char * */
    OPTION_LIST  /* --set KEY=VALUE, repeated: a struct option_list */
};

struct option_row {
    const char *name; /* without the dashes */
    char letter;      /* -o for --output; 0 if there is none */
    enum option_kind kind;
    void *out;            /* where the value goes; left alone if the option is not given */
    const char *argument; /* its name in the help; NULL for a flag */
    const char *help;
};

struct option_table {
    const char *command;   /* "nrmflow weights" */
    const char *arguments; /* arguments that are no options, as the help names them: "FILE" */
    size_t least, most;    /* number of them */
    const char *help;      /* what the command does; may be several lines */
    const struct option_row *rows;
    size_t nrows;
};

/* Read a command line; argv[0] is the command and is skipped. "--" ends the options.
 *
 *   arguments  out  the arguments that are no options
 *   help       out  whether --help or -h was given; then the rest is not checked
 * Errors: FAIL_CONFIG for an unknown option (with the nearest one), a missing or unexpected value, an option given
 * twice, or a wrong number of arguments. */
enum status option_parse(struct option_list *arguments, bool *help, const struct option_table *table, int argc,
                         char **argv, struct error *err);

/* Print usage, help and all options. */
void option_help(FILE *out, const struct option_table *table);

#endif
