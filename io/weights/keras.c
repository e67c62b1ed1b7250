/* Keras' HDF5 weights: the attribute `layer_names` of the root (or of `model_weights`) names one group for each layer,
 * and the attribute `weight_names` of the group names its arrays. */
#include "io/weights/hdf5.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct keras {
    struct weights_hdf5_array *arrays; /* of the records; a record's `entry` is the index here */
    size_t narrays, capacity;
    uint64_t spent; /* see struct weights_hdf5 */
};

static bool recognise(const unsigned char *head, size_t nhead)
{
    static const unsigned char signature[] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

    return nhead >= sizeof signature && memcmp(head, signature, sizeof signature) == 0;
}

static enum status add_array(struct weights *w, uint64_t layer, const char *name, const char *weight, struct error *err)
{
    struct keras *k = w->state;
    struct weights_hdf5 f = {.w = w, .where = name, .spent = &k->spent, .err = err};
    struct weights_hdf5_array a = {0};
    struct weights_record *r = NULL;
    uint64_t address = 0;
    enum status rc;

    TRY(weights_hdf5_find(&address, &f, layer, weight));
    TRY(weights_hdf5_array(&a, &f, address));
    struct weights_hdf5_array *arrays = weights_grow(k->arrays, &k->capacity, k->narrays, sizeof *arrays);
    if (!arrays)
        return error_system(err, "%s", w->path);
    k->arrays = arrays;
    TRY(weights_add(&r, w, name, strlen(name), a.dtype, a.dims, a.ndim, err));
    r->offset = a.address;
    r->entry = k->narrays;
    r->whole = a.chunked;
    k->arrays[k->narrays++] = a;
done:
    return rc;
}

static enum status add_layer(struct weights *w, uint64_t root, const char *layer, struct error *err)
{
    struct keras *k = w->state;
    struct weights_hdf5 f = {.w = w, .where = layer, .spent = &k->spent, .err = err};
    struct weights_hdf5_names weights = {0};
    char name[2 * WEIGHTS_MAX_NAME + 2];
    uint64_t address = 0;
    bool found = false;
    enum status rc;

    TRY(weights_hdf5_find(&address, &f, root, layer));
    TRY(weights_hdf5_read_names(&weights, &found, &f, address, "weight_names"));
    if (!found)
        rc = weights_hdf5_damaged(&f, "its attribute 'weight_names' is missing");
    for (size_t i = 0; rc == OK && i < weights.n; i++) {
        snprintf(name, sizeof name, "%s/%s", layer, weights.text[i]);
        rc = add_array(w, address, name, weights.text[i], err);
    }
done:
    free(weights.text);
    return rc;
}

/* Read the names of the layers: in the root of a file of save_weights(), in `model_weights` of a file of save(). */
static enum status find_layers(struct weights_hdf5_names *layers, uint64_t *root, struct weights_hdf5 *f)
{
    static const char below[] = "model_weights";
    struct error none = {0};
    struct weights_hdf5 quiet = *f;
    bool found = false;
    enum status rc;

    quiet.err = &none;
    TRY(weights_hdf5_start(root, f));
    TRY(weights_hdf5_read_names(layers, &found, f, *root, "layer_names"));
    if (!found && weights_hdf5_find(root, &quiet, *root, below) == OK) {
        f->where = below;
        TRY(weights_hdf5_read_names(layers, &found, f, *root, "layer_names"));
    }
    if (!found)
        rc = weights_hdf5_unsupported(f, "no attribute 'layer_names'; save the weights with Keras 2's "
                                         "save_weights('FILE.h5')");
done:
    return rc;
}

static enum status open_keras(struct weights *w, struct error *err)
{
    struct keras *k = calloc(1, sizeof *k);
    struct weights_hdf5 f = {.w = w, .where = "/", .err = err};
    struct weights_hdf5_names layers = {0};
    uint64_t root = 0;
    enum status rc;

    w->state = k;
    if (!k)
        return error_system(err, "%s", w->path);
    f.spent = &k->spent;
    TRY(find_layers(&layers, &root, &f));
    for (size_t i = 0; i < layers.n; i++)
        TRY(add_layer(w, root, layers.text[i], err));
done:
    free(layers.text);
    return rc;
}

static void swap_bytes(unsigned char *bytes, size_t n, size_t size)
{
    for (size_t i = 0; i < n; i++, bytes += size)
        for (size_t b = 0; b < size / 2; b++) {
            unsigned char kept = bytes[b];
            bytes[b] = bytes[size - 1 - b];
            bytes[size - 1 - b] = kept;
        }
}

static enum status fetch(unsigned char *bytes, const struct weights *w, const struct weights_record *r, size_t first,
                         size_t n, struct error *err)
{
    struct keras *k = w->state;
    const struct weights_hdf5_array *a = &k->arrays[r->entry];
    struct weights_hdf5 f = {.w = w, .where = r->name, .spent = &k->spent, .err = err};
    size_t size = r->dtype->nbytes;
    enum status rc;

    if (a->chunked)
        TRY(weights_hdf5_read_chunks(bytes, &f, a));
    else
        TRY(weights_pread(bytes, w, r->offset + (uint64_t)first * size, n * size, err));
    if (a->big_endian)
        swap_bytes(bytes, n, size);
done:
    return rc;
}

static void close_keras(struct weights *w)
{
    struct keras *k = w->state;

    if (k)
        free(k->arrays);
    free(k);
}

const struct weights_format weights_keras_format = {.name = "keras",
                                                    .keras = true,
                                                    .epsilon = WEIGHTS_EPSILON_KERAS,
                                                    .recognise = recognise,
                                                    .open = open_keras,
                                                    .fetch = fetch,
                                                    .close = close_keras};
