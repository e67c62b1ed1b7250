#include "dataset_builder.h"
#include "h5.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CACHE_BYTES = 1 << 28, CACHE_SLOTS = 521 };

struct dataset_hdf5 {
    hid_t file, data, space, memory;
    const struct dataset_shape *shape; /* borrowed */
    char path[DATASET_PATH];
};

/* ---- scanning ---------------------------------------------------------------------------------------------------- */

static enum status check_bytes(hid_t data, const char *name, const char *where, struct error *err)
{
    hid_t type = H5Dget_type(data);
    H5T_class_t class = type < 0 ? H5T_NO_CLASS : H5Tget_class(type);
    bool bytes = class == H5T_INTEGER && H5Tget_size(type) == 1 && H5Tget_sign(type) == H5T_SGN_NONE;

    h5_close(&type);
    return bytes ? OK
                 : error_set(err, FAIL_UNSUPPORTED,
                             "%s: /%s holds %s; only unsigned bytes from 0 to 255 are read, so store the pixels as "
                             "uint8, without scaling or normalisation",
                             where, name, class == H5T_FLOAT ? "floating-point numbers" : "another type");
}

/* Stop at the first dataset that may hold images, and leave its name in `found` [DATASET_PATH]. */
static herr_t visit(hid_t group, const char *name, const H5L_info_t *info, void *found)
{
    hid_t object = H5I_INVALID_HID, space = H5I_INVALID_HID;
    int ndim = 0;

    if (info->type != H5L_TYPE_HARD || strlen(name) >= DATASET_PATH)
        return 0;
    object = H5Oopen(group, name, H5P_DEFAULT);
    if (object >= 0 && H5Iget_type(object) == H5I_DATASET) {
        space = H5Dget_space(object);
        ndim = space < 0 ? 0 : H5Sget_simple_extent_ndims(space);
    }
    h5_close(&space);
    h5_close(&object);
    if (ndim != 3 && ndim != 4)
        return 0;
    snprintf(found, DATASET_PATH, "%s", name);
    return 1;
}

static enum status find_data(char *name, hid_t file, const char *path, struct error *err)
{
    snprintf(name, DATASET_PATH, "data");
    if (h5_exists(file, name))
        return OK;
    herr_t found = H5Literate(file, H5_INDEX_NAME, H5_ITER_INC, NULL, visit, name);
    if (found < 0)
        return h5_error(err, FAIL_FORMAT, "%s: its groups cannot be read", path);
    return found ? OK
                 : error_set(err, FAIL_FORMAT,
                             "%s: has no dataset of three or four dimensions in its root; name it as %s:/DATASET", path,
                             path);
}

static enum status read_labels(struct dataset_builder *builder, hid_t file, const char *name, const char *path,
                               struct error *err)
{
    struct dataset_buffer labels = {0};
    size_t ndim, dims[H5_MAX_DIMS], n;
    hid_t data = H5I_INVALID_HID, type = H5I_INVALID_HID;
    enum status rc;

    TRY(h5_open_dataset(&data, file, name, path, err));
    type = H5Dget_type(data);
    TRY(h5_shape(&ndim, dims, &n, data, sizeof(long long), name, path, err));
    if (ndim != 1 || H5Tget_class(type) != H5T_INTEGER || n != builder->count) {
        rc = error_set(err, FAIL_FORMAT, "%s: /%s must be one integer for each of the %zu images", path, name,
                       builder->count);
        goto done;
    }
    long long *values = dataset_buffer_extend(&labels, n * sizeof *values, err);
    if (!values)
        rc = FAIL_SYSTEM;
    else if (H5Dread(data, H5T_NATIVE_LLONG, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        rc = h5_error(err, FAIL_FORMAT, "%s: /%s cannot be read", path, name);
    else
        rc = dataset_builder_labels(builder, values, n, path, err);
done:
    h5_close(&type);
    h5_close(&data);
    dataset_buffer_free(&labels);
    return rc;
}

static enum status scan_data(struct dataset_builder *builder, hid_t file, const char *name, const char *path,
                             struct error *err)
{
    size_t ndim, dims[H5_MAX_DIMS], n;
    hid_t data = H5I_INVALID_HID;
    enum status rc;

    TRY(h5_open_dataset(&data, file, name, path, err));
    TRY(check_bytes(data, name, path, err));
    TRY(h5_shape(&ndim, dims, &n, data, 1, name, path, err));
    rc = dataset_builder_array(builder, dims, ndim, path, err);
done:
    h5_close(&data);
    return rc;
}

/* Multi-hot labels, (N,C), do not name one class: the images have no label then. */
static bool is_vector(hid_t file, const char *name)
{
    hid_t object = h5_exists(file, name) ? H5Oopen(file, name, H5P_DEFAULT) : H5I_INVALID_HID;
    hid_t space = object >= 0 && H5Iget_type(object) == H5I_DATASET ? H5Dget_space(object) : H5I_INVALID_HID;
    bool vector = space >= 0 && H5Sget_simple_extent_ndims(space) == 1;

    h5_close(&space);
    h5_close(&object);
    return vector;
}

enum status dataset_hdf5_split(char *file, char *name, const char *path, struct error *err)
{
    const char *colon = NULL;

    if (access(path, F_OK) != 0)
        for (const char *at = strstr(path, ":/"); at; at = strstr(at + 1, ":/"))
            colon = at;
    size_t length = colon ? (size_t)(colon - path) : strlen(path);
    if (length >= DATASET_PATH || strlen(path) >= DATASET_PATH)
        return error_set(err, FAIL_LIMIT, "%.200s...: the path is too long", path);
    snprintf(file, DATASET_PATH, "%.*s", (int)length, path);
    snprintf(name, DATASET_PATH, "%s", colon ? colon + 2 : "");
    return OK;
}

enum status dataset_hdf5_scan(struct dataset_builder *builder, const struct dataset_options *o, struct error *err)
{
    char path[DATASET_PATH] = "", name[DATASET_PATH] = "";
    const char *labels = o->labels;
    hid_t file = H5I_INVALID_HID;
    enum status rc;

    TRY(dataset_hdf5_split(path, name, o->path, err));
    TRY(dataset_builder_file(builder, path, err));
    TRY(h5_open(&file, path, err));
    if (!name[0])
        TRY(find_data(name, file, path, err));
    TRY(scan_data(builder, file, name, path, err));
    TRY(dataset_builder_source(builder, name, err));
    if (!labels)
        labels = is_vector(file, "labels") ? "labels" : is_vector(file, "label") ? "label" : NULL;
    while (labels && labels[0] == '/')
        labels++;
    if (labels)
        rc = read_labels(builder, file, labels, path, err);
done:
    h5_close(&file);
    return rc;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Bytes of the chunks that one image touches: with all of them in the cache each is unpacked once, when images are
 * read in order. */
static size_t cache_bytes(hid_t data, size_t ndim, const size_t *dims)
{
    hid_t properties = H5Dget_create_plist(data);
    hsize_t chunk[H5S_MAX_RANK];
    size_t nbytes = 0;

    if (properties >= 0 && H5Pget_layout(properties) == H5D_CHUNKED &&
        H5Pget_chunk(properties, H5S_MAX_RANK, chunk) == (int)ndim) {
        nbytes = (size_t)chunk[0];
        for (size_t d = 1; d < ndim && nbytes < CACHE_BYTES; d++)
            nbytes *= (dims[d] + (size_t)chunk[d] - 1) / (size_t)chunk[d] * (size_t)chunk[d];
    }
    h5_close(&properties);
    return nbytes < CACHE_BYTES ? nbytes : CACHE_BYTES;
}

/* The cache's size is chosen when a dataset is opened, and what a good size is, is known afterwards. */
static enum status reopen_cached(struct dataset_hdf5 *f, const char *name, size_t nbytes, struct error *err)
{
    hid_t access = H5Pcreate(H5P_DATASET_ACCESS);

    h5_close(&f->data);
    if (access >= 0 && H5Pset_chunk_cache(access, CACHE_SLOTS, nbytes, 1.0) >= 0)
        f->data = H5Dopen2(f->file, name, access);
    h5_close(&access);
    f->space = f->data < 0 ? H5I_INVALID_HID : H5Dget_space(f->data);
    return f->space < 0 ? h5_error(err, FAIL_FORMAT, "%s: /%s cannot be opened", f->path, name) : OK;
}

/* The same checks as when it was scanned, since the file may have been replaced in between. */
static enum status open_data(struct dataset_hdf5 *f, const struct dataset_listing *listing, const char *name,
                             struct error *err)
{
    struct dataset_builder seen;
    size_t ndim, dims[H5_MAX_DIMS], n;
    enum status rc;

    dataset_builder_init(&seen, DATASET_HDF5);
    TRY(h5_open_dataset(&f->data, f->file, name, f->path, err));
    TRY(check_bytes(f->data, name, f->path, err));
    TRY(h5_shape(&ndim, dims, &n, f->data, 1, name, f->path, err));
    TRY(dataset_builder_array(&seen, dims, ndim, f->path, err));
    if (seen.count != listing->count || memcmp(&seen.shape, &listing->shape, sizeof seen.shape) != 0)
        return error_set(err, FAIL_MISMATCH, "%s: /%s has changed since the data set was scanned", f->path, name);
    TRY(reopen_cached(f, name, cache_bytes(f->data, ndim, dims), err));
    dims[0] = 1;
    hsize_t one[H5_MAX_DIMS];
    for (size_t d = 0; d < ndim; d++)
        one[d] = dims[d];
    f->memory = H5Screate_simple((int)ndim, one, NULL);
    if (f->memory < 0)
        rc = h5_error(err, FAIL_SYSTEM, "%s: no memory to read it", f->path);
done:
    return rc;
}

enum status dataset_hdf5_open(struct dataset_hdf5 **out, const struct dataset_listing *listing, struct error *err)
{
    const char *root = dataset_listing_section(listing, DATASET_ROOT);
    struct dataset_hdf5 *f = malloc(sizeof *f);
    enum status rc;

    *out = f;
    if (!f)
        return error_set(err, FAIL_SYSTEM, "no memory to open an HDF5 file");
    *f = (struct dataset_hdf5){H5I_INVALID_HID, H5I_INVALID_HID, H5I_INVALID_HID, H5I_INVALID_HID, &listing->shape, ""};
    TRY(dataset_buffer_join(f->path, root, dataset_listing_string(listing, DATASET_SOURCES, 0), err));
    TRY(h5_open(&f->file, f->path, err));
    rc = open_data(f, listing, dataset_listing_string(listing, DATASET_SOURCES, 1), err);
done:
    if (rc != OK) {
        dataset_hdf5_close(f);
        *out = NULL;
    }
    return rc;
}

enum status dataset_hdf5_read(unsigned char *out, struct dataset_hdf5 *file, size_t index, struct error *err)
{
    hsize_t start[H5_MAX_DIMS] = {index}, count[H5_MAX_DIMS];
    int ndim = H5Sget_simple_extent_dims(file->memory, count, NULL);

    if (ndim < 0 || H5Sselect_hyperslab(file->space, H5S_SELECT_SET, start, NULL, count, NULL) < 0 ||
        H5Dread(file->data, H5T_NATIVE_UCHAR, file->memory, file->space, H5P_DEFAULT, out) < 0)
        return h5_error(err, FAIL_FORMAT, "%s[%zu]: cannot be read", file->path, index);
    return OK;
}

void dataset_hdf5_close(struct dataset_hdf5 *file)
{
    if (file) {
        h5_close(&file->memory);
        h5_close(&file->space);
        h5_close(&file->data);
        h5_close(&file->file);
        free(file);
    }
}
