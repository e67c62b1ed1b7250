#include "io/store/internal.h"

#include <stdlib.h>
#include <string.h>

bool store_names_add(struct store_names *names, const char *name)
{
    if (names->count == STORE_MAX_NAMES)
        return false;
    if ((names->count & (names->count + 1)) == 0) { /* 0, 1, 3, 7, ...: room for twice as many, and one */
        char **larger = realloc(names->names, (2 * names->count + 2) * sizeof *larger);

        if (!larger)
            return false;
        names->names = larger;
    }
    names->names[names->count] = strdup(name);
    if (!names->names[names->count])
        return false;
    names->count++;
    return true;
}

void store_names_free(struct store_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    *names = (struct store_names){0};
}
