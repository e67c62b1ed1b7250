/* A store for writing: created, then committed or discarded. */
#include "io/store/internal.h"

#include <stdlib.h>

static void release(struct store *store)
{
    for (size_t i = 0; i < store->nentries; i++) {
        store_close_entry(&store->entries[i]);
        free(store->entries[i].path);
    }
    free(store->entries);
    free(store);
}

void store_discard(struct store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < store->nentries; i++)
        store_close_entry(&store->entries[i]);
    h5_atomic_discard(store->atomic);
    release(store);
}

enum status store_create(struct store **out, const char *path, unsigned deflate, struct error *err)
{
    enum status rc = OK;
    struct store *store = calloc(1, sizeof *store);

    *out = NULL;
    if (!store)
        return error_system(err, "%s: cannot be created", path);
    store->deflate = deflate;
    if (deflate > 9) {
        rc = error_set(err, FAIL_CONFIG, "%s: compression %u is not between 0 and 9", path, deflate);
        goto done;
    }
    TRY(h5_atomic_create(&store->atomic, path, err));
    TRY(store_set_text(store, "", "format", "nrmflow", err));
    TRY(store_set_int(store, "", "format_version", STORE_FORMAT_VERSION, err));
    *out = store;
    store = NULL;
done:
    store_discard(store);
    return rc;
}

void store_plain_state(struct store *store)
{
    store->plain_state = true;
}

enum status store_commit(struct store *store, struct error *err)
{
    enum status rc = OK;

    for (size_t i = 0; i < store->nentries; i++)
        store_close_entry(&store->entries[i]);
    TRY(store_finish(store, err));
done:
    if (rc == OK)
        rc = h5_atomic_commit(store->atomic, err);
    else
        h5_atomic_discard(store->atomic);
    release(store);
    return rc;
}
