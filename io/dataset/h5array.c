#include "io/dataset/h5array.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <zlib.h>

enum {
    KEPT_BYTES = 1 << 26,
    MAX_EXPANSION = 1032, /* of deflate */
    CHECKSUM = 4
};

void dataset_h5array_init(struct dataset_h5array *array)
{
    *array = (struct dataset_h5array){.data = H5I_INVALID_HID, .space = H5I_INVALID_HID};
}

void dataset_h5array_close(struct dataset_h5array *array)
{
    h5_close(&array->space);
    h5_close(&array->data);
    dataset_buffer_free(&array->rows);
    dataset_buffer_free(&array->packed);
    dataset_buffer_free(&array->spare);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static enum status damaged(const struct dataset_h5array *a, const char *what, struct error *err)
{
    return error_set(err, FAIL_FORMAT, "%s is damaged: %s", a->where, what);
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

static enum status open_chunks(struct dataset_h5array *a, hid_t properties, struct error *err)
{
    hsize_t chunk[H5S_MAX_RANK];
    int nfilters = H5Pget_nfilters(properties);

    if (H5Pget_chunk(properties, H5S_MAX_RANK, chunk) != (int)a->ndim || nfilters < 0)
        return damaged(a, "its chunks have another number of dimensions", err);
    if (nfilters > DATASET_H5ARRAY_FILTERS)
        return error_set(err, FAIL_UNSUPPORTED, "%s has more than %d filters", a->where, DATASET_H5ARRAY_FILTERS);
    a->chunk_bytes = a->element_bytes;
    for (size_t d = 0; d < a->ndim; d++) {
        a->chunk[d] = (size_t)chunk[d];
        if (chunk[d] == 0 || __builtin_mul_overflow(a->chunk_bytes, a->chunk[d], &a->chunk_bytes))
            return damaged(a, "the size of its chunks", err);
    }
    for (a->nfilters = 0; a->nfilters < (size_t)nfilters; a->nfilters++) {
        unsigned flags, values[8] = {0}, config;
        size_t nvalues = sizeof values / sizeof values[0];
        a->filters[a->nfilters].kind =
            H5Pget_filter2(properties, (unsigned)a->nfilters, &flags, &nvalues, values, 0, NULL, &config);
        a->filters[a->nfilters].element = values[0];
    }
    return OK;
}

static enum status open_layout(struct dataset_h5array *a, hid_t type, struct error *err)
{
    hid_t properties = H5Dget_create_plist(a->data);
    H5D_layout_t layout = properties < 0 ? H5D_LAYOUT_ERROR : H5Pget_layout(properties);
    H5D_fill_value_t filled = H5D_FILL_VALUE_UNDEFINED;
    enum status rc = OK;

    if (layout == H5D_CHUNKED)
        rc = open_chunks(a, properties, err);
    else if (layout == H5D_COMPACT && H5Dget_storage_size(a->data) / a->row_bytes < a->dims[0])
        rc = damaged(a, "it has less data than its shape requires", err);
    else if (layout != H5D_COMPACT && layout != H5D_CONTIGUOUS)
        rc = damaged(a, "its layout", err);
    a->chunked = layout == H5D_CHUNKED;
    if (rc == OK && (H5Pfill_value_defined(properties, &filled) < 0 ||
                     (filled == H5D_FILL_VALUE_USER_DEFINED && H5Pget_fill_value(properties, type, a->fill) < 0)))
        rc = damaged(a, "its fill value", err);
    h5_close(&properties);
    return rc;
}

static enum status check_type(struct dataset_h5array *a, hid_t type, struct error *err)
{
    H5T_class_t class = H5Tget_class(type);

    a->element_bytes = H5Tget_size(type);
    if ((class != H5T_INTEGER && class != H5T_FLOAT) || a->element_bytes < 1 ||
        a->element_bytes > DATASET_H5ARRAY_ELEMENT)
        return error_set(err, FAIL_UNSUPPORTED,
                         "%s does not hold plain numbers; write it with numpy.asarray(x).astype(\"uint8\") (pixels), "
                         "numpy.asarray(x).astype(int) (labels) or numpy.unique(x, return_inverse=True)[1] (labels "
                         "that are names)",
                         a->where);
    return OK;
}

enum status dataset_h5array_open(struct dataset_h5array *array, hid_t file, const char *name, const char *path,
                                 struct error *err)
{
    size_t n;
    hid_t type = H5I_INVALID_HID;
    enum status rc;

    snprintf(array->where, sizeof array->where, "%s: /%s", path, name);
    TRY(h5_open_dataset(&array->data, file, name, path, err));
    type = H5Dget_type(array->data);
    array->space = H5Dget_space(array->data);
    TRY(check_type(array, type, err));
    TRY(h5_shape(&array->ndim, array->dims, &n, array->data, array->element_bytes, name, path, err));
    if (array->ndim == 0 || n == 0 || H5Fget_filesize(file, &array->file_bytes) < 0) {
        rc = error_set(err, FAIL_FORMAT, "%s is empty", array->where);
        goto done;
    }
    array->row_bytes = n / array->dims[0] * array->element_bytes;
    rc = open_layout(array, type, err);
done:
    h5_close(&type);
    if (rc != OK)
        dataset_h5array_close(array);
    return rc;
}

/* ---- filters --------------------------------------------------------------------------------------------------- */

/* Fletcher's sums modulo 65535 over big-endian 16-bit words; the residue 0 is stored as 65535 unless all words are
 * 0. */
static uint32_t fletcher32(const unsigned char *bytes, size_t nbytes)
{
    uint32_t sum = 0, sums = 0;

    for (size_t i = 0; i < nbytes; i += 2) {
        sum += (uint32_t)bytes[i] << 8 | (i + 1 < nbytes ? bytes[i + 1] : 0U);
        sum = (sum & 0xffff) + (sum >> 16);
        sums += sum;
        sums = (sums & 0xffff) + (sums >> 16);
    }
    return sums << 16 | sum;
}

/* The checksum is little-endian; HDF5 before 1.6.3 swapped the bytes of its halves, which it still accepts. */
static enum status strip_checksum(struct dataset_h5array *a, struct error *err)
{
    struct dataset_buffer *p = &a->packed;

    if (p->size < CHECKSUM)
        return damaged(a, "a chunk is too short", err);
    p->size -= CHECKSUM;
    const unsigned char *t = p->bytes + p->size;
    uint32_t sum = fletcher32(p->bytes, p->size);
    uint32_t stored = (uint32_t)t[0] | (uint32_t)t[1] << 8 | (uint32_t)t[2] << 16 | (uint32_t)t[3] << 24;
    uint32_t swapped = (stored & 0x00ff00ff) << 8 | (stored & 0xff00ff00) >> 8;
    return sum == stored || sum == swapped ? OK : damaged(a, "the checksum of a chunk is wrong", err);
}

/* The output of a filter is in `spare`; make it `packed`. */
static void swap(struct dataset_h5array *a)
{
    struct dataset_buffer kept = a->packed;

    a->packed = a->spare;
    a->spare = kept;
}

static enum status inflate_chunk(struct dataset_h5array *a, struct error *err)
{
    size_t limit = a->chunk_bytes + (size_t)DATASET_H5ARRAY_FILTERS * CHECKSUM;
    uLongf nbytes = (uLongf)limit;

    if (a->chunk_bytes / MAX_EXPANSION > a->packed.size)
        return damaged(a, "a chunk is too short", err);
    a->spare.size = 0;
    unsigned char *place = dataset_buffer_extend(&a->spare, limit, err);
    if (!place)
        return FAIL_SYSTEM;
    if (uncompress(place, &nbytes, a->packed.bytes, (uLong)a->packed.size) != Z_OK)
        return damaged(a, "a chunk cannot be decompressed", err);
    a->spare.size = nbytes;
    swap(a);
    return OK;
}

/* Shuffled bytes are the first bytes of all elements, then the second bytes, ..., then the rest that is no element. */
static enum status unshuffle(struct dataset_h5array *a, size_t element, struct error *err)
{
    size_t nbytes = a->packed.size, n = element ? nbytes / element : 0;

    a->spare.size = 0;
    unsigned char *place = dataset_buffer_extend(&a->spare, nbytes, err);
    if (!place)
        return FAIL_SYSTEM;
    for (size_t b = 0; b < element && n > 0; b++)
        for (size_t i = 0; i < n; i++)
            place[i * element + b] = a->packed.bytes[b * n + i];
    memcpy(place + n * element, a->packed.bytes + n * element, nbytes - n * element);
    swap(a);
    return OK;
}

static enum status unpack(struct dataset_h5array *a, uint32_t skipped, struct error *err)
{
    enum status rc = OK;

    for (size_t i = a->nfilters; i-- > 0;) {
        if (skipped >> i & 1)
            continue;
        if (a->filters[i].kind == H5Z_FILTER_FLETCHER32)
            TRY(strip_checksum(a, err));
        else if (a->filters[i].kind == H5Z_FILTER_DEFLATE)
            TRY(inflate_chunk(a, err));
        else
            TRY(unshuffle(a, a->filters[i].element, err));
    }
    if (a->packed.size != a->chunk_bytes)
        rc = damaged(a, "a chunk has the wrong size", err);
done:
    return rc;
}

/* ---- rows ------------------------------------------------------------------------------------------------------ */

/* Decode the chunk that begins at `at` into a->packed; *found is false if it was never written. */
static enum status load_chunk(bool *found, struct dataset_h5array *a, const hsize_t *at, struct error *err)
{
    hsize_t nbytes = 0;
    haddr_t place = HADDR_UNDEF;
    unsigned skipped = 0;

    if (H5Dget_chunk_info_by_coord(a->data, at, &skipped, &place, &nbytes) < 0)
        return h5_error(err, FAIL_FORMAT, "%s: a chunk cannot be found", a->where);
    *found = place != HADDR_UNDEF && nbytes > 0;
    if (!*found)
        return OK;
    if (nbytes > a->file_bytes)
        return damaged(a, "a chunk is larger than the file", err);
    a->packed.size = 0;
    if (!dataset_buffer_extend(&a->packed, (size_t)nbytes, err))
        return FAIL_SYSTEM;
    if (H5Dread_chunk(a->data, H5P_DEFAULT, at, &skipped, a->packed.bytes) < 0)
        return h5_error(err, FAIL_FORMAT, "%s: a chunk cannot be read", a->where);
    return unpack(a, skipped, err);
}

static void copy_run(struct dataset_h5array *a, unsigned char *to, bool found, size_t from, size_t nelements)
{
    if (found)
        memcpy(to, a->packed.bytes + from * a->element_bytes, nelements * a->element_bytes);
    else
        for (size_t i = 0; i < nelements; i++)
            memcpy(to + i * a->element_bytes, a->fill, a->element_bytes);
}

/* Advance `index` through the box [first, end) with the given steps, the last axis fastest; false at the end. */
static bool advance(size_t *index, const size_t *first, const size_t *end, const size_t *step, size_t ndim)
{
    for (size_t d = ndim; d-- > 0;) {
        index[d] += step[d];
        if (index[d] < end[d])
            return true;
        index[d] = first[d];
    }
    return false;
}

/* Copy the part of the kept rows that lies in the chunk at `at`, run by run along the last axis. */
static void copy_chunk(struct dataset_h5array *a, const size_t *at, bool found)
{
    size_t first[H5_MAX_DIMS] = {0}, end[H5_MAX_DIMS], index[H5_MAX_DIMS], step[H5_MAX_DIMS] = {0};
    size_t last = a->ndim - 1;

    for (size_t d = 0; d < a->ndim; d++) {
        first[d] = d == 0 && at[0] < a->first ? a->first : at[d];
        end[d] = smaller(at[d] + a->chunk[d], d == 0 ? a->first + a->count : a->dims[d]);
        index[d] = first[d];
        step[d] = d == last ? end[d] - first[d] : 1;
    }
    do {
        size_t to = 0, from = 0;
        for (size_t d = 0; d < a->ndim; d++) {
            to = to * (d == 0 ? a->count : a->dims[d]) + index[d] - (d == 0 ? a->first : 0);
            from = from * a->chunk[d] + index[d] - at[d];
        }
        copy_run(a, a->rows.bytes + to * a->element_bytes, found, from, step[last]);
    } while (advance(index, first, end, step, a->ndim));
}

/* Decode the rows of the chunks that contain row `first`, or as many of them as may be kept. */
static enum status load_rows(struct dataset_h5array *a, size_t first, struct error *err)
{
    size_t begin[H5_MAX_DIMS] = {first / a->chunk[0] * a->chunk[0]}, end[H5_MAX_DIMS], at[H5_MAX_DIMS];
    size_t most = a->row_bytes < KEPT_BYTES ? KEPT_BYTES / a->row_bytes : 1;
    enum status rc = OK;

    a->count = 0;
    size_t kept = smaller(begin[0] + a->chunk[0], a->dims[0]) - begin[0];
    a->first = kept <= most ? begin[0] : first;
    kept = smaller(begin[0] + kept - a->first, most);
    a->rows.size = 0;
    if (!dataset_buffer_extend(&a->rows, kept * a->row_bytes, err))
        return FAIL_SYSTEM;
    memcpy(end, a->dims, sizeof end);
    memcpy(at, begin, sizeof at);
    end[0] = begin[0] + 1;
    a->count = kept;
    do {
        hsize_t corner[H5_MAX_DIMS] = {0};
        bool found = false;
        for (size_t d = 0; d < a->ndim; d++)
            corner[d] = at[d];
        TRY(load_chunk(&found, a, corner, err));
        copy_chunk(a, at, found);
    } while (advance(at, begin, end, a->chunk, a->ndim));
done:
    if (rc != OK)
        a->count = 0;
    return rc;
}

static enum status read_plain(unsigned char *out, struct dataset_h5array *a, size_t first, size_t count,
                              struct error *err)
{
    hsize_t start[H5_MAX_DIMS] = {first}, size[H5_MAX_DIMS] = {count};
    hid_t type = H5Dget_type(a->data), memory;
    herr_t result = -1;

    for (size_t d = 1; d < a->ndim; d++)
        size[d] = a->dims[d];
    memory = H5Screate_simple((int)a->ndim, size, NULL);
    if (type >= 0 && memory >= 0 && H5Sselect_hyperslab(a->space, H5S_SELECT_SET, start, NULL, size, NULL) >= 0)
        result = H5Dread(a->data, type, memory, a->space, H5P_DEFAULT, out);
    h5_close(&memory);
    h5_close(&type);
    return result < 0 ? h5_error(err, FAIL_FORMAT, "%s: row %zu cannot be read", a->where, first) : OK;
}

enum status dataset_h5array_read(unsigned char *out, struct dataset_h5array *array, size_t first, size_t count,
                                 struct error *err)
{
    enum status rc = OK;

    assert(first + count <= array->dims[0]);
    if (!array->chunked)
        return read_plain(out, array, first, count, err);
    while (count > 0) {
        if (first < array->first || first >= array->first + array->count)
            TRY(load_rows(array, first, err));
        size_t skipped = first - array->first, n = smaller(array->count - skipped, count);
        memcpy(out, array->rows.bytes + skipped * array->row_bytes, n * array->row_bytes);
        out += n * array->row_bytes;
        first += n;
        count -= n;
    }
done:
    return rc;
}
