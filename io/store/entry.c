#include "io/store/internal.h"

#include <string.h>

enum status store_write_failure(const struct store *store, const char *path, struct error *err)
{
    if (h5_atomic_check(store->atomic, err) != OK)
        return FAIL_SYSTEM;
    return h5_error(err, FAIL_SYSTEM, "%s: /%s cannot be written", h5_atomic_path(store->atomic), path);
}

struct store_entry *store_find_entry(const struct store *store, const char *path)
{
    for (size_t i = 0; i < store->nentries; i++)
        if (strcmp(store->entries[i].path, path) == 0)
            return &store->entries[i];
    return NULL;
}

void store_close_entry(struct store_entry *entry)
{
    h5_close(&entry->dataset);
    h5_close(&entry->element);
}
