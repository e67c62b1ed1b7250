/* The main function of nrmflow: calls the command that the first argument names. */
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
    {"info", "show what a store contains", command_info},
    {"check", "check a store for mistakes", command_check},
    {"classes", "list the classes of a store, or compare two of them", command_classes},
    {"merge", "merge the shards of a run into one store", command_merge},
    {"query", "compute the relevance of sets of neurons, jointly and conditionally", command_query},
    {"map", "draw heatmaps of the walks through sets of neurons", command_map},
    {"report", "write a store as one HTML page", command_report},
    {"walks", "find the channel walks of largest joint relevance", command_walks},
    {"export", "write a store as files for ViRelAy", command_export},
    {"weights", "show what a weights file contains", command_weights},
    {"bench", "measure speed relative to this machine's peak", command_bench},
    {"help", "explain a command; print manual pages and completions", run_help},
};

static const struct command_list all = {commands, sizeof commands / sizeof commands[0]};

static int run_help(int argc, char **argv)
{
    return command_help(&all, argc, argv);
}

/* If requested, print how often each point of io/base/fault.h was reached. */
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
