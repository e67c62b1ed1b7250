#include "pipeline/run/identity.h"

#include "pipeline/config/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 1024 };

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

/* Describe the first image that a store and the run's listing do not share; "another dataset" if they share all. */
static enum status describe_dataset(char *out, size_t n, const struct store_reader *store, const struct identity *mine,
                                    struct error *err)
{
    size_t rows = STORE_ANY, wanted = mine->images.end - mine->images.first;
    char **paths = NULL, *here = NULL, name[NAME];
    int64_t *labels = NULL;
    enum status rc = OK;

    snprintf(out, n, "another dataset");
    if (!mine->listing)
        return OK;
    TRY(store_read_text(&paths, store, "images/path", &rows, err));
    TRY(store_read_int(&labels, store, "images/label", 1, &rows, err));
    for (size_t i = 0; i < rows && i < wanted; i++) {
        dataset_listing_name(name, sizeof name, mine->listing, mine->images.first + i);
        free(here);
        here = store_escape_name(name);
        int label = dataset_listing_label(mine->listing, mine->images.first + i);
        if (here && strlen(name) < sizeof name - 1 && (strcmp(here, paths[i]) != 0 || label != labels[i])) {
            snprintf(out, n,
                     "another dataset: its image %zu is %.160s with label %lld, here it is %.160s with label %d", i,
                     paths[i], (long long)labels[i], here, label);
            goto done;
        }
    }
    if (rows != wanted)
        snprintf(out, n, "another dataset: it has %zu images, here there are %zu", rows, wanted);
done:
    free(here);
    free(paths);
    free(labels);
    return rc;
}

enum status identity_compare(const struct store_reader *store, const char *path, const struct identity *mine,
                             struct error *err)
{
    char *here = config_text(mine->config), *there = NULL, difference[512];
    enum status rc = here ? OK : error_set(err, FAIL_SYSTEM, "no memory for the configuration's text");

    TRY(rc);
    TRY(store_get_text(&there, store, "", "config", err));
    if (config_text_differs_from(difference, sizeof difference, mine->config, here, there, mine->keys))
        TRY(error_set(err, FAIL_MISMATCH, "%s: this store is of another run: %s; %s", path, difference, mine->advice));
    TRY(compare_text(store, path, "model_sha256", mine->model_sha256, "other weights", mine->advice, err));
    rc = compare_text(store, path, "dataset_sha256", mine->dataset_sha256, "another dataset", mine->advice, NULL);
    if (rc == FAIL_MISMATCH)
        TRY(describe_dataset(difference, sizeof difference, store, mine, err));
    TRY(compare_text(store, path, "dataset_sha256", mine->dataset_sha256, difference, mine->advice, err));
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
