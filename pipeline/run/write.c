#include "pipeline/run/write.h"

#include "io/base/fault.h"
#include "pipeline/config/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the store ------------------------------------------------------------------------------------------------- */

void write_dataset_sha256(char hex[2 * DATASET_SHA256 + 1], const struct dataset_listing *listing)
{
    const unsigned char *digest = dataset_listing_sha256(listing);

    for (size_t i = 0; i < DATASET_SHA256; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

static enum status write_text_attributes(struct store *store, const struct write_run *run, struct error *err)
{
    static const char *const keys[] = {"bias", "pool", "given", "target"};
    char *config = config_text(run->config), *measure[4];
    enum status rc = OK;

    for (size_t i = 0; i < 4; i++)
        measure[i] = config_text_value(run->config, "measure", keys[i]);

    const struct {
        const char *name, *value;
    } texts[] = {
        {"config", config},
        {"network", run->model->net.name},
        {"composite", run->config->measure.composite},
        {"model_sha256", run->model->sha256},
        {"bias", measure[0]},
        {"pool", measure[1]},
        {"given", measure[2]},
        {"target", measure[3]},
        {"dataset", run->dataset},
        {"dataset_sha256", run->dataset_sha256},
    };

    for (size_t i = 0; rc == OK && i < sizeof texts / sizeof texts[0]; i++)
        rc = texts[i].value ? store_set_text(store, "", texts[i].name, texts[i].value, err)
                            : error_set(err, FAIL_SYSTEM, "no memory for the configuration's text");
    for (size_t i = 0; i < 4; i++)
        free(measure[i]);
    free(config);
    return rc;
}

enum status write_origin(struct store *store, const struct write_run *run, struct error *err)
{
    enum status rc = OK;

    TRY(write_text_attributes(store, run, err));
    TRY(provenance_write(store, run->provenance, err));
    TRY(store_set_int(store, "", "dataset_count", (int64_t)run->dataset_count, err));
    TRY(store_set_int(store, "", "first_image", (int64_t)run->first, err));
done:
    return rc;
}

const char *write_stage(enum block_stage stage)
{
    static const char *const names[BLOCK_STAGES] = {[STAGE_DECODE] = "seconds_decode",
                                                    [STAGE_MEASURE] = "seconds_measure",
                                                    [STAGE_STATISTICS] = "seconds_statistics"};

    return names[stage];
}

/* Only part of a run's images: whoever reads the store shall see it. */
static enum status write_shard(struct store *store, struct config_shard shard, struct error *err)
{
    char text[64];

    if (shard.count == 1)
        return OK;
    snprintf(text, sizeof text, "%zu/%zu", shard.index, shard.count);
    return store_set_text(store, "", "shard", text, err);
}

static enum status write_attributes(struct store *store, const struct write_run *run, struct finish_given given,
                                    bool complete, struct error *err)
{
    enum status rc = OK;

    TRY(write_origin(store, run, err));
    TRY(write_shard(store, run->config->data.shard, err));
    TRY(store_set_int(store, "", "seed", (int64_t)run->config->run.seed, err));
    TRY(store_set_int(store, "", "complete", complete, err));
    if (given.weak)
        TRY(store_set_int(store, "", "weak_condition", 1, err));
    TRY(store_set_real(store, "", "given_mean", given.mean, err));
    TRY(store_set_real(store, "", "given_std_error", given.std_error, err));
    for (size_t i = 0; i < BLOCK_STAGES; i++)
        TRY(store_set_real(store, "", write_stage(i), run->seconds[i], err));
done:
    return rc;
}

void write_free_names(char **names, size_t classes)
{
    for (size_t i = 0; names && i < classes; i++)
        free(names[i]);
    free(names);
}

enum status write_listing(struct store *store, const struct dataset_listing *listing, size_t first, size_t end,
                          struct error *err)
{
    size_t n = end - first;
    char **names = calloc(n, sizeof *names);
    int32_t *labels = malloc(n * sizeof *labels);
    enum status rc = OK;

    if (!names || !labels)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for the names of %zu images", n));
    for (size_t i = 0; i < n; i++) {
        size_t length = dataset_listing_name(NULL, 0, listing, first + i);
        names[i] = malloc(length + 1);
        if (!names[i])
            TRY(error_set(err, FAIL_SYSTEM, "no memory for the names of %zu images", n));
        dataset_listing_name(names[i], length + 1, listing, first + i);
        labels[i] = dataset_listing_label(listing, first + i);
    }
    TRY(store_write_text(store, "images/path", (const char *const *)names, n, err));
    TRY(store_write(store, "images/label", labels, 1, &n, err));
done:
    write_free_names(names, n);
    free(labels);
    return rc;
}

/* The last convolution is what a viewer shows first. */
static enum status write_variables(struct store *store, const struct network *net, struct error *err)
{
    const char *names[NETWORK_MAX_VARIABLES], *shown = names[0] = network_variable(net, 0);
    enum status rc = OK;

    for (size_t k = 1; k <= net->nlinks; k++) {
        names[k] = network_variable(net, k);
        shown = net->links[k - 1].kind == LINK_CONVOLUTION ? names[k] : shown;
    }
    TRY(store_write_text(store, "images/variable", names, net->nlinks + 1, err));
    TRY(store_set_text(store, "layers", "default", shown, err));
done:
    return rc;
}

enum status write_head(struct store *store, const struct write_run *run, struct finish_given given, bool complete,
                       struct error *err)
{
    size_t classes = network_shape(&run->model->net, run->model->net.nlinks).channels;
    enum status rc = OK;

    TRY(write_attributes(store, run, given, complete, err));
    TRY(write_variables(store, &run->model->net, err));
    TRY(store_write_text(store, "classes/name", (const char *const *)run->class_names, classes, err));
done:
    return rc;
}

enum { CLASS_NAME = 1024 };

/* One name a line; empty lines and lines that are missing leave the class its number. */
static enum status read_names_file(char **names, size_t n, const char *path, struct error *err)
{
    char line[CLASS_NAME];
    enum status rc = OK;
    FILE *f = fault_hit(FAULT_OPEN) ? NULL : fopen(path, "r");

    if (!f)
        return error_system(err, "%s: cannot read the class names", path);
    for (size_t i = 0; rc == OK && i < n && fgets(line, sizeof line, f); i++) {
        if (!strchr(line, '\n') && !feof(f))
            rc = error_set(err, FAIL_FORMAT, "%s: line %zu is no class name: it is not text, or has %d bytes or more",
                           path, i + 1, CLASS_NAME - 1);
        line[strcspn(line, "\r\n")] = '\0';
        if (!*line)
            continue;
        free(names[i]);
        names[i] = strdup(line);
    }
    if (fault_hit(FAULT_READ) || ferror(f))
        rc = error_system(err, "%s: cannot read the class names", path);
    fclose(f);
    return rc;
}

enum status write_read_names(char ***names, size_t classes, const struct config *config,
                             const struct dataset_listing *listing, struct error *err)
{
    bool same = dataset_listing_classes(listing) == classes;
    char number[32];
    enum status rc = OK;

    *names = calloc(classes, sizeof **names);
    for (size_t i = 0; *names && i < classes; i++) {
        snprintf(number, sizeof number, "%zu", i);
        (*names)[i] = strdup(same ? dataset_listing_class(listing, i) : number);
    }
    if (*names && *config->model.classes.file)
        rc = read_names_file(*names, classes, config->model.classes.file, err);
    for (size_t i = 0; rc == OK && i < classes; i++)
        if (!*names || !(*names)[i])
            rc = error_set(err, FAIL_SYSTEM, "no memory for class names");
    return rc;
}

/* ---- state ----------------------------------------------------------------------------------------------------- */

/* The weighted layers, from which network_init knows the network again. */
static enum status write_layers(struct store *store, const struct network *net, struct error *err)
{
    int64_t sizes[NETWORK_MAX_LINKS][2];
    size_t dims[] = {0, 2};

    for (size_t k = 0; k < net->nlinks; k++) {
        const struct link *l = &net->links[k];
        if (l->kind == LINK_POOL)
            continue;
        sizes[dims[0]][0] = (int64_t)l->upper.channels;
        sizes[dims[0]++][1] = (int64_t)(l->kind == LINK_DENSE ? shape_neurons(l->lower) : l->lower.channels);
    }
    return store_write(store, "state/layers", sizes, 2, dims, err);
}

/* What a run needs to go on, and a merge to put shards together: the sums as they are in memory, and the parts. */
static enum status write_state(struct store *store, const struct write_run *run, const struct parts *parts,
                               const struct sums *sums, size_t finished, bool complete, struct error *err)
{
    size_t nwords = sums_bytes(sums->plan) / sizeof(uint64_t), count = complete ? 0 : parts->count;
    enum status rc = OK;

    TRY(store_write(store, "state/sums", sums->memory, 1, &nwords, err));
    TRY(store_write_text(store, "state/parts", (const char *const *)parts->names, count, err));
    TRY(write_layers(store, &run->model->net, err));
    TRY(store_set_int(store, "", "finished", (int64_t)finished, err));
done:
    return rc;
}

enum status write_read_sums(struct sums *sums, const struct store_reader *store, size_t images, struct error *err)
{
    enum status rc = OK;

    TRY(store_read_words(sums->memory, store, "state/sums", sums_bytes(sums->plan) / sizeof(uint64_t), err));
    TRY(sums_accept(sums, images, err));
done:
    return rc;
}

enum status write_read_state(struct sums *sums, char ***names, size_t *count, const char *output, size_t images,
                             struct error *err)
{
    struct store_reader *store = NULL;
    enum status rc = OK;

    TRY(store_open_read(&store, output, err));
    TRY(write_read_sums(sums, store, images, err));
    *count = STORE_ANY;
    TRY(store_read_text(names, store, "state/parts", count, err));
done:
    store_close(store);
    return rc;
}

/* ---- a run's store --------------------------------------------------------------------------------------------- */

/* Means of the queries, from their rows. */
static enum status write_queries(struct store *store, const struct write_run *run, const struct rows_parts *parts,
                                 struct error *err)
{
    size_t n = run->end - run->first;
    double *value = malloc(n * sizeof *value), *given = malloc(n * sizeof *given);
    enum status rc = OK;

    if (!value || !given)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for the queries of %zu images", n));
    for (size_t i = 0; i < run->queries->count; i++) {
        TRY(rows_read_column(value, parts, run->layout->query + 2 * i, n, err));
        TRY(rows_read_column(given, parts, run->layout->query + 2 * i + 1, n, err));
        TRY(queries_finish(store, run->queries->items[i].name, run->queries->items[i].text, value, given, n, err));
    }
done:
    free(value);
    free(given);
    return rc;
}

/* An unfinished store is soon replaced, and all ranks wait for it: it is compressed lightly. */
static unsigned compression(const struct config *config, bool complete)
{
    unsigned wanted = (unsigned)config->store.compression;

    return complete || wanted < 1 ? wanted : 1;
}

enum status write_store(struct write_summary *summary, const struct write_run *run,
                        const struct dataset_listing *listing, const struct parts *parts, const struct sums *sums,
                        bool complete, const char *output, struct error *err)
{
    struct finish_given given = finish_given(run->statistics, sums);
    bool shard = run->config->data.shard.count > 1;
    struct rows_parts rows = {0};
    struct store *store = NULL;
    enum status rc = OK;

    TRY(parts_read(&rows, parts, run->layout, err));
    TRY(store_create(&store, output, compression(run->config, complete), err));
    if (!complete)
        store_plain_state(store);
    TRY(write_head(store, run, given, complete, err));
    TRY(write_listing(store, listing, run->first, run->end, err));
    TRY(rows_pack(store, summary->counts, &rows, run->end - run->first, complete, err));
    TRY(write_queries(store, run, &rows, err));
    TRY(finish_statistics(store, run->statistics, sums, err));
    if (!complete || shard)
        TRY(write_state(store, run, parts, sums, rows.nrows, complete, err));
    rc = store_commit(store, err);
    store = NULL;
    summary->images = rows.nrows;
    summary->weak_condition = given.weak;
done:
    store_discard(store);
    rows_parts_free(&rows);
    return rc;
}

enum status write_check_failed(const struct write_summary *summary, const struct config *config, const char *output,
                               struct error *err)
{
    size_t failed = summary->counts[STORE_IMAGE_UNREAD] + summary->counts[STORE_IMAGE_UNSUPPORTED];

    if ((double)failed <= config->data.max_failed * (double)summary->images)
        return OK;
    return error_set(err, FAIL_LIMIT,
                     "%zu of %zu images failed, more than data.max_failed = %g allows; %s is complete, its "
                     "images/status says which and the log why",
                     failed, summary->images, config->data.max_failed, output);
}
