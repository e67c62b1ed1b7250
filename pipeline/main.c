/* nrmflow: finds the command and calls it. */
#include "command.h"
#include "command_bench.h"
#include "command_classes.h"
#include "command_info.h"
#include "command_query.h"
#include "command_run.h"
#include "command_walks.h"
#include "command_weights.h"
#include "fault.h"
#include "suggest.h"
#include "version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command commands[] = {
    {"run", "compute a store from a dataset", command_run},
    {"info", "what is in a store", command_info},
    {"classes", "classes of a store, and how two of them differ", command_classes},
    {"query", "relevance of sets of neurons, jointly and conditionally", command_query},
    {"walks", "channel walks of largest joint relevance", command_walks},
    {"weights", "what is in a weights file", command_weights},
    {"bench", "speed against this machine's own floor", command_bench},
};

enum { NCOMMANDS = sizeof commands / sizeof commands[0] };

static void print_usage(FILE *out)
{
    fputs("usage: nrmflow COMMAND ...\n\n"
          "The normalized relevance measure of vision networks over whole datasets.\n\n",
          out);
    for (size_t i = 0; i < NCOMMANDS; i++)
        fprintf(out, "  %-12s%s\n", commands[i].name, commands[i].help);
    fputs("\n`nrmflow COMMAND --help` explains a command, `nrmflow --version` names the version.\n", out);
}

static int unknown_command(const char *name)
{
    struct error err = {0};
    struct suggest nearest;
    char hint[64];

    suggest_init(&nearest, name);
    for (size_t i = 0; i < NCOMMANDS; i++)
        suggest_offer(&nearest, commands[i].name);
    suggest_hint(hint, sizeof hint, &nearest);
    error_set(&err, FAIL_CONFIG, "there is no command \"%s\"%s", name, hint);
    return command_usage(&err, "nrmflow");
}

/* How often each point of io/fault.h was met, if that is asked for. */
static int finish(int status)
{
    for (size_t i = 0; fault_counting() && i < FAULT_NPOINTS; i++)
        fprintf(stderr, "fault %s met=%zu\n", fault_name((enum fault_point)i), fault_met((enum fault_point)i));
    return status;
}

int main(int argc, char **argv)
{
    struct error err = {0};

    if (fault_start(getenv("NRMFLOW_FAULT"), &err) != OK)
        return command_usage(&err, "nrmflow");
    if (argc < 2) {
        print_usage(stderr);
        return COMMAND_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage(stdout);
        return command_finish(COMMAND_OK);
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("nrmflow %s\n", version_string());
        return command_finish(COMMAND_OK);
    }
    for (size_t i = 0; i < NCOMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return finish(commands[i].run(argc - 1, argv + 1));
    return unknown_command(argv[1]);
}
