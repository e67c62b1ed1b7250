#include "partfile.h"

#include "h5.h"
#include "h5_aside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FORMAT_VERSION = 1,
    DEFLATE = 1,
    CHUNK_BYTES = 1 << 16, /* a chunk holds as many blocks as fit, but at least one */
    MAX_BLOCK_BYTES = 1 << 28,
    INDEX_CHUNK = 1024,
    MAX_BLOCKS = 1 << 26
};

static const char format_name[] = "nrmflow-part";

struct partfile_writer {
    struct h5_aside *aside;
    struct partfile_column columns[PARTFILE_MAX_COLUMNS]; /* without names, which the datasets have */
    hid_t datasets[PARTFILE_MAX_COLUMNS];
    size_t ncolumns, rows_per_block;
    size_t nblocks, capacity;
    int64_t *first_image, *nrows; /* [capacity] */
};

struct partfile {
    char *path;
    hid_t file;
    struct partfile_column columns[PARTFILE_MAX_COLUMNS];
    hid_t datasets[PARTFILE_MAX_COLUMNS];
    size_t ncolumns, rows_per_block, nblocks;
    int64_t *first_image, *nrows; /* [nblocks] */
};

static const size_t element_bytes[PARTFILE_NTYPES] = {4, 8, 4, 8};

static hid_t memory_type(enum partfile_type type)
{
    const hid_t types[PARTFILE_NTYPES] = {H5T_NATIVE_FLOAT, H5T_NATIVE_DOUBLE, H5T_NATIVE_INT32, H5T_NATIVE_INT64};

    return types[type];
}

static hid_t file_type(enum partfile_type type)
{
    const hid_t types[PARTFILE_NTYPES] = {H5T_IEEE_F32LE, H5T_IEEE_F64LE, H5T_STD_I32LE, H5T_STD_I64LE};

    return types[type];
}

static bool good_columns(const struct partfile_column *columns, size_t ncolumns, size_t rows_per_block)
{
    if (ncolumns == 0 || ncolumns > PARTFILE_MAX_COLUMNS || rows_per_block == 0 || rows_per_block > PARTFILE_MAX_BLOCK)
        return false;
    for (size_t i = 0; i < ncolumns; i++) {
        size_t nbytes = element_bytes[columns[i].type];

        if (__builtin_mul_overflow(nbytes, columns[i].width, &nbytes) || nbytes == 0 || nbytes > PARTFILE_MAX_ROW ||
            nbytes * rows_per_block > MAX_BLOCK_BYTES)
            return false;
    }
    return true;
}

/* Path of a column in the file. */
static bool column_path(char path[static PARTFILE_MAX_NAME + 16], const char *name)
{
    size_t length = strlen(name);

    if (length == 0 || length > PARTFILE_MAX_NAME || strchr(name, '/') || name[0] == '.')
        return false;
    snprintf(path, PARTFILE_MAX_NAME + 16, "columns/%s", name);
    return true;
}

/* Rows, of one column's width or of single numbers, that can grow. */
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
    if (h5_aside_check(part->aside, err) != OK)
        return FAIL_SYSTEM;
    return h5_error(err, FAIL_SYSTEM, "%s: %s cannot be written", h5_aside_path(part->aside), what);
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
    hid_t file = h5_aside_file(part->aside), text = h5_text_type(strlen(format_name));
    hid_t creation = H5Pcreate(H5P_GROUP_CREATE), group = H5I_INVALID_HID;
    const int64_t version = FORMAT_VERSION, rows = (int64_t)part->rows_per_block;

    if (h5_set_group(creation) >= 0)
        group = H5Gcreate2(file, "columns", H5P_DEFAULT, creation, H5P_DEFAULT);
    bool ok = group >= 0 && write_attribute(file, "format", text, text, format_name) >= 0 &&
              write_attribute(file, "format_version", H5T_STD_I64LE, H5T_NATIVE_INT64, &version) >= 0 &&
              write_attribute(file, "rows_per_block", H5T_STD_I64LE, H5T_NATIVE_INT64, &rows) >= 0;

    h5_close(&group);
    h5_close(&creation);
    h5_close(&text);
    return ok ? OK : write_failure(part, "its head", err);
}

static enum status create_columns(struct partfile_writer *part, const struct partfile_column *columns,
                                  struct error *err)
{
    char path[PARTFILE_MAX_NAME + 16];

    for (size_t i = 0; i < part->ncolumns; i++) {
        size_t block_bytes = part->rows_per_block * columns[i].width * element_bytes[columns[i].type];
        size_t blocks = block_bytes < CHUNK_BYTES ? CHUNK_BYTES / block_bytes : 1;

        if (!column_path(path, columns[i].name))
            return error_set(err, FAIL_LIMIT, "%s: \"%.300s\" cannot be a column's name", h5_aside_path(part->aside),
                             columns[i].name);
        part->columns[i] = columns[i];
        part->datasets[i] = create_rows(h5_aside_file(part->aside), path, file_type(columns[i].type), columns[i].width,
                                        blocks * part->rows_per_block);
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
    if (!good_columns(columns, ncolumns, rows_per_block))
        return error_set(err, FAIL_LIMIT, "%s: columns of no size, or blocks above 256 MiB; make the blocks smaller",
                         path);
    part = calloc(1, sizeof *part);
    if (!part)
        return error_system(err, "%s: no memory to begin it", path);
    part->rows_per_block = rows_per_block;
    part->ncolumns = ncolumns;
    for (size_t i = 0; i < ncolumns; i++)
        part->datasets[i] = H5I_INVALID_HID;
    TRY(h5_aside_create(&part->aside, path, err));
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
        return error_system(err, "%s: no memory for its list of blocks", h5_aside_path(part->aside));
    part->capacity = capacity;
    return OK;
}

enum status partfile_append(struct partfile_writer *part, size_t first_image, size_t nrows, const void *const *data,
                            struct error *err)
{
    enum status rc = OK;
    size_t first = part->nblocks * part->rows_per_block;

    if (nrows == 0 || nrows > part->rows_per_block || part->nblocks == MAX_BLOCKS ||
        first_image > (size_t)INT64_MAX - nrows)
        return error_set(err, FAIL_LIMIT, "%s: a block of %zu rows does not fit", h5_aside_path(part->aside), nrows);
    TRY(grow_index(part, err));
    for (size_t i = 0; i < part->ncolumns; i++)
        if (write_rows(part->datasets[i], memory_type(part->columns[i].type), part->columns[i].width,
                       first + part->rows_per_block, first, nrows, data[i]) < 0)
            return write_failure(part, "a block", err);
    TRY(h5_aside_check(part->aside, err));
    part->first_image[part->nblocks] = (int64_t)first_image;
    part->nrows[part->nblocks++] = (int64_t)nrows;
done:
    return rc;
}

static enum status write_index(struct partfile_writer *part, const char *path, const int64_t *values, struct error *err)
{
    hid_t dataset = create_rows(h5_aside_file(part->aside), path, H5T_STD_I64LE, 1, INDEX_CHUNK);
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
    rc = h5_aside_commit(part->aside, err);
    part->aside = NULL;
done:
    partfile_discard(part);
    return rc;
}

void partfile_discard(struct partfile_writer *part)
{
    if (!part)
        return;
    close_columns(part);
    h5_aside_discard(part->aside);
    free(part->first_image);
    free(part->nrows);
    free(part);
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static enum status damaged(const struct partfile *part, const char *what, struct error *err)
{
    return h5_error(err, FAIL_FORMAT, "%s: %s", part->path, what);
}

static bool read_attribute(hid_t file, const char *name, H5T_class_t class, size_t nbytes, hid_t memory, void *value)
{
    hid_t attribute = H5Aexists(file, name) > 0 ? H5Aopen(file, name, H5P_DEFAULT) : H5I_INVALID_HID;
    hid_t type = attribute < 0 ? H5I_INVALID_HID : H5Aget_type(attribute);
    hid_t space = attribute < 0 ? H5I_INVALID_HID : H5Aget_space(attribute);
    bool ok = type >= 0 && space >= 0 && H5Tget_class(type) == class && H5Tget_size(type) == nbytes &&
              H5Tis_variable_str(type) <= 0 && H5Sget_simple_extent_type(space) == H5S_SCALAR &&
              H5Aread(attribute, memory, value) >= 0;

    h5_close(&space);
    h5_close(&type);
    h5_close(&attribute);
    return ok;
}

static enum status read_head(struct partfile *part, struct error *err)
{
    char format[sizeof format_name] = "";
    int64_t version = 0, rows = 0;
    hid_t text = h5_text_type(strlen(format_name));
    bool named = h5_compact(part->file, "columns") &&
                 read_attribute(part->file, "format", H5T_STRING, strlen(format_name), text, format) &&
                 strcmp(format, format_name) == 0;

    h5_close(&text);
    if (!named)
        return damaged(part, "is not a part file of nrmflow", err);
    if (!read_attribute(part->file, "format_version", H5T_INTEGER, 8, H5T_NATIVE_INT64, &version) || version < 1 ||
        !read_attribute(part->file, "rows_per_block", H5T_INTEGER, 8, H5T_NATIVE_INT64, &rows) || rows < 1 ||
        rows > PARTFILE_MAX_BLOCK)
        return damaged(part, "has a damaged head", err);
    if (version > FORMAT_VERSION)
        return error_set(err, FAIL_UNSUPPORTED, "%s: has the newer format version %lld; update nrmflow", part->path,
                         (long long)version);
    part->rows_per_block = (size_t)rows;
    return OK;
}

/* Rows of `path`, which must have two axes, the second of them of length `width`. */
static enum status open_rows(hid_t *dataset, size_t *nrows, const struct partfile *part, const char *path, size_t width,
                             hid_t type, struct error *err)
{
    enum status rc = OK;
    size_t ndim, dims[H5_MAX_DIMS], nelements;
    hid_t found = H5I_INVALID_HID;

    TRY(h5_open_dataset(dataset, part->file, path, part->path, err));
    TRY(h5_shape(&ndim, dims, &nelements, *dataset, H5Tget_size(type), path, part->path, err));
    found = H5Dget_type(*dataset);
    if (ndim != 2 || dims[1] != width || H5Tequal(found, type) <= 0)
        rc = error_set(err, FAIL_MISMATCH, "%s: the column /%s has another type or width than this run's", part->path,
                       path);
    *nrows = dims[0];
done:
    h5_close(&found);
    return rc;
}

static enum status read_index(int64_t **out, size_t *count, const struct partfile *part, const char *path,
                              struct error *err)
{
    enum status rc = OK;
    hid_t dataset = H5I_INVALID_HID;

    TRY(open_rows(&dataset, count, part, path, 1, H5T_STD_I64LE, err));
    if (*count > MAX_BLOCKS) {
        rc = error_set(err, FAIL_LIMIT, "%s: claims %zu blocks", part->path, *count);
        goto done;
    }
    *out = calloc(*count + 1, sizeof **out);
    if (!*out)
        rc = error_system(err, "%s: no memory for its list of blocks", part->path);
    else if (*count && H5Dread(dataset, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, *out) < 0)
        rc = damaged(part, "its list of blocks is damaged", err);
done:
    h5_close(&dataset);
    return rc;
}

static enum status read_blocks(struct partfile *part, struct error *err)
{
    enum status rc = OK;
    size_t nrows = 0;

    TRY(read_index(&part->first_image, &part->nblocks, part, "first_image", err));
    TRY(read_index(&part->nrows, &nrows, part, "nrows", err));
    bool good = nrows == part->nblocks;

    for (size_t b = 0; good && b < part->nblocks; b++)
        good = part->nrows[b] >= 1 && part->nrows[b] <= (int64_t)part->rows_per_block && part->first_image[b] >= 0 &&
               part->first_image[b] <= INT64_MAX - part->nrows[b];
    if (!good)
        rc = damaged(part, "its list of blocks is damaged", err);
done:
    return rc;
}

static enum status open_columns(struct partfile *part, struct error *err)
{
    enum status rc = OK;
    char path[PARTFILE_MAX_NAME + 16];
    H5G_info_t info;

    if (H5Gget_info_by_name(part->file, "columns", &info, H5P_DEFAULT) < 0)
        return damaged(part, "has no columns", err);
    if (info.nlinks != part->ncolumns)
        return error_set(err, FAIL_MISMATCH, "%s: has %zu columns, this run's have %zu", part->path,
                         (size_t)info.nlinks, part->ncolumns);
    for (size_t i = 0; i < part->ncolumns; i++) {
        const struct partfile_column *column = &part->columns[i];
        size_t nrows;

        if (!column_path(path, column->name) || !h5_exists(part->file, path))
            return error_set(err, FAIL_MISMATCH, "%s: has no column %.255s", part->path, column->name);
        TRY(open_rows(&part->datasets[i], &nrows, part, path, column->width, file_type(column->type), err));
        if (nrows != part->nblocks * part->rows_per_block)
            return error_set(err, FAIL_FORMAT, "%s: the column %s has %zu rows for %zu blocks of %zu", part->path,
                             column->name, nrows, part->nblocks, part->rows_per_block);
    }
done:
    return rc;
}

enum status partfile_open(struct partfile **out, const char *path, const struct partfile_column *columns,
                          size_t ncolumns, struct error *err)
{
    enum status rc = OK;
    struct partfile *part = NULL;

    *out = NULL;
    if (!good_columns(columns, ncolumns, 1))
        return error_set(err, FAIL_LIMIT, "%s: no such columns can be in a part file", path);
    part = calloc(1, sizeof *part);
    if (!part || !(part->path = strdup(path))) {
        free(part);
        return error_system(err, "%s: no memory to open it", path);
    }
    part->file = H5I_INVALID_HID;
    part->ncolumns = ncolumns;
    for (size_t i = 0; i < ncolumns; i++) {
        part->columns[i] = columns[i];
        part->datasets[i] = H5I_INVALID_HID;
    }
    TRY(h5_open(&part->file, path, err));
    TRY(read_head(part, err));
    TRY(read_blocks(part, err));
    TRY(open_columns(part, err));
    *out = part;
    part = NULL;
done:
    partfile_close(part);
    return rc;
}

void partfile_close(struct partfile *part)
{
    if (!part)
        return;
    for (size_t i = 0; i < part->ncolumns; i++)
        h5_close(&part->datasets[i]);
    h5_close(&part->file);
    free(part->first_image);
    free(part->nrows);
    free(part->path);
    free(part);
}

size_t partfile_nblocks(const struct partfile *part)
{
    return part->nblocks;
}

size_t partfile_rows_per_block(const struct partfile *part)
{
    return part->rows_per_block;
}

size_t partfile_first_image(const struct partfile *part, size_t block)
{
    return (size_t)part->first_image[block];
}

size_t partfile_nrows(const struct partfile *part, size_t block)
{
    return (size_t)part->nrows[block];
}

enum status partfile_read(void *out, const struct partfile *part, size_t block, size_t column, struct error *err)
{
    size_t width = part->columns[column].width;
    const hsize_t start[2] = {block * part->rows_per_block, 0}, count[2] = {(hsize_t)part->nrows[block], width};
    hid_t memory_space = H5Screate_simple(2, count, NULL), file_space = H5Dget_space(part->datasets[column]);
    bool ok = H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
              H5Dread(part->datasets[column], memory_type(part->columns[column].type), memory_space, file_space,
                      H5P_DEFAULT, out) >= 0;

    h5_close(&file_space);
    h5_close(&memory_space);
    return ok ? OK
              : h5_error(err, FAIL_FORMAT, "%s: block %zu of the column %s is damaged", part->path, block,
                         part->columns[column].name);
}
