#include "pipeline/config/text.h"

#include "pipeline/config/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lists are wrapped because the INI reader limits the length of a line. */
enum { WRAP = 120 };

static void print_wrapped(FILE *out, const char *value, size_t column)
{
    for (const char *c = value; *c; c++, column++) {
        if (column > WRAP && c - value >= 2 && c[-2] == ',' && c[-1] == ' ') {
            fputs("\n    ", out);
            column = 4;
        }
        fputc(*c, out);
    }
}

static void print_line(FILE *out, const char *name, const char *value)
{
    fprintf(out, "%s =%s", name, *value ? " " : "");
    print_wrapped(out, value, strlen(name) + 3);
    fputc('\n', out);
}

/* A pair without a name comes from a command line and is not a key. */
static void print_pairs(FILE *out, const struct config_key *key, const struct config_pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (*pairs->items[i].name)
            fprintf(out, "%s.%s = %s\n", key->name, pairs->items[i].name, pairs->items[i].text);
}

/* The text of one value; NULL without memory. */
static char *value_text(const struct config_key *key, const void *field)
{
    char *value = NULL;
    size_t nbytes;
    FILE *memory = open_memstream(&value, &nbytes);

    if (!memory)
        return NULL;
    config_value_print(memory, field, key);
    if (fclose(memory) != 0) {
        free(value);
        return NULL;
    }
    return value;
}

char *config_text_value(const struct config *config, const char *section, const char *name)
{
    const struct config_key *key = config_table_key(config_table_find(section, name));

    return key ? value_text(key, (const char *)config + key->offset) : NULL;
}

/* False without memory. */
static bool print_key(FILE *out, const struct config_key *key, const void *field)
{
    if (key->type == CONFIG_TYPE_PAIRS) {
        print_pairs(out, key, field);
        return true;
    }
    char *value = value_text(key, field);
    if (!value)
        return false;
    print_line(out, key->name, value);
    free(value);
    return true;
}

char *config_text(const struct config *config)
{
    char *text = NULL;
    size_t nbytes;
    const char *section = "";
    const struct config_key *key;
    bool complete = true;
    FILE *out = open_memstream(&text, &nbytes);

    if (!out)
        return NULL;
    for (size_t i = 0; complete && (key = config_table_key(i)) != NULL; i++) {
        if (strcmp(section, key->section) != 0)
            fprintf(out, "%s[%s]\n", i ? "\n" : "", key->section);
        section = key->section;
        complete = print_key(out, key, (const char *)config + key->offset);
    }
    if (fclose(out) != 0 || !complete) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- comparing ------------------------------------------------------------------------------------------------- */

/* One assignment of a canonical text: its section and the span from its name to the end of its value. */
struct entry {
    char section[32], name[128];
    const char *value;
    int nvalue;
};

/* A value ends at a line end that no continuation line follows. */
static const char *value_end(const char *at)
{
    const char *end = at + strcspn(at, "\n");

    while (end[0] == '\n' && end[1] == ' ')
        end += 1 + strcspn(end + 1, "\n");
    return end;
}

static bool next_entry(struct entry *e, const char **at)
{
    while (**at) {
        const char *line = *at, *end = value_end(line), *equals = strchr(line, '=');
        *at = *end ? end + 1 : end;
        if (*line == '[') {
            snprintf(e->section, sizeof e->section, "%.*s", (int)strcspn(line + 1, "]\n"), line + 1);
        } else if (equals && equals < end) {
            snprintf(e->name, sizeof e->name, "%.*s", (int)strcspn(line, " =\n"), line);
            e->value = equals + 1 + strspn(equals + 1, " ");
            e->value = e->value < end ? e->value : end;
            e->nvalue = (int)(end - e->value);
            return true;
        }
    }
    return false;
}

/* Find the assignment to the same key. One that is missing has the key's default, since texts of earlier versions lack
 * the keys that are new; of a key that the program does not know it reads "not set". */
static void find_entry(struct entry *found, const char *text, const struct entry *wanted)
{
    *found = (struct entry){0};
    while (next_entry(found, &text))
        if (strcmp(found->section, wanted->section) == 0 && strcmp(found->name, wanted->name) == 0)
            return;
    const struct config_key *key = config_table_key(config_table_find(wanted->section, wanted->name));
    *found = *wanted;
    found->value = key && key->type != CONFIG_TYPE_PAIRS ? key->fallback : "not set";
    found->nvalue = (int)strlen(found->value);
}

static bool is_key(const struct config_key *key, const char *name)
{
    size_t n = strlen(key->section);

    return strncmp(name, key->section, n) == 0 && name[n] == '.' && strcmp(name + n + 1, key->name) == 0;
}

static bool matters(const struct entry *e, const char *const *keys)
{
    const struct config_key *key = config_table_key(config_table_find(e->section, e->name));

    if (!keys)
        return !key || !key->may_differ;
    while (*keys && !(key && is_key(key, *keys)))
        keys++;
    return *keys != NULL;
}

/* The first assignment of a that matters and that b lacks, or has with another value. */
static bool find_difference(struct entry *in_a, struct entry *in_b, const char *a, const char *b,
                            const char *const *keys)
{
    *in_a = (struct entry){0};
    while (next_entry(in_a, &a)) {
        if (!matters(in_a, keys))
            continue;
        find_entry(in_b, b, in_a);
        if (in_a->nvalue != in_b->nvalue || memcmp(in_a->value, in_b->value, (size_t)in_a->nvalue) != 0)
            return true;
    }
    return false;
}

/* The next pair that matters. */
static bool next_pair(struct entry *e, const char **at, const char *const *keys)
{
    while (next_entry(e, at)) {
        const struct config_key *key = config_table_key(config_table_find(e->section, e->name));
        if (key && key->type == CONFIG_TYPE_PAIRS && matters(e, keys))
            return true;
    }
    return false;
}

/* The first place where texts that have the same pairs differ in their order: that of patterns of rules counts. */
static bool find_order(struct entry *in_a, struct entry *in_b, const char *a, const char *b, const char *const *keys)
{
    *in_a = *in_b = (struct entry){0};
    while (next_pair(in_a, &a, keys) && next_pair(in_b, &b, keys))
        if (strcmp(in_a->name, in_b->name) != 0)
            return true;
    return false;
}

/* Whether a configuration does not set this key, which a store has with another value. */
static bool left_at_default(const struct config *config, const struct entry *e)
{
    size_t i = config_table_find(e->section, e->name);
    const struct config_key *key = config_table_key(i);

    return config && key && key->type != CONFIG_TYPE_PAIRS && config->lines[i] == CONFIG_DEFAULT;
}

bool config_text_differs_from(char *message, size_t n, const struct config *config, const char *mine,
                              const char *stored, const char *const *keys)
{
    struct entry here, there;

    if (!find_difference(&here, &there, mine, stored, keys) && !find_difference(&there, &here, stored, mine, keys)) {
        if (!find_order(&here, &there, mine, stored, keys))
            return false;
        snprintf(message, n, "%s.%s comes before %s.%s here, but after it in the store", here.section, here.name,
                 there.section, there.name);
        return true;
    }
    bool silent = left_at_default(config, &here);
    int used = snprintf(message, n, "%s.%s is \"%.*s\" here%s, but \"%.*s\" in the store", here.section, here.name,
                        here.nvalue, here.value, silent ? " by default" : "", there.nvalue, there.value);
    if (silent && used > 0 && (size_t)used < n)
        snprintf(message + used, n - (size_t)used, ": set %s.%s = %.*s for the same run", here.section, here.name,
                 there.nvalue, there.value);
    return true;
}

bool config_text_differs_in(char *message, size_t n, const char *mine, const char *stored, const char *const *keys)
{
    return config_text_differs_from(message, n, NULL, mine, stored, keys);
}

bool config_text_differs(char *message, size_t n, const char *mine, const char *stored)
{
    return config_text_differs_in(message, n, mine, stored, NULL);
}
