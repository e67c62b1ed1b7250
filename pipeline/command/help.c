#include "pipeline/command/help.h"

#include "pipeline/command/completion.h"
#include "pipeline/command/manual.h"
#include "pipeline/util/json_output.h"
#include "pipeline/util/option.h"
#include "pipeline/util/suggest.h"

#include <string.h>

struct arguments {
    const char *name; /* of a command; NULL: the program */
    const char *shell;
    bool man, json;
};

static const struct shell {
    const char *name, *form;
    void (*begin)(FILE *out, const struct command_list *commands);
    void (*end)(FILE *out);
} shells[] = {
    {"bash", "--help=bash", completion_bash_begin, completion_bash_end},
    {"zsh", "--help=zsh", completion_zsh_begin, completion_zsh_end},
};

static const struct shell *find_shell(const char *name)
{
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++)
        if (strcmp(shells[i].name, name) == 0)
            return &shells[i];
    return NULL;
}

static const struct command *find_command(const char *name, const struct command_list *commands)
{
    for (size_t i = 0; i < commands->count; i++)
        if (strcmp(commands->items[i].name, name) == 0)
            return &commands->items[i];
    return NULL;
}

void command_help_usage(FILE *out, const struct command_list *commands)
{
    fputs("usage: nrmflow COMMAND ...\n\n"
          "The normalized relevance measure of vision networks over whole datasets.\n\n",
          out);
    for (size_t i = 0; i < commands->count; i++)
        fprintf(out, "  %-12s%s\n", commands->items[i].name, commands->items[i].help);
    fputs("\n`nrmflow COMMAND --help` explains a command, `nrmflow --version` shows versions.\n", out);
}

int command_help_unknown(const char *name, const struct command_list *commands)
{
    struct error err = {0};
    struct suggest nearest;
    char hint[64];

    suggest_init(&nearest, name);
    for (size_t i = 0; i < commands->count; i++)
        suggest_offer(&nearest, commands->items[i].name);
    suggest_hint(hint, sizeof hint, &nearest);
    error_set(&err, FAIL_CONFIG, "there is no command \"%s\"%s", name, hint);
    return command_usage(&err, "nrmflow");
}

static bool parse(struct arguments *out, int argc, char **argv, int *status)
{
    const struct option_row rows[] = {
        {"man", 0, OPTION_FLAG, &out->man, NULL, "print the manual page of COMMAND, or of the program, for man(1)"},
        {"completion", 0, OPTION_TEXT, &out->shell, "bash|zsh", "print the completion script for a shell"},
        {"json", 0, OPTION_FLAG, &out->json, NULL, "list the commands in one JSON object"},
    };
    const struct option_table table = {
        "nrmflow help",
        "[COMMAND]",
        0,
        1,
        "Explains a command, like `nrmflow COMMAND --help`, or lists all commands. An installed nrmflow has its manual "
        "pages and completions where man, bash and zsh look for them. Without installation:\n"
        "\n"
        "  source <(nrmflow help --completion bash)\n"
        "  man <(nrmflow help --man run)",
        rows,
        sizeof rows / sizeof rows[0],
    };
    struct option_list words;
    struct error err = {0};

    if (!command_start(status, &words, &table, argc, argv))
        return false;
    out->name = words.count ? words.items[0] : NULL;
    if (out->man + out->json + (out->shell != NULL) > 1)
        error_set(&err, FAIL_CONFIG, "--man, --completion and --json cannot be combined");
    else if (out->name && (out->json || out->shell))
        error_set(&err, FAIL_CONFIG, "--json and --completion take no command: leave out %s", out->name);
    else if (out->shell && !find_shell(out->shell))
        error_set(&err, FAIL_CONFIG, "--completion %s: must be bash or zsh", out->shell);
    if (err.status != OK)
        *status = command_usage(&err, table.command);
    return err.status == OK;
}

/* Make a command print its help in some form. */
static int request_help(const struct command *command, const char *form)
{
    char name[64], word[16];

    snprintf(name, sizeof name, "%s", command->name);
    snprintf(word, sizeof word, "%s", form);
    return command->run(2, (char *[]){name, word, NULL});
}

static int print_manual(const struct command *command)
{
    manual_begin(stdout, command);
    int status = request_help(command, "--help=man");
    manual_end(stdout);
    return status;
}

static int print_completion(const struct shell *shell, const struct command_list *commands)
{
    int status = COMMAND_OK;

    shell->begin(stdout, commands);
    for (size_t i = 0; i < commands->count && status == COMMAND_OK; i++) {
        completion_case(stdout, commands->items[i].name);
        status = request_help(&commands->items[i], shell->form);
        completion_esac(stdout);
    }
    shell->end(stdout);
    return status;
}

static void print_json(const struct command_list *commands)
{
    json_t *list = json_array(), *object = json_object();

    for (size_t i = 0; i < commands->count; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:s}", "name", commands->items[i].name, "help", commands->items[i].help));
    json_object_set_new(object, "commands", list);
    json_output_print(object);
}

int command_help(const struct command_list *commands, int argc, char **argv)
{
    struct arguments arguments = {0};
    int status = COMMAND_OK;

    if (!parse(&arguments, argc, argv, &status))
        return status;
    const struct command *command = arguments.name ? find_command(arguments.name, commands) : NULL;
    if (arguments.name && !command)
        return command_help_unknown(arguments.name, commands);
    if (arguments.json)
        print_json(commands);
    else if (arguments.shell)
        status = print_completion(find_shell(arguments.shell), commands);
    else if (arguments.man && !command)
        manual_program(stdout, commands);
    else if (arguments.man)
        status = print_manual(command);
    else if (command)
        return request_help(command, "--help");
    else
        command_help_usage(stdout, commands);
    return command_finish(status);
}
