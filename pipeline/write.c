#include "write.h"

#include "blas.h"
#include "config_text.h"
#include "fault.h"
#include "version.h"

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
    char sha[2 * DATASET_SHA256 + 1];
    enum status rc = OK;

    write_dataset_sha256(sha, run->listing);
    for (size_t i = 0; i < 4; i++)
        measure[i] = config_text_value(run->config, "measure", keys[i]);

    const struct {
        const char *name, *value;
    } texts[] = {
        {"program_version", version_string()},
        {"config", config},
        {"network", run->model->net.name},
        {"composite", run->config->measure.composite},
        {"model_sha256", run->model->sha256},
        {"bias", measure[0]},
        {"pool", measure[1]},
        {"given", measure[2]},
        {"target", measure[3]},
        {"dataset", run->config->data.path.file},
        {"dataset_sha256", sha},
        {"isa", "generic"},
        {"blas_core", blas_core()},
    };

    for (size_t i = 0; rc == OK && i < sizeof texts / sizeof texts[0]; i++)
        rc = texts[i].value ? store_set_text(store, "", texts[i].name, texts[i].value, err)
                            : error_set(err, FAIL_SYSTEM, "no memory for the configuration's text");
    for (size_t i = 0; i < 4; i++)
        free(measure[i]);
    free(config);
    return rc;
}

static enum status write_attributes(struct store *store, const struct write_run *run, struct finish_given given,
                                    bool complete, struct error *err)
{
    static const char *const stages[BLOCK_STAGES] = {[STAGE_DECODE] = "seconds_decode",
                                                     [STAGE_MEASURE] = "seconds_measure",
                                                     [STAGE_STATISTICS] = "seconds_statistics"};
    enum status rc = OK;

    TRY(write_text_attributes(store, run, err));
    TRY(store_set_int(store, "", "dataset_count", (int64_t)dataset_listing_count(run->listing), err));
    TRY(store_set_int(store, "", "first_image", (int64_t)run->first, err));
    TRY(store_set_int(store, "", "seed", (int64_t)run->config->run.seed, err));
    TRY(store_set_int(store, "", "complete", complete, err));
    if (given.weak)
        TRY(store_set_int(store, "", "weak_condition", 1, err));
    TRY(store_set_real(store, "", "given_mean", given.mean, err));
    TRY(store_set_real(store, "", "given_std_error", given.std_error, err));
    for (size_t i = 0; i < BLOCK_STAGES; i++)
        TRY(store_set_real(store, "", stages[i], run->seconds[i], err));
done:
    return rc;
}

void write_free_names(char **names, size_t classes)
{
    for (size_t i = 0; names && i < classes; i++)
        free(names[i]);
    free(names);
}

/* Paths and labels, whether the images could be read or not. */
static enum status write_listing(struct store *store, const struct write_run *run, struct error *err)
{
    size_t n = run->end - run->first;
    char **names = calloc(n, sizeof *names);
    int32_t *labels = malloc(n * sizeof *labels);
    enum status rc = OK;

    if (!names || !labels)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for the names of %zu images", n));
    for (size_t i = 0; i < n; i++) {
        size_t length = dataset_listing_name(NULL, 0, run->listing, run->first + i);
        names[i] = malloc(length + 1);
        if (!names[i])
            TRY(error_set(err, FAIL_SYSTEM, "no memory for the names of %zu images", n));
        dataset_listing_name(names[i], length + 1, run->listing, run->first + i);
        labels[i] = dataset_listing_label(run->listing, run->first + i);
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

/* One name a line; empty lines and lines that are missing leave the class its number. */
static enum status read_names_file(char **names, size_t n, const char *path, struct error *err)
{
    char *line = NULL;
    size_t size = 0;
    FILE *f = fault_hit(FAULT_OPEN) ? NULL : fopen(path, "r");

    if (!f)
        return error_system(err, "%s: cannot read the class names", path);
    for (size_t i = 0; i < n && getline(&line, &size, f) >= 0; i++) {
        line[strcspn(line, "\r\n")] = '\0';
        if (!*line)
            continue;
        free(names[i]);
        names[i] = strdup(line);
    }
    enum status rc =
        fault_hit(FAULT_READ) || ferror(f) ? error_system(err, "%s: cannot read the class names", path) : OK;
    free(line);
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

/* What a run needs to go on: the sums as they are in memory, and the names of the parts. */
static enum status write_state(struct store *store, const struct write_run *run, const struct sums *sums,
                               size_t finished, struct error *err)
{
    size_t nwords = sums_bytes(sums->plan) / sizeof(uint64_t);
    enum status rc = OK;

    TRY(store_write(store, "state/sums", sums->memory, 1, &nwords, err));
    TRY(store_write_text(store, "state/parts", (const char *const *)run->parts->names, run->parts->count, err));
    TRY(store_set_int(store, "", "finished", (int64_t)finished, err));
done:
    return rc;
}

enum status write_read_state(struct sums *sums, char ***names, size_t *count, const char *output, struct error *err)
{
    struct store_reader *store = NULL;
    size_t nbytes = sums_bytes(sums->plan), nwords = nbytes / sizeof(uint64_t);
    enum status rc = OK;

    TRY(store_open_read(&store, output, err));
    TRY(store_read_words(sums->memory, store, "state/sums", nwords, err));
    *count = STORE_ANY;
    TRY(store_read_text(names, store, "state/parts", count, err));
done:
    store_close(store);
    return rc;
}

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

enum status write_store(struct write_summary *summary, const struct write_run *run, const struct sums *sums,
                        bool complete, const char *output, struct error *err)
{
    struct finish_given given = finish_given(run->statistics, sums);
    size_t classes = network_shape(&run->model->net, run->model->net.nlinks).channels, nrows = run->end - run->first;
    struct rows_parts parts = {0};
    struct store *store = NULL;
    enum status rc = OK;

    TRY(parts_read(&parts, run->parts, run->layout, err));
    TRY(store_create(&store, output, compression(run->config, complete), err));
    TRY(write_attributes(store, run, given, complete, err));
    TRY(write_listing(store, run, err));
    TRY(write_variables(store, &run->model->net, err));
    TRY(store_write_text(store, "classes/name", (const char *const *)run->class_names, classes, err));
    TRY(rows_pack(store, summary->counts, &parts, nrows, complete, err));
    TRY(write_queries(store, run, &parts, err));
    TRY(finish_statistics(store, run->statistics, sums, err));
    if (!complete)
        TRY(write_state(store, run, sums, parts.nrows, err));
    rc = store_commit(store, err);
    store = NULL;
    summary->images = parts.nrows;
    summary->weak_condition = given.weak;
done:
    store_discard(store);
    rows_parts_free(&parts);
    return rc;
}
