#include "pipeline/config/pairs.h"

#include <stdlib.h>
#include <string.h>

struct config_pair *config_pairs_find(const struct config_pairs *pairs, const char *name)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (strcmp(pairs->items[i].name, name) == 0)
            return &pairs->items[i];
    return NULL;
}

static struct config_pair *insert(struct config_pairs *pairs, const char *name)
{
    struct config_pair *items = realloc(pairs->items, (pairs->count + 1) * sizeof *items);
    size_t i = pairs->count;

    if (!items)
        return NULL;
    pairs->items = items;
    char *copy = strdup(name);
    if (!copy)
        return NULL;
    for (; i > 0 && strcmp(items[i - 1].name, name) > 0; i--)
        items[i] = items[i - 1];
    items[i] = (struct config_pair){.name = copy};
    pairs->count++;
    return &items[i];
}

enum status config_pairs_set(struct config_pairs *pairs, const char *name, const char *text, size_t line,
                             struct error *err)
{
    char *copy = strdup(text);
    struct config_pair *pair = config_pairs_find(pairs, name);

    if (copy && !pair)
        pair = insert(pairs, name);
    if (!copy || !pair) {
        free(copy);
        return error_set(err, FAIL_SYSTEM, "no memory for the configuration");
    }
    free(pair->text);
    pair->text = copy;
    pair->line = line;
    return OK;
}

void config_pairs_release(struct config_pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) {
        free(pairs->items[i].name);
        free(pairs->items[i].text);
    }
    free(pairs->items);
    *pairs = (struct config_pairs){0};
}
