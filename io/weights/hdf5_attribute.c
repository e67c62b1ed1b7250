/* Lists of names in attributes: strings of a fixed size, or of any size in a heap of the file. */
#include "io/weights/hdf5.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STRING = 3, /* classes of types */
    VARIABLE = 9,
    MAX_NAMES = 4096,         /* in one attribute */
    MAX_COLLECTION = 1 << 20, /* bytes of a part of the heap */
    COLLECTION_PREFIX = 16,
    REFERENCE = 16
};

/* A parsed attribute. */
struct attribute {
    const unsigned char *name;
    size_t nname;
    struct weights_hdf5_cursor type, space, data;
};

/* A part of the heap of strings. The last one is kept, because usually all strings are in the same one. */
struct collection {
    uint64_t address;
    unsigned char *bytes;
    size_t nbytes;
};

/* A size, with padding to a multiple of 8 if `pad`. */
static size_t padded(size_t n, bool pad)
{
    return pad ? (n + 7) / 8 * 8 : n;
}

static bool parse_attribute(struct attribute *a, const struct weights_hdf5_message *m)
{
    struct weights_hdf5_cursor c = {.at = m->bytes, .left = m->nbytes};
    uint64_t version = weights_hdf5_take(&c, 1), flags = weights_hdf5_take(&c, 1);
    size_t nname = (size_t)weights_hdf5_take(&c, 2), ntype = (size_t)weights_hdf5_take(&c, 2);
    size_t nspace = (size_t)weights_hdf5_take(&c, 2);
    bool pad = version == 1;

    if (m->shared || version < 1 || version > 3 || (version > 1 && flags != 0))
        return false;
    weights_hdf5_skip(&c, version == 3 ? 1 : 0);
    a->name = weights_hdf5_skip(&c, padded(nname, pad));
    a->nname = a->name ? strnlen((const char *)a->name, nname) : 0;
    a->type = (struct weights_hdf5_cursor){.at = weights_hdf5_skip(&c, padded(ntype, pad)), .left = ntype};
    a->space = (struct weights_hdf5_cursor){.at = weights_hdf5_skip(&c, padded(nspace, pad)), .left = nspace};
    a->data = c;
    return !c.bad;
}

static bool find(struct attribute *a, const struct weights_hdf5_object *o, const char *name)
{
    for (size_t i = 0; i < o->nmessages; i++)
        if (o->messages[i].type == WEIGHTS_HDF5_ATTRIBUTE && parse_attribute(a, &o->messages[i]) &&
            a->nname == strlen(name) && memcmp(a->name, name, a->nname) == 0)
            return true;
    return false;
}

static enum status add_name(struct weights_hdf5_names *names, const struct weights_hdf5 *f, const unsigned char *text,
                            size_t limit)
{
    size_t n = strnlen((const char *)text, limit);

    if (!weights_is_name((const char *)text, n))
        return weights_hdf5_damaged(f, "a name in the attribute is empty, too long or not printable");
    memcpy(names->text[names->n], text, n);
    names->text[names->n++][n] = '\0';
    return OK;
}

static enum status read_collection(struct collection *k, const struct weights_hdf5 *f, uint64_t address)
{
    unsigned char prefix[COLLECTION_PREFIX];
    struct weights_hdf5_cursor c = {.at = prefix, .left = sizeof prefix};
    enum status rc;

    if (k->bytes && k->address == address)
        return OK;
    TRY(weights_hdf5_read(prefix, f, address, sizeof prefix));
    if (memcmp(weights_hdf5_skip(&c, 8), "GCOL\1", 5) != 0)
        return weights_hdf5_damaged(f, "a heap of strings is not where it should be");
    uint64_t nbytes = weights_hdf5_take(&c, 8);
    if (nbytes < COLLECTION_PREFIX || nbytes > MAX_COLLECTION || nbytes > f->w->nbytes)
        return weights_hdf5_damaged(f, "a heap of strings has an impossible size");
    free(k->bytes);
    k->address = address;
    k->nbytes = (size_t)nbytes;
    k->bytes = malloc(k->nbytes);
    if (!k->bytes)
        return error_system(f->err, "%s", f->w->path);
    rc = weights_hdf5_read(k->bytes, f, address, k->nbytes);
done:
    return rc;
}

/* The string of a number in a collection; number 0 is the free space at its end. */
static const unsigned char *find_string(size_t *nbytes, const struct collection *k, uint64_t number)
{
    struct weights_hdf5_cursor c = {.at = k->bytes, .left = k->nbytes};

    weights_hdf5_skip(&c, COLLECTION_PREFIX);
    while (!c.bad && c.left > 0) {
        uint64_t own = weights_hdf5_take(&c, 2);
        weights_hdf5_skip(&c, 6);
        uint64_t n = weights_hdf5_take(&c, 8);
        if (own == 0 || n > c.left)
            return NULL;
        *nbytes = (size_t)n;
        const unsigned char *text = weights_hdf5_skip(&c, padded(*nbytes, true));
        if (own == number)
            return text;
    }
    return NULL;
}

/* The string in a heap that a reference names; *text points into the collection. */
static enum status refer(const unsigned char **text, size_t *length, struct collection *k, const struct weights_hdf5 *f,
                         struct weights_hdf5_cursor *c)
{
    uint64_t n = weights_hdf5_take(c, 4), address = weights_hdf5_take(c, 8), number = weights_hdf5_take(c, 4);
    size_t nbytes = 0;
    enum status rc;

    TRY(read_collection(k, f, address));
    TRY(weights_hdf5_spend(f, k->nbytes / COLLECTION_PREFIX));
    *text = find_string(&nbytes, k, number);
    *length = (size_t)n;
    if (!*text || n > nbytes)
        rc = weights_hdf5_damaged(f, "a string of the attribute is missing");
done:
    return rc;
}

static enum status add_variable(struct weights_hdf5_names *names, struct collection *k, const struct weights_hdf5 *f,
                                struct weights_hdf5_cursor *c)
{
    const unsigned char *text = NULL;
    size_t length = 0;
    enum status rc;

    TRY(refer(&text, &length, k, f, c));
    rc = add_name(names, f, text, length);
done:
    return rc;
}

/* Whether an attribute's type is of strings, and the bytes of one in the attribute. */
static bool is_strings(bool *variable, size_t *size, struct attribute *a)
{
    unsigned class = (unsigned)weights_hdf5_take(&a->type, 1) & 15,
             kind = (unsigned)weights_hdf5_take(&a->type, 3) & 15;

    *size = (size_t)weights_hdf5_take(&a->type, 4);
    *variable = class == VARIABLE && kind == 1 && *size == REFERENCE;
    return !a->type.bad && (class == STRING || *variable);
}

static enum status read_attribute(struct weights_hdf5_names *names, const struct weights_hdf5 *f, struct attribute *a)
{
    size_t dims[WEIGHTS_MAX_DIMS], ndim = 0;
    struct collection k = {0};
    enum status rc;

    TRY(weights_hdf5_shape(dims, &ndim, f, a->space));
    if (ndim == 1 && dims[0] == 0)
        return OK; /* Keras writes an empty list as an empty array of numbers */
    bool variable;
    size_t size;
    if (!is_strings(&variable, &size, a) || ndim != 1)
        return weights_hdf5_damaged(f, "the attribute is not a list of names");
    if (size == 0 || dims[0] > MAX_NAMES || dims[0] > a->data.left / size)
        return weights_hdf5_damaged(f, "the attribute is longer than its object header");
    names->text = calloc(dims[0], sizeof *names->text);
    if (!names->text)
        return error_system(f->err, "%s", f->w->path);
    for (size_t i = 0; i < dims[0]; i++)
        TRY(variable ? add_variable(names, &k, f, &a->data)
                     : add_name(names, f, weights_hdf5_skip(&a->data, size), size));
done:
    free(k.bytes);
    return rc;
}

/* The text of an attribute with one string. */
static enum status copy_text(char **text, const struct weights_hdf5 *f, struct attribute *a)
{
    size_t dims[WEIGHTS_MAX_DIMS], ndim = 0, size, length;
    struct collection k = {0};
    const unsigned char *bytes = a->data.at;
    bool variable;
    enum status rc;

    TRY(weights_hdf5_shape(dims, &ndim, f, a->space));
    if (!is_strings(&variable, &size, a) || ndim != 0 || size > a->data.left) {
        rc = weights_hdf5_damaged(f, "the attribute is not a text");
        goto done;
    }
    length = size;
    if (variable)
        TRY(refer(&bytes, &length, &k, f, &a->data));
    *text = strndup((const char *)bytes, length);
    if (!*text)
        rc = error_system(f->err, "%s", f->w->path);
done:
    free(k.bytes);
    return rc;
}

enum status weights_hdf5_read_text(char **text, const struct weights_hdf5 *f, uint64_t address, const char *attribute)
{
    struct weights_hdf5_object o = {0};
    struct attribute a;
    enum status rc;

    *text = NULL;
    TRY(weights_hdf5_open(&o, f, address));
    if (find(&a, &o, attribute))
        TRY(copy_text(text, f, &a));
done:
    weights_hdf5_release(&o);
    return rc;
}

enum status weights_hdf5_read_names(struct weights_hdf5_names *names, bool *found, const struct weights_hdf5 *f,
                                    uint64_t address, const char *attribute)
{
    struct weights_hdf5_object o = {0};
    struct weights_hdf5 inner = *f;
    struct attribute a;
    char where[2 * WEIGHTS_MAX_NAME];
    enum status rc;

    *names = (struct weights_hdf5_names){0};
    snprintf(where, sizeof where, "%s (%s)", f->where, attribute);
    inner.where = where;
    TRY(weights_hdf5_open(&o, &inner, address));
    *found = find(&a, &o, attribute);
    if (*found)
        TRY(read_attribute(names, &inner, &a));
done:
    weights_hdf5_release(&o);
    return rc;
}
