/* safetensors: the header's length (8 bytes, little endian), a header in JSON, and the numbers without gaps. */
#include "io/weights/internal.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

enum { LENGTH = 8 };

/* Position of a tensor's numbers, from the end of the header. */
struct extent {
    uint64_t begin, end;
    const char *name;
};

static bool recognise(const unsigned char *head, size_t nhead)
{
    return nhead > LENGTH && head[LENGTH] == '{';
}

static enum status bad(const struct weights *w, const char *name, const char *reason, struct error *err)
{
    return error_set(err, FAIL_FORMAT, "%s: tensor '%s': %s", w->path, name, reason);
}

static enum status read_header(json_t **out, uint64_t *data, const struct weights *w, struct error *err)
{
    unsigned char length[LENGTH];
    uint64_t n = 0;
    json_error_t why;
    char *text = NULL;
    enum status rc;

    TRY(weights_pread(length, w, 0, LENGTH, err));
    for (size_t i = LENGTH; i-- > 0;)
        n = n << 8 | length[i];
    if (n > w->nbytes - LENGTH) {
        rc = error_set(err, FAIL_FORMAT, "%s: a header of %llu bytes does not fit into a file of %llu", w->path,
                       (unsigned long long)n, (unsigned long long)w->nbytes);
        goto done;
    }
    if (n > WEIGHTS_MAX_HEADER) {
        rc = error_set(err, FAIL_LIMIT, "%s: a header of %llu bytes is longer than the %d that are read", w->path,
                       (unsigned long long)n, WEIGHTS_MAX_HEADER);
        goto done;
    }
    text = malloc((size_t)n + 1);
    if (!text) {
        rc = error_system(err, "%s", w->path);
        goto done;
    }
    TRY(weights_pread(text, w, LENGTH, (size_t)n, err));
    *out = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &why);
    *data = LENGTH + n;
    if (!json_is_object(*out))
        rc = error_set(err, FAIL_FORMAT, "%s: the header is not a JSON object: %s (byte %d of it)", w->path, why.text,
                       why.position);
done:
    free(text);
    return rc;
}

static bool read_size(uint64_t *out, const json_t *value)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static enum status read_shape(size_t *dims, size_t *ndim, const struct weights *w, const char *name,
                              const json_t *shape, struct error *err)
{
    uint64_t size;

    *ndim = json_array_size(shape);
    if (!json_is_array(shape) || *ndim > WEIGHTS_MAX_DIMS)
        return bad(w, name, "its shape is missing or has more than 8 dimensions", err);
    for (size_t d = 0; d < *ndim; d++) {
        if (!read_size(&size, json_array_get(shape, d)))
            return bad(w, name, "its shape is not a list of sizes", err);
        dims[d] = (size_t)size;
    }
    return OK;
}

static enum status read_tensor(struct weights *w, struct extent *extent, uint64_t data, const char *name,
                               const json_t *entry, struct error *err)
{
    const char *text = json_string_value(json_object_get(entry, "dtype"));
    const struct weights_dtype *dtype = text ? weights_dtype_find(text) : NULL;
    const json_t *offsets = json_object_get(entry, "data_offsets");
    size_t dims[WEIGHTS_MAX_DIMS] = {0}, ndim = 0;
    struct weights_record *r;
    enum status rc;

    if (!weights_is_name(name, strlen(name)))
        return error_set(err, FAIL_FORMAT, "%s: the name of tensor %zu is empty, too long or not printable", w->path,
                         w->nrecords);
    if (!dtype)
        return bad(w, name, "its dtype is missing or unknown", err);
    TRY(read_shape(dims, &ndim, w, name, json_object_get(entry, "shape"), err));
    if (json_array_size(offsets) != 2 || !read_size(&extent->begin, json_array_get(offsets, 0)) ||
        !read_size(&extent->end, json_array_get(offsets, 1)))
        return bad(w, name, "its data_offsets are not two offsets", err);
    TRY(weights_add(&r, w, name, strlen(name), dtype, dims, ndim, err));
    extent->name = r->info.name;
    if (extent->end < extent->begin || extent->end > w->nbytes - data)
        return bad(w, name, "its data_offsets are beyond the end of the file; is it truncated?", err);
    if ((extent->end - extent->begin) / dtype->nbytes != r->elements ||
        (extent->end - extent->begin) % dtype->nbytes != 0)
        return bad(w, name, "its data_offsets do not match its shape and dtype", err);
    r->offset = data + extent->begin;
done:
    return rc;
}

static int compare_extents(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static enum status check_extents(struct extent *extents, size_t n, const struct weights *w, uint64_t data,
                                 struct error *err)
{
    uint64_t at = 0;

    qsort(extents, n, sizeof *extents, compare_extents);
    for (size_t i = 0; i < n; i++) {
        if (extents[i].begin != at)
            return bad(w, extents[i].name,
                       extents[i].begin < at ? "its numbers overlap another tensor's"
                                             : "there is a gap before its numbers",
                       err);
        at = extents[i].end;
    }
    if (at != w->nbytes - data)
        return error_set(err, FAIL_FORMAT, "%s: %llu bytes follow the last tensor", w->path,
                         (unsigned long long)(w->nbytes - data - at));
    return OK;
}

static enum status read_metadata(struct weights *w, json_t *metadata, struct error *err)
{
    const char *key;
    json_t *value;

    if (!json_is_object(metadata))
        return error_set(err, FAIL_FORMAT, "%s: __metadata__ is not a JSON object", w->path);
    w->remarks = calloc(json_object_size(metadata) + 1, sizeof *w->remarks);
    if (!w->remarks)
        return error_system(err, "%s", w->path);
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value))
            return error_set(err, FAIL_FORMAT, "%s: __metadata__ contains values that are not strings", w->path);
        struct weights_remark *remark = &w->remarks[w->nremarks++];
        remark->key = strdup(key);
        remark->value = strdup(json_string_value(value));
        if (!remark->key || !remark->value)
            return error_system(err, "%s", w->path);
    }
    return OK;
}

static enum status open_safetensors(struct weights *w, struct error *err)
{
    json_t *header = NULL, *entry;
    struct extent *extents = NULL;
    uint64_t data = 0;
    const char *name;
    size_t n = 0;
    enum status rc;

    TRY(read_header(&header, &data, w, err));
    extents = calloc(json_object_size(header) + 1, sizeof *extents);
    if (!extents) {
        rc = error_system(err, "%s", w->path);
        goto done;
    }
    json_object_foreach(header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0)
            TRY(read_metadata(w, entry, err));
        else
            TRY(read_tensor(w, &extents[n++], data, name, entry, err));
    }
    TRY(check_extents(extents, n, w, data, err));
done:
    free(extents);
    json_decref(header);
    return rc;
}

static enum status fetch(unsigned char *bytes, const struct weights *w, const struct weights_record *r, size_t first,
                         size_t n, struct error *err)
{
    return weights_pread(bytes, w, r->offset + (uint64_t)first * r->dtype->nbytes, n * r->dtype->nbytes, err);
}

static void close_safetensors(struct weights *w)
{
    (void)w;
}

const struct weights_format weights_safetensors_format = {.name = "safetensors",
                                                          .epsilon = WEIGHTS_EPSILON_TORCH,
                                                          .recognise = recognise,
                                                          .open = open_safetensors,
                                                          .fetch = fetch,
                                                          .close = close_safetensors};
