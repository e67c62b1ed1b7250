#include "pipeline/command/manual.h"

#include "pipeline/config/help.h"
#include "pipeline/config/table.h"
#include "pipeline/util/version.h"

#include <string.h>

/* ---- roff ------------------------------------------------------------------------------------------------------ */

/* Print text literally, with escapes for roff's special characters. */
static void put_letters(FILE *out, const char *text, size_t n)
{
    bool start = true;

    for (const char *c = text; c < text + n; c++) {
        if (start && (*c == '.' || *c == '\''))
            fputs("\\&", out);
        if (*c == '\\')
            fputs("\\e", out);
        else if (*c == '-')
            fputs("\\-", out);
        else
            fputc(*c, out);
        start = *c == '\n';
    }
}

static void put(FILE *out, const char *text)
{
    put_letters(out, text, strlen(text));
}

static void section(FILE *out, const char *name)
{
    fprintf(out, ".SH %s\n", name);
}

/* Begin a paragraph with a hanging term. */
static void put_term(FILE *out, const char *term, const char *argument)
{
    fputs(".TP\n\\fB", out);
    put(out, term);
    fputs("\\fR", out);
    if (argument) {
        fputs(" \\fI", out);
        put(out, argument);
        fputs("\\fR", out);
    }
    fputc('\n', out);
}

static void put_title(FILE *out, const char *command)
{
    fputs(".TH \"NRMFLOW", out);
    for (const char *c = command; *c; c++)
        fputc(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c, out);
    fprintf(out, "\" 1 \"\" \"nrmflow %s\" \"nrmflow\"\n", version_string());
}

/* ---- a command ------------------------------------------------------------------------------------------------- */

static void put_option(FILE *out, const struct option_row *row)
{
    char names[128], letter[8] = "";

    if (row->letter)
        snprintf(letter, sizeof letter, "-%c, ", row->letter);
    snprintf(names, sizeof names, "%s--%s", letter, row->name);
    put_term(out, names, row->argument);
    put(out, row->help);
    fputc('\n', out);
}

/* Print paragraphs of wrapped text; indented lines are printed as they are. */
static void put_description(FILE *out, const char *text)
{
    bool literal = false, empty = false; /* the line before */

    while (*text) {
        size_t length = strcspn(text, "\n");
        bool indented = *text == ' ';

        if (indented != literal)
            fputs(!indented ? ".fi\n" : empty ? ".nf\n" : ".PP\n.nf\n", out);
        literal = indented;
        empty = length == 0;
        if (empty)
            fputs(".PP", out);
        else
            put_letters(out, text, length);
        fputc('\n', out);
        text += length;
        text += *text == '\n';
    }
    if (literal)
        fputs(".fi\n", out);
}

static void put_usage(FILE *out, const struct option_table *table)
{
    const struct option_row help = {.name = "help", .letter = 'h', .help = "show a short form of this page"};

    section(out, "SYNOPSIS");
    fprintf(out, "\\fBnrmflow %s\\fR ", table->command);
    put(out, table->operands.form);
    fprintf(out, "%s[options]\n", table->operands.form[0] ? " " : "");
    section(out, "DESCRIPTION");
    put_description(out, table->help);
    section(out, "OPTIONS");
    for (size_t i = 0; i < table->nrows; i++)
        put_option(out, &table->rows[i]);
    put_option(out, &help);
}

static void put_keys(FILE *out)
{
    const char *group = "";
    const struct config_key *key;
    char text[CONFIG_HELP_FORM];

    section(out, "CONFIGURATION");
    fputs("Keys of the configuration file, by its sections; on the command line \\fB\\-\\-set\\fR "
          "\\fISECTION\\fR.\\fIKEY\\fR=\\fIVALUE\\fR.\n",
          out);
    for (size_t i = 0; (key = config_table_key(i)) != NULL; i++) {
        if (strcmp(group, key->section) != 0)
            fprintf(out, ".SS [%s]\n", key->section);
        group = key->section;
        config_help_form(text, key);
        put_term(out, text, NULL);
        put(out, key->help);
        config_help_default(text, key);
        put(out, text);
        fputc('\n', out);
    }
}

void manual_command(FILE *out, const struct command *command)
{
    const char *name = command->table.command;
    char title[64];

    snprintf(title, sizeof title, "-%s", name);
    put_title(out, title);
    section(out, "NAME");
    fprintf(out, "nrmflow\\-%s \\- ", name);
    put(out, command->summary);
    fputc('\n', out);
    put_usage(out, &command->table);
    if (command->keys)
        put_keys(out);
    section(out, "SEE ALSO");
    fputs("\\fBnrmflow\\fR(1)\n", out);
}

/* ---- the program ----------------------------------------------------------------------------------------------- */

static void put_statuses(FILE *out)
{
    static const struct {
        int status;
        const char *meaning;
    } rows[] = {
        {COMMAND_OK, "Success."},
        {COMMAND_FAILED, "Failure; a message on standard error explains what failed, where, and what to do."},
        {COMMAND_USAGE, "The command line is wrong."},
        {COMMAND_STOPPED, "A run was stopped cleanly before its end; the same command continues it."},
    };

    char number[16];

    section(out, "EXIT STATUS");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(number, sizeof number, "%d", rows[i].status);
        put_term(out, number, NULL);
        put(out, rows[i].meaning);
        fputc('\n', out);
    }
}

void manual_program(FILE *out, const struct command_list *commands)
{
    put_title(out, "");
    section(out, "NAME");
    fputs("nrmflow \\- the normalized relevance measure of vision networks over whole datasets\n", out);
    section(out, "SYNOPSIS");
    fputs("\\fBnrmflow\\fR \\fICOMMAND\\fR ...\n.br\n\\fBmpirun \\-n\\fR \\fIRANKS\\fR \\fBnrmflow\\fR \\fICOMMAND\\fR "
          "...\n",
          out);
    section(out, "DESCRIPTION");
    put_description(out,
                    "Computes how much each channel of every layer of a VGG network contributes to the network's "
                    "output, and how much relevance flows between which channels, over whole image datasets, on one "
                    "machine or a cluster. The result is one HDF5 file, the store. Every command has its own page, "
                    "such as nrmflow-run(1).");
    section(out, "COMMANDS");
    for (size_t i = 0; i < commands->count; i++) {
        put_term(out, commands->items[i]->table.command, NULL);
        put(out, commands->items[i]->summary);
        fputc('\n', out);
    }
    section(out, "OPTIONS");
    put_term(out, "-h, --help", NULL);
    fputs("list the commands\n", out);
    put_term(out, "--version", NULL);
    fputs("show the versions of the program and its libraries, and how it was built; with \\fB\\-\\-json\\fR one JSON "
          "object\n",
          out);
    put_statuses(out);
    section(out, "SEE ALSO");
    for (size_t i = 0; i < commands->count; i++)
        fprintf(out, "\\fBnrmflow\\-%s\\fR(1)%s\n", commands->items[i]->table.command,
                i + 1 < commands->count ? "," : "");
}
