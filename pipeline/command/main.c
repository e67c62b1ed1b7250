/* nrmflow: finds the command and calls it. */
#include "io/base/fault.h"
#include "pipeline/command/command.h"
#include "pipeline/command/commands.h"
#include "pipeline/command/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run_help(int argc, char **argv);

static const struct command commands[] = {
    {"run", "compute a store from a dataset", command_run},
    {"info", "what is in a store", command_info},
    {"check", "whether a store is what it says it is", command_check},
    {"classes", "classes of a store, and how two of them differ", command_classes},
    {"merge", "one store from the shards of a run", command_merge},
    {"query", "relevance of sets of neurons, jointly and conditionally", command_query},
    {"map", "heatmaps of the walks through sets of neurons", command_map},
    {"report", "a store as one HTML page to look at", command_report},
    {"walks", "channel walks of largest joint relevance", command_walks},
    {"export", "a store as files that ViRelAy opens", command_export},
    {"weights", "what is in a weights file", command_weights},
    {"bench", "speed against this machine's own floor", command_bench},
    {"help", "explain a command; manual pages and completions", run_help},
};

static const struct command_list all = {commands, sizeof commands / sizeof commands[0]};

static int run_help(int argc, char **argv)
{
    return command_help(&all, argc, argv);
}

/* How often each point of io/base/fault.h was met, if that is asked for. */
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
        command_help_usage(stderr, &all);
        return COMMAND_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        command_help_usage(stdout, &all);
        return command_finish(COMMAND_OK);
    }
    if (strcmp(argv[1], "--version") == 0)
        return command_version(argc - 1, argv + 1);
    for (size_t i = 0; i < all.count; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return finish(commands[i].run(argc - 1, argv + 1));
    return command_help_unknown(argv[1], &all);
}
