#include "io/store/sandboxed.h"

#include <stdlib.h>
#include <string.h>

#define READ_LIMIT ((size_t)1 << 31)

enum { TEXT_ROWS = 1 << 12 /* strings that are read at a time */ };

/* An open dataset. */
struct opened {
    const char *file, *path; /* borrowed; for messages */
    hid_t dataset, type;
    size_t ndim, dims[H5_MAX_DIMS], nelements;
};

static void close_dataset(struct opened *opened)
{
    h5_close(&opened->type);
    h5_close(&opened->dataset);
}

/* Open a dataset; `element_bytes` is the size of an element in memory, or 0 for its size in the file. */
static enum status open_dataset(struct opened *opened, const struct store_sandboxed *reader, const char *path,
                                size_t element_bytes, struct error *err)
{
    enum status rc = OK;

    *opened = (struct opened){.file = reader->path, .path = path, .dataset = H5I_INVALID_HID, .type = H5I_INVALID_HID};
    TRY(store_sandboxed_guard(reader, path, err));
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

enum status store_sandboxed_shape(size_t *ndim, size_t *dims, const struct store_sandboxed *reader, const char *path,
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

size_t store_sandboxed_bytes(const struct store_sandboxed *reader, const char *path)
{
    struct opened opened = {.dataset = H5I_INVALID_HID, .type = H5I_INVALID_HID};
    size_t nbytes = 0;

    if ((reader->version == 1 || !store_is_link(path)) && open_dataset(&opened, reader, path, 0, NULL) == OK)
        nbytes = (size_t)H5Dget_storage_size(opened.dataset);
    close_dataset(&opened);
    H5Eclear2(H5E_DEFAULT);
    return nbytes;
}

static enum status match_shape(const struct opened *opened, size_t ndim, size_t *dims, struct error *err)
{
    if (opened->ndim != ndim)
        return error_set(err, FAIL_FORMAT, "%s: /%s has %zu axes; %zu are expected", opened->file, opened->path,
                         opened->ndim, ndim);
    for (size_t d = 0; d < ndim; d++) {
        if (dims[d] != STORE_ANY && dims[d] != opened->dims[d])
            return error_set(err, FAIL_FORMAT, "%s: axis %zu of /%s has the length %zu; %zu is expected", opened->file,
                             d, opened->path, opened->dims[d], dims[d]);
        dims[d] = opened->dims[d];
    }
    return OK;
}

static enum status check_number(const struct opened *opened, bool integer, struct error *err)
{
    H5T_class_t class = H5Tget_class(opened->type);
    bool fits = class == H5T_INTEGER || (integer ? class == H5T_ENUM : class == H5T_FLOAT);

    return fits ? OK
                : error_set(err, FAIL_FORMAT, "%s: /%s does not hold %s", opened->file, opened->path,
                            integer ? "integers" : "numbers");
}

static enum status check_limit(const struct opened *opened, size_t element_bytes, struct error *err)
{
    return opened->nelements <= READ_LIMIT / element_bytes
               ? OK
               : error_set(err, FAIL_LIMIT, "%s: /%s is larger than 2 GiB; read it in rows", opened->file,
                           opened->path);
}

/* Type and size of an element in memory. */
static hid_t memory_type(size_t *element_bytes, enum store_op op)
{
    *element_bytes = op == STORE_OP_FLOAT ? sizeof(float) : sizeof(double);
    return op == STORE_OP_FLOAT ? H5T_NATIVE_FLOAT : op == STORE_OP_INT ? H5T_NATIVE_INT64 : H5T_NATIVE_DOUBLE;
}

enum status store_sandboxed_read(void **out, size_t *nbytes, const struct store_sandboxed *reader, const char *path,
                                 enum store_op op, size_t ndim, size_t *dims, struct error *err)
{
    enum status rc = OK;
    size_t element_bytes;
    hid_t memory = memory_type(&element_bytes, op);
    struct opened opened;
    void *data = NULL;

    *out = NULL;
    TRY(open_dataset(&opened, reader, path, element_bytes, err));
    TRY(match_shape(&opened, ndim, dims, err));
    TRY(check_number(&opened, op == STORE_OP_INT, err));
    TRY(check_limit(&opened, element_bytes, err));
    *nbytes = opened.nelements * element_bytes;
    data = malloc(*nbytes ? *nbytes : 1);
    if (!data) {
        rc = error_system(err, "%s: no memory for /%s", reader->path, path);
        goto done;
    }
    if (*nbytes && H5Dread(opened.dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) {
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

/* Strings, one after the other, each with a final NUL. */
struct strings {
    char *bytes;
    size_t nbytes, capacity;
};

static enum status add_string(struct strings *strings, const char *text, size_t length, const struct opened *opened,
                              struct error *err)
{
    size_t nbytes = strings->nbytes + length + 1;

    if (nbytes > READ_LIMIT)
        return error_set(err, FAIL_LIMIT, "%s: the text of /%s is larger than 2 GiB", opened->file, opened->path);
    if (nbytes > strings->capacity) {
        size_t capacity = nbytes < 1 << 16 ? 1 << 16 : 2 * nbytes;
        char *larger = realloc(strings->bytes, capacity);

        if (!larger)
            return error_system(err, "%s: no memory for /%s", opened->file, opened->path);
        strings->bytes = larger;
        strings->capacity = capacity;
    }
    memcpy(strings->bytes + strings->nbytes, text, length);
    strings->bytes[nbytes - 1] = '\0';
    strings->nbytes = nbytes;
    return OK;
}

/* Read elements first .. first + n - 1 of one axis. */
static enum status read_piece(void *out, const struct opened *opened, hid_t memory, hsize_t first, hsize_t n,
                              struct error *err)
{
    hid_t memory_space = H5Screate_simple(1, &n, NULL), file_space = H5Dget_space(opened->dataset);
    bool ok = H5Sselect_hyperslab(file_space, H5S_SELECT_SET, &first, NULL, &n, NULL) >= 0 &&
              H5Dread(opened->dataset, memory, memory_space, file_space, H5P_DEFAULT, out) >= 0;

    h5_close(&memory_space);
    h5_close(&file_space);
    return ok ? OK : h5_error(err, FAIL_FORMAT, "%s: /%s cannot be read", opened->file, opened->path);
}

/* Add strings of a fixed length, which version 1 has. */
static enum status add_fixed(struct strings *strings, const struct opened *opened, hid_t memory, hsize_t first,
                             size_t n, struct error *err)
{
    size_t width = H5Tget_size(opened->type);
    char *rows = NULL;
    enum status rc = OK;

    TRY(check_limit(opened, width, err));
    rows = calloc(n, width);
    if (!rows)
        TRY(error_system(err, "%s: no memory for /%s", opened->file, opened->path));
    TRY(read_piece(rows, opened, memory, first, n, err));
    for (size_t i = 0; i < n; i++)
        TRY(add_string(strings, rows + i * width, strnlen(rows + i * width, width), opened, err));
done:
    free(rows);
    return rc;
}

static enum status add_variable(struct strings *strings, const struct opened *opened, hid_t memory, hsize_t first,
                                size_t n, struct error *err)
{
    char **rows = calloc(n, sizeof *rows);
    enum status rc = OK;

    if (!rows)
        TRY(error_system(err, "%s: no memory for /%s", opened->file, opened->path));
    TRY(read_piece(rows, opened, memory, first, n, err));
    for (size_t i = 0; i < n; i++)
        TRY(add_string(strings, rows[i] ? rows[i] : "", rows[i] ? strlen(rows[i]) : 0, opened, err));
done:
    for (size_t i = 0; rows && i < n; i++)
        H5free_memory(rows[i]);
    free(rows);
    return rc;
}

/* Read a column of text. */
static enum status read_strings(struct strings *strings, const struct opened *opened, struct error *err)
{
    bool variable = H5Tis_variable_str(opened->type) > 0;
    hid_t memory = H5Tcopy(opened->type);
    enum status rc = OK;

    for (size_t first = 0; first < opened->nelements; first += TEXT_ROWS) {
        size_t n = opened->nelements - first < TEXT_ROWS ? opened->nelements - first : TEXT_ROWS;

        TRY(variable ? add_variable(strings, opened, memory, first, n, err)
                     : add_fixed(strings, opened, memory, first, n, err));
    }
done:
    h5_close(&memory);
    return rc;
}

enum status store_sandboxed_read_text(void **out, size_t *nbytes, const struct store_sandboxed *reader,
                                      const char *path, size_t *count, struct error *err)
{
    enum status rc = OK;
    struct opened opened;
    struct strings strings = {0};

    *out = NULL;
    TRY(open_dataset(&opened, reader, path, 0, err));
    TRY(match_shape(&opened, 1, count, err));
    if (H5Tget_class(opened.type) != H5T_STRING)
        TRY(error_set(err, FAIL_FORMAT, "%s: /%s does not hold text", reader->path, path));
    TRY(read_strings(&strings, &opened, err));
    *out = strings.bytes;
    *nbytes = strings.nbytes;
    strings.bytes = NULL;
done:
    free(strings.bytes);
    close_dataset(&opened);
    return rc;
}

/* Read a box of the shape `count` that begins at row `first`. */
static enum status read_box(void **out, size_t nbytes, const struct opened *opened, hid_t memory, const hsize_t *count,
                            size_t first, struct error *err)
{
    enum status rc = OK;
    hid_t memory_space = H5Screate_simple((int)opened->ndim, count, NULL), file_space = H5Dget_space(opened->dataset);
    hsize_t start[H5_MAX_DIMS] = {first};
    void *data = malloc(nbytes + 1);

    if (!data)
        rc = error_system(err, "%s: no memory for /%s", opened->file, opened->path);
    else if (H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start, NULL, count, NULL) < 0 ||
             H5Dread(opened->dataset, memory, memory_space, file_space, H5P_DEFAULT, data) < 0)
        rc = h5_error(err, FAIL_FORMAT, "%s: /%s cannot be read", opened->file, opened->path);
    if (rc == OK)
        *out = data;
    else
        free(data);
    h5_close(&memory_space);
    h5_close(&file_space);
    return rc;
}

enum status store_sandboxed_read_words(void **out, const struct store_sandboxed *reader, const char *path, size_t total,
                                       size_t first, size_t n, struct error *err)
{
    enum status rc = OK;
    struct opened opened;
    const hsize_t count[1] = {n};

    *out = NULL;
    TRY(open_dataset(&opened, reader, path, sizeof(uint64_t), err));
    TRY(check_number(&opened, true, err));
    if (opened.ndim != 1 || opened.dims[0] != total) {
        rc =
            error_set(err, FAIL_MISMATCH, "%s: /%s does not have the %zu words of this run", reader->path, path, total);
        goto done;
    }
    if (n > 0)
        rc = read_box(out, n * sizeof(uint64_t), &opened, H5T_NATIVE_UINT64, count, first, err);
done:
    close_dataset(&opened);
    return rc;
}

/* Version 1 has the status of images as an enumeration. */
static enum status check_same(const struct opened *opened, hid_t memory, struct error *err)
{
    H5T_class_t class = H5Tget_class(opened->type) == H5T_ENUM ? H5T_INTEGER : H5Tget_class(opened->type);

    if (class == H5Tget_class(memory) && H5Tget_size(opened->type) == H5Tget_size(memory))
        return OK;
    return error_set(err, FAIL_FORMAT, "%s: /%s has elements of another type than expected", opened->file,
                     opened->path);
}

enum status store_sandboxed_read_slab(void **out, const struct store_sandboxed *reader, const char *path,
                                      const struct store_slab *slab, struct error *err)
{
    enum status rc = OK;
    struct opened opened = {.dataset = H5I_INVALID_HID, .type = H5I_INVALID_HID};
    hsize_t count[H5_MAX_DIMS] = {slab->nrows};
    size_t found = 1;
    hid_t memory = store_element_type(slab->type);

    *out = NULL;
    TRY(open_dataset(&opened, reader, path, slab->element_bytes, err));
    TRY(slab->converted ? check_number(&opened, false, err) : check_same(&opened, memory, err));
    for (size_t d = 1; d < opened.ndim; d++) {
        count[d] = opened.dims[d];
        found *= opened.dims[d];
    }
    if (opened.ndim == 0 || found != slab->width || slab->first > opened.dims[0] ||
        slab->nrows > opened.dims[0] - slab->first) {
        rc = error_set(err, FAIL_FORMAT, "%s: /%s does not have %zu rows of %zu elements from row %zu on", reader->path,
                       path, slab->nrows, slab->width, slab->first);
        goto done;
    }
    if (slab->nrows > 0 && slab->width > 0)
        rc = read_box(out, slab->nrows * slab->width * slab->element_bytes, &opened, memory, count, slab->first, err);
done:
    h5_close(&memory);
    close_dataset(&opened);
    return rc;
}
