#include "write.h"

#include "agree.h"
#include "blas.h"
#include "config_text.h"
#include "version.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- parts ----------------------------------------------------------------------------------------------------- */

static const char part_prefix[] = "epoch-", part_suffix[] = ".h5";

static char *joined(const char *a, const char *b, const char *c)
{
    size_t size = strlen(a) + strlen(b) + strlen(c) + 1;
    char *text = malloc(size);

    if (text)
        snprintf(text, size, "%s%s%s", a, b, c);
    return text;
}

static int is_part(const struct dirent *entry)
{
    return strncmp(entry->d_name, part_prefix, strlen(part_prefix)) == 0;
}

/* Names of the parts, sorted; scandir's memory. Returns -1 with errno on failure. */
static int list_parts(struct dirent ***names, const struct write_parts *parts)
{
    return scandir(parts->folder, names, is_part, alphasort);
}

static void remove_parts(const struct write_parts *parts)
{
    struct dirent **names = NULL;
    int n = list_parts(&names, parts);

    for (int i = 0; i < n; i++) {
        char *path = joined(parts->folder, "/", names[i]->d_name);
        if (path)
            unlink(path);
        free(path);
        free(names[i]);
    }
    free(names);
}

enum status write_parts_create(struct write_parts *parts, const char *output, const struct node *node,
                               struct error *err)
{
    enum status rc = OK;

    parts->folder = joined(output, ".parts", "");
    if (!parts->folder)
        rc = error_set(err, FAIL_SYSTEM, "no memory for a path");
    else if (node->rank == 0 && mkdir(parts->folder, 0777) != 0 && errno != EEXIST)
        rc = error_system(err, "%s: cannot make this folder for unfinished results", parts->folder);
    else if (node->rank == 0)
        remove_parts(parts);
    return agree(node->world, rc, err);
}

enum status write_part(const struct write_parts *parts, struct rows *rows, size_t epoch, const struct node *node,
                       struct error *err)
{
    char name[64];
    enum status rc = OK;

    snprintf(name, sizeof name, "%s%06zu-node-%05d%s", part_prefix, epoch, node->index, part_suffix);
    char *path = joined(parts->folder, "/", name);
    rc = agree(node->world, path ? OK : error_set(err, FAIL_SYSTEM, "no memory for a path"), err);
    if (rc == OK)
        rc = agree(node->world, rows_write_part(rows, node, path, err), err);
    free(path);
    return rc;
}

void write_parts_remove(const struct write_parts *parts, const struct node *node)
{
    MPI_Barrier(node->world);
    if (node->rank == 0 && parts->folder) {
        remove_parts(parts);
        rmdir(parts->folder);
    }
}

void write_parts_free(struct write_parts *parts)
{
    free(parts->folder);
    parts->folder = NULL;
}

/* ---- the store ------------------------------------------------------------------------------------------------- */

static enum status write_text_attributes(struct store *store, const struct write_run *run, struct error *err)
{
    char *config = config_text(run->config);
    char sha[2 * DATASET_SHA256 + 1] = "";
    const unsigned char *digest = dataset_listing_sha256(run->listing);
    enum status rc = OK;

    for (size_t i = 0; i < DATASET_SHA256; i++)
        snprintf(sha + 2 * i, 3, "%02x", digest[i]);

    const struct {
        const char *name, *value;
    } texts[] = {
        {"program_version", version_string()},
        {"config", config},
        {"network", run->model->net.name},
        {"composite", run->config->measure.composite},
        {"model_sha256", run->model->sha256},
        {"dataset", run->config->data.path.file},
        {"dataset_sha256", sha},
        {"isa", "generic"},
        {"blas_core", blas_core()},
    };

    if (!config)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for the configuration's text"));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        TRY(store_set_text(store, "", texts[i].name, texts[i].value, err));
done:
    free(config);
    return rc;
}

static enum status write_attributes(struct store *store, const struct write_run *run, struct finish_given given,
                                    struct error *err)
{
    static const char *const stages[BLOCK_STAGES] = {[STAGE_DECODE] = "seconds_decode",
                                                     [STAGE_MEASURE] = "seconds_measure",
                                                     [STAGE_STATISTICS] = "seconds_statistics"};
    enum status rc = OK;

    TRY(write_text_attributes(store, run, err));
    TRY(store_set_int(store, "", "dataset_count", (int64_t)dataset_listing_count(run->listing), err));
    TRY(store_set_int(store, "", "first_image", (int64_t)run->first, err));
    TRY(store_set_int(store, "", "seed", (int64_t)run->config->run.seed, err));
    TRY(store_set_int(store, "", "complete", 1, err));
    if (given.weak)
        TRY(store_set_int(store, "", "weak_condition", 1, err));
    TRY(store_set_real(store, "", "given_mean", given.mean, err));
    TRY(store_set_real(store, "", "given_std_error", given.std_error, err));
    for (size_t i = 0; i < BLOCK_STAGES; i++)
        TRY(store_set_real(store, "", stages[i], run->seconds[i], err));
done:
    return rc;
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
    for (size_t i = 0; names && i < n; i++)
        free(names[i]);
    free(names);
    free(labels);
    return rc;
}

static enum status write_variables(struct store *store, const struct network *net, struct error *err)
{
    const char *names[NETWORK_MAX_VARIABLES];

    for (size_t k = 0; k <= net->nlinks; k++)
        names[k] = network_variable(net, k);
    return store_write_text(store, "images/variable", names, net->nlinks + 1, err);
}

static void close_names(char **names, size_t n)
{
    for (size_t i = 0; names && i < n; i++)
        free(names[i]);
    free(names);
}

/* One name a line; lines that are missing leave the class its number. */
static enum status read_class_names(char **names, size_t n, const char *path, struct error *err)
{
    char line[1024];
    FILE *f = fopen(path, "r");

    if (!f)
        return error_system(err, "%s: cannot read the class names", path);
    for (size_t i = 0; i < n && fgets(line, sizeof line, f); i++) {
        line[strcspn(line, "\r\n")] = '\0';
        free(names[i]);
        names[i] = strdup(line);
    }
    fclose(f);
    return OK;
}

/* Class names: from the user's file, from the dataset if it has as many, else numbers. */
static enum status write_class_names(struct store *store, const struct write_run *run, struct error *err)
{
    size_t n = network_shape(&run->model->net, run->model->net.nlinks).channels;
    bool same = dataset_listing_classes(run->listing) == n;
    char **names = calloc(n, sizeof *names), number[32];
    enum status rc = names ? OK : error_set(err, FAIL_SYSTEM, "no memory for class names");

    for (size_t i = 0; rc == OK && i < n; i++) {
        snprintf(number, sizeof number, "%zu", i);
        names[i] = strdup(same ? dataset_listing_class(run->listing, i) : number);
    }
    if (rc == OK && *run->config->model.classes.file)
        rc = read_class_names(names, n, run->config->model.classes.file, err);
    for (size_t i = 0; rc == OK && i < n; i++)
        if (!names[i])
            rc = error_set(err, FAIL_SYSTEM, "no memory for class names");
    if (rc == OK)
        rc = store_write_text(store, "classes/name", (const char *const *)names, n, err);
    close_names(names, n);
    return rc;
}

static enum status pack_parts(struct store *store, const struct write_run *run, struct error *err)
{
    struct dirent **entries = NULL;
    int n = list_parts(&entries, run->parts);
    char **paths = calloc(n > 0 ? (size_t)n : 1, sizeof *paths);
    enum status rc = OK;

    if (n < 0)
        TRY(error_system(err, "%s: cannot list the parts", run->parts->folder));
    for (int i = 0; paths && i < n; i++)
        paths[i] = joined(run->parts->folder, "/", entries[i]->d_name);
    TRY(rows_pack(store, run->layout, (const char *const *)paths, (size_t)n, run->end - run->first, err));
done:
    close_names(paths, n > 0 ? (size_t)n : 0);
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    return rc;
}

enum status write_store(bool *weak_condition, const struct write_run *run, const struct sums *sums, const char *output,
                        struct error *err)
{
    struct finish_given given = finish_given(run->statistics, sums);
    struct store *store = NULL;
    enum status rc = OK;

    TRY(store_create(&store, output, (unsigned)run->config->store.compression, err));
    TRY(write_attributes(store, run, given, err));
    TRY(write_listing(store, run, err));
    TRY(write_variables(store, &run->model->net, err));
    TRY(write_class_names(store, run, err));
    TRY(pack_parts(store, run, err));
    TRY(finish_statistics(store, run->statistics, sums, err));
    rc = store_commit(store, err);
    store = NULL;
    *weak_condition = given.weak;
done:
    store_discard(store);
    return rc;
}
