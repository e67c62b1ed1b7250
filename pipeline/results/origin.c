#include "pipeline/results/origin.h"

#include "pipeline/config/text.h"
#include "pipeline/run/write.h"

#include <stdlib.h>
#include <string.h>

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
        rc = error_set(err, FAIL_CONFIG, "%s has %s.%s = %s, but the configuration asks for %s", origin->path, section,
                       key, stored, mine);
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
        TRY(error_set(err, FAIL_CONFIG, "%s and the configuration have other rules of single layers", origin->path));
    TRY(store_get_text(&sha, origin->reader, "", "model_sha256", err));
    if (strcmp(sha, model_sha256) != 0)
        TRY(error_set(err, FAIL_CONFIG, "%s was made with other weights than those of the configuration",
                      origin->path));
done:
    free(sha);
    return rc;
}

/* ---- images ------------------------------------------------------------------------------------------------------ */

bool origin_same_dataset(const struct origin *origin, const struct dataset_listing *listing)
{
    char mine[2 * DATASET_SHA256 + 1], *stored = NULL;

    write_dataset_sha256(mine, listing);
    bool same = store_get_text(&stored, origin->reader, "", "dataset_sha256", NULL) == OK && strcmp(mine, stored) == 0;

    free(stored);
    return same;
}

bool origin_same_images(const struct origin *origin, const struct dataset_listing *listing, size_t first, size_t count)
{
    int64_t complete = 0;
    size_t ndim, dims[STORE_MAX_DIMS];

    return store_shape(&ndim, dims, origin->reader, "images/status", NULL) == OK && dims[0] == count &&
           origin->config.data.images.first == first && origin->config.data.shard.count == 1 &&
           store_get_int(&complete, origin->reader, "", "complete", NULL) == OK && complete == 1 &&
           origin_same_dataset(origin, listing);
}
