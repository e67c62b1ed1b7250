#include "pipeline/run/identity.h"

#include "pipeline/config/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Compare one of the store's attributes with this run's. */
static enum status compare_text(const struct store_reader *store, const char *path, const char *name, const char *mine,
                                const char *what, const char *advice, struct error *err)
{
    char *theirs = NULL;
    enum status rc = mine ? store_get_text(&theirs, store, "", name, err) : OK;

    if (rc == OK && mine && strcmp(theirs, mine) != 0)
        rc = error_set(err, FAIL_MISMATCH, "%s: this store was made with %s; %s", path, what, advice);
    free(theirs);
    return rc;
}

enum status identity_compare(const struct store_reader *store, const char *path, const struct identity *mine,
                             struct error *err)
{
    char *here = config_text(mine->config), *there = NULL, difference[512];
    enum status rc = here ? OK : error_set(err, FAIL_SYSTEM, "no memory for the configuration's text");

    TRY(rc);
    TRY(store_get_text(&there, store, "", "config", err));
    if (config_text_differs_in(difference, sizeof difference, here, there, mine->keys))
        TRY(error_set(err, FAIL_MISMATCH, "%s: this store is of another run: %s; %s", path, difference, mine->advice));
    TRY(compare_text(store, path, "model_sha256", mine->model_sha256, "other weights", mine->advice, err));
    TRY(compare_text(store, path, "dataset_sha256", mine->dataset_sha256, "another dataset", mine->advice, err));
done:
    free(here);
    free(there);
    return rc;
}

void identity_dataset_sha256(char hex[IDENTITY_SHA256], const struct dataset_listing *listing)
{
    const unsigned char *digest = dataset_listing_sha256(listing);

    for (size_t i = 0; i < DATASET_SHA256; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}
