#include "io/dataset/hdf5_sandboxed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- pixels ---------------------------------------------------------------------------------------------------- */

static enum status check_bytes(const struct dataset_h5array *pixels, struct error *err)
{
    hid_t type = H5Dget_type(pixels->data);
    H5T_class_t class = type < 0 ? H5T_NO_CLASS : H5Tget_class(type);
    bool bytes = class == H5T_INTEGER && H5Tget_size(type) == 1 && H5Tget_sign(type) == H5T_SGN_NONE;

    h5_close(&type);
    return bytes ? OK
                 : error_set(err, FAIL_UNSUPPORTED,
                             "%s holds %s; only unsigned bytes are read, so store the pixels as uint8 from 0 to 255, "
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
                 : error_set(
                       err, FAIL_FORMAT,
                       "%s: has no dataset of three or four dimensions in its root; name the dataset as %s:/DATASET",
                       path, path);
}

/* Open the array of this name, or the first that may hold images; the reply is its shape and its name. */
static enum status open_pixels(struct sandbox_reply *reply, struct dataset_hdf5_sandboxed *reader, const char *path,
                               const char *name, struct error *err)
{
    char found[DATASET_PATH] = "";
    enum status rc;

    TRY(h5_open(&reader->file, path, err));
    if (!name[0])
        TRY(find_data(found, reader->file, path, err));
    TRY(dataset_h5array_open(&reader->pixels, reader->file, name[0] ? name : found, path, err));
    TRY(check_bytes(&reader->pixels, err));
    reply->bytes = strdup(name[0] ? name : found);
    if (!reply->bytes)
        TRY(error_system(err, "%s: no memory to read it", path));
    reply->nbytes = strlen(reply->bytes);
    reply->numbers[0] = reader->pixels.ndim;
    memcpy(&reply->numbers[1], reader->pixels.dims, reader->pixels.ndim * sizeof reader->pixels.dims[0]);
done:
    return rc;
}

static enum status read_pixels(struct sandbox_reply *reply, struct dataset_hdf5_sandboxed *reader, size_t index,
                               struct error *err)
{
    reply->nbytes = reader->pixels.row_bytes;
    reply->bytes = malloc(reply->nbytes);
    if (!reply->bytes)
        return error_system(err, "%s: no memory for an image", reader->pixels.where);
    return dataset_h5array_read(reply->bytes, &reader->pixels, index, 1, err);
}

/* ---- labels ---------------------------------------------------------------------------------------------------- */

/* Elements of a dataset of integers of shape (n) or (n,1,..); 0 for anything else. Multi-hot labels, (n,C), do not name
 * one class. */
static size_t count_labels(hid_t file, const char *name)
{
    hid_t object = h5_exists(file, name) ? H5Oopen(file, name, H5P_DEFAULT) : H5I_INVALID_HID;
    bool is_dataset = object >= 0 && H5Iget_type(object) == H5I_DATASET;
    hid_t space = is_dataset ? H5Dget_space(object) : H5I_INVALID_HID;
    hid_t type = is_dataset ? H5Dget_type(object) : H5I_INVALID_HID;
    hsize_t dims[H5S_MAX_RANK];
    int ndim =
        space >= 0 && type >= 0 && H5Tget_class(type) == H5T_INTEGER ? H5Sget_simple_extent_dims(space, dims, NULL) : 0;
    size_t count = ndim > 0 ? (size_t)dims[0] : 0;

    for (int d = 1; d < ndim; d++)
        count = dims[d] == 1 ? count : 0;
    h5_close(&type);
    h5_close(&space);
    h5_close(&object);
    return count;
}

static bool has_vector(hid_t file, const char *name)
{
    hid_t object = h5_exists(file, name) ? H5Oopen(file, name, H5P_DEFAULT) : H5I_INVALID_HID;
    hid_t space = object >= 0 && H5Iget_type(object) == H5I_DATASET ? H5Dget_space(object) : H5I_INVALID_HID;
    bool vector = space >= 0 && H5Sget_simple_extent_ndims(space) == 1;

    h5_close(&space);
    h5_close(&object);
    return vector;
}

static const char *const usual_names[] = {"labels", "label"};

/* The usual dataset of labels for `count` images; NULL without one. A vector of another kind is found, too, and then
 * refused. */
static const char *default_labels(hid_t file, size_t count)
{
    for (size_t i = 0; i < sizeof usual_names / sizeof usual_names[0]; i++)
        if (count_labels(file, usual_names[i]) == count || has_vector(file, usual_names[i]))
            return usual_names[i];
    return NULL;
}

/* Datasets of the root that may be labels of `wanted` images. */
struct candidates {
    size_t wanted, count;
    char first[DATASET_EXAMPLE];
};

static bool is_usual(const char *name)
{
    for (size_t i = 0; i < sizeof usual_names / sizeof usual_names[0]; i++)
        if (strcmp(name, usual_names[i]) == 0)
            return true;
    return false;
}

static herr_t visit_labels(hid_t group, const char *name, const H5L_info_t *info, void *context)
{
    struct candidates *c = context;

    if (info->type != H5L_TYPE_HARD || strlen(name) >= DATASET_EXAMPLE ||
        (count_labels(group, name) != c->wanted && !is_usual(name)))
        return 0;
    if (c->count++ == 0)
        snprintf(c->first, sizeof c->first, "%s", name);
    return 0;
}

/* Without labels of the usual name, what else may be some: in a file of labels the only such dataset is taken. */
static enum status choose_labels(const char **name, struct candidates *c, hid_t file, bool apart, const char *path,
                                 struct error *err)
{
    *name = default_labels(file, c->wanted);
    if (*name)
        return OK;
    if (H5Literate(file, H5_INDEX_NAME, H5_ITER_INC, NULL, visit_labels, c) < 0)
        return h5_error(err, FAIL_FORMAT, "%s: its groups cannot be read", path);
    if (!apart)
        return OK;
    *name = c->count == 1 ? c->first : NULL;
    return *name
               ? OK
               : error_set(err, FAIL_FORMAT,
                           "%s: has %zu datasets in its root that may be labels of %zu images; name one as %s:/DATASET",
                           path, c->count, c->wanted, path);
}

static enum status convert_labels(struct sandbox_reply *reply, struct dataset_h5array *labels, hid_t type,
                                  struct error *err)
{
    size_t n = labels->dims[0];
    long long *values = n <= DATASET_MAX_IMAGES ? malloc(n * sizeof *values) : NULL;
    enum status rc = OK;

    if (!values)
        return error_set(err, FAIL_RESOURCE, "%s: no memory for %zu labels", labels->where, n);
    reply->bytes = values;
    reply->nbytes = n * sizeof *values;
    reply->numbers[0] = 1;
    TRY(dataset_h5array_read((unsigned char *)values, labels, 0, n, err));
    if (H5Tconvert(type, H5T_NATIVE_LLONG, n, values, NULL, H5P_DEFAULT) < 0)
        rc = h5_error(err, FAIL_FORMAT, "%s: the labels cannot be converted", labels->where);
done:
    return rc;
}

/* The name of an array that may be labels, for a message. */
static enum status reply_candidates(struct sandbox_reply *reply, const struct candidates *c, struct error *err)
{
    reply->numbers[1] = c->count;
    reply->bytes = c->count ? strdup(c->first) : NULL;
    reply->nbytes = reply->bytes ? strlen(reply->bytes) + 1 : 0;
    return c->count && !reply->bytes ? error_system(err, "no memory for a name") : OK;
}

/* The file of data.labels, which may be an array of NumPy. */
static enum status open_labels(struct dataset_hdf5_sandboxed *reader, const char *path, struct error *err)
{
    static const char other[] = ": is not an HDF5 file";
    static const char advice[] = "; if it has labels of NumPy, write them as HDF5, in Python: import h5py, numpy; "
                                 "h5py.File(\"labels.h5\", \"w\")[\"labels\"] = numpy.load(\"FILE\").astype(int)";
    struct error reason = {0};
    enum status rc = h5_open(&reader->file, path, &reason);

    size_t n = strlen(reason.message), nother = strlen(other);
    bool is_other = n > nother && strcmp(reason.message + n - nother, other) == 0;

    return rc == OK ? OK : error_set(err, rc, "%s%s", reason.message, is_other ? advice : "");
}

/* Labels of `count` images; `apart`: from another file than theirs. */
static enum status read_labels(struct sandbox_reply *reply, struct dataset_hdf5_sandboxed *reader,
                               const struct sandbox_request *r, struct error *err)
{
    const char *path = r->texts[0], *name = r->texts[1] + strspn(r->texts[1], "/");
    struct candidates candidates = {.wanted = r->numbers[0]};
    char advice[2 * DATASET_EXAMPLE] = "";
    struct dataset_h5array labels;
    hid_t type = H5I_INVALID_HID;
    enum status rc = OK;

    dataset_h5array_init(&labels);
    if (r->numbers[1])
        TRY(open_labels(reader, path, err));
    if (!name[0])
        TRY(choose_labels(&name, &candidates, reader->file, r->numbers[1], path, err));
    if (!name)
        return reply_candidates(reply, &candidates, err);
    TRY(dataset_h5array_open(&labels, reader->file, name, path, err));
    type = H5Dget_type(labels.data);
    if (labels.ndim == 2 && labels.dims[0] == candidates.wanted)
        snprintf(advice, sizeof advice,
                 "; if it is one-hot, in Python: import h5py; f = h5py.File(\"FILE\", \"r+\"); "
                 "x = f.pop(\"%.*s\")[:]; f[\"labels\"] = x.argmax(1)",
                 DATASET_EXAMPLE, name);
    if (count_labels(reader->file, name) != candidates.wanted)
        rc = error_set(err, FAIL_FORMAT, "%s must have one integer for each of the %zu images%s", labels.where,
                       candidates.wanted, advice);
    else
        rc = convert_labels(reply, &labels, type, err);
done:
    h5_close(&type);
    dataset_h5array_close(&labels);
    return rc;
}

enum status dataset_hdf5_sandboxed_answer(struct sandbox_reply *reply, void *state, const struct sandbox_request *r,
                                          struct error *err)
{
    struct dataset_hdf5_sandboxed *reader = state;

    switch ((enum dataset_hdf5_op)r->op) {
    case DATASET_HDF5_OPEN:
        return open_pixels(reply, reader, r->texts[0], r->texts[1], err);
    case DATASET_HDF5_LABELS:
        return read_labels(reply, reader, r, err);
    case DATASET_HDF5_READ:
        return read_pixels(reply, reader, r->numbers[0], err);
    }
    return error_set(err, FAIL_FORMAT, "%zu is not an operation on an HDF5 data set", r->op);
}
