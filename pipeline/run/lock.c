#include "pipeline/run/lock.h"

#include "io/base/fault.h"
#include "io/base/target.h"
#include "pipeline/run/heartbeat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOTE = 256 };

struct lock {
    char *folder, *path;         /* owned; path: of the locked file */
    int file;                    /* locked, or -1 */
    struct heartbeat *heartbeat; /* of our own lock */
};

/* ---- the folder ------------------------------------------------------------------------------------------------ */

static enum status make_folder(const char *folder, struct error *err)
{
    struct stat there;

    if (!fault_hit(FAULT_FOLDER) && mkdir(folder, 0777) == 0)
        return OK;
    if (errno != EEXIST || stat(folder, &there) != 0)
        return error_system(err, "%s: cannot create this folder for unfinished results", folder);
    if (!S_ISDIR(there.st_mode))
        return error_set(err, FAIL_SYSTEM, "%s: is in the way of a folder for unfinished results; remove it", folder);
    return OK;
}

static char *path_of(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);

    if (path)
        snprintf(path, size, "%s/%s", folder, name);
    return path;
}

/* ---- the file system's lock -------------------------------------------------------------------------------------- */

/* Read the owner's note in a lock file. */
static void read_note(int lock, char *note, size_t size)
{
    ssize_t n = pread(lock, note, size - 1, 0);

    note[n > 0 ? n : 0] = '\0';
    note[strcspn(note, "\n")] = '\0';
}

static bool has_no_locks(int code)
{
    return code == ENOLCK || code == ENOSYS || code == EOPNOTSUPP || code == ENOTSUP || code == EINVAL;
}

/* Lock an open file. `none`: the file system has no locks. */
static enum status lock_file(bool *none, const struct lock *lock, int file, struct error *err)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char note[NOTE];

    if (!fault_hit(FAULT_LOCK) && fcntl(file, F_SETLK, &whole) == 0)
        return OK;
    *none = has_no_locks(errno);
    if (*none)
        return OK;
    if (errno != EACCES && errno != EAGAIN)
        return error_system(err,
                            "%s: cannot be locked; run.lock = file keeps a lock of our own, which any file system can",
                            lock->folder);
    read_note(file, note, sizeof note);
    return error_set(err, FAIL_CONFIG,
                     "%s: another run is writing this store (%s); wait for it, or choose another --output",
                     lock->folder, note);
}

/* Whether an open file still is the one at this path: the run that held its lock removes it at the end. */
static bool is_current(int file, const char *path)
{
    struct stat mine, there;

    return fstat(file, &mine) == 0 && stat(path, &there) == 0 && mine.st_dev == there.st_dev &&
           mine.st_ino == there.st_ino;
}

static enum status write_note(const struct lock *lock, const char *host, struct error *err)
{
    char note[NOTE];

    snprintf(note, sizeof note, "process %ld on %.*s\n", (long)getpid(), LOG_HOST, host);
    if (fault_hit(FAULT_WRITE) || ftruncate(lock->file, 0) != 0 || pwrite(lock->file, note, strlen(note), 0) < 0)
        return error_system(err, "%s: cannot write to the lock file in this folder", lock->folder);
    return OK;
}

/* Lock the file `lock`; start again if the last owner has removed it in between. `none`: the file system has no
 * locks, and nothing is locked. */
static enum status take_from_system(bool *none, struct lock *lock, const char *host, struct error *err)
{
    enum status rc = OK;

    while (rc == OK && lock->file < 0 && !*none) {
        TRY(make_folder(lock->folder, err));
        int file = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (file < 0 && errno != ENOENT)
            TRY(error_system(err, "%s: cannot create a lock file in this folder", lock->folder));
        rc = file < 0 ? OK : lock_file(none, lock, file, err);
        if (rc == OK && !*none && file >= 0 && is_current(file, lock->path))
            lock->file = file;
        else if (file >= 0)
            close(file);
    }
    TRY(rc);
    if (*none)
        unlink(lock->path);
    else
        rc = write_note(lock, host, err);
done:
    return rc;
}

/* ---- both ------------------------------------------------------------------------------------------------------ */

/* Without fsync a power failure can take what was written last. */
static void warn_of_syncs(const struct lock *lock, struct log *log)
{
    char *path = path_of(lock->folder, "sync");
    int file = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;

    if (file >= 0 && log && !target_can_sync(file))
        log_warn(log,
                 "the file system cannot sync files, so if the machine fails, the store may go back or be lost "
                 "folder=%s",
                 lock->folder);
    if (file >= 0) {
        close(file);
        unlink(path);
    }
    free(path);
}

static enum status take(struct lock *lock, const char *host, enum config_lock mode, struct log *log, struct error *err)
{
    bool none = mode == CONFIG_LOCK_FILE;
    enum status rc = OK;

    if (mode == CONFIG_LOCK_NONE)
        return make_folder(lock->folder, err);
    if (mode == CONFIG_LOCK_AUTO)
        TRY(take_from_system(&none, lock, host, err));
    TRY(make_folder(lock->folder, err));
    if (none && mode == CONFIG_LOCK_AUTO && log)
        log_info(log, "the file system has no locks, so the run keeps one of its own file=%s/%s", lock->folder,
                 HEARTBEAT_FILE);
    /* where others see no lock of the file system, their own lock counts */
    rc = none ? heartbeat_start(&lock->heartbeat, lock->folder, host, log, err)
              : heartbeat_refuse(lock->folder, host, log, err);
done:
    return rc;
}

enum status lock_take(struct lock **out, const char *folder, const char *host, enum config_lock mode, struct log *log,
                      struct error *err)
{
    struct lock *lock = calloc(1, sizeof *lock);
    enum status rc = OK;

    *out = lock;
    if (lock)
        *lock = (struct lock){.folder = strdup(folder), .path = path_of(folder, "lock"), .file = -1};
    if (!lock || !lock->folder || !lock->path)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for a path"));
    TRY(take(lock, host, mode, log, err));
    warn_of_syncs(lock, log);
done:
    if (rc != OK) {
        lock_release(lock, false);
        *out = NULL;
    }
    return rc;
}

enum status lock_check(const struct lock *lock, struct error *err)
{
    return lock && lock->heartbeat ? heartbeat_check(lock->heartbeat, err) : OK;
}

void lock_release(struct lock *lock, bool last)
{
    if (!lock)
        return;
    heartbeat_stop(lock->heartbeat);
    if (last && lock->file >= 0 && !fault_hit(FAULT_REMOVE))
        unlink(lock->path);
    if (lock->file >= 0)
        close(lock->file);
    free(lock->folder);
    free(lock->path);
    free(lock);
}
