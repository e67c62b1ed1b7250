#include "pipeline/util/option.h"

#include "pipeline/util/suggest.h"
#include "pipeline/util/wrap.h"

#include <assert.h>
#include <string.h>

enum { NAME = 64, MAX_ROWS = 32, HELP_COLUMN = 26 };

struct reader {
    const struct option_table *table;
    char **next, **end; /* what is left of the command line */
    bool given[MAX_ROWS];
    struct error *err;
};

static const struct option_row *find_name(const struct option_table *table, const char *name)
{
    for (size_t i = 0; i < table->nrows; i++)
        if (strcmp(table->rows[i].name, name) == 0)
            return &table->rows[i];
    return NULL;
}

static const struct option_row *find_letter(const struct option_table *table, char letter)
{
    for (size_t i = 0; i < table->nrows; i++)
        if (letter && table->rows[i].letter == letter)
            return &table->rows[i];
    return NULL;
}

static enum status unknown(const struct reader *r, const char *word, const char *name)
{
    char hint[NAME + 32] = "";
    struct suggest nearest;

    suggest_init(&nearest, name);
    for (size_t i = 0; i < r->table->nrows; i++)
        suggest_offer(&nearest, r->table->rows[i].name);
    suggest_offer(&nearest, "help");
    if (suggest_best(&nearest))
        snprintf(hint, sizeof hint, "; did you mean --%s?", suggest_best(&nearest));
    return error_set(r->err, FAIL_CONFIG, "%s has no option %s%s", r->table->command, word, hint);
}

static enum status append(struct option_list *list, const char *text, struct error *err)
{
    if (list->count == OPTION_MAX_ITEMS)
        return error_set(err, FAIL_CONFIG, "more than %d arguments of one kind", OPTION_MAX_ITEMS);
    list->items[list->count++] = text;
    return OK;
}

/* `value` is what follows "=", or NULL. */
static enum status take(struct reader *r, const struct option_row *row, const char *value)
{
    bool *given = &r->given[row - r->table->rows];

    if (*given && row->kind != OPTION_LIST)
        return error_set(r->err, FAIL_CONFIG, "--%s is given twice", row->name);
    *given = true;
    if (row->kind == OPTION_FLAG) {
        if (value)
            return error_set(r->err, FAIL_CONFIG, "--%s takes no value", row->name);
        *(bool *)row->out = true;
        return OK;
    }
    if (!value && r->next == r->end)
        return error_set(r->err, FAIL_CONFIG, "--%s needs a value: --%s %s", row->name, row->name, row->argument);
    if (!value)
        value = *r->next++;
    if (row->kind == OPTION_LIST)
        return append(row->out, value, r->err);
    *(const char **)row->out = value;
    return OK;
}

/* "--name", "--name=value" or "-n" */
static enum status take_option(struct reader *r, const char *word)
{
    char name[NAME];
    const char *equals = strchr(word, '=');
    const struct option_row *row;

    if (word[1] != '-') {
        row = word[2] == '\0' ? find_letter(r->table, word[1]) : NULL;
        return row ? take(r, row, NULL) : unknown(r, word, word + 1);
    }
    snprintf(name, sizeof name, "%.*s", equals ? (int)(equals - word - 2) : NAME, word + 2);
    row = find_name(r->table, name);
    return row ? take(r, row, equals ? equals + 1 : NULL) : unknown(r, word, name);
}

static enum status check_count(const struct option_table *table, size_t count, struct error *err)
{
    if (count < table->least)
        return error_set(err, FAIL_CONFIG, "missing argument: %s %s", table->command, table->arguments);
    if (count > table->most)
        return error_set(err, FAIL_CONFIG, "too many arguments: %s %s", table->command, table->arguments);
    return OK;
}

enum status option_parse(struct option_list *arguments, bool *help, const struct option_table *table, int argc,
                         char **argv, struct error *err)
{
    struct reader r = {.table = table, .next = argv + 1, .end = argv + argc, .err = err};
    bool options = true;
    enum status rc = OK;

    assert(table->nrows <= MAX_ROWS);
    arguments->count = 0;
    *help = false;
    while (rc == OK && r.next < r.end) {
        const char *word = *r.next++;
        if (options && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
            *help = true;
            return OK;
        }
        if (options && strcmp(word, "--") == 0)
            options = false;
        else if (options && word[0] == '-' && word[1] != '\0')
            rc = take_option(&r, word);
        else
            rc = append(arguments, word, err);
    }
    return rc == OK ? check_count(table, arguments->count, err) : rc;
}

static void print_row(FILE *out, const struct option_row *row)
{
    char form[2 * NAME], letter[8] = "";

    if (row->letter)
        snprintf(letter, sizeof letter, "-%c, ", row->letter);
    snprintf(form, sizeof form, "%s--%s%s%s", letter, row->name, row->argument ? " " : "",
             row->argument ? row->argument : "");
    int column = fprintf(out, "  %-*s%s", HELP_COLUMN - 2, form, strlen(form) < HELP_COLUMN - 2 ? "" : "  ");
    wrap_words(out, row->help, (size_t)column, HELP_COLUMN);
}

void option_help(FILE *out, const struct option_table *table)
{
    const struct option_row help = {.name = "help", .letter = 'h', .help = "show this help"};

    fprintf(out, "usage: %s%s%s%s\n\n", table->command, table->arguments[0] ? " " : "", table->arguments,
            table->nrows ? " [options]" : "");
    wrap_paragraphs(out, table->help);
    fputc('\n', out);
    for (size_t i = 0; i < table->nrows; i++)
        print_row(out, &table->rows[i]);
    print_row(out, &help);
}
