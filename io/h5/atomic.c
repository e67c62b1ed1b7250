#include "io/h5/atomic.h"

#include "io/base/fault.h"
#include "io/base/target.h"
#include "io/h5/h5.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

enum { MAX_NAMES = 100, DRIVER_VALUE = 600 /* above the range that HDF5 reserves for itself */ };

struct h5_atomic {
    char *path, *temporary;
    hid_t file, driver;
    int fd;
    int failure; /* errno of the first write that failed, 0 if none has */
};

/* ---- the driver: plain reads and writes; write failures are remembered and not reported to HDF5 ---------------- */

struct driver_file {
    H5FD_t common; /* HDF5's part, must come first */
    struct h5_atomic *atomic;
    haddr_t eoa, eof;
};

static H5FD_t *driver_open(const char *name, unsigned flags, hid_t access, haddr_t maxaddr)
{
    struct h5_atomic *const *atomic = H5Pget_driver_info(access);
    struct driver_file *file = atomic ? calloc(1, sizeof *file) : NULL;

    (void)name, (void)flags, (void)maxaddr;
    if (!file)
        return NULL;
    file->atomic = *atomic;
    return &file->common;
}

static herr_t driver_close(H5FD_t *file)
{
    free(file);
    return 0;
}

static herr_t driver_query(const H5FD_t *file, unsigned long *flags)
{
    (void)file;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
             H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
    return 0;
}

static haddr_t driver_get_eoa(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const struct driver_file *)file)->eoa;
}

static herr_t driver_set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t address)
{
    (void)type;
    ((struct driver_file *)file)->eoa = address;
    return 0;
}

static haddr_t driver_get_eof(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const struct driver_file *)file)->eof;
}

static herr_t driver_read(H5FD_t *common, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t nbytes, void *buffer)
{
    const struct driver_file *file = (const struct driver_file *)common;
    char *to = buffer;

    (void)type, (void)transfer;
    while (nbytes) {
        ssize_t got = pread(file->atomic->fd, to, nbytes, (off_t)address);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0) {
            memset(to, 0, nbytes); /* HDF5 reads what it has not written yet, and expects zeros */
            return 0;
        }
        to += got;
        address += (haddr_t)got;
        nbytes -= (size_t)got;
    }
    return 0;
}

static herr_t driver_write(H5FD_t *common, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t nbytes,
                           const void *buffer)
{
    struct driver_file *file = (struct driver_file *)common;
    const char *from = buffer;

    (void)type, (void)transfer;
    if (file->eof < address + nbytes)
        file->eof = address + nbytes;
    while (nbytes && !file->atomic->failure) {
        ssize_t put = fault_hit(FAULT_WRITE) ? -1 : pwrite(file->atomic->fd, from, nbytes, (off_t)address);

        if (put < 0 && errno != EINTR)
            file->atomic->failure = errno;
        if (put > 0) {
            from += put;
            address += (haddr_t)put;
            nbytes -= (size_t)put;
        }
    }
    return 0;
}

static herr_t driver_truncate(H5FD_t *common, hid_t transfer, hbool_t closing)
{
    struct driver_file *file = (struct driver_file *)common;

    (void)transfer, (void)closing;
    if (!file->atomic->failure && (fault_hit(FAULT_TRUNCATE) || ftruncate(file->atomic->fd, (off_t)file->eoa) != 0))
        file->atomic->failure = errno;
    file->eof = file->eoa;
    return 0;
}

static const H5FD_class_t driver_class = {
#if H5_VERSION_GE(1, 13, 0)
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)DRIVER_VALUE,
#endif
    .name = "nrmflow_aside",
    .maxaddr = (haddr_t)1 << 62,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(struct h5_atomic *),
    .open = driver_open,
    .close = driver_close,
    .query = driver_query,
    .get_eoa = driver_get_eoa,
    .set_eoa = driver_set_eoa,
    .get_eof = driver_get_eof,
    .read = driver_read,
    .write = driver_write,
    .truncate = driver_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

/* ---- the file -------------------------------------------------------------------------------------------------- */

static enum status choose_path(struct h5_atomic *atomic, const char *path, struct error *err)
{
    struct stat info;

    atomic->path = target_path(path);
    if (!atomic->path)
        return error_system(err, "%s: this link leads nowhere", path);
    if (stat(atomic->path, &info) == 0 && !S_ISREG(info.st_mode))
        return error_set(err, FAIL_CONFIG, "%s: is not a regular file and is not overwritten; choose another name",
                         path);
    return OK;
}

/* O_EXCL follows no link and opens no existing file. The number is for containers, where process ids repeat. */
static enum status open_temporary(struct h5_atomic *atomic, struct error *err)
{
    size_t nbytes = strlen(atomic->path) + 48;

    atomic->temporary = malloc(nbytes);
    if (!atomic->temporary)
        return error_system(err, "%s: no memory for its name", atomic->path);
    snprintf(atomic->temporary, nbytes, "%s.tmp-%ld", atomic->path, (long)getpid());
    for (int i = 1; i <= MAX_NAMES; i++) {
        atomic->fd = fault_hit(FAULT_CREATE)
                         ? -1
                         : open(atomic->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (atomic->fd >= 0)
            return OK;
        if (errno != EEXIST)
            break;
        snprintf(atomic->temporary, nbytes, "%s.tmp-%ld-%d", atomic->path, (long)getpid(), i);
    }
    enum status rc = error_system(err, "%s: cannot be created; check its directory and permissions", atomic->temporary);

    free(atomic->temporary);
    atomic->temporary = NULL;
    return rc;
}

/* The format of HDF5 1.10 has checksums on its metadata and allows attributes above 64 KiB. */
static enum status open_file(struct h5_atomic *atomic, struct error *err)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), creation = H5Pcreate(H5P_FILE_CREATE);

    atomic->driver = H5FDregister(&driver_class);
    if (atomic->driver >= 0 && H5Pset_driver(access, atomic->driver, &atomic) >= 0 &&
        H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110) >= 0 && h5_set_group(creation) >= 0)
        atomic->file = H5Fcreate(atomic->temporary, H5F_ACC_TRUNC, creation, access);
    enum status rc = atomic->file >= 0 ? OK : h5_error(err, FAIL_SYSTEM, "%s: cannot be created", atomic->path);

    h5_close(&creation);
    h5_close(&access);
    return rc;
}

enum status h5_atomic_create(struct h5_atomic **out, const char *path, struct error *err)
{
    enum status rc = OK;
    struct h5_atomic *atomic = calloc(1, sizeof *atomic);

    *out = NULL;
    if (!atomic)
        return error_system(err, "%s: cannot be created", path);
    *atomic = (struct h5_atomic){.file = H5I_INVALID_HID, .driver = H5I_INVALID_HID, .fd = -1};
    h5_start();
    TRY(choose_path(atomic, path, err));
    TRY(open_temporary(atomic, err));
    TRY(open_file(atomic, err));
    *out = atomic;
    atomic = NULL;
done:
    h5_atomic_discard(atomic);
    return rc;
}

hid_t h5_atomic_file(const struct h5_atomic *atomic)
{
    return atomic->file;
}

const char *h5_atomic_path(const struct h5_atomic *atomic)
{
    return atomic->path;
}

enum status h5_atomic_check(const struct h5_atomic *atomic, struct error *err)
{
    if (!atomic->failure)
        return OK;
    errno = atomic->failure;
    return error_system(err, "%s: cannot be written; a file that was there before is unchanged", atomic->path);
}

/* Everything but the temporary file itself. */
static void release(struct h5_atomic *atomic)
{
    h5_close(&atomic->file);
    if (atomic->driver >= 0)
        H5FDunregister(atomic->driver);
    atomic->driver = H5I_INVALID_HID;
    if (atomic->fd >= 0)
        close(atomic->fd);
    atomic->fd = -1;
}

static enum status sync_directory(const struct h5_atomic *atomic, struct error *err)
{
    char *copy = strdup(atomic->path);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool synced = fd >= 0 && !fault_hit(FAULT_SYNC_FOLDER) && target_sync(fd);
    enum status rc = synced ? OK : error_system(err, "%s: its directory cannot be synced to disk", atomic->path);

    if (fd >= 0)
        close(fd);
    free(copy);
    return rc;
}

enum status h5_atomic_commit(struct h5_atomic *atomic, struct error *err)
{
    enum status rc = OK;

    if (H5Fclose(atomic->file) < 0)
        rc = h5_error(err, FAIL_SYSTEM, "%s: cannot be closed", atomic->path);
    atomic->file = H5I_INVALID_HID;
    TRY(rc);
    TRY(h5_atomic_check(atomic, err));
    if (fault_hit(FAULT_SYNC) || !target_sync(atomic->fd)) {
        rc = error_system(err, "%s: cannot be synced to disk", atomic->temporary);
        goto done;
    }
    if (fault_hit(FAULT_RENAME) || rename(atomic->temporary, atomic->path) != 0) {
        rc = error_system(err, "%s: cannot be renamed to %s", atomic->temporary, atomic->path);
        goto done;
    }
    free(atomic->temporary);
    atomic->temporary = NULL;
    TRY(sync_directory(atomic, err));
done:
    h5_atomic_discard(atomic);
    return rc;
}

void h5_atomic_discard(struct h5_atomic *atomic)
{
    if (!atomic)
        return;
    release(atomic);
    if (atomic->temporary)
        unlink(atomic->temporary);
    free(atomic->temporary);
    free(atomic->path);
    free(atomic);
}
