/* Type, shape and position of the numbers of an array. */
#include "io/weights/hdf5.h"

#include <string.h>

enum {
    FLOATING = 1, /* class of types */
    FLOAT_TYPE = 20,
    COMPACT = 0, /* classes of layouts */
    CONTIGUOUS = 1,
    CHUNKED = 2,
    DEFLATE = 1, /* filters */
    SHUFFLE = 2,
    FLETCHER32 = 3,
    MAX_CHUNK = 1 << 28, /* bytes */
    MAX_RATIO = 1100     /* of decoded to stored bytes; deflate reaches 1032 */
};

static const uint64_t undefined = UINT64_MAX; /* address of data that was never written */

static struct weights_hdf5_cursor body(const struct weights_hdf5_message *m)
{
    return (struct weights_hdf5_cursor){.at = m->bytes, .left = m->nbytes};
}

enum status weights_hdf5_shape(size_t *dims, size_t *ndim, const struct weights_hdf5 *f,
                               struct weights_hdf5_cursor space)
{
    uint64_t version = weights_hdf5_take(&space, 1);

    *ndim = (size_t)weights_hdf5_take(&space, 1);
    weights_hdf5_skip(&space, 1);
    uint64_t kind = weights_hdf5_take(&space, 1);
    weights_hdf5_skip(&space, version == 1 ? 4 : 0);
    if (version < 1 || version > 2 || *ndim > WEIGHTS_MAX_DIMS || (version == 2 && kind > 1))
        return weights_hdf5_damaged(f, "it has no shape, or more than 8 dimensions");
    for (size_t d = 0; d < *ndim; d++)
        dims[d] = (size_t)weights_hdf5_take(&space, 8);
    return space.bad ? weights_hdf5_damaged(f, "its shape is incomplete") : OK;
}

/* Datatype messages of IEEE numbers: class and version, bits (with the byte order cleared), size, bit offset and
 * precision, position and size of exponent and fraction, bias. */
static const struct {
    const char *dtype;
    unsigned char bytes[FLOAT_TYPE];
} types[] = {
    {"F32", {0x11, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0}},
    {"F64", {0x11, 0x20, 63, 0, 8, 0, 0, 0, 0, 0, 64, 0, 52, 11, 0, 52, 0xff, 3, 0, 0}},
    {"F16", {0x11, 0x20, 15, 0, 2, 0, 0, 0, 0, 0, 16, 0, 10, 5, 0, 10, 15, 0, 0, 0}},
};

static enum status read_type(struct weights_hdf5_array *a, const struct weights_hdf5 *f,
                             const struct weights_hdf5_message *m)
{
    unsigned char bytes[FLOAT_TYPE];

    if (!m->shared && m->nbytes >= sizeof bytes) {
        memcpy(bytes, m->bytes, sizeof bytes);
        a->big_endian = bytes[1] & 1;
        bytes[1] &= 0xfe;
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
            if (memcmp(bytes, types[i].bytes, sizeof bytes) == 0)
                a->dtype = weights_dtype_find(types[i].dtype);
    }
    return a->dtype ? OK : weights_hdf5_unsupported(f, "its numbers are not float16, float32 or float64");
}

static enum status read_chunk_shape(struct weights_hdf5_array *a, const struct weights_hdf5 *f,
                                    struct weights_hdf5_cursor *c)
{
    uint64_t nbytes = 1;

    if (weights_hdf5_take(c, 1) != a->ndim + 1)
        return weights_hdf5_damaged(f, "its chunks have another number of dimensions");
    a->address = weights_hdf5_take(c, 8);
    for (size_t d = 0; d <= a->ndim; d++) {
        uint64_t size = weights_hdf5_take(c, 4);
        if (d < a->ndim)
            a->chunk[d] = (size_t)size;
        else if (size != a->dtype->nbytes)
            return weights_hdf5_damaged(f, "its chunks have another type of numbers");
        if (d < a->ndim && size > a->dims[d])
            return weights_hdf5_unsupported(
                f, "its chunks are larger than the array; convert the file with h5repack -l CONTI");
        if (size == 0 || __builtin_mul_overflow(nbytes, size, &nbytes) || nbytes > MAX_CHUNK)
            return error_set(f->err, FAIL_LIMIT, "%s: '%s': its chunks are empty or larger than 256 MiB", f->w->path,
                             f->where);
    }
    return OK;
}

static enum status read_layout(struct weights_hdf5_array *a, uint64_t *stored, const struct weights_hdf5 *f,
                               const struct weights_hdf5_message *m)
{
    struct weights_hdf5_cursor c = body(m);
    uint64_t version = weights_hdf5_take(&c, 1), class = weights_hdf5_take(&c, 1);
    enum status rc = OK;

    if (m->shared || version != 3 || class > CHUNKED)
        return weights_hdf5_unsupported(f, "its numbers are in other files or stored in a newer way than Keras does");
    *stored = f->w->nbytes;
    if (class == COMPACT) {
        *stored = weights_hdf5_take(&c, 2);
        a->address = m->address + 4;
        c.bad |= *stored > c.left;

    } else if (class == CONTIGUOUS) {
        a->address = weights_hdf5_take(&c, 8);
        *stored = weights_hdf5_take(&c, 8);
    } else {

        a->chunked = true;
        TRY(read_chunk_shape(a, f, &c));
    }
    if (c.bad)
        rc = weights_hdf5_damaged(f, "its description is damaged");
    else if (a->address == undefined)
        rc = weights_hdf5_damaged(f, "its numbers were never written");
done:
    return rc;
}

static enum status read_filters(struct weights_hdf5_array *a, const struct weights_hdf5 *f,
                                const struct weights_hdf5_message *m)
{
    struct weights_hdf5_cursor c = body(m);
    uint64_t version = weights_hdf5_take(&c, 1);

    a->nfilters = (size_t)weights_hdf5_take(&c, 1);
    weights_hdf5_skip(&c, version == 1 ? 6 : 0);
    if (m->shared || version < 1 || version > 2 || a->nfilters > WEIGHTS_HDF5_MAX_FILTERS)
        return weights_hdf5_unsupported(f, "its filters are described in an unknown way");
    for (size_t i = 0; i < a->nfilters && !c.bad; i++) {
        a->filters[i] = (unsigned)weights_hdf5_take(&c, 2);
        if (a->filters[i] < DEFLATE || a->filters[i] > FLETCHER32)
            return weights_hdf5_unsupported(f,
                                            "it has a filter other than deflate, shuffle and fletcher32; convert the "
                                            "file with h5repack -f NONE");
        size_t nname = version == 1 ? (size_t)weights_hdf5_take(&c, 2) : 0;
        weights_hdf5_skip(&c, 2);
        size_t nvalues = (size_t)weights_hdf5_take(&c, 2);
        weights_hdf5_skip(&c, nname + 4 * nvalues + (version == 1 && nvalues % 2 ? 4 : 0));
    }
    return c.bad ? weights_hdf5_damaged(f, "the description of its filters is damaged") : OK;
}

/* The stored size must be that of the shape; for chunks, at least the smallest size to which deflate could compress it.
 * */
static enum status check_size(const struct weights_hdf5_array *a, const struct weights_hdf5 *f, uint64_t stored)
{
    uint64_t nbytes = a->dtype->nbytes;

    for (size_t d = 0; d < a->ndim; d++)
        if (__builtin_mul_overflow(nbytes, a->dims[d], &nbytes))
            return weights_hdf5_damaged(f, "it has an impossible shape");
    if (a->chunked ? nbytes / MAX_RATIO > stored : nbytes != stored)
        return error_set(f->err, FAIL_LIMIT, "%s: '%s': its shape requires %llu bytes, which are not in the file",
                         f->w->path, f->where, (unsigned long long)nbytes);
    if (!a->chunked && (a->address > f->w->nbytes || nbytes > f->w->nbytes - a->address))
        return weights_hdf5_damaged(f, "its numbers are beyond the end of the file; is it truncated?");
    return OK;
}

static enum status describe(struct weights_hdf5_array *a, const struct weights_hdf5 *f,
                            const struct weights_hdf5_object *o)
{
    const struct weights_hdf5_message *type = weights_hdf5_message(o, WEIGHTS_HDF5_DATATYPE);
    const struct weights_hdf5_message *space = weights_hdf5_message(o, WEIGHTS_HDF5_DATASPACE);
    const struct weights_hdf5_message *layout = weights_hdf5_message(o, WEIGHTS_HDF5_LAYOUT);
    const struct weights_hdf5_message *filters = weights_hdf5_message(o, WEIGHTS_HDF5_FILTERS);
    uint64_t stored = 0;
    enum status rc;

    if (!type || !space || !layout || space->shared)
        return weights_hdf5_damaged(f, "it is not an array");
    if (weights_hdf5_message(o, WEIGHTS_HDF5_EXTERNAL))
        return weights_hdf5_unsupported(f, "its numbers are in another file, which is not read");
    TRY(read_type(a, f, type));
    TRY(weights_hdf5_shape(a->dims, &a->ndim, f, body(space)));
    if (a->ndim == 0)
        return weights_hdf5_damaged(f, "it is not an array");
    TRY(read_layout(a, &stored, f, layout));
    if (filters && a->chunked)
        TRY(read_filters(a, f, filters));
    rc = check_size(a, f, stored);
done:
    return rc;
}

enum status weights_hdf5_array(struct weights_hdf5_array *a, const struct weights_hdf5 *f, uint64_t address)
{
    struct weights_hdf5_object o = {0};
    enum status rc;

    *a = (struct weights_hdf5_array){0};
    TRY(weights_hdf5_open(&o, f, address));
    rc = describe(a, f, &o);
done:
    weights_hdf5_release(&o);
    return rc;
}
