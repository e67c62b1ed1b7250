#include "pipeline/results/origin.h"

#include "pipeline/run/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- of which command ------------------------------------------------------------------------------------------ */

bool origin_is_evaluation(const struct store_reader *store)
{
    return store_has(store, "evaluation") && !store_has(store, "layers");
}

bool origin_is_map(const struct store_reader *store)
{
    return store_has(store, "queries/map/map") && !store_has(store, "layers");
}

enum status origin_open(struct store_reader **out, const char *path, struct error *err)
{
    enum status rc = store_open_read(out, path, err);

    if (rc == OK && origin_is_evaluation(*out))
        rc = error_set(err, FAIL_CONFIG,
                       "%s is an evaluation, not the store of a run: `nrmflow info` shows it, and so does "
                       "`nrmflow report STORE --evaluation %s`",
                       path, path);
    else if (rc == OK && origin_is_map(*out))
        rc = error_set(err, FAIL_CONFIG, "%s has the maps of `nrmflow map`, not the store of a run", path);
    return rc;
}

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
    TRY(config_parse_stored(&out->config, text, path, err));
done:
    free(text);
    return rc;
}

void origin_free(struct origin *origin)
{
    config_free(&origin->config);
}

/* ---- measure ----------------------------------------------------------------------------------------------------- */

static const char advice[] = "give the configuration of the store's run, and with --set what its command line changed";

enum status origin_compare(const struct origin *origin, const struct config *mine, const char *model_sha256,
                           bool by_class, struct error *err)
{
    const char *const keys[] = {"measure.composite",
                                "measure.bias",
                                "measure.pool",
                                "measure.target",
                                "measure.add",
                                "measure.rule",
                                by_class ? "store.class_by" : NULL,
                                NULL};

    return identity_compare(origin->reader, origin->path,
                            &(struct identity){mine, model_sha256, NULL, keys, advice, NULL, {0, 0}}, err);
}

/* ---- images ------------------------------------------------------------------------------------------------------ */

enum status origin_compare_dataset(const struct origin *origin, const char *dataset_sha256, struct error *err)
{
    static const char *const none[] = {NULL};

    return identity_compare(origin->reader, origin->path,
                            &(struct identity){&origin->config, NULL, dataset_sha256, none, advice, NULL, {0, 0}}, err);
}

bool origin_same_images(const struct origin *origin, const char *dataset_sha256, size_t first, size_t count)
{
    size_t ndim, dims[STORE_MAX_DIMS];

    return store_shape(&ndim, dims, origin->reader, "images/status", NULL) == OK && dims[0] == count &&
           origin->config.data.images.first == first && origin->config.data.shard.count == 1 &&
           origin_complete(origin->reader) && origin_compare_dataset(origin, dataset_sha256, NULL) == OK;
}

/* ---- evaluations ------------------------------------------------------------------------------------------------- */

/* The evaluation's measure must be the store's, with its condition. */
static enum status compare_measures(const struct store_reader *evaluation, const char *path,
                                    const struct store_reader *store, struct error *err)
{
    struct origin here = {.reader = NULL}, there = {.reader = NULL};
    enum status rc = OK;

    TRY(origin_read(&here, store, "the store", err));
    TRY(origin_read(&there, evaluation, path, err));
    TRY(origin_compare(&there, &here.config, NULL, false, err));
    if (strcmp(here.config.measure.given, there.config.measure.given) != 0)
        TRY(error_set(err, FAIL_MISMATCH,
                      "%s: is an evaluation with measure.given = %.60s, and the store has %.60s; evaluate the store's "
                      "configuration",
                      path, there.config.measure.given, here.config.measure.given));
done:
    origin_free(&here);
    origin_free(&there);
    return rc;
}

enum status origin_compare_evaluation(const struct store_reader *evaluation, const char *path,
                                      const struct store_reader *store, struct error *err)
{
    char *here = NULL, *there = NULL;
    enum status rc = OK;

    if (!origin_is_evaluation(evaluation))
        TRY(error_set(err, FAIL_FORMAT, "%s: is no evaluation; `nrmflow evaluate` writes one", path));
    TRY(store_get_text(&here, store, "", "model_sha256", err));
    TRY(store_get_text(&there, evaluation, "", "model_sha256", err));
    if (strcmp(here, there) != 0)
        TRY(error_set(err, FAIL_MISMATCH,
                      "%s: is an evaluation of other weights than those of the store; evaluate "
                      "the store's configuration",
                      path));
    TRY(compare_measures(evaluation, path, store, err));
done:
    free(here);
    free(there);
    return rc;
}
