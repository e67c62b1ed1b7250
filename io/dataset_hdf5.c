#include "dataset_builder.h"
#include "dataset_h5array.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct dataset_hdf5 {
    hid_t file;
    struct dataset_h5array pixels;
};

/* ---- scanning -------------------------------------------------------------------------------------------------- */

static enum status check_bytes(const struct dataset_h5array *pixels, struct error *err)
{
    hid_t type = H5Dget_type(pixels->data);
    H5T_class_t class = type < 0 ? H5T_NO_CLASS : H5Tget_class(type);
    bool bytes = class == H5T_INTEGER && H5Tget_size(type) == 1 && H5Tget_sign(type) == H5T_SGN_NONE;

    h5_close(&type);
    return bytes ? OK
                 : error_set(err, FAIL_UNSUPPORTED,
                             "%s holds %s; only unsigned bytes from 0 to 255 are read, so store the pixels as uint8, "
                             "without scaling or normalisation",
                             pixels->where, class == H5T_FLOAT ? "floating-point numbers" : "another type");
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

static enum status convert_labels(struct dataset_builder *builder, struct dataset_h5array *labels, hid_t type,
                                  struct error *err)
{
    struct dataset_buffer buffer = {0};
    size_t n = labels->dims[0];
    long long *values = dataset_buffer_extend(&buffer, n * sizeof *values, err);
    enum status rc;

    if (!values)
        return FAIL_SYSTEM;
    TRY(dataset_h5array_read((unsigned char *)values, labels, 0, n, err));
    if (H5Tconvert(type, H5T_NATIVE_LLONG, n, values, NULL, H5P_DEFAULT) < 0)
        rc = h5_error(err, FAIL_FORMAT, "%s: the labels cannot be converted", labels->where);
    else
        rc = dataset_builder_labels(builder, values, n, labels->where, err);
done:
    dataset_buffer_free(&buffer);
    return rc;
}

static enum status read_labels(struct dataset_builder *builder, hid_t file, const char *name, const char *path,
                               struct error *err)
{
    struct dataset_h5array labels;
    hid_t type = H5I_INVALID_HID;
    enum status rc;

    dataset_h5array_init(&labels);
    TRY(dataset_h5array_open(&labels, file, name, path, err));
    type = H5Dget_type(labels.data);
    if (labels.ndim != 1 || H5Tget_class(type) != H5T_INTEGER || labels.dims[0] != builder->count)
        rc = error_set(err, FAIL_FORMAT, "%s must be one integer for each of the %zu images", labels.where,
                       builder->count);
    else
        rc = convert_labels(builder, &labels, type, err);
done:
    h5_close(&type);
    dataset_h5array_close(&labels);
    return rc;
}

/* Open the pixels, and say in `builder` what they are. */
static enum status open_pixels(struct dataset_h5array *pixels, struct dataset_builder *builder, hid_t file,
                               const char *name, const char *path, struct error *err)
{
    enum status rc;

    TRY(dataset_h5array_open(pixels, file, name, path, err));
    TRY(check_bytes(pixels, err));
    rc = dataset_builder_array(builder, pixels->dims, pixels->ndim, pixels->where, err);
done:
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
    struct dataset_h5array pixels;
    hid_t file = H5I_INVALID_HID;
    enum status rc;

    dataset_h5array_init(&pixels);
    TRY(dataset_hdf5_split(path, name, o->path, err));
    TRY(dataset_builder_file(builder, path, err));
    TRY(h5_open(&file, path, err));
    if (!name[0])
        TRY(find_data(name, file, path, err));
    TRY(open_pixels(&pixels, builder, file, name, path, err));
    TRY(dataset_builder_source(builder, name, err));
    if (!labels)
        labels = is_vector(file, "labels") ? "labels" : is_vector(file, "label") ? "label" : NULL;
    while (labels && labels[0] == '/')
        labels++;
    if (labels)
        rc = read_labels(builder, file, labels, path, err);
done:
    dataset_h5array_close(&pixels);
    h5_close(&file);
    return rc;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

/* The same checks as when it was scanned, since the file may have been replaced in between. */
static enum status open_file(struct dataset_hdf5 *f, const struct dataset_listing *listing, struct error *err)
{
    const char *root = dataset_listing_section(listing, DATASET_ROOT);
    struct dataset_builder seen;
    char path[DATASET_PATH];
    enum status rc;

    dataset_builder_init(&seen, DATASET_HDF5);
    TRY(dataset_buffer_join(path, root, dataset_listing_string(listing, DATASET_SOURCES, 0), err));
    TRY(h5_open(&f->file, path, err));
    TRY(open_pixels(&f->pixels, &seen, f->file, dataset_listing_string(listing, DATASET_SOURCES, 1), path, err));
    if (seen.count != listing->count || memcmp(&seen.shape, &listing->shape, sizeof seen.shape) != 0)
        rc = error_set(err, FAIL_MISMATCH, "%s has changed since the data set was scanned", f->pixels.where);
done:
    return rc;
}

enum status dataset_hdf5_open(struct dataset_hdf5 **out, const struct dataset_listing *listing, struct error *err)
{
    struct dataset_hdf5 *f = malloc(sizeof *f);
    enum status rc;

    *out = f;
    if (!f)
        return error_set(err, FAIL_SYSTEM, "no memory to open an HDF5 file");
    f->file = H5I_INVALID_HID;
    dataset_h5array_init(&f->pixels);
    rc = open_file(f, listing, err);
    if (rc != OK) {
        dataset_hdf5_close(f);
        *out = NULL;
    }
    return rc;
}

enum status dataset_hdf5_read(unsigned char *out, struct dataset_hdf5 *file, size_t index, struct error *err)
{
    return dataset_h5array_read(out, &file->pixels, index, 1, err);
}

void dataset_hdf5_close(struct dataset_hdf5 *file)
{
    if (file) {
        dataset_h5array_close(&file->pixels);
        h5_close(&file->file);
        free(file);
    }
}
