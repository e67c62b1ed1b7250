#include "pipeline/util/toplist.h"

#include <math.h>

void toplist_init(struct toplist_entry *list, size_t depth)
{
    for (size_t i = 0; i < depth; i++)
        list[i] = (struct toplist_entry){.value = (double)NAN, .image = -1, .position = -1};
}

bool toplist_before(const struct toplist_entry *a, const struct toplist_entry *b)
{
    if (a->image < 0 || b->image < 0)
        return a->image >= 0 && b->image < 0;
    if (a->value != b->value)
        return a->value > b->value;
    if (a->image != b->image)
        return a->image < b->image;
    return a->position < b->position;
}

void toplist_insert(struct toplist_entry *list, size_t depth, struct toplist_entry entry)
{
    if (isnan(entry.value) || depth == 0 || !toplist_before(&entry, &list[depth - 1]))
        return;
    entry.value += 0.0; /* -0 equals +0 but has other bits: keep one of the two */
    size_t i = depth - 1;
    for (; i > 0 && toplist_before(&entry, &list[i - 1]); i--)
        list[i] = list[i - 1];
    list[i] = entry;
}

void toplist_merge(struct toplist_entry *into, const struct toplist_entry *from, size_t depth)
{
    for (size_t i = 0; i < depth && from[i].image >= 0; i++)
        toplist_insert(into, depth, from[i]);
}
