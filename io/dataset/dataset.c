#include "io/dataset/builder.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FILE_BYTES = 1 << 30 };

struct dataset {
    const struct dataset_listing *listing; /* borrowed */
    struct dataset_buffer bytes;           /* of one image file, or of one image of an array */
    struct dataset_hdf5 *hdf5;
    int shard;       /* open shard, or -1 */
    uint64_t source; /* which one it is */
};

/* ---- encoded images: files, and members of shards -------------------------------------------------------------- */

static const char *root_of(const struct dataset *d)
{
    return dataset_listing_section(d->listing, DATASET_ROOT);
}

/* Decode the bytes in the buffer; the image's name is put before the decoder's messages. */
static enum status decode(struct image *out, struct dataset *d, const char *name, size_t channels, struct error *err)
{
    struct error local = {0};
    enum status rc = image_decode(out, d->bytes.bytes, d->bytes.size, channels, &local);

    return rc == OK ? OK : error_set(err, rc, "%s: %s", name, local.message);
}

static enum status read_file(struct image *out, struct dataset *d, size_t index, size_t channels, struct error *err)
{
    char path[DATASET_PATH];
    enum status rc;

    TRY(dataset_buffer_join(path, root_of(d), dataset_listing_string(d->listing, DATASET_NAMES, index), err));
    TRY(dataset_buffer_read(&d->bytes, path, MAX_FILE_BYTES, err));
    rc = decode(out, d, path, channels, err);
done:
    return rc;
}

static enum status open_shard(struct dataset *d, uint64_t source, const char *path, struct error *err)
{
    enum status rc = OK;

    if (d->shard >= 0 && d->source == source)
        return OK;
    if (d->shard >= 0)
        close(d->shard);
    d->source = source;
    TRY(dataset_buffer_open(&d->shard, NULL, path, err));
done:
    return rc;
}

static enum status read_member(struct image *out, struct dataset *d, size_t index, size_t channels, struct error *err)
{
    const struct dataset_member *members = dataset_listing_section(d->listing, DATASET_MEMBERS);
    const struct dataset_member *m = &members[index];
    char path[DATASET_PATH], name[2 * DATASET_PATH];
    enum status rc;

    TRY(dataset_buffer_join(path, root_of(d), dataset_listing_string(d->listing, DATASET_SOURCES, m->source), err));
    TRY(open_shard(d, m->source, path, err));
    snprintf(name, sizeof name, "%s:%s", path, dataset_listing_string(d->listing, DATASET_NAMES, index));
    if (m->nbytes > MAX_FILE_BYTES)
        return error_set(err, FAIL_LIMIT, "%s: has %zu bytes; at most %d are read", name, (size_t)m->nbytes,
                         MAX_FILE_BYTES);
    TRY(dataset_buffer_pread(&d->bytes, d->shard, m->offset, m->nbytes, path, err));
    rc = decode(out, d, name, channels, err);
done:
    return rc;
}

/* ---- arrays ---------------------------------------------------------------------------------------------------- */

static size_t image_bytes(const struct dataset_listing *l)
{
    return l->shape.height * l->shape.width * l->shape.channels;
}

static enum status from_array(struct image *out, const struct dataset_shape *s, const unsigned char *pixels,
                              size_t channels, struct error *err)
{
    size_t npixels = s->height * s->width;
    enum status rc;

    TRY(image_reshape(out, s->width, s->height, s->channels, err));
    if (s->planar) {
        for (size_t c = 0; c < s->channels; c++)
            for (size_t i = 0; i < npixels; i++)
                out->pixels[i * s->channels + c] = pixels[c * npixels + i];
    } else {
        memcpy(out->pixels, pixels, npixels * s->channels);
    }
    rc = image_convert(out, channels, err);
done:
    return rc;
}

static enum status read_idx(struct image *out, struct dataset *d, size_t index, size_t channels, struct error *err)
{
    const unsigned char *pixels = dataset_listing_section(d->listing, DATASET_PIXELS);

    return from_array(out, &d->listing->shape, pixels + index * image_bytes(d->listing), channels, err);
}

static enum status read_hdf5(struct image *out, struct dataset *d, size_t index, size_t channels, struct error *err)
{
    enum status rc;

    d->bytes.size = 0;
    unsigned char *pixels = dataset_buffer_extend(&d->bytes, image_bytes(d->listing), err);
    if (!pixels)
        return FAIL_RESOURCE;
    TRY(dataset_hdf5_read(pixels, d->hdf5, index, err));
    rc = from_array(out, &d->listing->shape, pixels, channels, err);
done:
    return rc;
}

enum status dataset_open(struct dataset **out, const struct dataset_listing *listing, struct error *err)
{
    struct dataset *d = malloc(sizeof *d);
    enum status rc = OK;

    *out = d;
    if (!d)
        return error_set(err, FAIL_RESOURCE, "no memory to open a data set");
    *d = (struct dataset){.listing = listing, .shard = -1};
    if (listing->kind == DATASET_HDF5)
        TRY(dataset_hdf5_open(&d->hdf5, listing, err));
done:
    if (rc != OK) {
        dataset_close(d);
        *out = NULL;
    }
    return rc;
}

/* A single file may be missing. If the whole folder is gone, the failure is not the image's, and it may be temporary.
 * */
static enum status check_root(enum status rc, const struct dataset *d, struct error *err)
{
    if (rc != FAIL_SYSTEM || access(root_of(d), F_OK) == 0)
        return rc;
    error_clear(err);
    return error_set(err, FAIL_RESOURCE,
                     "%s: the folder of the images is gone; once it is back, the same command continues the run",
                     root_of(d));
}

enum status dataset_read(struct image *out, struct dataset *dataset, size_t index, size_t channels, struct error *err)
{
    static enum status (*const readers[])(struct image *, struct dataset *, size_t, size_t, struct error *) = {
        [DATASET_FILES] = read_file,
        [DATASET_IDX] = read_idx,
        [DATASET_HDF5] = read_hdf5,
        [DATASET_TAR] = read_member,
    };

    assert(index < dataset->listing->count);
    return check_root(readers[dataset->listing->kind](out, dataset, index, channels, err), dataset, err);
}

void dataset_close(struct dataset *dataset)
{
    if (dataset) {
        dataset_hdf5_close(dataset->hdf5);
        if (dataset->shard >= 0)
            close(dataset->shard);
        dataset_buffer_free(&dataset->bytes);
        free(dataset);
    }
}
