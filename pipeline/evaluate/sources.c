#include "pipeline/evaluate/sources.h"

#include "kernels/base/number.h"
#include "pipeline/results/origin.h"
#include "pipeline/run/identity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH = NETWORK_NAME + 64 };

static const char advice[] = "give a store of the configuration's model";

/* The images of the dataset that a store, or all shards of its run, were made of. */
static struct shard_images images_of(const struct origin *origin, const struct run_plan *plan)
{
    struct range images = origin->config.data.images;

    return (struct shard_images){images.first, smaller(images.end, plan->dataset_count)};
}

static enum status check_images(const struct origin *origin, const struct run_plan *plan, struct error *err)
{
    struct shard_images theirs = images_of(origin, plan), mine = plan->images;
    struct error why = {0};

    if (origin_compare_dataset(origin, plan->dataset_sha256, &why) != OK)
        return OK;
    if (mine.first >= theirs.end || theirs.first >= mine.end)
        return OK;
    return error_set(err, FAIL_MISMATCH,
                     "%s was made of images %zu to %zu, which it is not to be tested on: choose others of the %zu with "
                     "--images, or make a store of fewer",
                     origin->path, theirs.first, theirs.end - 1, plan->dataset_count);
}

enum status sources_open(struct store_reader **out, const char *path, const struct run_plan *plan, struct error *err)
{
    static const char *const no_keys[] = {NULL};
    struct origin origin = {.reader = NULL};
    enum status rc = OK;

    TRY(origin_open(out, path, err));
    TRY(origin_read(&origin, *out, path, err));
    TRY(identity_compare(
        *out, path, &(struct identity){plan->config, plan->model.sha256, NULL, no_keys, advice, NULL, {0, 0}}, err));
    TRY(check_images(&origin, plan, err));
    origin_warn_partial(*out, path);
done:
    origin_free(&origin);
    return rc;
}

static enum status add_number(struct sha256 *sum, const struct store_reader *store, const char *name, struct error *err)
{
    int64_t value = -1;
    enum status rc = OK;

    if (store_has_attribute(store, "", name))
        TRY(store_get_int(&value, store, "", name, err));
    TRY(sha256_update(sum, &value, sizeof value, err));
done:
    return rc;
}

static enum status add_text(struct sha256 *sum, const struct store_reader *store, const char *name, struct error *err)
{
    char *text = NULL;
    enum status rc = OK;

    if (store_has_attribute(store, "", name))
        TRY(store_get_text(&text, store, "", name, err));
    if (text)
        TRY(sha256_update(sum, text, strlen(text) + 1, err));
done:
    free(text);
    return rc;
}

enum status sources_identity(char hex[SHA256_HEX], const char *path, struct error *err)
{
    static const char *const texts[] = {"config",    "model_sha256",    "dataset_sha256", "isa",
                                        "blas_core", "program_version", "shard"};
    static const char *const numbers[] = {"seed", "complete", "finished"};
    struct store_reader *store = NULL;
    struct sha256 *sum = NULL;
    enum status rc = OK;

    TRY(origin_open(&store, path, err));
    TRY(sha256_create(&sum, err));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        TRY(add_text(sum, store, texts[i], err));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        TRY(add_number(sum, store, numbers[i], err));
    TRY(sha256_finish(hex, sum, err));
done:
    sha256_destroy(sum);
    store_close(store);
    return rc;
}

enum status sources_images(size_t *count, const struct store_reader *reader, const char *path, int class,
                           struct error *err)
{
    struct origin origin = {.reader = NULL};
    int64_t *status = NULL, *classes = NULL;
    size_t n = STORE_ANY;
    enum status rc = OK;

    *count = 0;
    TRY(origin_read(&origin, reader, path, err));
    TRY(store_read_int(&status, reader, "images/status", 1, &n, err));
    TRY(store_read_int(&classes, reader,
                       origin.config.store.class_by == CONFIG_BY_LABEL ? "images/label" : "images/target", 1, &n, err));
    for (size_t i = 0; i < n; i++)
        *count += status[i] == STORE_IMAGE_OK && (class < 0 || classes[i] == class);
done:
    free(status);
    free(classes);
    origin_free(&origin);
    return rc;
}

enum status sources_read_channels(double **out, const struct sources_store *store, const struct network *net,
                                  size_t variable, const char *column, struct error *err)
{
    const char *name = network_variable(net, variable);
    size_t channels = network_shape(net, variable).channels;
    char path[PATH];

    snprintf(path, sizeof path, "layers/%s/%s", name, column);
    if (!store_has(store->reader, path))
        return error_set(err, FAIL_CONFIG, "%s has no %s of %s; run again with store.layers = all", store->path, column,
                         name);
    return store_read_real(out, store->reader, path, 1, &channels, err);
}

void sources_make_unit(double *score, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += fabs(score[i]);
    for (size_t i = 0; i < n && sum > 0; i++)
        score[i] /= sum;
}
