/* Keras' HDF5 weights. Files of save() and of Keras 2's save_weights(): the attribute `layer_names` of the root (or of
 * `model_weights`) names one group for each layer, and the attribute `weight_names` of the group names its arrays.
 * Keras 3's save_weights('FILE.weights.h5'): groups `layers/conv2d`, `layers/conv2d_1`, ..., whose arrays are numbered.
 */
#include "io/weights/hdf5.h"
#include "io/weights/keras_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct keras {
    struct weights_hdf5_array *arrays; /* of the records; a record's `entry` is the index here */
    size_t narrays, capacity;
    uint64_t spent;                      /* see struct weights_hdf5 */
    struct weights_keras_config *config; /* NULL if the file does not describe the model */
    bool pending;                        /* a BatchNorm has been read, but no ReLU behind it */
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
    r->epsilon = k->config ? weights_keras_config_epsilon(k->config, name) : 0;
    k->arrays[k->narrays++] = a;
done:
    return rc;
}

/* ---- layers by their names ------------------------------------------------------------------------------------- */

static bool has(const char *text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strstr(text, words[i]))
            return true;
    return false;
}

/* Without a description of the model, the names of its layers must tell that no ReLU lies between a convolution and its
 * BatchNorm, and that no layer changes pixels. */
static enum status check_names(const struct weights_hdf5 *f, const struct weights_hdf5_names *weights)
{
    static const char *const relus[] = {"activation", "relu", "re_lu"}, *const pixels[] = {"rescaling"};
    struct keras *k = f->w->state;

    if (weights->n == 0 && has(f->where, relus, sizeof relus / sizeof relus[0]))
        k->pending = false;
    if (weights->n == 0 && has(f->where, pixels, sizeof pixels / sizeof pixels[0]))
        return weights_hdf5_unsupported(f, "it changes pixels, which the program does itself: save the model without "
                                           "this layer, and say what it does with data.mean and data.std");
    if (weights->n > 0 && k->pending)
        return weights_hdf5_unsupported(f,
                                        "the file does not tell whether the BatchNormalization before it lies before "
                                        "or behind a ReLU; save the whole model: model.save(\"FILE.h5\")");
    for (size_t i = 0; i < weights->n; i++)
        k->pending = k->pending || strstr(weights->text[i], "gamma");
    return OK;
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
    if (rc == OK && !k->config)
        TRY(check_names(&f, &weights));
    for (size_t i = 0; rc == OK && i < weights.n; i++) {
        snprintf(name, sizeof name, "%s/%s", layer, weights.text[i]);
        rc = add_array(w, address, name, weights.text[i], err);
    }
done:
    free(weights.text);
    return rc;
}

/* Read the names of the layers: in the root of a file of save_weights(), in `model_weights` of a file of save(). */
static enum status find_layers(struct weights_hdf5_names *layers, bool *found, uint64_t *group, struct weights_hdf5 *f)
{
    static const char below[] = "model_weights";
    uint64_t root = *group;
    enum status rc;

    TRY(weights_hdf5_read_names(layers, found, f, root, "layer_names"));
    if (*found)
        return OK;
    TRY(weights_hdf5_look(group, f, root, below));
    if (*group != 0) {
        f->where = below;
        TRY(weights_hdf5_read_names(layers, found, f, *group, "layer_names"));
        f->where = "/";
    }
done:
    return rc;
}

static enum status read_config(struct weights *w, uint64_t root, const struct weights_hdf5 *f)
{
    struct keras *k = w->state;
    char *text = NULL;
    enum status rc;

    TRY(weights_hdf5_read_text(&text, f, root, "model_config"));
    if (text)
        rc = weights_keras_config_parse(&k->config, text, w->path, f->err);
done:
    free(text);
    return rc;
}

/* ---- layers by their classes ----------------------------------------------------------------------------------- */

/* Add the arrays `0` and `1` of the group of a layer, if it exists. */
static enum status add_numbered(struct weights *w, bool *found, uint64_t root, const char *layer, struct error *err)
{
    static const char *const parts[] = {"kernel", "bias"};
    struct keras *k = w->state;
    struct weights_hdf5 f = {.w = w, .where = layer, .spent = &k->spent, .err = err};
    char name[WEIGHTS_MAX_NAME + 1], number[8];
    uint64_t address = 0;
    enum status rc;

    TRY(weights_hdf5_look(&address, &f, root, layer));
    *found = address != 0;
    if (*found)
        TRY(weights_hdf5_find(&address, &f, address, "vars"));
    for (size_t i = 0; *found && i < sizeof parts / sizeof parts[0]; i++) {
        snprintf(name, sizeof name, "%s/%s", layer, parts[i]);
        snprintf(number, sizeof number, "%zu", i);
        TRY(add_array(w, address, name, number, err));
    }
done:
    return rc;
}

/* Layers of a class are numbered in their order: conv2d, conv2d_1, ... */
static enum status add_class(struct weights *w, uint64_t root, const char *group, const char *class, struct error *err)
{
    char layer[WEIGHTS_MAX_NAME / 2], suffix[16] = "";
    bool found = true;
    enum status rc = OK;

    for (size_t i = 0; found && i < WEIGHTS_MAX_LAYERS; i++) {
        if (i > 0)
            snprintf(suffix, sizeof suffix, "_%zu", i);
        snprintf(layer, sizeof layer, "%s/%s%s", group, class, suffix);
        TRY(add_numbered(w, &found, root, layer, err));
    }
done:
    return rc;
}

/* The order of layers of different classes is not in the file. A BatchNorm could therefore be anywhere. */
static enum status add_classes(struct weights *w, uint64_t root, struct weights_hdf5 *f)
{
    static const char *const groups[] = {"layers/functional/layers", "layers/sequential/layers", "layers"};
    static const char *const unclear[] = {"batch_normalization", "rescaling", "normalization"};
    char layer[WEIGHTS_MAX_NAME / 2];
    uint64_t address = 0;
    enum status rc = OK;

    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        for (size_t i = 0; i < sizeof unclear / sizeof unclear[0]; i++) {
            snprintf(layer, sizeof layer, "%s/%s", groups[g], unclear[i]);
            TRY(weights_hdf5_look(&address, f, root, layer));
            f->where = layer;
            if (address != 0)
                return weights_hdf5_unsupported(f, "the file does not tell where in the network this layer is; save "
                                                   "the whole model: model.save(\"FILE.h5\")");
        }
        TRY(add_class(w, root, groups[g], "conv2d", f->err));
        TRY(add_class(w, root, groups[g], "dense", f->err));
    }
    f->where = "/";
    if (w->nrecords == 0)
        rc = weights_hdf5_unsupported(f, "no attribute 'layer_names' and no group 'layers/conv2d'; save the model with "
                                         "Keras: model.save(\"FILE.h5\")");
done:
    return rc;
}

static enum status open_keras(struct weights *w, struct error *err)
{
    struct keras *k = calloc(1, sizeof *k);
    struct weights_hdf5 f = {.w = w, .where = "/", .err = err};
    struct weights_hdf5_names layers = {0};
    uint64_t root = 0, group;
    bool found = false;
    enum status rc;

    w->state = k;
    if (!k)
        return error_system(err, "%s", w->path);
    f.spent = &k->spent;
    TRY(weights_hdf5_start(&root, &f));
    group = root;
    TRY(find_layers(&layers, &found, &group, &f));
    if (!found)
        return add_classes(w, root, &f);
    TRY(read_config(w, root, &f));
    for (size_t i = 0; i < layers.n; i++)
        TRY(add_layer(w, group, layers.text[i], err));
    if (k->pending)
        rc = weights_hdf5_unsupported(&f, "the file does not tell whether its last BatchNormalization lies before or "
                                          "behind a ReLU; save the whole model: model.save(\"FILE.h5\")");
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

    if (k) {
        weights_keras_config_free(k->config);
        free(k->arrays);
    }
    free(k);
}

const struct weights_format weights_keras_format = {.name = "keras",
                                                    .keras = true,
                                                    .epsilon = WEIGHTS_EPSILON_KERAS,
                                                    .recognise = recognise,
                                                    .open = open_keras,
                                                    .fetch = fetch,
                                                    .close = close_keras};
