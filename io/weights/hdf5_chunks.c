/* Arrays in chunks: a tree has the address of each chunk, and the filters are undone in reverse order. */
#include "io/weights/hdf5.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

enum {
    NODE_PREFIX = 24,
    MAX_KEY = 8 + 8 * (WEIGHTS_MAX_DIMS + 1),
    MIN_KEY = 32,
    MAX_NODES = 1 << 16,
    DEFLATE = 1,
    SHUFFLE = 2,
    CHECKSUM = 4, /* bytes that fletcher32 appends */
    SLACK = 64    /* bytes that filters may add to a small chunk */
};

/* Reading the chunks of one array. */
struct chunks {
    const struct weights_hdf5 *f;
    const struct weights_hdf5_array *a;
    unsigned char *array;      /* the whole array */
    unsigned char *buffers[2]; /* [room] each: before and after a filter */
    unsigned char *done;       /* [nchunks] 1 for the chunks that have been read */
    size_t nbytes, room;       /* bytes of a decoded chunk, and of a buffer */
    size_t nchunks, ndone, nodes;
    size_t counts[WEIGHTS_MAX_DIMS]; /* chunks along each dimension */
};

/* HDF5's fletcher32: sums of 16-bit big-endian words, modulo 65535. */
static uint32_t fletcher32(const unsigned char *bytes, size_t n)
{
    uint32_t low = 0, high = 0;

    for (size_t i = 0; i < n; i += 2) {
        low += (uint32_t)bytes[i] << 8 | (i + 1 < n ? bytes[i + 1] : 0U);
        low = (low & 0xffff) + (low >> 16);
        high += low;
        high = (high & 0xffff) + (high >> 16);
    }
    return high << 16 | low;
}

/* In the input bytes 0 of all numbers come first, then bytes 1, ... */
static void unshuffle(unsigned char *out, const unsigned char *in, size_t n, size_t size)
{
    size_t count = n / size;

    for (size_t b = 0; b < size; b++)
        for (size_t i = 0; i < count; i++)
            out[i * size + b] = in[b * count + i];
    memcpy(out + count * size, in + count * size, n - count * size);
}

/* Undo one filter from buffer 0 to buffer 1, and swap them. */
static bool undo(struct chunks *k, size_t *n, unsigned filter)
{
    unsigned char *in = k->buffers[0], *out = k->buffers[1];

    if (filter == DEFLATE) {
        uLongf length = (uLongf)k->room;
        if (uncompress(out, &length, in, (uLong)*n) != Z_OK)
            return false;
        *n = length;
    } else if (filter == SHUFFLE) {
        unshuffle(out, in, *n, k->a->dtype->nbytes);
    } else {
        if (*n < CHECKSUM)
            return false;
        *n -= CHECKSUM;
        struct weights_hdf5_cursor c = {.at = in + *n, .left = CHECKSUM};
        return weights_hdf5_take(&c, CHECKSUM) == fletcher32(in, *n);
    }
    k->buffers[0] = out;
    k->buffers[1] = in;
    return true;
}

/* Copy the part of a chunk that is inside of the array; `start` is its first corner. */
static void place(const struct chunks *k, const size_t *start)
{
    const struct weights_hdf5_array *a = k->a;
    size_t last = a->ndim - 1, nrows = 1, size = a->dtype->nbytes;
    size_t run = a->dims[last] - start[last] < a->chunk[last] ? a->dims[last] - start[last] : a->chunk[last];

    for (size_t d = 0; d < last; d++)
        nrows *= a->chunk[d];
    for (size_t row = 0; row < nrows; row++) {
        size_t rest = row, at = start[last], stride = a->dims[last];
        bool inside = true;
        for (size_t d = last; d-- > 0;) {
            size_t index = start[d] + rest % a->chunk[d];
            rest /= a->chunk[d];
            inside = inside && index < a->dims[d];
            at += index * stride;
            stride *= a->dims[d];
        }
        if (inside)
            memcpy(k->array + at * size, k->buffers[0] + row * a->chunk[last] * size, run * size);
    }
}

static enum status read_chunk(struct chunks *k, uint64_t address, size_t nbytes, uint64_t mask, const size_t *start)
{
    const struct weights_hdf5_array *a = k->a;
    size_t number = 0;
    enum status rc;

    for (size_t d = 0; d < a->ndim; d++) {
        if (start[d] >= a->dims[d] || start[d] % a->chunk[d] != 0)
            return weights_hdf5_damaged(k->f, "a chunk is outside of its array");
        number = number * k->counts[d] + start[d] / a->chunk[d];
    }
    if (nbytes > k->room || k->done[number])
        return weights_hdf5_damaged(k->f, "a chunk is too large or occurs twice");
    k->done[number] = 1;
    k->ndone++;
    TRY(weights_pread(k->buffers[0], k->f->w, address, nbytes, k->f->err));
    for (size_t i = a->nfilters; i-- > 0;)
        if (!(mask >> i & 1) && !undo(k, &nbytes, a->filters[i]))
            return weights_hdf5_damaged(k->f, "a chunk cannot be decoded");
    if (nbytes != k->nbytes)
        return weights_hdf5_damaged(k->f, "a chunk has a wrong size");
    place(k, start);
done:
    return rc;
}

/* Read the chunks below a node. Levels decrease from node to node, so the search ends. */
static enum status read_tree(struct chunks *k, uint64_t address, int level)
{
    unsigned char bytes[MAX_KEY + 8];
    size_t ndim = k->a->ndim, step = 8 + 8 * (ndim + 1) + 8, start[WEIGHTS_MAX_DIMS] = {0};
    struct weights_hdf5_cursor c = {.at = bytes, .left = NODE_PREFIX};
    enum status rc;

    if (k->nodes++ == MAX_NODES)
        return weights_hdf5_damaged(k->f, "it has too many chunks");
    TRY(weights_pread(bytes, k->f->w, address, NODE_PREFIX, k->f->err));
    if (memcmp(weights_hdf5_skip(&c, 5), "TREE\1", 5) != 0)
        return weights_hdf5_damaged(k->f, "the list of its chunks is not where it should be");
    int own = (int)weights_hdf5_take(&c, 1);
    size_t n = (size_t)weights_hdf5_take(&c, 2);
    if (own >= level && level >= 0)
        return weights_hdf5_damaged(k->f, "the list of its chunks is out of order");
    for (size_t i = 0; i < n; i++) {
        TRY(weights_pread(bytes, k->f->w, address + NODE_PREFIX + i * step, step, k->f->err));
        c = (struct weights_hdf5_cursor){.at = bytes, .left = step};
        size_t nbytes = (size_t)weights_hdf5_take(&c, 4);
        uint64_t mask = weights_hdf5_take(&c, 4);
        for (size_t d = 0; d < ndim; d++)
            start[d] = (size_t)weights_hdf5_take(&c, 8);
        weights_hdf5_skip(&c, 8);
        uint64_t child = weights_hdf5_take(&c, 8);
        TRY(own > 0 ? read_tree(k, child, own) : read_chunk(k, child, nbytes, mask, start));
    }
done:
    return rc;
}

enum status weights_hdf5_read_chunks(unsigned char *bytes, const struct weights_hdf5 *f,
                                     const struct weights_hdf5_array *a)
{
    struct chunks k = {.f = f, .a = a, .array = bytes, .nbytes = a->dtype->nbytes, .nchunks = 1};
    enum status rc;

    for (size_t d = 0; d < a->ndim; d++) {
        k.nbytes *= a->chunk[d];
        k.counts[d] = (a->dims[d] - 1) / a->chunk[d] + 1;
        k.nchunks *= k.counts[d];
    }
    if (a->ndim == 0 || k.nchunks > f->w->nbytes / MIN_KEY)
        return weights_hdf5_damaged(f, "a file of this size cannot contain the list of its chunks");
    k.room = k.nbytes + k.nbytes / 8 + SLACK;
    k.buffers[0] = malloc(k.room);
    k.buffers[1] = malloc(k.room);
    k.done = calloc(k.nchunks, 1);
    if (!k.buffers[0] || !k.buffers[1] || !k.done) {
        rc = error_system(f->err, "%s: '%s'", f->w->path, f->where);
        goto done;
    }
    TRY(read_tree(&k, a->address, -1));
    if (k.ndone != k.nchunks)
        rc = weights_hdf5_damaged(f, "some of its numbers were never written");
done:
    free(k.done);
    free(k.buffers[0]);
    free(k.buffers[1]);
    return rc;
}
