/* What the readers of all formats use: bytes of the file and the list of records. */
#define _FILE_OFFSET_BITS 64
#include "io/base/fault.h"
#include "io/weights/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
            return error_set(err, FAIL_FORMAT, "%s: the file was truncated while it was read", w->path);
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
