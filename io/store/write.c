#include "io/store/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONTIGUOUS_BYTES = 4096, /* smaller datasets are neither chunked nor compressed */
    CHUNK_BYTES = 1 << 18,
    TEXT_ROWS = 1 << 12,  /* written at a time by store_write_text */
    COPY_BYTES = 1 << 22, /* buffer of store_copy_rows */
    MAX_TEXT = 1 << 16    /* bytes of one string of a column */
};

/* Set the value of elements that are never written; text stays empty. */
static herr_t set_fill(hid_t properties, enum store_type type, hid_t memory)
{
    const float f32 = NAN;
    const double f64 = NAN;
    const int32_t i32 = -1;
    const int64_t i64 = -1;
    const uint64_t u64 = 0;
    const uint8_t status = STORE_IMAGE_UNREAD;
    const void *const values[STORE_NTYPES] = {&f32, &f64, &i32, &i64, &u64, &status, NULL};

    return values[type] ? H5Pset_fill_value(properties, memory, values[type]) : 0;
}

/* ---- entries --------------------------------------------------------------------------------------------------- */

static enum status grow(struct store *store, struct error *err)
{
    if (store->nentries < store->capacity)
        return OK;
    size_t capacity = store->capacity ? 2 * store->capacity : 64;
    struct store_entry *entries = realloc(store->entries, capacity * sizeof *entries);

    if (!entries)
        return error_system(err, "%s: no memory for its list of datasets", h5_atomic_path(store->atomic));
    store->entries = entries;
    store->capacity = capacity;
    return OK;
}

static enum status check_new(const struct store *store, const struct store_field *field, const char *path, size_t ndim,
                             bool text, struct error *err)
{
    const char *where = h5_atomic_path(store->atomic);

    if (!field)
        return error_set(err, FAIL_FORMAT, "%s: /%s is not a field of the store", where, path);
    if (store_find_entry(store, path))
        return error_set(err, FAIL_FORMAT, "%s: /%s is written twice", where, path);
    if (store_count_axes(field) != ndim)
        return error_set(err, FAIL_FORMAT, "%s: /%s has the axes (%s), but %zu are given", where, path, field->axes,
                         ndim);
    if ((field->type == STORE_TEXT) != text)
        return error_set(err, FAIL_FORMAT, "%s: /%s holds %s", where, path, store_type_name(field->type));
    return OK;
}

/* As many whole rows as fit into a chunk, or else a part of one row. */
static void choose_chunk(hsize_t *chunk, size_t ndim, const size_t *dims, size_t element_bytes)
{
    size_t budget = CHUNK_BYTES / element_bytes;

    budget = budget ? budget : 1;
    for (size_t d = ndim; d-- > 0;) {
        chunk[d] = dims[d] < budget ? dims[d] : budget;
        budget /= chunk[d];
    }
}

static bool in_state(const struct store_entry *entry)
{
    return strncmp(entry->path, "state/", 6) == 0;
}

/* The state has checksums: a damaged mean is one wrong number, but a damaged sum would spread when the run continues.
 * */
static bool set_filters(hid_t properties, const struct store *store, const struct store_entry *entry)
{
    bool compressed = store->deflate && !(store->plain_state && in_state(entry));

    return (!compressed || (H5Pset_shuffle(properties) >= 0 && H5Pset_deflate(properties, store->deflate) >= 0)) &&
           (!in_state(entry) || H5Pset_fletcher32(properties) >= 0);
}

static hid_t creation_properties(const struct store *store, const struct store_entry *entry, size_t nbytes)
{
    hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t chunk[STORE_MAX_DIMS];
    bool ok = properties >= 0 && H5Pset_obj_track_times(properties, false) >= 0 &&
              set_fill(properties, entry->field->type, entry->element) >= 0;

    /* netCDF cannot copy strings with filters */
    if (ok && entry->ndim && nbytes > CONTIGUOUS_BYTES && entry->field->type != STORE_TEXT) {
        choose_chunk(chunk, entry->ndim, entry->dims, H5Tget_size(entry->element));
        ok = H5Pset_chunk(properties, (int)entry->ndim, chunk) >= 0 && set_filters(properties, store, entry);
    }
    if (!ok)
        h5_close(&properties);
    return properties;
}

static enum status check_size(size_t *nbytes, const struct store *store, struct store_entry *entry,
                              size_t element_bytes, struct error *err)
{
    *nbytes = element_bytes;
    entry->row_elements = 1;
    for (size_t d = 0; d < entry->ndim; d++) {
        if (__builtin_mul_overflow(*nbytes, entry->dims[d], nbytes))
            return error_set(err, FAIL_FORMAT, "%s: /%s is too large", h5_atomic_path(store->atomic), entry->path);
        entry->row_elements *= d ? entry->dims[d] : 1;
    }
    return OK;
}

static enum status create_dataset(struct store *store, struct store_entry *entry, hid_t type, struct error *err)
{
    enum status rc = OK;
    hid_t space = H5I_INVALID_HID, properties = H5I_INVALID_HID;
    hsize_t dims[STORE_MAX_DIMS] = {0};
    size_t nbytes;

    TRY(check_size(&nbytes, store, entry, H5Tget_size(type), err));
    for (size_t d = 0; d < entry->ndim; d++)
        dims[d] = entry->dims[d];
    space = entry->ndim ? H5Screate_simple((int)entry->ndim, dims, NULL) : H5Screate(H5S_SCALAR);
    properties = creation_properties(store, entry, nbytes);
    TRY(store_make_groups(store, entry->path, err));
    entry->dataset =
        H5Dcreate2(h5_atomic_file(store->atomic), entry->path, type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
    if (entry->dataset < 0) {
        rc = store_write_failure(store, entry->path, err);
        goto done;
    }
    TRY(store_attribute_text(store, entry->dataset, entry->path, "description", entry->field->description, err));
    TRY(store_attribute_text(store, entry->dataset, entry->path, "units", entry->field->units, err));
    if (entry->field->type == STORE_STATUS)
        TRY(store_attribute_flags(store, entry->dataset, entry->path, err));
done:
    h5_close(&properties);
    h5_close(&space);
    return rc;
}

/* Add an entry and create its dataset. After a failure the entry stays in the list, which owns its path and handles. */
static enum status begin(struct store_entry **out, struct store *store, const char *path, bool text, size_t ndim,
                         const size_t *dims, struct error *err)
{
    enum status rc = OK;
    const struct store_field *field = store_field(path);
    hid_t type = H5I_INVALID_HID;

    TRY(check_new(store, field, path, ndim, text, err));
    TRY(grow(store, err));
    struct store_entry *entry = &store->entries[store->nentries];

    *entry = (struct store_entry){.path = strdup(path), .field = field, .ndim = ndim, .dataset = H5I_INVALID_HID};
    if (!entry->path)
        return error_system(err, "%s: no memory for /%s", h5_atomic_path(store->atomic), path);
    store->nentries++;
    if (ndim)
        memcpy(entry->dims, dims, ndim * sizeof *dims);
    type = store_file_type(field->type);
    entry->element = store_element_type(field->type);
    if (type < 0 || entry->element < 0) {
        rc = store_write_failure(store, path, err);
        goto done;
    }
    TRY(create_dataset(store, entry, type, err));
    *out = entry;
done:
    h5_close(&type);
    return rc;
}

static enum status write_slab(struct store *store, struct store_entry *entry, size_t first, size_t nrows,
                              const void *data, struct error *err)
{
    hsize_t start[STORE_MAX_DIMS] = {first}, count[STORE_MAX_DIMS] = {nrows};
    hid_t file_space = H5Dget_space(entry->dataset), memory_space = H5I_INVALID_HID;
    bool ok = file_space >= 0;

    for (size_t d = 1; d < entry->ndim; d++)
        count[d] = entry->dims[d];
    if (ok && entry->ndim) {
        memory_space = H5Screate_simple((int)entry->ndim, count, NULL);
        ok = H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0;
    }
    ok = ok && H5Dwrite(entry->dataset, entry->element, entry->ndim ? memory_space : H5S_ALL, file_space, H5P_DEFAULT,
                        data) >= 0;
    h5_close(&memory_space);
    h5_close(&file_space);
    return ok && h5_atomic_check(store->atomic, NULL) == OK ? OK : store_write_failure(store, entry->path, err);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

enum status store_write(struct store *store, const char *path, const void *data, size_t ndim, const size_t *dims,
                        struct error *err)
{
    enum status rc = OK;
    struct store_entry *entry = NULL;

    TRY(begin(&entry, store, path, false, ndim, dims, err));
    if (entry && (ndim == 0 || (entry->dims[0] && entry->row_elements)))
        TRY(write_slab(store, entry, 0, ndim ? entry->dims[0] : 1, data, err));
done:
    if (entry)
        store_close_entry(entry);
    return rc;
}

/* Bytes of strings with their NULs. */
static enum status count_bytes(size_t *nbytes, const struct store *store, const char *path, size_t first,
                               const char *const *values, size_t count, struct error *err)
{
    *nbytes = 0;
    for (size_t i = 0; i < count; i++) {
        size_t length = store_text_bytes(values[i]);

        if (length > MAX_TEXT)
            return error_set(err, FAIL_LIMIT, "%s: string %zu of /%s has %zu bytes; at most %d are stored",
                             h5_atomic_path(store->atomic), first + i, path, length, (int)MAX_TEXT);
        *nbytes += length + 1;
    }
    return OK;
}

/* Write rows first .. first + count - 1 of a column of strings. */
static enum status write_strings(struct store *store, struct store_entry *entry, size_t first,
                                 const char *const *values, size_t count, struct error *err)
{
    enum status rc = OK;
    size_t nbytes;
    char **rows = malloc(count * sizeof *rows), *text = NULL;

    TRY(count_bytes(&nbytes, store, entry->path, first, values, count, err));
    text = malloc(nbytes);
    if (!rows || !text)
        TRY(error_system(err, "%s: no memory to write /%s", h5_atomic_path(store->atomic), entry->path));
    for (size_t i = 0, at = 0; i < count; i++) {
        size_t length = store_text_bytes(values[i]);

        rows[i] = text + at;
        store_copy_text(rows[i], length, values[i]);
        rows[i][length] = '\0';
        at += length + 1;
    }
    TRY(write_slab(store, entry, first, count, rows, err));
done:
    free(text);
    free(rows);
    return rc;
}

enum status store_write_text(struct store *store, const char *path, const char *const *values, size_t count,
                             struct error *err)
{
    enum status rc = OK;
    struct store_entry *entry = NULL;

    TRY(begin(&entry, store, path, true, 1, &count, err));
    for (size_t first = 0; first < count; first += TEXT_ROWS)
        TRY(write_strings(store, entry, first, values + first, count - first < TEXT_ROWS ? count - first : TEXT_ROWS,
                          err));
done:
    if (entry)
        store_close_entry(entry);
    return rc;
}

enum status store_create_rows(struct store *store, const char *path, size_t ndim, const size_t *dims, struct error *err)
{
    struct store_entry *entry;

    if (ndim == 0)
        return error_set(err, FAIL_FORMAT, "%s: /%s is a scalar and has no rows", h5_atomic_path(store->atomic), path);
    return begin(&entry, store, path, false, ndim, dims, err);
}

enum status store_write_rows(struct store *store, const char *path, size_t first, size_t nrows, const void *data,
                             struct error *err)
{
    struct store_entry *entry = store_find_entry(store, path);
    const char *where = h5_atomic_path(store->atomic);

    if (!entry || entry->dataset < 0)
        return error_set(err, FAIL_FORMAT, "%s: /%s was not begun with store_create_rows", where, path);
    if (first > entry->dims[0] || nrows > entry->dims[0] - first)
        return error_set(err, FAIL_FORMAT, "%s: /%s has %zu rows, which do not include %zu rows from row %zu on", where,
                         path, entry->dims[0], nrows, first);
    return nrows && entry->row_elements ? write_slab(store, entry, first, nrows, data, err) : OK;
}

enum status store_copy_rows(struct store *store, const char *path, size_t first, const struct store_reader *from,
                            size_t nrows, struct error *err)
{
    const struct store_entry *entry = store_find_entry(store, path);
    void *rows = NULL;
    enum status rc = OK;

    if (!entry || entry->dataset < 0)
        return error_set(err, FAIL_FORMAT, "%s: /%s was not begun with store_create_rows",
                         h5_atomic_path(store->atomic), path);
    size_t element_bytes = H5Tget_size(entry->element), row_bytes = entry->row_elements * element_bytes;
    size_t step = COPY_BYTES / (row_bytes + 1) + 1;

    rows = malloc(step * row_bytes + 1);
    if (!rows)
        return error_system(err, "%s: no memory to copy /%s", h5_atomic_path(store->atomic), path);
    for (size_t at = 0; at < nrows; at += step) {
        size_t n = nrows - at < step ? nrows - at : step;

        const struct store_slab slab = {at, n, entry->row_elements, entry->field->type, element_bytes, false};

        TRY(store_read_slab(rows, from, path, &slab, err));
        TRY(store_write_rows(store, path, first + at, n, rows, err));
    }
done:
    free(rows);
    return rc;
}
