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

/* The pair of this name as the last one, without a text if it is new; NULL without memory. */
static struct config_pair *move_to_end(struct config_pairs *pairs, const char *name)
{
    struct config_pair *found = config_pairs_find(pairs, name), *items;

    if (found) {
        struct config_pair pair = *found;
        size_t after = (size_t)(pairs->items + pairs->count - (found + 1));
        memmove(found, found + 1, after * sizeof *found);
        pairs->items[pairs->count - 1] = pair;
        return &pairs->items[pairs->count - 1];
    }
    items = realloc(pairs->items, (pairs->count + 1) * sizeof *items);
    if (!items)
        return NULL;
    pairs->items = items;
    char *copy = strdup(name);
    if (!copy)
        return NULL;
    items[pairs->count] = (struct config_pair){.name = copy};
    return &items[pairs->count++];
}

enum status config_pairs_set(struct config_pairs *pairs, const char *name, const char *text, size_t line,
                             struct error *err)
{
    char *copy = strdup(text);
    struct config_pair *pair = copy ? move_to_end(pairs, name) : NULL;

    if (!pair) {
        free(copy);
        return error_set(err, FAIL_SYSTEM, "no memory for the configuration");
    }
    free(pair->text);
    pair->text = copy;
    pair->line = line;
    return OK;
}

bool config_pairs_is_pattern(const char *name)
{
    return strpbrk(name, "*?[") != NULL;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct config_pair *)a)->name, ((const struct config_pair *)b)->name);
}

void config_pairs_sort(struct config_pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (config_pairs_is_pattern(pairs->items[i].name))
            return;
    if (pairs->count)
        qsort(pairs->items, pairs->count, sizeof *pairs->items, compare_names);
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
