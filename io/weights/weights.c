#define _FILE_OFFSET_BITS 64
#include "io/weights/weights.h"

#include "io/base/fault.h"
#include "io/weights/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD = 16 };

static const struct weights_format *const formats[] = {
    &weights_keras_format,
    &weights_pth_zip_format,
    &weights_pth_stream_format,
    &weights_safetensors_format,
};

enum status weights_pread(void *bytes, const struct weights *w, uint64_t offset, size_t n, struct error *err)
{
    unsigned char *at = bytes;

    if (offset > w->nbytes || n > w->nbytes - offset)
        return error_set(err, FAIL_FORMAT, "%s: the file ends at byte %llu, but %zu bytes are needed from byte %llu on",
                         w->path, (unsigned long long)w->nbytes, n, (unsigned long long)offset);
    while (n > 0) {
        ssize_t got = fault_hit(FAULT_READ) ? -1 : pread(w->fd, at, n, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_system(err, "%s: reading failed", w->path);
        if (got == 0)
            return error_set(err, FAIL_FORMAT, "%s: the file became shorter while it was read", w->path);
        at += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return OK;
}

void *weights_grow(void *array, size_t *capacity, size_t n, size_t item_bytes)
{
    if (n < *capacity)
        return array;
    size_t wanted = *capacity ? 2 * *capacity : 16;
    void *moved = realloc(array, wanted * item_bytes);
    if (moved)
        *capacity = wanted;
    return moved;
}

bool weights_is_name(const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
            return false;
    return n > 0 && n <= WEIGHTS_MAX_NAME;
}

static bool count_elements(size_t *elements, const size_t *dims, size_t ndim)
{
    *elements = 1;
    for (size_t d = 0; d < ndim; d++)
        if (__builtin_mul_overflow(*elements, dims[d], elements))
            return false;
    return *elements <= SIZE_MAX / sizeof(double);
}

static void set_strides(struct weights_record *r)
{
    size_t stride = 1;

    for (size_t d = r->info.ndim; d-- > 0;) {
        r->strides[d] = stride;
        stride *= r->info.dims[d];
    }
}

enum status weights_add(struct weights_record **out, struct weights *w, const char *name, size_t nname,
                        const struct weights_dtype *dtype, const size_t *dims, size_t ndim, struct error *err)
{
    size_t elements;

    if (!weights_is_name(name, nname))
        return error_set(err, FAIL_FORMAT, "%s: the name of tensor %zu is empty, too long or not printable", w->path,
                         w->nrecords);
    if (w->nrecords == WEIGHTS_MAX_TENSORS)
        return error_set(err, FAIL_LIMIT, "%s: more than %d tensors", w->path, WEIGHTS_MAX_TENSORS);
    if (ndim > WEIGHTS_MAX_DIMS)
        return error_set(err, FAIL_UNSUPPORTED, "%s: tensor '%.*s' has %zu dimensions; at most %d are read", w->path,
                         (int)nname, name, ndim, WEIGHTS_MAX_DIMS);
    if (!count_elements(&elements, dims, ndim))
        return error_set(err, FAIL_FORMAT, "%s: tensor '%.*s' has an impossible shape", w->path, (int)nname, name);
    struct weights_record *records = weights_grow(w->records, &w->capacity, w->nrecords, sizeof *records);
    if (!records)
        return error_system(err, "%s", w->path);
    w->records = records;
    char *copy = strndup(name, nname);
    if (!copy)
        return error_system(err, "%s", w->path);
    struct weights_record *r = &w->records[w->nrecords++];
    *r = (struct weights_record){.info = {.name = copy, .dtype = dtype->name, .ndim = ndim},
                                 .name = copy,
                                 .dtype = dtype,
                                 .elements = elements,
                                 .span = elements,
                                 .contiguous = true};
    memcpy(r->info.dims, dims, ndim * sizeof dims[0]);
    set_strides(r);
    *out = r;
    return OK;
}

size_t weights_row(const struct weights_record *r)
{
    return r->info.ndim > 0 && r->info.dims[0] > 0 ? r->elements / r->info.dims[0] : 1;
}

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

static enum status check_duplicates(const struct weights *w, struct error *err)
{
    const char **names = calloc(w->nrecords + 1, sizeof *names);
    enum status rc = OK;

    if (!names)
        return error_system(err, "%s", w->path);
    for (size_t i = 0; i < w->nrecords; i++)
        names[i] = w->records[i].info.name;
    qsort(names, w->nrecords, sizeof *names, compare_names);
    for (size_t i = 1; i < w->nrecords && rc == OK; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            rc = error_set(err, FAIL_FORMAT, "%s: there are two tensors named '%s'", w->path, names[i]);
    free(names);
    return rc;
}

static enum status open_file(struct weights *w, struct error *err)
{
    struct stat st;

    w->fd = fault_hit(FAULT_OPEN) ? -1 : open(w->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (w->fd < 0 || fstat(w->fd, &st) != 0)
        return error_system(err, "%s: cannot open the weights", w->path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, FAIL_SYSTEM, "%s: not a regular file", w->path);
    w->nbytes = (uint64_t)st.st_size;
    return OK;
}

static enum status find_format(struct weights *w, struct error *err)
{
    unsigned char head[HEAD];

    if (w->nbytes < HEAD) {
        error_set(err, FAIL_FORMAT, "%s: %llu bytes are too few for a weights file", w->path,
                  (unsigned long long)w->nbytes);
        return FAIL_FORMAT;
    }
    enum status rc = weights_pread(head, w, 0, HEAD, err);
    if (rc != OK)
        return rc;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (formats[i]->recognise(head, HEAD)) {
            w->format = formats[i];
            return OK;
        }
    error_set(err, FAIL_UNSUPPORTED,
              "%s: the first bytes are neither safetensors, nor HDF5 (Keras), nor a file of torch.save; convert the "
              "weights to one of these",
              w->path);
    return FAIL_UNSUPPORTED;
}

enum status weights_open_container(struct weights **out, const char *path, struct error *err)
{
    struct weights *w = calloc(1, sizeof *w);
    enum status rc;

    *out = NULL;
    if (!w || !(w->path = strdup(path))) {
        free(w);
        return error_system(err, "%s", path);
    }
    w->fd = -1;
    TRY(open_file(w, err));
    TRY(find_format(w, err));
    TRY(w->format->open(w, err));
    TRY(check_duplicates(w, err));
    *out = w;
    w = NULL;
done:
    weights_close(w);
    return rc;
}

enum status weights_recognise(struct weights *w, struct error *err)
{
    return weights_names_recognise(w, err);
}

enum status weights_open(struct weights **out, const char *path, struct error *err)
{
    enum status rc;

    TRY(weights_open_container(out, path, err));
    TRY(weights_recognise(*out, err));
done:
    if (rc != OK) {
        weights_close(*out);
        *out = NULL;
    }
    return rc;
}

void weights_close(struct weights *w)
{
    if (!w)
        return;
    if (w->format)
        w->format->close(w);
    for (size_t i = 0; i < w->nrecords; i++)
        free(w->records[i].name);
    free(w->records);
    for (size_t i = 0; i < w->nremarks; i++) {
        free(w->remarks[i].key);
        free(w->remarks[i].value);
    }
    free(w->remarks);
    if (w->fd >= 0)
        close(w->fd);
    free(w->path);
    free(w);
}

const char *weights_format_name(const struct weights *w)
{
    return w->format->name;
}

size_t weights_ntensors(const struct weights *w)
{
    return w->nrecords;
}

const struct weights_tensor *weights_tensor(const struct weights *w, size_t tensor)
{
    return &w->records[tensor].info;
}

const char *weights_metadata(const struct weights *w, const char *key)
{
    for (size_t i = 0; i < w->nremarks; i++)
        if (strcmp(w->remarks[i].key, key) == 0)
            return w->remarks[i].value;
    return NULL;
}

size_t weights_nlayers(const struct weights *w)
{
    return w->nlayers;
}

const struct weights_layer *weights_layers(const struct weights *w)
{
    return w->layers;
}

size_t weights_floats(const struct weights *w)
{
    return w->nfloats;
}

bool weights_keras_preprocessing(const struct weights *w)
{
    return w->format->keras;
}

bool weights_batchnorm(const struct weights *w)
{
    for (size_t i = 0; i < w->nlayers; i++)
        if (w->layers[i].batchnorm)
            return true;
    return false;
}

enum status weights_sha256(char hex[SHA256_HEX], const struct weights *w, struct error *err)
{
    enum { BUFFER = 1 << 18 };
    struct sha256 *s = NULL;
    unsigned char *buffer = malloc(BUFFER);
    enum status rc;

    if (!buffer) {
        rc = error_system(err, "%s", w->path);
        goto done;
    }
    TRY(sha256_create(&s, err));
    for (uint64_t at = 0; at < w->nbytes;) {
        size_t n = w->nbytes - at < BUFFER ? (size_t)(w->nbytes - at) : BUFFER;
        TRY(weights_pread(buffer, w, at, n, err));
        TRY(sha256_update(s, buffer, n, err));
        at += n;
    }
    TRY(sha256_finish(hex, s, err));
done:
    sha256_destroy(s);
    free(buffer);
    return rc;
}
