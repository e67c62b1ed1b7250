#include "pipeline/run/place.h"

#include "io/base/fault.h"
#include "io/base/target.h"
#include "io/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_BYTES = 1 << 16 };

/* The folder that `path` is in; malloc. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static enum status check_folder(const char *output, struct error *err)
{
    char *folder = folder_of(output);
    struct stat about;
    enum status rc = OK;

    if (!folder)
        rc = error_set(err, FAIL_SYSTEM, "no memory for a path");
    else if (stat(folder, &about) != 0)
        rc = error_system(err, "%s: the folder of the output cannot be used", folder);
    else if (!S_ISDIR(about.st_mode))
        rc = error_set(err, FAIL_SYSTEM, "%s: the output's folder is no folder", folder);
    else if (access(folder, W_OK | X_OK) != 0)
        rc = error_system(err, "%s: cannot write into the folder of the output", folder);
    free(folder);
    return rc;
}

static enum status check_inputs(const struct stat *there, const char *output, const struct config *config,
                                struct error *err)
{
    const char *const inputs[] = {config->name, config->data.path.file, config->data.labels.file,
                                  config->model.weights.file, config->model.classes.file};
    struct stat input;

    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
        if (inputs[i] && *inputs[i] && stat(inputs[i], &input) == 0 && input.st_dev == there->st_dev &&
            input.st_ino == there->st_ino)
            return error_set(err, FAIL_CONFIG,
                             "%s: the output would overwrite an input of the run; choose another --output", output);
    return OK;
}

/* Whether a file that cannot be opened as a store was one: HDF5 with the program's name in the root's attributes, which
 * are at its beginning. */
static bool was_a_store(const char *path)
{
    static const char signature[] = "\x89HDF\r\n\x1a\n", mark[] = "nrmflow";
    char *head = malloc(HEAD_BYTES);
    FILE *file = head ? fopen(path, "rb") : NULL;
    size_t n = file ? fread(head, 1, HEAD_BYTES, file) : 0;
    bool found = file && n == 0; /* what a copy leaves that has only begun */

    if (n > sizeof signature && memcmp(head, signature, sizeof signature - 1) == 0)
        for (size_t i = 0; i + sizeof mark - 1 <= n && !found; i++)
            found = memcmp(head + i, mark, sizeof mark - 1) == 0;
    if (file)
        fclose(file);
    free(head);
    return found;
}

/* A file that is no store is not overwritten; one that was a store only with --restart. */
static enum status check_store(const char *output, bool restart, struct error *err)
{
    struct store_reader *store = NULL;
    struct error why = {0};
    enum status rc = store_open_read(&store, output, &why);

    store_close(store);
    if (rc == OK || (restart && was_a_store(output)))
        return OK;
    if (was_a_store(output))
        return error_set(err, rc, "%s; it seems to have been a store: copy it again, or replace it with --restart",
                         why.message);
    return error_set(err, FAIL_CONFIG,
                     "%s: exists and is no store of nrmflow, so it is not overwritten; choose another --output",
                     output);
}

enum status place_check(bool *exists, const char *output, const struct config *config, bool restart, struct error *err)
{
    struct stat there;
    enum status rc = OK;

    *exists = false;
    if (!*output)
        TRY(error_set(err, FAIL_CONFIG, "--output is empty; name the store to write"));
    TRY(check_folder(output, err));
    if (stat(output, &there) != 0) {
        rc = errno == ENOENT ? OK : error_system(err, "%s: cannot be examined", output);
        goto done;
    }
    if (!S_ISREG(there.st_mode))
        TRY(error_set(err, FAIL_CONFIG, "%s: is no regular file; choose another --output", output));
    TRY(check_inputs(&there, output, config, err));
    TRY(check_store(output, restart, err));
    *exists = true;
done:
    return rc;
}

static enum status compare_provenance(struct provenance *machine, const struct store_reader *store, const char *output,
                                      bool mixed, struct error *err)
{
    struct provenance theirs;
    char difference[512];
    enum status rc = provenance_read(&theirs, store, err);

    if (rc == OK && !mixed && provenance_differs(difference, sizeof difference, machine, &theirs))
        rc = error_set(err, FAIL_MISMATCH,
                       "%s: this unfinished store comes from another machine or another version of nrmflow, whose "
                       "results differ in the last bits (%s); continue it there, or begin anew with --restart; a run "
                       "may also go on "
                       "here with --allow-mixed, which the store records",
                       output, difference);
    if (rc == OK) {
        provenance_join(&theirs, machine);
        *machine = theirs;
    }
    return rc;
}

enum status place_compare(bool *complete, struct provenance *provenance, const char *output,
                          const struct identity *mine, bool mixed, struct error *err)
{
    struct identity identity = *mine;
    struct store_reader *store = NULL;
    int64_t flag = 0;
    enum status rc = OK;

    *complete = false;
    identity.keys = NULL;
    identity.advice = "choose another --output, or replace it with --restart";
    TRY(store_open_read(&store, output, err));
    TRY(identity_compare(store, output, &identity, err));
    TRY(store_get_int(&flag, store, "", "complete", err));
    if (flag == 0)
        TRY(compare_provenance(provenance, store, output, mixed, err));
    *complete = flag != 0;
done:
    store_close(store);
    return rc;
}

enum status place_read(struct place_contents *out, const char *output, struct error *err)
{
    struct store_reader *store = NULL;
    int64_t complete = 0, finished = 0;
    size_t ndim, dims[STORE_MAX_DIMS];
    enum status rc = OK;

    TRY(store_open_read(&store, output, err));
    TRY(store_get_int(&complete, store, "", "complete", err));
    TRY(store_shape(&ndim, dims, store, "images/status", err));
    if (ndim != 1)
        TRY(error_set(err, FAIL_FORMAT, "%s: /images/status has %zu axes", output, ndim));
    finished = (int64_t)dims[0];
    if (complete == 0)
        TRY(store_get_int(&finished, store, "", "finished", err));
    *out = (struct place_contents){complete != 0, dims[0], finished > 0 ? (size_t)finished : 0};
done:
    store_close(store);
    return rc;
}

static enum status sync_folder(const char *path, struct error *err)
{
    char *folder = folder_of(path);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool synced = fd >= 0 && !fault_hit(FAULT_SYNC_FOLDER) && target_sync(fd);
    enum status rc = synced ? OK : error_system(err, "%s: cannot make the removal durable", path);

    if (fd >= 0)
        close(fd);
    free(folder);
    return rc;
}

enum status place_remove(const char *output, struct error *err)
{
    char *real = target_path(output);
    enum status rc = OK;

    if (!real || fault_hit(FAULT_REMOVE) || unlink(real) != 0)
        rc = error_system(err, "%s: this store cannot be removed", output);
    if (rc == OK)
        rc = sync_folder(real, err);
    free(real);
    return rc;
}
