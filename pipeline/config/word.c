#include "pipeline/config/word.h"

#include "pipeline/config/list.h"
#include "pipeline/util/suggest.h"
#include "pipeline/util/token.h"

#include <stdlib.h>
#include <string.h>

enum { WORD = 32, MAX_WORDS = 16 };

_Static_assert(sizeof(enum config_format) == sizeof(int) && sizeof(enum bias_mode) == sizeof(int),
               "choices are written as int");

/* Word number i of "a|b|c"; false after the last. */
static bool allowed_word(char word[WORD], const char *allowed, size_t i)
{
    for (; i > 0; i--) {
        allowed = strchr(allowed, '|');
        if (!allowed)
            return false;
        allowed++;
    }
    snprintf(word, WORD, "%.*s", (int)strcspn(allowed, "|"), allowed);
    return true;
}

/* "a|b|c" as "a, b, c" */
static void list_words(char *out, size_t n, const char *allowed)
{
    size_t used = 0;

    for (; *allowed && used + 3 < n; allowed++) {
        out[used++] = *allowed == '|' ? ',' : *allowed;
        if (*allowed == '|')
            out[used++] = ' ';
    }
    out[used] = '\0';
}

/* Number of a word, or an error that lists the valid words and suggests the nearest. */
static enum status find_word(size_t *number, const struct config_key *key, const char *text, struct error *err)
{
    char words[MAX_WORDS][WORD], list[512], hint[SUGGEST_HINT];
    struct suggest nearest;

    suggest_init(&nearest, text);
    for (size_t i = 0; i < MAX_WORDS && allowed_word(words[i], key->allowed, i); i++) {
        if (strcmp(words[i], text) == 0) {
            *number = i;
            return OK;
        }
        suggest_offer(&nearest, words[i]);
    }
    list_words(list, sizeof list, key->allowed);
    suggest_hint(hint, sizeof hint, &nearest);
    return error_set(err, FAIL_CONFIG, "\"%s\" is not one of %s%s", text, list, hint);
}

static enum status keep_text(void *field, const char *text, struct error *err)
{
    char *copy = strdup(text);

    if (!copy)
        return error_set(err, FAIL_SYSTEM, "no memory for the configuration");
    *(char **)field = copy;
    return OK;
}

enum status config_word_parse_name(void *field, const struct config_key *key, const char *text, struct error *err)
{
    size_t number;
    enum status rc = find_word(&number, key, text, err);

    return rc == OK ? keep_text(field, text, err) : rc;
}

enum status config_word_parse_expression(void *field, const struct config_key *key, const char *text, struct error *err)
{
    (void)key;
    if (!*text)
        return error_set(err, FAIL_CONFIG, "the value is empty");
    return keep_text(field, text, err);
}

void config_word_print_name(FILE *out, const void *field, const struct config_key *key)
{
    (void)key;
    fputs(*(char *const *)field, out);
}

void config_word_release_name(void *field)
{
    free(*(char **)field);
}

static int choice_value(const struct config_key *key, size_t number)
{
    return key->values ? key->values[number] : (int)number;
}

enum status config_word_parse_choice(void *field, const struct config_key *key, const char *text, struct error *err)
{
    size_t number = 0;
    enum status rc = find_word(&number, key, text, err);

    *(int *)field = choice_value(key, number);
    return rc;
}

void config_word_print_choice(FILE *out, const void *field, const struct config_key *key)
{
    char word[WORD] = "";

    for (size_t i = 0; allowed_word(word, key->allowed, i); i++)
        if (choice_value(key, i) == *(const int *)field)
            break;
    fputs(word, out);
}

/* Append a pair of layers to a comma-separated list of `size` bytes. */
static void append(char *list, size_t size, const char *item)
{
    size_t used = strlen(list);

    snprintf(list + used, size - used, "%s%s", used ? "," : "", item);
}

/* Put words into `groups` and pairs of layers into the list `pairs`. */
static enum status sort_flows(unsigned *groups, char *pairs, const struct config_key *key, const char *text,
                              struct error *err)
{
    char item[TOKEN];
    const char *at = text;
    enum token token;
    size_t number, count = 0;
    bool none = false;

    while ((token = token_item(item, &at, text)) == TOKEN_WORD) {
        count++;
        if (strchr(item, '-')) {
            append(pairs, strlen(text) + 1, item);
            continue;
        }
        enum status rc = find_word(&number, key, item, err);
        if (rc != OK)
            return rc;
        none = none || number == 0;
        *groups |= number ? 1u << (number - 1) : 0;
    }
    if (token == TOKEN_BAD || count == 0 || (none && count > 1))
        return error_set(err, FAIL_CONFIG, "\"%s\" is neither none nor a comma-separated list", text);
    return OK;
}

enum status config_word_parse_flows(void *field, const struct config_key *key, const char *text, struct error *err)
{
    struct config_flows flows = {0};
    char *pairs = calloc(strlen(text) + 1, 1);
    enum status rc = pairs ? OK : error_set(err, FAIL_SYSTEM, "no memory for the configuration");

    TRY(rc);
    TRY(sort_flows(&flows.groups, pairs, key, text, err));
    if (*pairs)
        TRY(config_list_parse_words(&flows.pairs, key, pairs, err));
    *(struct config_flows *)field = flows;
done:
    free(pairs);
    return rc;
}

void config_word_print_flows(FILE *out, const void *field, const struct config_key *key)
{
    const struct config_flows *flows = field;
    const char *separator = "";
    char word[WORD];

    for (size_t i = 1; allowed_word(word, key->allowed, i); i++) {
        if (!(flows->groups >> (i - 1) & 1))
            continue;
        fprintf(out, "%s%s", separator, word);
        separator = ", ";
    }
    if (flows->pairs.count)
        fputs(separator, out);
    if (flows->pairs.count || !flows->groups)
        config_list_print_words(out, &flows->pairs, key);
}

void config_word_release_flows(void *field)
{
    config_list_release_words(&((struct config_flows *)field)->pairs);
}

static const char *const target_words[] = {"predicted", "label", "class:N", "contrast:A-B"};

static bool starts_with(const char **at, const char *word)
{
    size_t n = strlen(word);

    if (strncmp(*at, word, n) != 0)
        return false;
    *at += n;
    return true;
}

enum status config_word_parse_target(void *field, const struct config_key *key, const char *text, struct error *err)
{
    struct config_target target = {0};
    const char *at = text;
    bool valid = true;

    (void)key;
    if (starts_with(&at, "predicted"))
        target.kind = CONFIG_TARGET_PREDICTED;
    else if (starts_with(&at, "label"))
        target.kind = CONFIG_TARGET_LABEL;
    else if (starts_with(&at, "class:")) {
        target.kind = CONFIG_TARGET_CLASS;
        valid = token_whole(&at, &target.a);
    } else if (starts_with(&at, "contrast:")) {
        target.kind = CONFIG_TARGET_CONTRAST;
        valid = token_whole(&at, &target.a) && token_mark(&at, '-') && token_whole(&at, &target.b);
    } else
        valid = false;
    if (!valid || *at) {
        char hint[SUGGEST_HINT];
        struct suggest nearest;
        suggest_init(&nearest, text);
        for (size_t i = 0; i < sizeof target_words / sizeof target_words[0]; i++)
            suggest_offer(&nearest, target_words[i]);
        suggest_hint(hint, sizeof hint, &nearest);
        return error_set(err, FAIL_CONFIG, "\"%s\" is not one of predicted, label, class:N, contrast:A-B%s", text,
                         hint);
    }
    if (target.kind == CONFIG_TARGET_CONTRAST && target.a == target.b)
        return error_set(err, FAIL_CONFIG, "%s contrasts a class with itself", text);
    *(struct config_target *)field = target;
    return OK;
}

void config_word_print_target(FILE *out, const void *field, const struct config_key *key)
{
    const struct config_target *target = field;

    (void)key;
    if (target->kind == CONFIG_TARGET_CLASS)
        fprintf(out, "class:%zu", target->a);
    else if (target->kind == CONFIG_TARGET_CONTRAST)
        fprintf(out, "contrast:%zu-%zu", target->a, target->b);
    else
        fputs(target_words[target->kind], out);
}
