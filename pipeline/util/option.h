/* Command lines: a static table of operands and options fills the arguments of a command, and drives its help text. */
#ifndef NRMFLOW_PIPELINE_UTIL_OPTION_H
#define NRMFLOW_PIPELINE_UTIL_OPTION_H

#include "io/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { OPTION_MAX_ITEMS = 2048, OPTION_MAX_OPERANDS = 3 };

/* Arguments in the order in which they were given; borrowed from argv. */
struct option_list {
    size_t count;
    const char *items[OPTION_MAX_ITEMS];
};

/* Add a text. Errors: FAIL_CONFIG if the list is full. */
enum status option_append(struct option_list *list, const char *text, struct error *err);

enum option_kind {
    OPTION_FLAG,  /* --json: a bool becomes true */
    OPTION_TEXT,  /* --output FILE or --output=FILE: a const char * */
    OPTION_WHOLE, /* --top N: a size_t, from `low` to `high` */
    OPTION_RANGE, /* --images A:B: a struct range */
    OPTION_LIST   /* --set KEY=VALUE, repeated: a struct option_list */
};

struct option_row {
    const char *name; /* without the dashes */
    char letter;      /* -o for --output; 0 if there is none */
    enum option_kind kind;
    size_t offset;        /* of the value in the command's arguments */
    const char *argument; /* its name in the help; NULL for a flag */
    const char *help;
    size_t low, high; /* of OPTION_WHOLE */
    size_t fallback;  /* of OPTION_WHOLE: the value if the option is not given; other kinds are left alone */
};

/* The arguments that are no options. */
struct option_operands {
    const char *form;      /* as the help names them: "FILE" */
    size_t least, most;    /* number of them */
    enum option_kind kind; /* OPTION_TEXT: each is a const char *; OPTION_LIST: all are one struct option_list */
    size_t offsets[OPTION_MAX_OPERANDS]; /* of each text, or of the list, in the command's arguments */
};

struct option_table {
    const char *command; /* its name, "weights" */
    struct option_operands operands;
    const char *help;              /* what the command does; may be several lines */
    const struct option_row *rows; /* [nrows] the options but --help */
    size_t nrows;
};

/* The rows of a table, from an array of them. */
#define OPTION_ROWS(array) .rows = (array), .nrows = sizeof(array) / sizeof((array)[0])

/* Read a command line; argv[0] is the command and is skipped. "--" ends the options.
 *
 *   arguments  in/out  the command's struct, to which the table's offsets refer; texts are borrowed from argv
 *   help       out     whether --help or -h was given; then the rest is not checked
 * Errors: FAIL_CONFIG for an unknown option (with the nearest one), a missing, unexpected or invalid value, an option
 * given twice, or a wrong number of operands. */
enum status option_parse(void *arguments, bool *help, const struct option_table *table, int argc, char **argv,
                         struct error *err);

/* Print usage, help and all options. */
void option_help(FILE *out, const struct option_table *table);

#endif
