#include "store_internal.h"

#include <stdlib.h>
#include <string.h>

#define READ_LIMIT ((size_t)1 << 31)

struct opened {
    hid_t dataset, type;
    size_t ndim, dims[H5_MAX_DIMS], nelements;
};

static void close_dataset(struct opened *opened)
{
    h5_close(&opened->type);
    h5_close(&opened->dataset);
}

/* Open a dataset; `element_bytes` is what one element takes in memory, 0 for what it takes in the file. */
static enum status open_dataset(struct opened *opened, const struct store_reader *reader, const char *path,
                                size_t element_bytes, struct error *err)
{
    enum status rc = OK;

    *opened = (struct opened){.dataset = H5I_INVALID_HID, .type = H5I_INVALID_HID};
    TRY(store_guard(reader, path, err));
    TRY(h5_open_dataset(&opened->dataset, reader->file, path, reader->path, err));
    opened->type = H5Dget_type(opened->dataset);
    size_t in_file = opened->type < 0 ? 0 : H5Tget_size(opened->type);

    if (in_file == 0) {
        rc = h5_error(err, FAIL_FORMAT, "%s: /%s has no type", reader->path, path);
        goto done;
    }
    TRY(h5_shape(&opened->ndim, opened->dims, &opened->nelements, opened->dataset,
                 element_bytes ? element_bytes : in_file, path, reader->path, err));
done:
    return rc;
}

enum status store_shape(size_t *ndim, size_t *dims, const struct store_reader *reader, const char *path,
                        struct error *err)
{
    struct opened opened;
    enum status rc = open_dataset(&opened, reader, path, 0, err);

    if (rc == OK) {
        *ndim = opened.ndim;
        memcpy(dims, opened.dims, opened.ndim * sizeof *dims);
    }
    close_dataset(&opened);
    return rc;
}

static enum status match_shape(const struct opened *opened, const struct store_reader *reader, const char *path,
                               size_t ndim, size_t *dims, struct error *err)
{
    if (opened->ndim != ndim)
        return error_set(err, FAIL_FORMAT, "%s: /%s has %zu axes, %zu are expected", reader->path, path, opened->ndim,
                         ndim);
    for (size_t d = 0; d < ndim; d++) {
        if (dims[d] != STORE_ANY && dims[d] != opened->dims[d])
            return error_set(err, FAIL_FORMAT, "%s: axis %zu of /%s has the length %zu, %zu is expected", reader->path,
                             d, path, opened->dims[d], dims[d]);
        dims[d] = opened->dims[d];
    }
    return OK;
}

static enum status check_number(const struct opened *opened, bool integer, const struct store_reader *reader,
                                const char *path, struct error *err)
{
    H5T_class_t class = H5Tget_class(opened->type);
    bool fits = class == H5T_INTEGER || (integer ? class == H5T_ENUM : class == H5T_FLOAT);

    return fits ? OK
                : error_set(err, FAIL_FORMAT, "%s: /%s does not hold %s", reader->path, path,
                            integer ? "integers" : "numbers");
}

static enum status check_limit(size_t nelements, size_t element_bytes, const struct store_reader *reader,
                               const char *path, struct error *err)
{
    return nelements <= READ_LIMIT / element_bytes
               ? OK
               : error_set(err, FAIL_LIMIT, "%s: /%s is larger than 2 GiB; read it in rows", reader->path, path);
}

static enum status read_numbers(void **out, hid_t memory, size_t element_bytes, const struct store_reader *reader,
                                const char *path, size_t ndim, size_t *dims, struct error *err)
{
    enum status rc = OK;
    struct opened opened;
    void *data = NULL;

    *out = NULL;
    TRY(open_dataset(&opened, reader, path, element_bytes, err));
    TRY(match_shape(&opened, reader, path, ndim, dims, err));
    TRY(check_number(&opened, memory == H5T_NATIVE_INT64, reader, path, err));
    TRY(check_limit(opened.nelements, element_bytes, reader, path, err));
    data = malloc(opened.nelements ? opened.nelements * element_bytes : 1);
    if (!data) {
        rc = error_system(err, "%s: no memory for /%s", reader->path, path);
        goto done;
    }
    if (opened.nelements && H5Dread(opened.dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) {
        rc = h5_error(err, FAIL_FORMAT, "%s: /%s cannot be read", reader->path, path);
        goto done;
    }
    *out = data;
    data = NULL;
done:
    free(data);
    close_dataset(&opened);
    return rc;
}

enum status store_read_real(double **out, const struct store_reader *reader, const char *path, size_t ndim,
                            size_t *dims, struct error *err)
{
    void *data;
    enum status rc = read_numbers(&data, H5T_NATIVE_DOUBLE, sizeof **out, reader, path, ndim, dims, err);

    *out = data;
    return rc;
}

enum status store_read_float(float **out, const struct store_reader *reader, const char *path, size_t ndim,
                             size_t *dims, struct error *err)
{
    void *data;
    enum status rc = read_numbers(&data, H5T_NATIVE_FLOAT, sizeof **out, reader, path, ndim, dims, err);

    *out = data;
    return rc;
}

enum status store_read_int(int64_t **out, const struct store_reader *reader, const char *path, size_t ndim,
                           size_t *dims, struct error *err)
{
    void *data;
    enum status rc = read_numbers(&data, H5T_NATIVE_INT64, sizeof **out, reader, path, ndim, dims, err);

    *out = data;
    return rc;
}

/* Pointers, then the strings, each with a NUL behind it. */
static enum status read_strings(char ***out, const struct opened *opened, const struct store_reader *reader,
                                const char *path, struct error *err)
{
    enum status rc = OK;
    size_t n = opened->nelements, width = H5Tget_size(opened->type) + 1;
    hid_t memory = h5_text_type(width);
    char **values = NULL;

    TRY(check_limit(n, width + sizeof *values, reader, path, err));
    values = calloc(n + 1, width + sizeof *values);
    if (!values) {
        rc = error_system(err, "%s: no memory for /%s", reader->path, path);
        goto done;
    }
    char *text = (char *)(values + n + 1);

    H5Tset_cset(memory, H5Tget_cset(opened->type)); /* HDF5 does not convert between the two */
    if (n && H5Dread(opened->dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) < 0) {
        rc = h5_error(err, FAIL_FORMAT, "%s: /%s cannot be read", reader->path, path);
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        values[i] = text + i * width;
    *out = values;
    values = NULL;
done:
    free(values);
    h5_close(&memory);
    return rc;
}

enum status store_read_text(char ***out, const struct store_reader *reader, const char *path, size_t *count,
                            struct error *err)
{
    enum status rc = OK;
    struct opened opened;

    *out = NULL;
    TRY(open_dataset(&opened, reader, path, 0, err));
    TRY(match_shape(&opened, reader, path, 1, count, err));
    if (!store_fixed_text(opened.type)) {
        rc = error_set(err, FAIL_FORMAT, "%s: /%s does not hold text of a fixed length", reader->path, path);
        goto done;
    }
    TRY(read_strings(out, &opened, reader, path, err));
done:
    close_dataset(&opened);
    return rc;
}

enum status store_read_words(void *out, const struct store_reader *reader, const char *path, size_t n,
                             struct error *err)
{
    enum status rc = OK;
    struct opened opened;

    TRY(open_dataset(&opened, reader, path, sizeof(uint64_t), err));
    TRY(check_number(&opened, true, reader, path, err));
    if (opened.ndim != 1 || opened.dims[0] != n) {
        rc = error_set(err, FAIL_MISMATCH, "%s: /%s does not have the %zu words of this run", reader->path, path, n);
        goto done;
    }
    if (H5Dread(opened.dataset, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) < 0)
        rc = h5_error(err, FAIL_FORMAT, "%s: /%s cannot be read", reader->path, path);
done:
    close_dataset(&opened);
    return rc;
}

static enum status check_same(const struct opened *opened, hid_t memory, const struct store_reader *reader,
                              const char *path, struct error *err)
{
    if (H5Tget_class(opened->type) == H5Tget_class(memory) && H5Tget_size(opened->type) == H5Tget_size(memory))
        return OK;
    return error_set(err, FAIL_FORMAT, "%s: /%s has elements of another type than it should have", reader->path, path);
}

enum status store_read_slab(void *out, hid_t memory, bool converted, const struct store_reader *reader,
                            const char *path, size_t first, size_t nrows, size_t width, struct error *err)
{
    enum status rc = OK;
    struct opened opened;
    hid_t memory_space = H5I_INVALID_HID, file_space = H5I_INVALID_HID;
    hsize_t start[H5_MAX_DIMS] = {first}, count[H5_MAX_DIMS] = {nrows};
    size_t found = 1;

    TRY(open_dataset(&opened, reader, path, H5Tget_size(memory), err));
    TRY(converted ? check_number(&opened, false, reader, path, err) : check_same(&opened, memory, reader, path, err));
    for (size_t d = 1; d < opened.ndim; d++) {
        count[d] = opened.dims[d];
        found *= opened.dims[d];
    }
    if (opened.ndim == 0 || found != width || first > opened.dims[0] || nrows > opened.dims[0] - first) {
        rc = error_set(err, FAIL_FORMAT, "%s: /%s has no %zu rows of %zu from row %zu on", reader->path, path, nrows,
                       width, first);
        goto done;
    }
    if (nrows == 0 || width == 0)
        goto done;
    memory_space = H5Screate_simple((int)opened.ndim, count, NULL);
    file_space = H5Dget_space(opened.dataset);
    if (H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start, NULL, count, NULL) < 0 ||
        H5Dread(opened.dataset, memory, memory_space, file_space, H5P_DEFAULT, out) < 0)
        rc = h5_error(err, FAIL_FORMAT, "%s: /%s cannot be read", reader->path, path);
done:
    h5_close(&memory_space);
    h5_close(&file_space);
    close_dataset(&opened);
    return rc;
}

enum status store_read_rows(double *out, const struct store_reader *reader, const char *path, size_t first,
                            size_t nrows, size_t width, struct error *err)
{
    return store_read_slab(out, H5T_NATIVE_DOUBLE, true, reader, path, first, nrows, width, err);
}
