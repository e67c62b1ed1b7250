#include "pipeline/command/help.h"

#include "pipeline/command/commands.h"
#include "pipeline/command/completion.h"
#include "pipeline/command/layer_names.h"
#include "pipeline/command/manual.h"
#include "pipeline/util/json_output.h"
#include "pipeline/util/suggest.h"

#include <string.h>

static const struct command *const commands[] = {
    &command_run,    &command_info,    &command_check,    &command_classes, &command_merge,
    &command_query,  &command_map,     &command_evaluate, &command_report,  &command_walks,
    &command_export, &command_weights, &command_bench,    &command_help,
};

static const struct command_list all = {commands, sizeof commands / sizeof commands[0]};

/* ---- the list ---------------------------------------------------------------------------------------------------- */

const struct command *command_help_find(const char *name)
{
    for (size_t i = 0; i < all.count; i++)
        if (strcmp(commands[i]->table.command, name) == 0)
            return commands[i];
    return NULL;
}

void command_help_usage(FILE *out)
{
    fputs("usage: nrmflow COMMAND ...\n\n"
          "The normalized relevance measure of vision networks over whole datasets.\n\n",
          out);
    for (size_t i = 0; i < all.count; i++)
        fprintf(out, "  %-12s%s\n", commands[i]->table.command, commands[i]->summary);
    fputs("\n`nrmflow COMMAND --help` explains a command, `nrmflow --version` shows versions.\n", out);
}

int command_help_unknown(const char *name)
{
    struct error err = {0};
    struct suggest nearest;
    char hint[SUGGEST_HINT];

    suggest_init(&nearest, name);
    for (size_t i = 0; i < all.count; i++)
        suggest_offer(&nearest, commands[i]->table.command);
    suggest_hint(hint, sizeof hint, &nearest);
    error_set(&err, FAIL_CONFIG, "there is no command \"%s\"%s", name, hint);
    return command_usage(&err, "");
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

struct arguments {
    const char *name; /* of a command; NULL: the program */
    const char *shell;
    const char *layers; /* a file */
    bool man, json;
};

static const struct shell {
    const char *name;
    void (*print)(FILE *out, const struct command_list *commands);
} shells[] = {{"bash", completion_bash}, {"zsh", completion_zsh}};

static const struct option_row rows[] = {
    {"man", 0, OPTION_FLAG, FIELD(man), .help = "print the manual page of COMMAND, or of the program, for man(1)"},
    {"completion", 0, OPTION_TEXT, FIELD(shell), "bash|zsh", .help = "print the completion script for a shell"},
    {"layers", 0, OPTION_TEXT, FIELD(layers), "FILE",
     .help = "print the names of the layers of a store, a model's file or a configuration, as completions offer them"},
    {"json", 0, OPTION_FLAG, FIELD(json), .help = "list the commands in one JSON object"},
};

static const char help[] =
    "Explains a command, like `nrmflow COMMAND --help`, or lists all commands. An installed nrmflow has its manual "
    "pages and completions where man, bash and zsh look for them. Without installation:\n"
    "\n"
    "  source <(nrmflow help --completion bash)\n"
    "  man <(nrmflow help --man run)";

static const struct shell *find_shell(const char *name)
{
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++)
        if (strcmp(shells[i].name, name) == 0)
            return &shells[i];
    return NULL;
}

static enum status check(void *arguments, struct error *err)
{
    const struct arguments *a = arguments;

    if (a->man + a->json + (a->shell != NULL) + (a->layers != NULL) > 1)
        return error_set(err, FAIL_CONFIG, "--man, --completion, --layers and --json cannot be combined");
    if (a->name && (a->json || a->shell || a->layers))
        return error_set(err, FAIL_CONFIG, "--json, --completion and --layers take no command: leave out %s", a->name);
    if (a->shell && !find_shell(a->shell))
        return error_set(err, FAIL_CONFIG, "--completion %s: must be bash or zsh", a->shell);
    return OK;
}

static void print_json(void)
{
    json_t *list = json_array(), *object = json_object();

    for (size_t i = 0; i < all.count; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:s}", "name", commands[i]->table.command, "help", commands[i]->summary));
    json_object_set_new(object, "commands", list);
    json_output_print(object);
}

static int run(const void *arguments)
{
    const struct arguments *a = arguments;
    const struct command *command = a->name ? command_help_find(a->name) : NULL;
    struct error err = {0};

    if (a->name && !command)
        return command_help_unknown(a->name);
    if (a->layers)
        return command_end(layer_names_print(stdout, a->layers, &err), &err);
    if (a->json)
        print_json();
    else if (a->shell)
        find_shell(a->shell)->print(stdout, &all);
    else if (a->man && !command)
        manual_program(stdout, &all);
    else if (a->man)
        manual_command(stdout, command);
    else if (command)
        command_print_help(stdout, command);
    else
        command_help_usage(stdout);
    return command_finish(COMMAND_OK);
}

const struct command command_help = {
    .summary = "explain a command; print manual pages and completions",
    .table = {.command = "help",
              .operands = {"[COMMAND]", 0, 1, OPTION_TEXT, {FIELD(name)}},
              .help = help,
              OPTION_ROWS(rows)},
    .size = sizeof(struct arguments),
    .check = check,
    .run = run,
};
