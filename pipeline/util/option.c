#include "pipeline/util/option.h"

#include "pipeline/util/range.h"
#include "pipeline/util/suggest.h"
#include "pipeline/util/token.h"
#include "pipeline/util/wrap.h"

#include <assert.h>
#include <string.h>

enum { NAME = 64, MAX_ROWS = 32, HELP_COLUMN = 26 };

struct reader {
    const struct option_table *table;
    char *arguments; /* the command's */
    size_t noperands;
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
    return error_set(r->err, FAIL_CONFIG, "nrmflow %s has no option %s%s", r->table->command, word, hint);
}

enum status option_append(struct option_list *list, const char *text, struct error *err)
{
    if (list->count == OPTION_MAX_ITEMS)
        return error_set(err, FAIL_CONFIG, "more than %d arguments of one kind", OPTION_MAX_ITEMS);
    list->items[list->count++] = text;
    return OK;
}

static enum status take_whole(size_t *out, const struct option_row *row, const char *text, struct error *err)
{
    const char *at = text;
    size_t value;

    if (!token_whole(&at, &value) || *at || value < row->low || value > row->high)
        return error_set(err, FAIL_CONFIG, "--%s %s: must be a whole number from %zu to %zu", row->name, text, row->low,
                         row->high);
    *out = value;
    return OK;
}

static enum status take_range(struct range *out, const struct option_row *row, const char *text, struct error *err)
{
    struct error why = {0};

    if (range_parse(out, text, &why) == OK)
        return OK;
    return error_set(err, FAIL_CONFIG, "--%s: %s", row->name, why.message);
}

static enum status store(struct reader *r, const struct option_row *row, const char *value)
{
    void *out = r->arguments + row->offset;

    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)out = true;
        break;
    case OPTION_TEXT:
        *(const char **)out = value;
        break;
    case OPTION_WHOLE:
        return take_whole(out, row, value, r->err);
    case OPTION_RANGE:
        return take_range(out, row, value, r->err);
    case OPTION_LIST:
        return option_append(out, value, r->err);
    }
    return OK;
}

/* `value` is what follows "=", or NULL. */
static enum status take(struct reader *r, const struct option_row *row, const char *value)
{
    bool *given = &r->given[row - r->table->rows];

    if (*given && row->kind != OPTION_LIST)
        return error_set(r->err, FAIL_CONFIG, "--%s is given twice", row->name);
    *given = true;
    if (value && row->kind == OPTION_FLAG)
        return error_set(r->err, FAIL_CONFIG, "--%s takes no value", row->name);
    if (!value && row->kind != OPTION_FLAG) {
        if (r->next == r->end)
            return error_set(r->err, FAIL_CONFIG, "--%s needs a value: --%s %s", row->name, row->name, row->argument);
        value = *r->next++;
    }
    return store(r, row, value);
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

/* Too many are counted only, since --help may follow. */
static enum status take_operand(struct reader *r, const char *word)
{
    const struct option_operands *operands = &r->table->operands;
    size_t i = r->noperands++;

    if (operands->kind == OPTION_LIST)
        return option_append((void *)(r->arguments + operands->offsets[0]), word, r->err);
    if (i < operands->most)
        *(const char **)(void *)(r->arguments + operands->offsets[i]) = word;
    return OK;
}

static enum status check_operands(const struct reader *r)
{
    const struct option_operands *operands = &r->table->operands;

    if (r->noperands >= operands->least && r->noperands <= operands->most)
        return OK;
    return error_set(r->err, FAIL_CONFIG, "%s: nrmflow %s %s",
                     r->noperands < operands->least ? "missing argument" : "too many arguments", r->table->command,
                     operands->form);
}

static struct reader begin(void *arguments, const struct option_table *table)
{
    struct reader r = {.table = table, .arguments = arguments};

    assert(table->nrows <= MAX_ROWS);
    assert(table->operands.kind == OPTION_LIST || table->operands.most <= OPTION_MAX_OPERANDS);
    for (size_t i = 0; i < table->nrows; i++)
        if (table->rows[i].kind == OPTION_WHOLE)
            *(size_t *)(void *)(r.arguments + table->rows[i].offset) = table->rows[i].fallback;
    return r;
}

enum status option_parse(void *arguments, bool *help, const struct option_table *table, int argc, char **argv,
                         struct error *err)
{
    struct reader r = begin(arguments, table);
    bool options = true;
    enum status rc = OK;

    r.next = argv + 1;
    r.end = argv + argc;
    r.err = err;
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
            rc = take_operand(&r, word);
    }
    return rc == OK ? check_operands(&r) : rc;
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

    fprintf(out, "usage: nrmflow %s%s%s%s\n\n", table->command, table->operands.form[0] ? " " : "",
            table->operands.form, table->nrows ? " [options]" : "");
    wrap_paragraphs(out, table->help);
    fputc('\n', out);
    for (size_t i = 0; i < table->nrows; i++)
        print_row(out, &table->rows[i]);
    print_row(out, &help);
}
