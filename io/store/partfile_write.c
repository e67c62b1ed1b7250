#include "io/h5/atomic.h"
#include "io/store/partfile_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFLATE = 1,
    CHUNK_BYTES = 1 << 16, /* a chunk has as many blocks as fit, at least one */
    INDEX_CHUNK = 1024
};

struct partfile_writer {
    struct h5_atomic *atomic;
    struct partfile_column columns[PARTFILE_MAX_COLUMNS]; /* without their names */
    hid_t datasets[PARTFILE_MAX_COLUMNS];
    size_t ncolumns, rows_per_block;
    size_t nblocks, capacity;
    int64_t *first_image, *nrows; /* [capacity] */
};

/* Create a dataset of rows that can grow. */
static hid_t create_rows(hid_t file, const char *path, hid_t type, size_t width, size_t chunk_rows)
{
    const hsize_t dims[2] = {0, width}, limits[2] = {H5S_UNLIMITED, width}, chunk[2] = {chunk_rows, width};
    hid_t space = H5Screate_simple(2, dims, limits), properties = H5Pcreate(H5P_DATASET_CREATE);
    hid_t access = H5Pcreate(H5P_DATASET_ACCESS), dataset = H5I_INVALID_HID;
    size_t cache = 2 * chunk_rows * width * H5Tget_size(type);

    if (H5Pset_chunk(properties, 2, chunk) >= 0 && H5Pset_shuffle(properties) >= 0 &&
        H5Pset_deflate(properties, DEFLATE) >= 0 && H5Pset_fletcher32(properties) >= 0 &&
        H5Pset_obj_track_times(properties, false) >= 0 && H5Pset_chunk_cache(access, 11, cache, 1.0) >= 0)
        dataset = H5Dcreate2(file, path, type, space, H5P_DEFAULT, properties, access);
    h5_close(&access);
    h5_close(&properties);
    h5_close(&space);
    return dataset;
}

/* Grow a dataset to `total` rows and write `nrows` of them from row `first` on. */
static herr_t write_rows(hid_t dataset, hid_t type, size_t width, size_t total, size_t first, size_t nrows,
                         const void *data)
{
    const hsize_t dims[2] = {total, width}, start[2] = {first, 0}, count[2] = {nrows, width};
    herr_t result = H5Dset_extent(dataset, dims);
    hid_t memory_space = H5Screate_simple(2, count, NULL), file_space = H5Dget_space(dataset);

    if (result >= 0)
        result = H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start, NULL, count, NULL);
    if (result >= 0)
        result = H5Dwrite(dataset, type, memory_space, file_space, H5P_DEFAULT, data);
    h5_close(&file_space);
    h5_close(&memory_space);
    return result;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static enum status write_failure(const struct partfile_writer *part, const char *what, struct error *err)
{
    if (h5_atomic_check(part->atomic, err) != OK)
        return FAIL_SYSTEM;
    return h5_error(err, FAIL_SYSTEM, "%s: %s cannot be written", h5_atomic_path(part->atomic), what);
}

static herr_t write_attribute(hid_t file, const char *name, hid_t type, hid_t memory, const void *value)
{
    hid_t space = H5Screate(H5S_SCALAR), attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    herr_t result = attribute < 0 ? -1 : H5Awrite(attribute, memory, value);

    h5_close(&attribute);
    h5_close(&space);
    return result;
}

static enum status write_head(struct partfile_writer *part, struct error *err)
{
    hid_t file = h5_atomic_file(part->atomic), text = h5_text_type(strlen(partfile_format_name));
    hid_t creation = H5Pcreate(H5P_GROUP_CREATE), group = H5I_INVALID_HID;
    const int64_t version = PARTFILE_FORMAT_VERSION, rows = (int64_t)part->rows_per_block;

    if (h5_set_group(creation) >= 0)
        group = H5Gcreate2(file, "columns", H5P_DEFAULT, creation, H5P_DEFAULT);
    bool ok = group >= 0 && write_attribute(file, "format", text, text, partfile_format_name) >= 0 &&
              write_attribute(file, "format_version", H5T_STD_I64LE, H5T_NATIVE_INT64, &version) >= 0 &&
              write_attribute(file, "rows_per_block", H5T_STD_I64LE, H5T_NATIVE_INT64, &rows) >= 0;

    h5_close(&group);
    h5_close(&creation);
    h5_close(&text);
    return ok ? OK : write_failure(part, "its header", err);
}

static enum status create_columns(struct partfile_writer *part, const struct partfile_column *columns,
                                  struct error *err)
{
    char path[PARTFILE_MAX_NAME + 16];

    for (size_t i = 0; i < part->ncolumns; i++) {
        size_t block_bytes = part->rows_per_block * columns[i].width * partfile_element_bytes[columns[i].type];
        size_t blocks = block_bytes < CHUNK_BYTES ? CHUNK_BYTES / block_bytes : 1;

        if (!partfile_column_path(path, columns[i].name))
            return error_set(err, FAIL_LIMIT, "%s: \"%.300s\" cannot be a column's name", h5_atomic_path(part->atomic),
                             columns[i].name);
        part->columns[i] = columns[i];
        part->datasets[i] = create_rows(h5_atomic_file(part->atomic), path, partfile_file_type(columns[i].type),
                                        columns[i].width, blocks * part->rows_per_block);
        if (part->datasets[i] < 0)
            return write_failure(part, columns[i].name, err);
    }
    return OK;
}

enum status partfile_create(struct partfile_writer **out, const char *path, const struct partfile_column *columns,
                            size_t ncolumns, size_t rows_per_block, struct error *err)
{
    enum status rc = OK;
    struct partfile_writer *part = NULL;

    *out = NULL;
    if (!partfile_good_columns(columns, ncolumns, rows_per_block))
        return error_set(err, FAIL_LIMIT,
                         "%s: columns without elements, or blocks above 256 MiB; make the blocks smaller", path);
    part = calloc(1, sizeof *part);
    if (!part)
        return error_system(err, "%s: no memory to begin it", path);
    part->rows_per_block = rows_per_block;
    part->ncolumns = ncolumns;
    for (size_t i = 0; i < ncolumns; i++)
        part->datasets[i] = H5I_INVALID_HID;
    TRY(h5_atomic_create(&part->atomic, path, err));
    TRY(write_head(part, err));
    TRY(create_columns(part, columns, err));
    *out = part;
    part = NULL;
done:
    partfile_discard(part);
    return rc;
}

static enum status grow_index(struct partfile_writer *part, struct error *err)
{
    if (part->nblocks < part->capacity)
        return OK;
    size_t capacity = part->capacity ? 2 * part->capacity : 256;
    int64_t *first_image = realloc(part->first_image, capacity * sizeof *first_image);

    if (first_image)
        part->first_image = first_image;
    int64_t *nrows = realloc(part->nrows, capacity * sizeof *nrows);

    if (nrows)
        part->nrows = nrows;
    if (!first_image || !nrows)
        return error_system(err, "%s: no memory for its list of blocks", h5_atomic_path(part->atomic));
    part->capacity = capacity;
    return OK;
}

enum status partfile_append(struct partfile_writer *part, size_t first_image, size_t nrows, const void *const *data,
                            struct error *err)
{
    enum status rc = OK;
    size_t first = part->nblocks * part->rows_per_block;

    if (nrows == 0 || nrows > part->rows_per_block || part->nblocks == PARTFILE_MAX_BLOCKS ||
        first_image > (size_t)INT64_MAX - nrows)
        return error_set(err, FAIL_LIMIT, "%s: a block of %zu rows is not allowed", h5_atomic_path(part->atomic),
                         nrows);
    TRY(grow_index(part, err));
    for (size_t i = 0; i < part->ncolumns; i++)
        if (write_rows(part->datasets[i], partfile_memory_type(part->columns[i].type), part->columns[i].width,
                       first + part->rows_per_block, first, nrows, data[i]) < 0)
            return write_failure(part, "a block", err);
    TRY(h5_atomic_check(part->atomic, err));
    part->first_image[part->nblocks] = (int64_t)first_image;
    part->nrows[part->nblocks++] = (int64_t)nrows;
done:
    return rc;
}

static enum status write_index(struct partfile_writer *part, const char *path, const int64_t *values, struct error *err)
{
    hid_t dataset = create_rows(h5_atomic_file(part->atomic), path, H5T_STD_I64LE, 1, INDEX_CHUNK);
    bool ok = dataset >= 0 && (part->nblocks == 0 ||
                               write_rows(dataset, H5T_NATIVE_INT64, 1, part->nblocks, 0, part->nblocks, values) >= 0);

    h5_close(&dataset);
    return ok ? OK : write_failure(part, path, err);
}

static void close_columns(struct partfile_writer *part)
{
    for (size_t i = 0; i < part->ncolumns; i++)
        h5_close(&part->datasets[i]);
}

enum status partfile_commit(struct partfile_writer *part, struct error *err)
{
    enum status rc = OK;

    close_columns(part);
    TRY(write_index(part, "first_image", part->first_image, err));
    TRY(write_index(part, "nrows", part->nrows, err));
    rc = h5_atomic_commit(part->atomic, err);
    part->atomic = NULL;
done:
    partfile_discard(part);
    return rc;
}

void partfile_discard(struct partfile_writer *part)
{
    if (!part)
        return;
    close_columns(part);
    h5_atomic_discard(part->atomic);
    free(part->first_image);
    free(part->nrows);
    free(part);
}
