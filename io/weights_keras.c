/* Keras' HDF5 weights: the attribute `layer_names` of the root (or of `model_weights`) names a group a layer, whose
 * attribute `weight_names` names its datasets. */
#include "weights_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hdf5.h>

enum {
    MAX_NAMES = 4096,      /* in one attribute */
    MAX_NAME_BYTES = 1024, /* of one name with its padding */
    MAX_FILTERS = 8,
    MAX_CHUNK = 1 << 28, /* bytes, decoded */
    MAX_RATIO = 1100     /* of decoded to stored bytes; deflate reaches 1032 */
};

struct keras {
    hid_t file, group;
    hid_t dataset; /* the one that was read last, */
    const struct weights_record *record;
};

/* Names from an attribute. */
struct names {
    size_t n;
    char (*text)[WEIGHTS_MAX_NAME + 1];
};

static bool recognise(const unsigned char *head, size_t nhead)
{
    static const unsigned char signature[] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

    return nhead >= sizeof signature && memcmp(head, signature, sizeof signature) == 0;
}

/* Close an identifier of any kind, if it is one, and forget it. */
static void close_id(hid_t *id)
{
    if (*id >= 0)
        H5Idec_ref(*id);
    *id = H5I_INVALID_HID;
}

static enum status bad(const struct weights *w, const char *name, const char *reason, struct error *err)
{
    return error_set(err, FAIL_FORMAT, "%s: '%.*s': %s", w->path, WEIGHTS_MAX_NAME, name, reason);
}

static enum status unsupported(const struct weights *w, const char *name, const char *reason, struct error *err)
{
    return error_set(err, FAIL_UNSUPPORTED, "%s: '%.*s': %s", w->path, WEIGHTS_MAX_NAME, name, reason);
}

/* Every step of a path must be a link inside of this file. */
static enum status check_links(const struct weights *w, hid_t group, const char *path, struct error *err)
{
    char step[2 * WEIGHTS_MAX_NAME + 2];
    H5L_info_t info;
    size_t n = 0;

    do {
        n += strcspn(path + n, "/");
        if (n == 0 || n >= sizeof step)
            return bad(w, path, "no name of an object", err);
        snprintf(step, sizeof step, "%.*s", (int)n, path);
        if (H5Lget_info(group, step, &info, H5P_DEFAULT) < 0)
            return bad(w, path, "there is no such object in the file", err);
        if (info.type != H5L_TYPE_HARD)
            return unsupported(w, path, "it is a link that may lead out of the file, which is not followed", err);
    } while (path[n++] == '/');
    return OK;
}

/* ---- names from attributes ------------------------------------------------------------------------------------- */

static bool copy_name(struct names *names, const char *text, size_t limit)
{
    size_t n = strnlen(text, limit);

    if (n == 0 || n > WEIGHTS_MAX_NAME)
        return false;
    snprintf(names->text[names->n++], sizeof names->text[0], "%.*s", (int)n, text);
    return true;
}

/* Strings of one size, padded with zeros. */
static bool read_fixed(struct names *names, hid_t attribute, hid_t type, size_t n)
{
    size_t nbytes = H5Tget_size(type);
    char *buffer = nbytes > 0 && nbytes <= MAX_NAME_BYTES ? calloc(n, nbytes) : NULL;
    bool good = buffer && H5Aread(attribute, type, buffer) >= 0;

    for (size_t i = 0; good && i < n; i++)
        good = copy_name(names, buffer + i * nbytes, nbytes);
    free(buffer);
    return good;
}

static bool read_variable(struct names *names, hid_t attribute, hid_t type, hid_t space, size_t n)
{
    char **texts = calloc(n, sizeof *texts);
    bool good = texts && H5Aread(attribute, type, texts) >= 0;

    for (size_t i = 0; good && i < n; i++)
        good = texts[i] && copy_name(names, texts[i], MAX_NAME_BYTES);
    if (texts)
        H5Dvlen_reclaim(type, space, H5P_DEFAULT, texts);
    free(texts);
    return good;
}

static bool read_opened(struct names *names, hid_t attribute, hid_t type, hid_t space)
{
    hssize_t n = H5Sget_simple_extent_npoints(space);

    if (n == 0)
        return true; /* Keras writes an empty list as no numbers of any type */
    if (n < 0 || n > MAX_NAMES || H5Tget_class(type) != H5T_STRING)
        return false;
    names->text = calloc((size_t)n, sizeof *names->text);
    if (!names->text)
        return false;
    return H5Tis_variable_str(type) > 0 ? read_variable(names, attribute, type, space, (size_t)n)
                                        : read_fixed(names, attribute, type, (size_t)n);
}

static enum status read_names(struct names *names, const struct weights *w, hid_t group, const char *name,
                              const char *where, struct error *err)
{
    hid_t attribute = H5Aopen(group, name, H5P_DEFAULT);
    hid_t type = attribute >= 0 ? H5Aget_type(attribute) : H5I_INVALID_HID;
    hid_t space = attribute >= 0 ? H5Aget_space(attribute) : H5I_INVALID_HID;
    enum status rc = OK;

    *names = (struct names){0};
    if (type < 0 || space < 0 || !read_opened(names, attribute, type, space))
        rc = error_set(err, FAIL_FORMAT, "%s: '%.*s': its attribute '%s' is missing or no list of names", w->path,
                       WEIGHTS_MAX_NAME, where, name);
    close_id(&space);
    close_id(&type);
    close_id(&attribute);
    return rc;
}

/* ---- datasets -------------------------------------------------------------------------------------------------- */

static bool filters_are_known(hid_t plist)
{
    static const H5Z_filter_t known[] = {H5Z_FILTER_DEFLATE, H5Z_FILTER_SHUFFLE, H5Z_FILTER_FLETCHER32};
    int n = H5Pget_nfilters(plist);

    for (int i = 0; i < n; i++) {
        unsigned flags;
        size_t nvalues = 0;
        H5Z_filter_t filter = H5Pget_filter2(plist, (unsigned)i, &flags, &nvalues, NULL, 0, NULL, NULL);
        if (filter != known[0] && filter != known[1] && filter != known[2])
            return false;
    }
    return n >= 0 && n <= MAX_FILTERS;
}

/* Chunks are decoded one at a time in memory; one that is far larger than what is stored of it is no data. */
static bool chunks_are_sane(hid_t plist, size_t nbytes)
{
    hsize_t chunk[WEIGHTS_MAX_DIMS];
    int ndim = H5Pget_chunk(plist, WEIGHTS_MAX_DIMS, chunk);
    uint64_t size = nbytes;

    for (int d = 0; d < ndim && d < WEIGHTS_MAX_DIMS; d++)
        if (__builtin_mul_overflow(size, chunk[d], &size) || size > MAX_CHUNK)
            return false;
    return ndim > 0 && ndim <= WEIGHTS_MAX_DIMS;
}

static enum status check_storage(const struct weights *w, const struct weights_record *r, hid_t dataset,
                                 struct error *err)
{
    hid_t plist = H5Dget_create_plist(dataset);
    H5D_layout_t layout = plist >= 0 ? H5Pget_layout(plist) : H5D_LAYOUT_ERROR;
    hsize_t stored = H5Dget_storage_size(dataset);
    enum status rc = OK;

    if (layout != H5D_COMPACT && layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED)
        rc = unsupported(w, r->info.name, "its numbers are not in this file", err);
    else if (H5Pget_external_count(plist) != 0)
        rc = unsupported(w, r->info.name, "its numbers are in an external file", err);
    else if (layout == H5D_CHUNKED && !filters_are_known(plist))
        rc = unsupported(w, r->info.name, "it has a filter other than deflate, shuffle and fletcher32", err);
    else if (layout == H5D_CHUNKED && !chunks_are_sane(plist, r->dtype->nbytes))
        rc = unsupported(w, r->info.name, "its chunks are larger than 256 MiB", err);
    else if (stored == 0 || stored > w->nbytes || r->elements * r->dtype->nbytes / MAX_RATIO > stored)
        rc = bad(w, r->info.name, "its numbers are missing in the file", err);
    close_id(&plist);
    return rc;
}

static const struct weights_dtype *find_dtype(hid_t type)
{
    if (H5Tequal(type, H5T_IEEE_F32LE) > 0 || H5Tequal(type, H5T_IEEE_F32BE) > 0)
        return weights_dtype_find("F32");
    if (H5Tequal(type, H5T_IEEE_F64LE) > 0 || H5Tequal(type, H5T_IEEE_F64BE) > 0)
        return weights_dtype_find("F64");
    return NULL;
}

static enum status add_opened(struct weights *w, const char *name, hid_t dataset, hid_t type, hid_t space,
                              struct error *err)
{
    const struct weights_dtype *dtype = find_dtype(type);
    hsize_t extent[H5S_MAX_RANK];
    size_t dims[WEIGHTS_MAX_DIMS];
    int ndim = H5Sget_simple_extent_type(space) == H5S_SIMPLE ? H5Sget_simple_extent_dims(space, extent, NULL) : -1;
    struct weights_record *r = NULL;
    enum status rc;

    if (!dtype)
        return unsupported(w, name, "its numbers are not float32 or float64", err);
    if (ndim < 1 || ndim > WEIGHTS_MAX_DIMS)
        return bad(w, name, "it is no array of 1 to 8 dimensions", err);
    for (int d = 0; d < ndim; d++)
        dims[d] = (size_t)extent[d];
    TRY(weights_add(&r, w, name, strlen(name), dtype, dims, (size_t)ndim, err));
    rc = check_storage(w, r, dataset, err);
done:
    return rc;
}

static enum status add_dataset(struct weights *w, const struct keras *k, const char *layer, const char *weight,
                               struct error *err)
{
    char name[2 * WEIGHTS_MAX_NAME + 2];
    hid_t dataset = H5I_INVALID_HID, type = H5I_INVALID_HID, space = H5I_INVALID_HID;
    enum status rc;

    snprintf(name, sizeof name, "%s/%s", layer, weight);
    TRY(check_links(w, k->group, name, err));
    dataset = H5Dopen2(k->group, name, H5P_DEFAULT);
    if (dataset < 0) {
        rc = bad(w, name, "it cannot be opened as an array", err);
        goto done;
    }
    type = H5Dget_type(dataset);
    space = H5Dget_space(dataset);
    if (type < 0 || space < 0)
        rc = bad(w, name, "its type or shape cannot be read", err);
    else
        rc = add_opened(w, name, dataset, type, space, err);
done:
    close_id(&space);
    close_id(&type);
    close_id(&dataset);
    return rc;
}

static enum status add_layer(struct weights *w, const struct keras *k, const char *layer, struct error *err)
{
    struct names weights = {0};
    hid_t group = H5I_INVALID_HID;
    enum status rc;

    TRY(check_links(w, k->group, layer, err));
    group = H5Gopen2(k->group, layer, H5P_DEFAULT);
    if (group < 0) {
        rc = bad(w, layer, "it is no group", err);
        goto done;
    }
    TRY(read_names(&weights, w, group, "weight_names", layer, err));
    for (size_t i = 0; i < weights.n; i++)
        TRY(add_dataset(w, k, layer, weights.text[i], err));
done:
    free(weights.text);
    close_id(&group);
    return rc;
}

/* ---- the format ------------------------------------------------------------------------------------------------ */

static enum status open_group(struct keras *k, const struct weights *w, struct error *err)
{
    const char *where = "/";
    enum status rc = OK;

    k->file = H5Fopen(w->path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (k->file < 0)
        return error_set(err, FAIL_FORMAT, "%s: HDF5 cannot open the file; is it truncated?", w->path);
    if (H5Aexists(k->file, "layer_names") <= 0) {
        where = "model_weights";
        if (H5Lexists(k->file, where, H5P_DEFAULT) <= 0)
            return error_set(err, FAIL_UNSUPPORTED,
                             "%s: an HDF5 file without the attribute 'layer_names'; save with Keras 2's "
                             "save_weights('FILE.h5')",
                             w->path);
        TRY(check_links(w, k->file, where, err));
    }
    k->group = H5Gopen2(k->file, where, H5P_DEFAULT);
    if (k->group < 0)
        rc = bad(w, where, "it is no group", err);
done:
    return rc;
}

static enum status open_keras(struct weights *w, struct error *err)
{
    struct keras *k = malloc(sizeof *k);
    struct names layers = {0};
    enum status rc;

    w->state = k;
    if (!k)
        return error_system(err, "%s", w->path);
    *k = (struct keras){.file = H5I_INVALID_HID, .group = H5I_INVALID_HID, .dataset = H5I_INVALID_HID};
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    TRY(open_group(k, w, err));
    TRY(read_names(&layers, w, k->group, "layer_names", "/", err));
    for (size_t i = 0; i < layers.n; i++)
        TRY(add_layer(w, k, layers.text[i], err));
done:
    free(layers.text);
    return rc;
}

static enum status open_record(struct keras *k, const struct weights *w, const struct weights_record *r,
                               struct error *err)
{
    if (k->record == r)
        return OK;
    close_id(&k->dataset);
    k->record = NULL;
    k->dataset = H5Dopen2(k->group, r->info.name, H5P_DEFAULT);
    if (k->dataset < 0)
        return bad(w, r->info.name, "it cannot be opened again", err);
    k->record = r;
    return OK;
}

static enum status fetch(unsigned char *bytes, const struct weights *w, const struct weights_record *r, size_t first,
                         size_t n, struct error *err)
{
    struct keras *k = w->state;
    hsize_t start[WEIGHTS_MAX_DIMS] = {first / weights_row(r)}, count[WEIGHTS_MAX_DIMS], total = n;
    hid_t file_space = H5I_INVALID_HID, memory_space = H5I_INVALID_HID;
    enum status rc;

    for (size_t d = 0; d < r->info.ndim; d++)
        count[d] = r->info.dims[d];
    count[0] = n / weights_row(r);
    TRY(open_record(k, w, r, err));
    file_space = H5Dget_space(k->dataset);
    memory_space = H5Screate_simple(1, &total, NULL);
    if (H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start, NULL, count, NULL) < 0 ||
        H5Dread(k->dataset, r->dtype->nbytes == 4 ? H5T_IEEE_F32LE : H5T_IEEE_F64LE, memory_space, file_space,
                H5P_DEFAULT, bytes) < 0)
        rc = bad(w, r->info.name, "its numbers cannot be read; the file is damaged", err);
done:
    close_id(&memory_space);
    close_id(&file_space);
    return rc;
}

static void close_keras(struct weights *w)
{
    struct keras *k = w->state;

    if (!k)
        return;
    close_id(&k->dataset);
    close_id(&k->group);
    close_id(&k->file);
    free(k);
}

const struct weights_format weights_keras_format = {
    .name = "keras", .keras = true, .recognise = recognise, .open = open_keras, .fetch = fetch, .close = close_keras};
