#include "pipeline/results/origin.h"

#include "pipeline/config/text.h"
#include "pipeline/run/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- complete or not ------------------------------------------------------------------------------------------- */

bool origin_complete(const struct store_reader *store)
{
    int64_t complete = 0;

    return store_get_int(&complete, store, "", "complete", NULL) == OK && complete != 0;
}

bool origin_describe_partial(char *message, size_t n, const struct store_reader *store)
{
    int64_t finished = 0;
    size_t ndim = 0, dims[STORE_MAX_DIMS] = {0};
    char *shard = NULL;

    if (!origin_complete(store) && store_get_int(&finished, store, "", "finished", NULL) == OK &&
        store_shape(&ndim, dims, store, "images/status", NULL) == OK)
        snprintf(message, n, "is unfinished: its numbers are of %lld of %zu images; start the run again to continue",
                 (long long)finished, dims[0]);
    else if (!origin_complete(store))
        snprintf(message, n, "is unfinished; start the run again to continue");
    else if (store_has_attribute(store, "", "shard") && store_get_text(&shard, store, "", "shard", NULL) == OK)
        snprintf(message, n, "is shard %.32s of a run; `nrmflow merge` puts all together", shard);
    else
        message[0] = '\0';
    free(shard);
    return message[0] != '\0';
}

void origin_warn_partial(const struct store_reader *store, const char *path)
{
    char message[256];

    if (origin_describe_partial(message, sizeof message, store))
        fprintf(stderr, "nrmflow: warning: %s %s\n", path, message);
}

/* ---- the configuration ----------------------------------------------------------------------------------------- */

enum status origin_read(struct origin *out, const struct store_reader *reader, const char *path, struct error *err)
{
    char *text = NULL;
    enum status rc = OK;

    *out = (struct origin){.reader = reader, .path = path};
    TRY(store_get_text(&text, reader, "", "config", err));
    TRY(config_parse(&out->config, text, path, NULL, 0, err));
done:
    free(text);
    return rc;
}

void origin_free(struct origin *origin)
{
    config_free(&origin->config);
}

/* ---- measure ----------------------------------------------------------------------------------------------------- */

static bool same_pairs(const struct config_pairs *a, const struct config_pairs *b)
{
    bool same = a->count == b->count;

    for (size_t i = 0; same && i < a->count; i++)
        same = strcmp(a->items[i].name, b->items[i].name) == 0 && strcmp(a->items[i].text, b->items[i].text) == 0;
    return same;
}

static enum status compare_key(const struct origin *origin, const struct config *config, const char *section,
                               const char *key, struct error *err)
{
    char *stored = config_text_value(&origin->config, section, key), *mine = config_text_value(config, section, key);
    enum status rc = OK;

    if (!stored || !mine)
        rc = error_set(err, FAIL_SYSTEM, "no memory for the configuration's text");
    else if (strcmp(stored, mine) != 0)
        rc = error_set(err, FAIL_MISMATCH, "%s has %s.%s = %s, but the configuration asks for %s", origin->path,
                       section, key, stored, mine);
    free(stored);
    free(mine);
    return rc;
}

enum status origin_compare(const struct origin *origin, const struct config *mine, const char *model_sha256,
                           bool by_class, struct error *err)
{
    static const char *const keys[] = {"composite", "bias", "pool", "target"};
    char *sha = NULL;
    enum status rc = OK;

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        TRY(compare_key(origin, mine, "measure", keys[i], err));
    if (by_class)
        TRY(compare_key(origin, mine, "store", "class_by", err));
    if (!same_pairs(&origin->config.measure.rules, &mine->measure.rules))
        TRY(error_set(err, FAIL_MISMATCH, "%s has other rules of single layers (measure.rule) than the configuration",
                      origin->path));
    TRY(store_get_text(&sha, origin->reader, "", "model_sha256", err));
    if (strcmp(sha, model_sha256) != 0)
        TRY(error_set(err, FAIL_MISMATCH, "%s was made with other weights than those of the configuration",
                      origin->path));
done:
    free(sha);
    return rc;
}

/* ---- images ------------------------------------------------------------------------------------------------------ */

static bool same_dataset(const struct origin *origin, const struct dataset_listing *listing)
{
    char mine[2 * DATASET_SHA256 + 1], *stored = NULL;

    output_dataset_sha256(mine, listing);
    bool same = store_get_text(&stored, origin->reader, "", "dataset_sha256", NULL) == OK && strcmp(mine, stored) == 0;

    free(stored);
    return same;
}

enum status origin_compare_dataset(const struct origin *origin, const struct dataset_listing *listing,
                                   struct error *err)
{
    if (same_dataset(origin, listing))
        return OK;
    return error_set(err, FAIL_MISMATCH, "%s was made from another dataset than that of the configuration",
                     origin->path);
}

bool origin_same_images(const struct origin *origin, const struct dataset_listing *listing, size_t first, size_t count)
{
    size_t ndim, dims[STORE_MAX_DIMS];

    return store_shape(&ndim, dims, origin->reader, "images/status", NULL) == OK && dims[0] == count &&
           origin->config.data.images.first == first && origin->config.data.shard.count == 1 &&
           origin_complete(origin->reader) && same_dataset(origin, listing);
}
