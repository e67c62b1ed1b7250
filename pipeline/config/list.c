#include "pipeline/config/list.h"

#include "pipeline/util/token.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ITEMS = 100000 };

enum list_form { LIST_NONE, LIST_ALL, LIST_ITEMS };

static enum list_form form_of(const char *text)
{
    if (strcmp(text, "none") == 0)
        return LIST_NONE;
    return strcmp(text, "all") == 0 ? LIST_ALL : LIST_ITEMS;
}

/* Number of items of a list, or 0 if it is malformed. */
static size_t count_items(const char *text)
{
    char item[TOKEN];
    const char *at = text;
    enum token token;
    size_t n = 0;

    while ((token = token_item(item, &at, text)) == TOKEN_WORD)
        n++;
    return token == TOKEN_END && n <= MAX_ITEMS ? n : 0;
}

static enum status no_list(const char *text, struct error *err)
{
    return error_set(err, FAIL_CONFIG, "\"%s\" is neither none, all nor a comma-separated list", text);
}

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum status check_words(const struct config_words *words, struct error *err)
{
    for (size_t i = 0; i < words->count; i++)
        if (strcmp(words->items[i], "none") == 0 || strcmp(words->items[i], "all") == 0)
            return error_set(err, FAIL_CONFIG, "\"%s\" cannot be combined with other names", words->items[i]);
    for (size_t i = 1; i < words->count; i++)
        if (strcmp(words->items[i - 1], words->items[i]) == 0)
            return error_set(err, FAIL_CONFIG, "\"%s\" is listed twice", words->items[i]);
    return OK;
}

enum status config_list_parse_words(void *field, const struct config_key *key, const char *text, struct error *err)
{
    struct config_words words = {.all = form_of(text) == LIST_ALL};
    size_t expected = form_of(text) == LIST_ITEMS ? count_items(text) : 0;
    char item[TOKEN];
    const char *at = text;
    enum status rc = OK;

    (void)key;
    if (form_of(text) == LIST_ITEMS && expected == 0)
        return no_list(text, err);
    words.items = calloc(expected ? expected : 1, sizeof *words.items);
    if (!words.items)
        return error_set(err, FAIL_SYSTEM, "no memory for a list of %zu names", expected);
    while (rc == OK && words.count < expected && token_item(item, &at, text) == TOKEN_WORD) {
        words.items[words.count] = strdup(item);
        if (!words.items[words.count++])
            rc = error_set(err, FAIL_SYSTEM, "no memory for a list of %zu names", expected);
    }
    if (rc == OK) {
        qsort(words.items, words.count, sizeof *words.items, compare_words);
        rc = check_words(&words, err);
    }
    if (rc != OK)
        config_list_release_words(&words);
    else
        *(struct config_words *)field = words;
    return rc;
}

void config_list_print_words(FILE *out, const void *field, const struct config_key *key)
{
    const struct config_words *words = field;

    (void)key;
    if (words->count == 0)
        fputs(words->all ? "all" : "none", out);
    for (size_t i = 0; i < words->count; i++)
        fprintf(out, "%s%s", i ? ", " : "", words->items[i]);
}

void config_list_release_words(void *field)
{
    struct config_words *words = field;

    for (size_t i = 0; i < words->count; i++)
        free(words->items[i]);
    free(words->items);
}

static int compare_numbers(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;

    return x < y ? -1 : x > y;
}

static enum status fill_classes(struct config_classes *classes, const char *text, struct error *err)
{
    char item[TOKEN];
    const char *at = text;

    while (token_item(item, &at, text) == TOKEN_WORD) {
        const char *digits = item;
        if (!token_whole(&digits, &classes->items[classes->count++]) || *digits)
            return error_set(err, FAIL_CONFIG, "\"%s\" is not a class number", item);
    }
    qsort(classes->items, classes->count, sizeof *classes->items, compare_numbers);
    for (size_t i = 1; i < classes->count; i++)
        if (classes->items[i - 1] == classes->items[i])
            return error_set(err, FAIL_CONFIG, "class %zu is listed twice", classes->items[i]);
    return OK;
}

enum status config_list_parse_classes(void *field, const struct config_key *key, const char *text, struct error *err)
{
    struct config_classes classes = {.all = form_of(text) == LIST_ALL};
    size_t expected = form_of(text) == LIST_ITEMS ? count_items(text) : 0;
    enum status rc = OK;

    (void)key;
    if (form_of(text) == LIST_ITEMS && expected == 0)
        return no_list(text, err);
    classes.items = calloc(expected ? expected : 1, sizeof *classes.items);
    if (!classes.items)
        return error_set(err, FAIL_SYSTEM, "no memory for a list of %zu classes", expected);
    if (expected)
        rc = fill_classes(&classes, text, err);
    if (rc != OK)
        config_list_release_classes(&classes);
    else
        *(struct config_classes *)field = classes;
    return rc;
}

void config_list_print_classes(FILE *out, const void *field, const struct config_key *key)
{
    const struct config_classes *classes = field;

    (void)key;
    if (classes->count == 0)
        fputs(classes->all ? "all" : "none", out);
    for (size_t i = 0; i < classes->count; i++)
        fprintf(out, "%s%zu", i ? ", " : "", classes->items[i]);
}

void config_list_release_classes(void *field)
{
    free(((struct config_classes *)field)->items);
}
