#include "pipeline/run/merge_parts.h"

#include "pipeline/config/text.h"

#include <stdlib.h>
#include <string.h>

/* ---- one store ------------------------------------------------------------------------------------------------- */

/* Parse a store's configuration, and turn it into the whole run's. */
static enum status read_config(struct config *config, struct merge_part *part, const struct store_reader *store,
                               struct error *err)
{
    char *text = NULL;
    enum status rc = OK;

    TRY(store_get_text(&text, store, "", "config", err));
    TRY(config_parse_stored(config, text, part->path, err));
    part->shard = config->data.shard;
    if (part->shard.count == 1)
        TRY(error_set(err, FAIL_CONFIG, "%s: is no shard; a run with data.shard = k/n writes one", part->path));
    config->data.shard = (struct config_shard){1, 1};
    part->config = config_text(config);
    if (!part->config)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for a configuration's text"));
done:
    free(text);
    return rc;
}

static enum status read_whole(size_t *out, const struct store_reader *store, const char *name, const char *path,
                              struct error *err)
{
    int64_t value = 0;
    enum status rc = store_get_int(&value, store, "", name, err);

    if (rc == OK && value < 0)
        rc = error_set(err, FAIL_FORMAT, "%s: the attribute %s is negative", path, name);
    *out = (size_t)value;
    return rc;
}

static enum status check_finished(const struct merge_part *part, const struct store_reader *store, struct error *err)
{
    size_t complete, finished;
    enum status rc = OK;

    TRY(read_whole(&complete, store, "complete", part->path, err));
    TRY(read_whole(&finished, store, "finished", part->path, err));
    if (!complete || finished != part->rows)
        rc = error_set(err, FAIL_MISMATCH, "%s: is unfinished, with %zu of its %zu images; run its shard to the end",
                       part->path, finished, part->rows);
done:
    return rc;
}

static enum status read_part(struct config *config, struct merge_part *part, struct error *err)
{
    struct store_reader *store = NULL;
    size_t ndim, dims[STORE_MAX_DIMS];
    enum status rc = OK;

    TRY(store_open_read(&store, part->path, err));
    TRY(read_config(config, part, store, err));
    TRY(store_shape(&ndim, dims, store, "images/status", err));
    part->rows = ndim == 1 ? dims[0] : 0;
    TRY(check_finished(part, store, err));
    TRY(read_whole(&part->first, store, "first_image", part->path, err));
    TRY(read_whole(&part->dataset_count, store, "dataset_count", part->path, err));
    TRY(store_get_text(&part->model_sha256, store, "", "model_sha256", err));
    TRY(store_get_text(&part->dataset_sha256, store, "", "dataset_sha256", err));
    TRY(provenance_read(&part->provenance, store, err));
done:
    store_close(store);
    return rc;
}

/* ---- all of them ----------------------------------------------------------------------------------------------- */

static enum status compare_part(const struct merge_part *first, const struct merge_part *part, bool mixed,
                                struct error *err)
{
    char difference[512];

    if (part->shard.count != first->shard.count)
        return error_set(err, FAIL_MISMATCH, "%s is one of %zu shards, but %s one of %zu", part->path,
                         part->shard.count, first->path, first->shard.count);
    if (config_text_differs(difference, sizeof difference, part->config, first->config))
        return error_set(err, FAIL_MISMATCH, "%s and %s are of different runs: %s", part->path, first->path,
                         difference);
    if (strcmp(part->model_sha256, first->model_sha256) != 0)
        return error_set(err, FAIL_MISMATCH, "%s and %s were made with different weights", part->path, first->path);
    if (strcmp(part->dataset_sha256, first->dataset_sha256) != 0 || part->dataset_count != first->dataset_count)
        return error_set(err, FAIL_MISMATCH, "%s and %s were made with different datasets", part->path, first->path);
    if (!mixed && (provenance_differs(difference, sizeof difference, &part->provenance, &first->provenance) ||
                   provenance_differs(difference, sizeof difference, &first->provenance, &part->provenance)))
        return error_set(err, FAIL_MISMATCH,
                         "%s and %s were computed on different machines, whose results differ in the last bits (%s); "
                         "--allow-mixed merges them even so, and the store records it",
                         part->path, first->path, difference);
    return OK;
}

static int by_shard(const void *a, const void *b)
{
    const struct merge_part *x = a, *y = b;

    return x->shard.index < y->shard.index ? -1 : x->shard.index > y->shard.index;
}

/* Every shard once; parts are in the order of their numbers. */
static enum status check_all_there(const struct merge_parts *all, struct error *err)
{
    size_t count = all->parts[0].shard.count, missing = 1;

    for (size_t i = 0; i + 1 < all->count; i++)
        if (all->parts[i].shard.index == all->parts[i + 1].shard.index)
            return error_set(err, FAIL_MISMATCH, "%s and %s are both shard %zu/%zu; name each shard once",
                             all->parts[i].path, all->parts[i + 1].path, all->parts[i].shard.index, count);
    if (all->count == count)
        return OK;
    for (size_t i = 0; i < all->count && all->parts[i].shard.index == missing; i++)
        missing++;
    return error_set(err, FAIL_MISMATCH, "of %zu shards %zu %s missing, the first of them %zu/%zu", count,
                     count - all->count, count - all->count == 1 ? "is" : "are", missing, count);
}

/* Every shard has the images that belong to its number. */
static enum status check_images(struct merge_parts *all, struct error *err)
{
    size_t block = all->config.run.block;

    all->whole = shard_whole(&all->config, all->parts[0].dataset_count);
    bool good = all->whole.first < all->whole.end && all->count <= shard_blocks(all->whole, block);

    for (size_t i = 0; i < all->count; i++) {
        const struct merge_part *part = &all->parts[i];
        struct shard_images images = {0, 0};
        if (good)
            images = shard_part(all->whole, block, part->shard);
        if (part->first != images.first || part->rows != images.end - images.first)
            return error_set(err, FAIL_FORMAT, "%s: does not hold the images of shard %zu/%zu", part->path,
                             part->shard.index, part->shard.count);
    }
    return OK;
}

enum status merge_parts_read(struct merge_parts *out, const char *const *paths, size_t count, bool mixed,
                             struct error *err)
{
    struct config config = {0};
    enum status rc = OK;

    *out = (struct merge_parts){.parts = calloc(count, sizeof *out->parts)};
    if (!out->parts)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for a list of %zu shards", count));
    for (size_t i = 0; i < count; i++) {
        struct merge_part *part = &out->parts[out->count++];
        part->path = paths[i];
        TRY(read_part(i ? &config : &out->config, part, err));
        config_free(&config);
        TRY(compare_part(&out->parts[0], part, mixed, err));
    }
    qsort(out->parts, count, sizeof *out->parts, by_shard);
    TRY(check_all_there(out, err));
    TRY(check_images(out, err));
    for (size_t i = 0; i < count; i++)
        provenance_join(&out->provenance, &out->parts[i].provenance);
done:
    config_free(&config);
    return rc;
}

void merge_parts_free(struct merge_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        free(parts->parts[i].config);
        free(parts->parts[i].model_sha256);
        free(parts->parts[i].dataset_sha256);
    }
    free(parts->parts);
    config_free(&parts->config);
    *parts = (struct merge_parts){0};
}
