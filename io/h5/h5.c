#include "io/h5/h5.h"

#include "io/base/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    MAX_CHUNK_BYTES = 1 << 28,
    ALWAYS_BYTES = 1 << 26, /* a dataset up to this size may have nothing stored: it is all fill values */
    DEFLATE_RATIO = 1100,   /* deflate shrinks to 1/1032 at best */
    MAX_COMPACT = 65535,    /* HDF5's own limit */
    MAX_COMPONENT = 256     /* bytes of a link's name */
};

void h5_start(void)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5PLset_loading_state(0);
}

void h5_close(hid_t *id)
{
    if (*id < 0)
        return;
    switch (H5Iget_type(*id)) {
    case H5I_FILE:
        H5Fclose(*id);
        break;
    case H5I_GROUP:
    case H5I_DATASET:
    case H5I_DATATYPE:
        H5Oclose(*id);
        break;
    case H5I_DATASPACE:
        H5Sclose(*id);
        break;
    case H5I_ATTR:
        H5Aclose(*id);
        break;
    default:
        H5Pclose(*id);
    }
    *id = H5I_INVALID_HID;
}

/* Walking upward begins with the innermost entry of the error stack, which is the cause. */
static herr_t keep_cause(unsigned n, const H5E_error2_t *entry, void *cause)
{
    (void)n;
    *(char **)cause = entry->desc ? strdup(entry->desc) : NULL;
    return 1;
}

enum status h5_error(struct error *err, enum status status, const char *format, ...)
{
    char message[sizeof err->message];
    char *cause = NULL;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_cause, &cause);
    H5Eclear2(H5E_DEFAULT);
    if (cause)
        error_set(err, status, "%s: %s", message, cause);
    else
        error_set(err, status, "%s", message);
    free(cause);
    return status;
}

hid_t h5_text_type(size_t nbytes)
{
    hid_t type = H5Tcopy(H5T_C_S1);

    if (type < 0 || H5Tset_size(type, nbytes ? nbytes : 1) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0 ||
        H5Tset_strpad(type, H5T_STR_NULLPAD) < 0)
        h5_close(&type);
    return type;
}

herr_t h5_set_group(hid_t properties)
{
    bool ok = H5Pset_link_creation_order(properties, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED) >= 0 &&
              H5Pset_link_phase_change(properties, MAX_COMPACT, 0) >= 0 &&
              H5Pset_attr_phase_change(properties, MAX_COMPACT, 0) >= 0 &&
              H5Pset_obj_track_times(properties, false) >= 0;

    return ok ? 0 : -1;
}

/* HDF5 looks for its signature at 0, 512, 1024, 2048, ... bytes. */
static bool has_signature(FILE *stream, long long nbytes)
{
    static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    unsigned char head[sizeof signature];

    for (long long at = 0; at + (long long)sizeof head <= nbytes; at = at ? 2 * at : 512)
        if (fseeko(stream, (off_t)at, SEEK_SET) == 0 && fread(head, sizeof head, 1, stream) == 1 &&
            memcmp(head, signature, sizeof head) == 0)
            return true;
    return false;
}

static enum status check_kind(const char *path, struct error *err)
{
    struct stat info;

    if (stat(path, &info) != 0)
        return error_system(err, "%s: cannot be opened", path);
    if (!S_ISREG(info.st_mode))
        return error_set(err, FAIL_FORMAT, "%s: is not a regular file", path);
    if (info.st_size == 0)
        return error_set(err, FAIL_FORMAT, "%s: is empty, so it is not an HDF5 file", path);

    FILE *stream = fault_hit(FAULT_OPEN) ? NULL : fopen(path, "rb");

    if (!stream)
        return error_system(err, "%s: cannot be opened", path);
    bool found = has_signature(stream, (long long)info.st_size);

    fclose(stream);
    return found ? OK : error_set(err, FAIL_FORMAT, "%s: is not an HDF5 file", path);
}

/* Whether the file is shorter than its superblock says: version 2 or 3, at the beginning, 8-byte addresses. */
static bool is_cut(const char *path, long long *has, long long *announced)
{
    enum { SUPERBLOCK = 48, VERSION = 8, SIZE_OF_ADDRESSES = 9, END_OF_FILE = 28 };

    unsigned char head[SUPERBLOCK];
    FILE *stream = fopen(path, "rb");
    bool known = stream && fread(head, sizeof head, 1, stream) == 1 && head[VERSION] >= 2 &&
                 head[SIZE_OF_ADDRESSES] == 8 && fseeko(stream, 0, SEEK_END) == 0;

    *has = known ? (long long)ftello(stream) : 0;
    *announced = 0;
    for (int i = 7; known && i >= 0; i--)
        *announced = (*announced & 0x7fffffffffffff) << 8 | head[END_OF_FILE + i];
    if (stream)
        fclose(stream);
    return known && *has < *announced;
}

enum status h5_open(hid_t *file, const char *path, struct error *err)
{
    enum status rc = OK;
    hid_t access = H5I_INVALID_HID;
    long long has, announced;

    *file = H5I_INVALID_HID;
    h5_start();
    TRY(check_kind(path, err));
    access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    H5Pset_file_locking(access, false, true);
    *file = H5Fopen(path, H5F_ACC_RDONLY, access);
    if (*file < 0 && is_cut(path, &has, &announced))
        rc = error_set(err, FAIL_FORMAT,
                       "%s: is cut: it has %lld of its %lld bytes, as an interrupted copy or a full disk leaves it",
                       path, has, announced);
    else if (*file < 0)
        rc = h5_error(err, FAIL_FORMAT, "%s: is damaged, incomplete or still being written", path);
done:
    h5_close(&access);
    return rc;
}

/* Whether every link on the way to `path` exists and is hard; `bad` receives the path up to the first that is not. */
static bool hard_links(hid_t file, const char *path, char *bad, size_t nbad)
{
    for (const char *end = path; *end;) {
        H5L_info_t info;

        end += strcspn(end, "/");
        int length = snprintf(bad, nbad, "%.*s", (int)(end - path), path);

        if (length < 0 || (size_t)length >= nbad || H5Lexists(file, bad, H5P_DEFAULT) <= 0 ||
            H5Lget_info(file, bad, &info, H5P_DEFAULT) < 0 || info.type != H5L_TYPE_HARD)
            return false;
        end += strspn(end, "/");
    }
    return true;
}

/* True also if there is no group at `path`. */
static bool compact_group(hid_t file, const char *path)
{
    H5G_info_t info;
    hid_t group = H5Oopen(file, path, H5P_DEFAULT);
    bool dense = group >= 0 && H5Iget_type(group) == H5I_GROUP &&
                 (H5Gget_info(group, &info) < 0 || info.storage_type != H5G_STORAGE_TYPE_COMPACT);

    h5_close(&group);
    return !dense;
}

bool h5_compact(hid_t file, const char *path)
{
    char part[4 * MAX_COMPONENT];
    bool compact = compact_group(file, "/");

    for (const char *end = path; compact && *end; end += strspn(end, "/")) {
        end += strcspn(end, "/");
        int length = snprintf(part, sizeof part, "%.*s", (int)(end - path), path);

        if (length <= 0 || (size_t)length >= sizeof part || !h5_exists(file, part))
            break;
        compact = compact_group(file, part);
    }
    H5Eclear2(H5E_DEFAULT);
    return compact;
}

static bool is_root(const char *path)
{
    return path[0] == '\0' || strcmp(path, "/") == 0;
}

bool h5_exists(hid_t file, const char *path)
{
    char part[4 * MAX_COMPONENT];
    bool found = is_root(path) || hard_links(file, path, part, sizeof part);

    H5Eclear2(H5E_DEFAULT);
    return found;
}

enum status h5_open_object(hid_t *object, hid_t file, const char *path, const char *where, struct error *err)
{
    char part[4 * MAX_COMPONENT];

    *object = H5I_INVALID_HID;
    if (!is_root(path) && !hard_links(file, path, part, sizeof part)) {
        bool link = H5Lexists(file, part, H5P_DEFAULT) > 0;

        H5Eclear2(H5E_DEFAULT);
        return link ? error_set(err, FAIL_UNSUPPORTED,
                                "%s: /%s is a soft or an external link; copy what it points to into the file", where,
                                part)
                    : error_set(err, FAIL_FORMAT, "%s: has no /%s", where, path);
    }
    *object = H5Oopen(file, is_root(path) ? "/" : path, H5P_DEFAULT);
    return *object < 0 ? h5_error(err, FAIL_FORMAT, "%s: /%s cannot be opened", where, path) : OK;
}

static enum status check_filters(hid_t properties, const char *path, const char *where, struct error *err)
{
    int nfilters = H5Pget_nfilters(properties);

    if (nfilters < 0)
        return h5_error(err, FAIL_FORMAT, "%s: /%s has damaged filters", where, path);
    for (int i = 0; i < nfilters; i++) {
        unsigned flags, config;
        size_t nvalues = 0;
        char name[64] = "";
        H5Z_filter_t filter =
            H5Pget_filter2(properties, (unsigned)i, &flags, &nvalues, NULL, sizeof name, name, &config);

        if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32)
            return error_set(
                err, FAIL_UNSUPPORTED,
                "%s: /%s is stored with filter %d (%.63s); only shuffle, deflate and fletcher32 are read, so "
                "convert it with h5repack -f GZIP=4",
                where, path, (int)filter, name);
    }
    return OK;
}

static enum status check_layout(hid_t properties, size_t element_bytes, const char *path, const char *where,
                                struct error *err)
{
    H5D_layout_t layout = H5Pget_layout(properties);
    hsize_t chunk[H5S_MAX_RANK];
    uint64_t nbytes = element_bytes;

    if (H5Pget_external_count(properties) != 0 || layout == H5D_VIRTUAL)
        return error_set(err, FAIL_UNSUPPORTED, "%s: /%s keeps its data in other files; copy it with h5repack", where,
                         path);
    if (layout != H5D_CHUNKED)
        return OK;
    int ndim = H5Pget_chunk(properties, H5S_MAX_RANK, chunk);

    for (int d = 0; d < ndim; d++)
        if (__builtin_mul_overflow(nbytes, chunk[d], &nbytes) || nbytes > MAX_CHUNK_BYTES)
            return error_set(err, FAIL_LIMIT, "%s: /%s has chunks above 256 MiB; rewrite it in smaller ones", where,
                             path);
    return ndim < 0 ? h5_error(err, FAIL_FORMAT, "%s: /%s has damaged chunks", where, path) : OK;
}

enum status h5_open_dataset(hid_t *dataset, hid_t file, const char *path, const char *where, struct error *err)
{
    enum status rc = OK;
    hid_t properties = H5I_INVALID_HID, type = H5I_INVALID_HID;

    TRY(h5_open_object(dataset, file, path, where, err));
    if (H5Iget_type(*dataset) != H5I_DATASET) {
        rc = error_set(err, FAIL_FORMAT, "%s: /%s is not a dataset", where, path);
        goto done;
    }
    properties = H5Dget_create_plist(*dataset);
    type = H5Dget_type(*dataset);
    if (properties < 0 || type < 0) {
        rc = h5_error(err, FAIL_FORMAT, "%s: /%s is damaged", where, path);
        goto done;
    }
    TRY(check_layout(properties, H5Tget_size(type), path, where, err));
    TRY(check_filters(properties, path, where, err));
done:
    h5_close(&type);
    h5_close(&properties);
    if (rc != OK)
        h5_close(dataset);
    return rc;
}

static bool plausible(hid_t dataset, uint64_t nbytes)
{
    hid_t file = H5Iget_file_id(dataset);
    hsize_t file_bytes = 0;
    bool known = file >= 0 && H5Fget_filesize(file, &file_bytes) >= 0;

    if (file >= 0)
        H5Fclose(file);
    return known && (nbytes <= ALWAYS_BYTES || nbytes / DEFLATE_RATIO <= file_bytes);
}

enum status h5_shape(size_t *ndim, size_t *dims, size_t *nelements, hid_t dataset, size_t element_bytes,
                     const char *path, const char *where, struct error *err)
{
    hid_t space = H5Dget_space(dataset);
    hsize_t extent[H5S_MAX_RANK];
    int rank = space < 0 ? -1 : H5Sget_simple_extent_dims(space, extent, NULL);
    bool null = space >= 0 && H5Sget_simple_extent_type(space) == H5S_NULL;
    size_t nbytes = element_bytes;

    h5_close(&space);
    if (rank < 0 || null)
        return h5_error(err, FAIL_FORMAT, "%s: /%s has no shape", where, path);
    if (rank > H5_MAX_DIMS)
        return error_set(err, FAIL_FORMAT, "%s: /%s has %d dimensions; at most %d are read", where, path, rank,
                         (int)H5_MAX_DIMS);
    *ndim = (size_t)rank;
    for (size_t d = 0; d < *ndim; d++) {
        dims[d] = (size_t)extent[d];
        if (__builtin_mul_overflow(nbytes, dims[d], &nbytes) || nbytes > SIZE_MAX / 2)
            return error_set(err, FAIL_LIMIT, "%s: the size of /%s is impossibly large", where, path);
    }
    *nelements = nbytes / element_bytes;
    if (!plausible(dataset, nbytes))
        return error_set(err, FAIL_LIMIT, "%s: /%s claims %zu bytes, which a file of this size cannot hold", where,
                         path, nbytes);
    return OK;
}
