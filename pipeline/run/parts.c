#include "pipeline/run/parts.h"

#include "io/base/fault.h"
#include "pipeline/mpi/agree.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME = 64, MAX_EPOCHS = 1000000000 };

/* ---- names ---- */

/* "folder/name"; malloc, NULL without memory. */
static char *path_of(const struct parts *parts, const char *name)
{
    size_t size = strlen(parts->folder) + strlen(name) + 2;
    char *path = malloc(size);

    if (path)
        snprintf(path, size, "%s/%s", parts->folder, name);
    return path;
}

static void part_name(char name[NAME], size_t epoch, size_t node)
{
    snprintf(name, NAME, "epoch-%06zu-node-%05zu.h5", epoch, node);
}

/* The epoch in a part's name; false for other names, which could lead out of the folder. */
static bool parse_name(size_t *epoch, const char *name)
{
    char same[NAME];
    size_t node;

    if (sscanf(name, "epoch-%zu-node-%zu.h5", epoch, &node) != 2 || *epoch >= MAX_EPOCHS)
        return false;
    part_name(same, *epoch, node);
    return strcmp(name, same) == 0;
}

static bool listed(const struct parts *parts, const char *name)
{
    for (size_t i = 0; i < parts->count; i++)
        if (strcmp(parts->names[i], name) == 0)
            return true;
    return false;
}

/* Add a name that parse_name has accepted, or that part_name has made. */
static enum status add_name(struct parts *parts, const char *name, struct error *err)
{
    size_t epoch = 0;

    char **names = realloc(parts->names, (parts->count + 1) * sizeof *names);
    if (names)
        parts->names = names;
    if (!names || !(names[parts->count] = strdup(name)))
        return error_set(err, FAIL_SYSTEM, "no memory for the names of part files");
    parts->count++;
    if (parse_name(&epoch, name) && epoch >= parts->epoch)
        parts->epoch = epoch + 1;
    return OK;
}

/* ---- the folder ---- */

static void remove_file(const struct parts *parts, const char *name)
{
    char *path = path_of(parts, name);

    if (path && !fault_hit(FAULT_REMOVE))
        unlink(path);
    free(path);
}

/* Remove the files of a folder whose names begin with `prefix` and are not listed; their number. */
static size_t remove_matching(const struct parts *parts, const char *folder, const char *prefix)
{
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    size_t removed = 0;

    while (directory && (entry = readdir(directory)) != NULL)
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 && !listed(parts, entry->d_name))
            removed += unlinkat(dirfd(directory), entry->d_name, 0) == 0;
    if (directory)
        closedir(directory);
    return removed;
}

/* Remove files that no store lists: parts of an unfinished epoch or of a replaced run, and temporary files of a run
 * that was killed. */
static size_t remove_orphans(const struct parts *parts, const char *output)
{
    const char *slash = strrchr(output, '/'), *name = slash ? slash + 1 : output;
    size_t size = strlen(output) + sizeof ".tmp-", removed = remove_matching(parts, parts->folder, "epoch-");
    char *folder = slash ? strndup(output, (size_t)(slash - output) + 1) : strdup("."), *prefix = malloc(size);

    if (folder && prefix) {
        snprintf(prefix, size, "%s.tmp-", name);
        removed += remove_matching(parts, folder, prefix);
    }
    free(folder);
    free(prefix);
    return removed;
}

static enum status name_folder(struct parts *parts, const char *output, struct error *err)
{
    size_t size = strlen(output) + sizeof ".parts";

    *parts = (struct parts){.folder = malloc(size)};
    if (!parts->folder)
        return error_set(err, FAIL_SYSTEM, "no memory for a path");
    snprintf(parts->folder, size, "%s.parts", output);
    return OK;
}

enum status parts_enter(struct parts *parts, const char *output, const char *host, enum config_lock mode,
                        struct log *log, struct error *err)
{
    enum status rc = name_folder(parts, output, err);

    return rc == OK ? lock_take(&parts->lock, parts->folder, host, mode, log, err) : rc;
}

enum status parts_keep(struct parts *parts, size_t *removed, const char *output, char *const *names, size_t count,
                       struct error *err)
{
    size_t epoch;
    enum status rc = OK;

    *removed = 0;
    for (size_t i = 0; i < count; i++) {
        if (!parse_name(&epoch, names[i]))
            TRY(error_set(err, FAIL_FORMAT, "%s: lists a part file that no run has written: %.100s", output, names[i]));
        TRY(add_name(parts, names[i], err));
    }
    *removed = remove_orphans(parts, output);
done:
    return rc;
}

enum status parts_open(struct parts *parts, const char *output, const struct node *node, enum config_lock mode,
                       struct log *log, struct error *err)
{
    enum status rc =
        node->rank == 0 ? parts_enter(parts, output, node->host, mode, log, err) : name_folder(parts, output, err);

    return agree(node->world, rc, err);
}

enum status parts_adopt(struct parts *parts, size_t *removed, const char *output, char *const *names, size_t count,
                        const struct node *node, struct error *err)
{
    unsigned long long epoch;
    enum status rc = OK;

    *removed = 0;
    if (node->rank == 0)
        rc = parts_keep(parts, removed, output, names, count, err);
    epoch = parts->epoch;
    MPI_Bcast(&epoch, 1, MPI_UNSIGNED_LONG_LONG, 0, node->world);
    parts->epoch = (size_t)epoch;
    return agree(node->world, rc, err);
}

/* ---- parts ---- */

enum status parts_write(struct parts *parts, struct rows *rows, const struct node *node, struct error *err)
{
    size_t epoch = parts->epoch++;
    char name[NAME];
    enum status rc = OK;

    part_name(name, epoch, (size_t)node->index);
    char *path = path_of(parts, name);
    TRY(agree(node->world, path ? OK : error_set(err, FAIL_SYSTEM, "no memory for a path"), err));
    TRY(agree(node->world, rows_write_part(rows, node, path, err), err));
    for (int i = 0; rc == OK && node->rank == 0 && i < node->nnodes; i++) {
        part_name(name, epoch, (size_t)i);
        rc = add_name(parts, name, err);
    }
    parts->epoch = epoch + 1;
    rc = agree(node->world, rc, err);
done:
    free(path);
    return rc;
}

enum status parts_read(struct rows_parts *out, const struct parts *parts, const struct rows_layout *layout,
                       struct error *err)
{
    char **paths = calloc(parts->count ? parts->count : 1, sizeof *paths);
    enum status rc = OK;

    *out = (struct rows_parts){0};
    for (size_t i = 0; paths && i < parts->count; i++)
        paths[i] = path_of(parts, parts->names[i]);
    for (size_t i = 0; i < parts->count; i++)
        if (!paths || !paths[i])
            TRY(error_set(err, FAIL_SYSTEM, "no memory for the paths of %zu part files", parts->count));
    TRY(rows_parts_open(out, layout, (const char *const *)paths, parts->count, err));
done:
    for (size_t i = 0; paths && i < parts->count; i++)
        free(paths[i]);
    free(paths);
    return rc;
}

void parts_remove(struct parts *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        remove_file(parts, parts->names[i]);
        free(parts->names[i]);
    }
    parts->count = 0;
}

void parts_free(struct parts *parts)
{
    bool mine = parts->lock != NULL;

    lock_release(parts->lock, parts->count == 0);
    if (mine && parts->count == 0)
        rmdir(parts->folder);
    for (size_t i = 0; i < parts->count; i++)
        free(parts->names[i]);
    free(parts->names);
    free(parts->folder);
    *parts = (struct parts){0};
}
