#include "io/dataset/builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

enum {
    MAX_DIMS = 4,
    MAX_EXPANSION = 1032, /* of deflate: no file can hold more */
    SLACK = 64,
    MAX_BYTES = 1 << 30, /* the pixels stay in memory, once for each node */
    PIECE = 1 << 26,
    UNSIGNED_BYTES = 0x08
};

struct idx {
    gzFile stream; /* also reads plain files */
    size_t ndim, dims[MAX_DIMS], nbytes;
};

static enum status open_idx(struct idx *idx, size_t *file_bytes, const char *path, struct error *err)
{
    int fd;
    enum status rc;

    *idx = (struct idx){0};
    TRY(dataset_buffer_open(&fd, file_bytes, path, err));
    idx->stream = gzdopen(fd, "rb");
    if (!idx->stream) {
        close(fd);
        rc = error_set(err, FAIL_SYSTEM, "%s: no memory to read it", path);
    }
done:
    return rc;
}

static enum status read_bytes(struct idx *idx, unsigned char *out, size_t nbytes, const char *path, struct error *err)
{
    while (nbytes > 0) {
        unsigned piece = nbytes < PIECE ? (unsigned)nbytes : PIECE;
        int n = gzread(idx->stream, out, piece);
        if (n <= 0 || (unsigned)n != piece)
            return error_set(err, FAIL_FORMAT, "%s: the IDX file is truncated or damaged", path);
        out += piece;
        nbytes -= piece;
    }
    return OK;
}

static const char *type_name(unsigned char type)
{
    static const char *const names[] = {"unsigned bytes", "signed bytes", NULL, "shorts", "ints", "floats", "doubles"};
    size_t i = (size_t)type - UNSIGNED_BYTES;

    return type >= UNSIGNED_BYTES && i < sizeof names / sizeof names[0] ? names[i] : NULL;
}

bool dataset_idx_is_head(const unsigned char *head)
{
    return head[0] == 0 && head[1] == 0 && type_name(head[2]) && head[3] >= 1 && head[3] <= MAX_DIMS;
}

/* Two zero bytes, the type, the number of dimensions, and these as big-endian 32-bit integers. */
static enum status read_header(struct idx *idx, size_t file_bytes, const char *path, struct error *err)
{
    unsigned char magic[4], dim[4];
    enum status rc;

    TRY(read_bytes(idx, magic, sizeof magic, path, err));
    if (!dataset_idx_is_head(magic))
        return error_set(err, FAIL_FORMAT, "%s: is not an IDX file of one to four dimensions", path);
    if (magic[2] != UNSIGNED_BYTES)
        return error_set(err, FAIL_UNSUPPORTED,
                         "%s: the IDX file holds %s; only unsigned bytes are read, so store pixels as bytes from 0 to "
                         "255, without scaling or normalisation, and labels as bytes, too",
                         path, type_name(magic[2]));
    idx->ndim = magic[3];
    idx->nbytes = 1;
    for (size_t d = 0; d < idx->ndim; d++) {
        TRY(read_bytes(idx, dim, sizeof dim, path, err));
        idx->dims[d] = (size_t)dim[0] << 24 | (size_t)dim[1] << 16 | (size_t)dim[2] << 8 | dim[3];
        if (__builtin_mul_overflow(idx->nbytes, idx->dims[d], &idx->nbytes))
            return error_set(err, FAIL_LIMIT, "%s: the size of the IDX file is impossibly large", path);
    }
    if (idx->nbytes / MAX_EXPANSION > file_bytes + SLACK)
        return error_set(err, FAIL_FORMAT, "%s: is truncated: a file of %zu bytes cannot hold %zu bytes of data", path,
                         file_bytes, idx->nbytes);
    if (idx->nbytes > MAX_BYTES)
        return error_set(err, FAIL_LIMIT, "%s: has %zu bytes of pixels; at most %d are read, so convert it to HDF5",
                         path, idx->nbytes, MAX_BYTES);
done:
    return rc;
}

static enum status read_idx(struct idx *idx, struct dataset_buffer *data, const char *path, struct error *err)
{
    unsigned char more;
    enum status rc = OK;

    unsigned char *place = dataset_buffer_extend(data, idx->nbytes, err);
    if (!place)
        return FAIL_SYSTEM;
    TRY(read_bytes(idx, place, idx->nbytes, path, err));
    int n = gzread(idx->stream, &more, 1);
    if (n < 0)
        rc = error_set(err, FAIL_FORMAT, "%s: the IDX file is truncated or damaged", path);
    else if (n > 0)
        rc = error_set(err, FAIL_FORMAT, "%s: has more than the %zu bytes of data that its header announces", path,
                       idx->nbytes);
done:
    return rc;
}

static enum status scan_images(struct dataset_builder *builder, const char *path, struct error *err)
{
    struct idx idx;
    size_t file_bytes = 0;
    enum status rc;

    TRY(open_idx(&idx, &file_bytes, path, err));
    TRY(read_header(&idx, file_bytes, path, err));
    if (idx.ndim == 1)
        TRY(error_set(err, FAIL_FORMAT,
                      "%s: the IDX file has one dimension, so it holds labels; data.path names the file of the images, "
                      "such as train-images-idx3-ubyte",
                      path));
    TRY(dataset_builder_array(builder, idx.dims, idx.ndim, path, err));
    rc = read_idx(&idx, &builder->sections[DATASET_PIXELS], path, err);
done:
    gzclose(idx.stream);
    return rc;
}

static enum status scan_labels(struct dataset_builder *builder, const char *path, struct error *err)
{
    struct dataset_buffer bytes = {0}, labels = {0};
    struct idx idx;
    size_t file_bytes = 0;
    enum status rc;

    TRY(open_idx(&idx, &file_bytes, path, err));
    TRY(read_header(&idx, file_bytes, path, err));
    if (idx.ndim != 1) {
        rc = error_set(err, FAIL_FORMAT, "%s: labels must have one dimension, not %zu", path, idx.ndim);
        goto done;
    }
    TRY(read_idx(&idx, &bytes, path, err));
    long long *values = dataset_buffer_extend(&labels, bytes.size * sizeof *values, err);
    if (!values) {
        rc = FAIL_SYSTEM;
        goto done;
    }
    for (size_t i = 0; i < bytes.size; i++)
        values[i] = bytes.bytes[i];
    rc = dataset_builder_labels(builder, values, bytes.size, path, err);
done:
    gzclose(idx.stream);
    dataset_buffer_free(&bytes);
    dataset_buffer_free(&labels);
    return rc;
}

/* Replace `from` by `to` in the file's name, but not in its folder's. */
static bool replace(char *path, const char *from, const char *to)
{
    char *slash = strrchr(path, '/'), *at = strstr(slash ? slash : path, from), rest[DATASET_PATH];

    if (!at)
        return false;
    snprintf(rest, sizeof rest, "%s%s", to, at + strlen(from));
    if ((size_t)(at - path) + strlen(rest) >= DATASET_PATH)
        return false;
    memcpy(at, rest, strlen(rest) + 1);
    return true;
}

/* The label file of t10k-images-idx3-ubyte.gz is t10k-labels-idx1-ubyte.gz, or the same without .gz. */
static bool find_labels(char labels[DATASET_PATH], const char *path)
{
    if (snprintf(labels, DATASET_PATH, "%s", path) >= DATASET_PATH || !replace(labels, "images", "labels"))
        return false;
    if (!replace(labels, "idx3", "idx1"))
        replace(labels, "idx4", "idx1");
    if (access(labels, F_OK) == 0)
        return true;
    size_t length = strlen(labels);
    if (!replace(labels, ".gz", "") && length + sizeof ".gz" <= DATASET_PATH)
        memcpy(labels + length, ".gz", sizeof ".gz");
    return access(labels, F_OK) == 0;
}

enum status dataset_idx_scan(struct dataset_builder *builder, const struct dataset_options *o, struct error *err)
{
    char beside[DATASET_PATH];
    const char *labels = o->labels_file ? o->labels_file : o->labels;
    enum status rc;

    TRY(dataset_builder_file(builder, o->path, err));
    TRY(scan_images(builder, o->path, err));
    if (!labels && find_labels(beside, o->path))
        labels = beside;
    if (labels)
        rc = scan_labels(builder, labels, err);
done:
    return rc;
}
