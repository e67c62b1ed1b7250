#include "io/export/virelay.h"

#include "io/base/fault.h"
#include "io/base/target.h"
#include "io/h5/atomic.h"
#include "io/h5/h5.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH = 4096, DEFLATE = 1 };

/* ---- HDF5 -------------------------------------------------------------------------------------------------------- */

static enum status failure(const struct h5_atomic *atomic, const char *name, struct error *err)
{
    if (h5_atomic_check(atomic, err) != OK)
        return FAIL_SYSTEM;
    return h5_error(err, FAIL_SYSTEM, "%s: /%s cannot be written", h5_atomic_path(atomic), name);
}

/* A dataset filled with zeros; `chunked` in rows and compressed. Negative on failure. Caller closes it. */
static hid_t create_dataset(hid_t file, const char *name, hid_t type, int ndim, const hsize_t *dims, bool chunked)
{
    hid_t space = H5Screate_simple(ndim, dims, NULL), properties = H5Pcreate(H5P_DATASET_CREATE);
    hid_t links = H5Pcreate(H5P_LINK_CREATE), dataset = H5I_INVALID_HID;
    hsize_t chunk[H5_MAX_DIMS] = {1};
    bool ok = H5Pset_obj_track_times(properties, false) >= 0 && H5Pset_create_intermediate_group(links, 1) >= 0;

    for (int d = 1; d < ndim; d++)
        chunk[d] = dims[d];
    if (ok && chunked)
        ok = H5Pset_chunk(properties, ndim, chunk) >= 0 && H5Pset_shuffle(properties) >= 0 &&
             H5Pset_deflate(properties, DEFLATE) >= 0;
    if (ok && space >= 0)
        dataset = H5Dcreate2(file, name, type, space, links, properties, H5P_DEFAULT);
    h5_close(&links);
    h5_close(&properties);
    h5_close(&space);
    return dataset;
}

/* An array that becomes a whole dataset. */
struct array {
    hid_t file_type, type; /* of an element in the file and in memory */
    int ndim;
    hsize_t dims[2];
    const void *data;
};

/* Write a whole dataset, which is left open in *out if that is not NULL. */
static enum status write_dataset(const struct h5_atomic *atomic, const char *name, const struct array *array,
                                 hid_t *out, struct error *err)
{
    hid_t dataset = create_dataset(h5_atomic_file(atomic), name, array->file_type, array->ndim, array->dims, false);
    bool ok = dataset >= 0 && H5Dwrite(dataset, array->type, H5S_ALL, H5S_ALL, H5P_DEFAULT, array->data) >= 0 &&
              h5_atomic_check(atomic, NULL) == OK;

    if (!ok || !out)
        h5_close(&dataset);
    if (out)
        *out = dataset;
    return ok ? OK : failure(atomic, name, err);
}

static bool write_attribute(hid_t object, const char *name, hid_t file_type, hid_t type, hsize_t count,
                            const void *value)
{
    hid_t space = count ? H5Screate_simple(1, &count, NULL) : H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(object, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool ok = attribute >= 0 && H5Awrite(attribute, type, value) >= 0;

    h5_close(&attribute);
    h5_close(&space);
    return ok;
}

static bool write_text_attribute(hid_t object, const char *name, const char *text)
{
    hid_t type = h5_text_type(strlen(text));
    bool ok = type >= 0 && write_attribute(object, name, type, type, 0, text);

    h5_close(&type);
    return ok;
}

/* ---- samples ----------------------------------------------------------------------------------------------------- */

struct virelay {
    struct virelay_size size;
    struct h5_atomic *input, *attribution;
    hid_t data, maps, prediction; /* datasets with a row for every sample */
};

enum status virelay_create(struct virelay **out, const char *folder, struct virelay_size size, struct error *err)
{
    const hsize_t images[] = {size.samples, VIRELAY_COLOURS, size.height, size.width};
    const hsize_t logits[] = {size.samples, size.classes};
    struct virelay *v = calloc(1, sizeof *v);
    char path[PATH];
    enum status rc = OK;

    *out = NULL;
    if (!v)
        return error_set(err, FAIL_RESOURCE, "no memory to begin the files of %s", folder);
    *v =
        (struct virelay){.size = size, .data = H5I_INVALID_HID, .maps = H5I_INVALID_HID, .prediction = H5I_INVALID_HID};
    snprintf(path, sizeof path, "%s/input.h5", folder);
    TRY(h5_atomic_create(&v->input, path, err));
    snprintf(path, sizeof path, "%s/attribution.h5", folder);
    TRY(h5_atomic_create(&v->attribution, path, err));
    v->data = create_dataset(h5_atomic_file(v->input), "data", H5T_STD_U8LE, 4, images, true);
    v->maps = create_dataset(h5_atomic_file(v->attribution), "attribution", H5T_IEEE_F32LE, 4, images, true);
    v->prediction = create_dataset(h5_atomic_file(v->attribution), "prediction", H5T_IEEE_F32LE, 2, logits, true);
    if (v->data < 0)
        TRY(failure(v->input, "data", err));
    if (v->maps < 0 || v->prediction < 0)
        TRY(failure(v->attribution, "attribution", err));
    *out = v;
    v = NULL;
done:
    virelay_discard(v);
    return rc;
}

static bool write_row(hid_t dataset, hid_t type, size_t row, const void *data)
{
    hid_t space = H5Dget_space(dataset), memory = H5I_INVALID_HID;
    hsize_t start[H5_MAX_DIMS] = {row}, count[H5_MAX_DIMS] = {0};
    int ndim = H5Sget_simple_extent_dims(space, count, NULL);
    bool ok = ndim > 0;

    count[0] = 1;
    if (ok)
        memory = H5Screate_simple(ndim, count, NULL);
    ok = ok && H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
         H5Dwrite(dataset, type, memory, space, H5P_DEFAULT, data) >= 0;
    h5_close(&memory);
    h5_close(&space);
    return ok;
}

enum status virelay_write_sample(struct virelay *virelay, size_t sample, const uint8_t *pixels,
                                 const float *attribution, const float *prediction, struct error *err)
{
    if (!write_row(virelay->data, H5T_NATIVE_UINT8, sample, pixels) || h5_atomic_check(virelay->input, NULL) != OK)
        return failure(virelay->input, "data", err);
    if (!write_row(virelay->maps, H5T_NATIVE_FLOAT, sample, attribution) ||
        !write_row(virelay->prediction, H5T_NATIVE_FLOAT, sample, prediction) ||
        h5_atomic_check(virelay->attribution, NULL) != OK)
        return failure(virelay->attribution, "attribution", err);
    return OK;
}

enum status virelay_write_labels(struct virelay *virelay, const uint16_t *labels, struct error *err)
{
    const struct array array = {H5T_STD_U16LE, H5T_NATIVE_UINT16, 1, {virelay->size.samples}, labels};
    enum status rc = OK;

    TRY(write_dataset(virelay->input, "label", &array, NULL, err));
    TRY(write_dataset(virelay->attribution, "label", &array, NULL, err));
done:
    return rc;
}

static void close_datasets(struct virelay *virelay)
{
    h5_close(&virelay->data);
    h5_close(&virelay->maps);
    h5_close(&virelay->prediction);
}

enum status virelay_commit(struct virelay *virelay, struct error *err)
{
    enum status rc;

    close_datasets(virelay);
    rc = h5_atomic_commit(virelay->input, err);
    virelay->input = NULL;
    if (rc == OK) {
        rc = h5_atomic_commit(virelay->attribution, err);
        virelay->attribution = NULL;
    }
    virelay_discard(virelay);
    return rc;
}

void virelay_discard(struct virelay *virelay)
{
    if (!virelay)
        return;
    close_datasets(virelay);
    h5_atomic_discard(virelay->input);
    h5_atomic_discard(virelay->attribution);
    free(virelay);
}

/* ---- analyses ---------------------------------------------------------------------------------------------------- */

static enum status write_embedding(const struct h5_atomic *atomic, const struct virelay_category *category,
                                   const struct virelay_embedding *embedding, struct error *err)
{
    const struct array array = {H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, 2, {category->n, embedding->dims}, embedding->x};
    char name[PATH];
    hid_t dataset;

    snprintf(name, sizeof name, "%s/embedding/%s", category->name, embedding->name);
    enum status rc = write_dataset(atomic, name, &array, &dataset, err);

    if (rc == OK && !write_attribute(dataset, "eigenvalue", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, embedding->dims,
                                     embedding->eigenvalue))
        rc = failure(atomic, name, err);
    h5_close(&dataset);
    return rc;
}

/* The attributes inform readers which embedding was clustered, and into how many clusters. */
static enum status write_clustering(const struct h5_atomic *atomic, const struct virelay_category *category,
                                    const struct virelay_clustering *clustering, struct error *err)
{
    const struct array array = {H5T_STD_I32LE, H5T_NATIVE_INT32, 1, {category->n}, clustering->cluster};
    char name[PATH];
    hid_t dataset;

    snprintf(name, sizeof name, "%s/cluster/%s", category->name, clustering->name);
    enum status rc = write_dataset(atomic, name, &array, &dataset, err);

    if (rc == OK && (!write_text_attribute(dataset, "embedding", clustering->embedding) ||
                     !write_attribute(dataset, "k", H5T_STD_I64LE, H5T_NATIVE_INT64, 0, &clustering->k)))
        rc = failure(atomic, name, err);
    h5_close(&dataset);
    return rc;
}

static enum status write_category(const struct h5_atomic *atomic, const struct virelay_category *category,
                                  struct error *err)
{
    const struct array array = {H5T_STD_U32LE, H5T_NATIVE_UINT32, 1, {category->n}, category->index};
    char name[PATH];
    enum status rc = OK;

    snprintf(name, sizeof name, "%s/index", category->name);
    TRY(write_dataset(atomic, name, &array, NULL, err));
    for (size_t i = 0; i < category->nembeddings; i++)
        TRY(write_embedding(atomic, category, &category->embeddings[i], err));
    for (size_t i = 0; i < category->nclusterings; i++)
        TRY(write_clustering(atomic, category, &category->clusterings[i], err));
done:
    return rc;
}

enum status virelay_write_analysis(const char *path, const struct virelay_category *categories, size_t count,
                                   struct error *err)
{
    struct h5_atomic *atomic = NULL;
    enum status rc = OK;

    TRY(h5_atomic_create(&atomic, path, err));
    for (size_t i = 0; i < count; i++)
        TRY(write_category(atomic, &categories[i], err));
    rc = h5_atomic_commit(atomic, err);
    atomic = NULL;
done:
    h5_atomic_discard(atomic);
    return rc;
}

/* ---- folder and text --------------------------------------------------------------------------------------------- */

enum status virelay_make_folder(const char *folder, struct error *err)
{
    bool empty = true;

    if (!*folder || strlen(folder) > PATH - 256)
        return error_set(err, FAIL_CONFIG, "the name of the folder is empty or too long");
    if (!fault_hit(FAULT_FOLDER) && mkdir(folder, 0777) == 0)
        return OK;
    if (errno != EEXIST)
        return error_system(err, "%s: the folder cannot be created", folder);
    DIR *listing = opendir(folder);
    if (!listing)
        return error_system(err, "%s: exists and cannot be read", folder);
    for (const struct dirent *entry; empty && (entry = readdir(listing));)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(listing);
    return empty ? OK : error_set(err, FAIL_CONFIG, "%s: is not empty; choose a new folder or remove this one", folder);
}

static bool write_and_sync(FILE *file, const char *text)
{
    size_t n = strlen(text);

    return !fault_hit(FAULT_WRITE) && fwrite(text, 1, n, file) == n && fflush(file) == 0 && !fault_hit(FAULT_SYNC) &&
           target_sync(fileno(file));
}

enum status virelay_write_text(const char *path, const char *text, struct error *err)
{
    char temporary[PATH];
    int length = snprintf(temporary, sizeof temporary, "%s.tmp-%ld", path, (long)getpid());

    if (length < 0 || (size_t)length >= sizeof temporary)
        return error_set(err, FAIL_CONFIG, "%s: the path is too long", path);
    FILE *file = fault_hit(FAULT_CREATE) ? NULL : fopen(temporary, "w");
    if (!file)
        return error_system(err, "%s: cannot be written", path);
    bool written = write_and_sync(file, text);
    int cause = errno;
    bool closed = fclose(file) == 0;
    cause = written && !closed ? errno : cause;
    if (written && closed && !fault_hit(FAULT_RENAME) && rename(temporary, path) == 0)
        return OK;
    cause = written && closed ? errno : cause;
    unlink(temporary);
    errno = cause;
    return error_system(err, "%s: cannot be written", path);
}
