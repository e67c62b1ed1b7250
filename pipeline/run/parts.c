#include "pipeline/run/parts.h"

#include "io/base/fault.h"
#include "pipeline/mpi/agree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME = 64, MAX_EPOCHS = 1000000000 };

static const char lock_name[] = "lock";

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

static enum status make_folder(const struct parts *parts, struct error *err)
{
    struct stat there;

    if (!fault_hit(FAULT_FOLDER) && mkdir(parts->folder, 0777) == 0)
        return OK;
    if (errno != EEXIST || stat(parts->folder, &there) != 0)
        return error_system(err, "%s: cannot create this folder for unfinished results", parts->folder);
    if (!S_ISDIR(there.st_mode))
        return error_set(err, FAIL_SYSTEM, "%s: is in the way of a folder for unfinished results; remove it",
                         parts->folder);
    return OK;
}

/* Read the owner's note in a lock file. */
static void read_note(int lock, char *note, size_t size)
{
    ssize_t n = pread(lock, note, size - 1, 0);

    note[n > 0 ? n : 0] = '\0';
    note[strcspn(note, "\n")] = '\0';
}

/* Whether an open file still is the one at this path: the run that held its lock removes it at the end. */
static bool is_current(int file, const char *path)
{
    struct stat mine, there;

    return fstat(file, &mine) == 0 && stat(path, &there) == 0 && mine.st_dev == there.st_dev &&
           mine.st_ino == there.st_ino;
}

/* Lock an open file. An fcntl lock ends with its process, so a dead run's file never blocks. */
static enum status lock_file(const struct parts *parts, int file, struct error *err)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char note[256];

    if (!fault_hit(FAULT_LOCK) && fcntl(file, F_SETLK, &whole) == 0)
        return OK;
    if (errno != EACCES && errno != EAGAIN)
        return error_system(err, "%s: cannot be locked; use a file system with locks", parts->folder);
    read_note(file, note, sizeof note);
    return error_set(err, FAIL_CONFIG,
                     "%s: another run is writing this store (%s); wait for it, or choose another --output",
                     parts->folder, note);
}

static enum status write_note(const struct parts *parts, const char *host, struct error *err)
{
    char note[NODE_HOST + 64];

    snprintf(note, sizeof note, "process %ld on %s\n", (long)getpid(), host);
    if (fault_hit(FAULT_WRITE) || ftruncate(parts->lock, 0) != 0 || pwrite(parts->lock, note, strlen(note), 0) < 0)
        return error_system(err, "%s: cannot write to the lock file in this folder", parts->folder);
    return OK;
}

/* Create the folder and lock the file in it; start again if the last owner has removed them in between. */
static enum status take_lock(struct parts *parts, const char *host, struct error *err)
{
    char *path = path_of(parts, lock_name);
    enum status rc = path ? OK : error_set(err, FAIL_SYSTEM, "no memory for a path");

    while (rc == OK && !parts->locked) {
        TRY(make_folder(parts, err));
        int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (file < 0 && errno != ENOENT)
            TRY(error_system(err, "%s: cannot create a lock file in this folder", parts->folder));
        rc = file < 0 ? OK : lock_file(parts, file, err);
        if (rc == OK && file >= 0 && is_current(file, path)) {
            parts->lock = file;
            parts->locked = true;
        } else if (file >= 0)
            close(file);
    }
    TRY(rc);
    TRY(write_note(parts, host, err));
done:
    if (rc != OK && parts->locked) {
        close(parts->lock);
        parts->locked = false;
    }
    free(path);
    return rc;
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

enum status parts_enter(struct parts *parts, const char *output, const char *host, struct error *err)
{
    enum status rc = name_folder(parts, output, err);

    return rc == OK ? take_lock(parts, host, err) : rc;
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

enum status parts_open(struct parts *parts, const char *output, const struct node *node, struct error *err)
{
    enum status rc = node->rank == 0 ? parts_enter(parts, output, node->host, err) : name_folder(parts, output, err);

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
    bool mine = parts->locked;

    if (mine && parts->count == 0)
        remove_file(parts, lock_name);
    if (mine)
        close(parts->lock);
    if (mine && parts->count == 0)
        rmdir(parts->folder);
    for (size_t i = 0; i < parts->count; i++)
        free(parts->names[i]);
    free(parts->names);
    free(parts->folder);
    *parts = (struct parts){0};
}
