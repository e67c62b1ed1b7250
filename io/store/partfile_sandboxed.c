#include "io/store/partfile_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An open part file. */
struct partfile_sandboxed {
    char *path;
    hid_t file;
    const struct partfile_column *columns; /* borrowed */
    hid_t datasets[PARTFILE_MAX_COLUMNS];
    size_t ncolumns, rows_per_block, nblocks;
    int64_t *first_image, *nrows; /* [nblocks] */
};

static enum status damaged(const struct partfile_sandboxed *part, const char *what, struct error *err)
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

static enum status read_head(struct partfile_sandboxed *part, struct error *err)
{
    char format[sizeof partfile_format_name] = "";
    int64_t version = 0, rows = 0;
    hid_t text = h5_text_type(strlen(partfile_format_name));
    bool named = h5_compact(part->file, "columns") &&
                 read_attribute(part->file, "format", H5T_STRING, strlen(partfile_format_name), text, format) &&
                 strcmp(format, partfile_format_name) == 0;

    h5_close(&text);
    if (!named)
        return damaged(part, "is not a part file of nrmflow", err);
    if (!read_attribute(part->file, "format_version", H5T_INTEGER, 8, H5T_NATIVE_INT64, &version) || version < 1 ||
        !read_attribute(part->file, "rows_per_block", H5T_INTEGER, 8, H5T_NATIVE_INT64, &rows) || rows < 1 ||
        rows > PARTFILE_MAX_BLOCK)
        return damaged(part, "has a damaged header", err);
    if (version > PARTFILE_FORMAT_VERSION)
        return error_set(err, FAIL_UNSUPPORTED, "%s: has the newer format version %lld; update nrmflow", part->path,
                         (long long)version);
    part->rows_per_block = (size_t)rows;
    return OK;
}

/* Open the rows of `path`, which must have two axes, the second one of length `width`. */
static enum status open_rows(hid_t *dataset, size_t *nrows, const struct partfile_sandboxed *part, const char *path,
                             size_t width, hid_t type, struct error *err)
{
    enum status rc = OK;
    size_t ndim, dims[H5_MAX_DIMS], nelements;
    hid_t found = H5I_INVALID_HID;

    TRY(h5_open_dataset(dataset, part->file, path, part->path, err));
    TRY(h5_shape(&ndim, dims, &nelements, *dataset, H5Tget_size(type), path, part->path, err));
    found = H5Dget_type(*dataset);
    if (ndim != 2 || dims[1] != width || H5Tequal(found, type) <= 0)
        rc = error_set(err, FAIL_MISMATCH, "%s: the column /%s has another type or width than in this run", part->path,
                       path);
    *nrows = dims[0];
done:
    h5_close(&found);
    return rc;
}

static enum status read_index(int64_t **out, size_t *count, const struct partfile_sandboxed *part, const char *path,
                              struct error *err)
{
    enum status rc = OK;
    hid_t dataset = H5I_INVALID_HID;

    TRY(open_rows(&dataset, count, part, path, 1, H5T_STD_I64LE, err));
    if (*count > PARTFILE_MAX_BLOCKS) {
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

static enum status read_blocks(struct partfile_sandboxed *part, struct error *err)
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

static enum status open_columns(struct partfile_sandboxed *part, struct error *err)
{
    enum status rc = OK;
    char path[PARTFILE_MAX_NAME + 16];
    H5G_info_t info;

    if (H5Gget_info_by_name(part->file, "columns", &info, H5P_DEFAULT) < 0)
        return damaged(part, "has no columns", err);
    if (info.nlinks != part->ncolumns)
        return error_set(
            err, FAIL_MISMATCH,
            "%s: has %zu columns, but this run has %zu: it was begun by another version of the program; finish it "
            "with that one, or start again with --restart",
            part->path, (size_t)info.nlinks, part->ncolumns);
    for (size_t i = 0; i < part->ncolumns; i++) {
        const struct partfile_column *column = &part->columns[i];
        size_t nrows;

        if (!partfile_column_path(path, column->name) || !h5_exists(part->file, path))
            return error_set(err, FAIL_MISMATCH, "%s: has no column %.255s", part->path, column->name);
        TRY(open_rows(&part->datasets[i], &nrows, part, path, column->width, partfile_file_type(column->type), err));
        if (nrows != part->nblocks * part->rows_per_block)
            return error_set(err, FAIL_FORMAT, "%s: the column %s has %zu rows, but there are %zu blocks of %zu",
                             part->path, column->name, nrows, part->nblocks, part->rows_per_block);
    }
done:
    return rc;
}

static void close_part(struct partfile_sandboxed *part)
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

/* ---- answers --------------------------------------------------------------------------------------------------- */

static enum status new_part(struct partfile_sandboxed **out, struct partfile_files *files, const char *path,
                            struct error *err)
{
    struct partfile_sandboxed *part = calloc(1, sizeof *part);
    struct partfile_sandboxed **parts =
        realloc(files->parts, (files->nparts + 1) * sizeof(struct partfile_sandboxed *));

    if (parts)
        files->parts = parts;
    if (!part || !parts || !(part->path = strdup(path))) {
        free(part);
        return error_system(err, "%s: no memory to open it", path);
    }
    part->file = H5I_INVALID_HID;
    part->columns = files->columns;
    part->ncolumns = files->ncolumns;
    for (size_t i = 0; i < part->ncolumns; i++)
        part->datasets[i] = H5I_INVALID_HID;
    *out = part;
    return OK;
}

/* Reply with the first images of all blocks, then their numbers of rows. */
static enum status reply_blocks(struct sandbox_reply *reply, const struct partfile_sandboxed *part, struct error *err)
{
    size_t nbytes = part->nblocks * sizeof(int64_t);
    char *bytes = malloc(2 * nbytes + 1);

    if (!bytes)
        return error_system(err, "%s: no memory for its list of blocks", part->path);
    memcpy(bytes, part->first_image, nbytes);
    memcpy(bytes + nbytes, part->nrows, nbytes);
    reply->bytes = bytes;
    reply->nbytes = 2 * nbytes;
    reply->numbers[1] = part->nblocks;
    reply->numbers[2] = part->rows_per_block;
    return OK;
}

static enum status open_part(struct sandbox_reply *reply, struct partfile_files *files, const char *path,
                             struct error *err)
{
    struct partfile_sandboxed *part = NULL;
    enum status rc;

    TRY(new_part(&part, files, path, err));
    TRY(h5_open(&part->file, path, err));
    TRY(read_head(part, err));
    TRY(read_blocks(part, err));
    TRY(open_columns(part, err));
    TRY(reply_blocks(reply, part, err));
    reply->numbers[0] = files->nparts;
    files->parts[files->nparts++] = part;
    part = NULL;
done:
    close_part(part);
    return rc;
}

static enum status read_part(struct sandbox_reply *reply, const struct partfile_sandboxed *part, size_t block,
                             size_t column, struct error *err)
{
    size_t width = part->columns[column].width, nrows = (size_t)part->nrows[block];
    enum partfile_type type = part->columns[column].type;
    const hsize_t start[2] = {block * part->rows_per_block, 0}, count[2] = {nrows, width};

    reply->nbytes = nrows * width * partfile_element_bytes[type];
    reply->bytes = reply->nbytes <= PARTFILE_MAX_BLOCK_BYTES ? malloc(reply->nbytes) : NULL;
    if (!reply->bytes)
        return error_set(err, FAIL_LIMIT, "%s: no memory to read %zu bytes of it", part->path, reply->nbytes);
    hid_t memory_space = H5Screate_simple(2, count, NULL), file_space = H5Dget_space(part->datasets[column]);
    bool ok = H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
              H5Dread(part->datasets[column], partfile_memory_type(type), memory_space, file_space, H5P_DEFAULT,
                      reply->bytes) >= 0;

    h5_close(&file_space);
    h5_close(&memory_space);
    return ok ? OK
              : h5_error(err, FAIL_FORMAT, "%s: block %zu of the column %s is damaged", part->path, block,
                         part->columns[column].name);
}

enum status partfile_sandboxed_answer(struct sandbox_reply *reply, void *state, const struct sandbox_request *r,
                                      struct error *err)
{
    struct partfile_files *files = state;
    size_t part = r->numbers[0];

    switch ((enum partfile_op)r->op) {
    case PARTFILE_OP_OPEN:
        return open_part(reply, files, r->texts[0], err);
    case PARTFILE_OP_READ:
        return read_part(reply, files->parts[part], r->numbers[1], r->numbers[2], err);
    case PARTFILE_OP_CLOSE:
        close_part(files->parts[part]);
        files->parts[part] = NULL;
        return OK;
    }
    return error_set(err, FAIL_FORMAT, "%zu is not an operation on a part file", r->op);
}
