#include "io/weights/hdf5.h"

#include <stdlib.h>
#include <string.h>

enum {
    ADDRESS = 8, /* bytes of addresses and lengths; other sizes are refused */
    SUPERBLOCK = 100,
    PREFIX = 16,          /* of an object header, with padding */
    MESSAGE_PREFIX = 8,   /* type, size, flags */
    MAX_HEADER = 1 << 18, /* bytes of an object header */
    NODE_PREFIX = 24,     /* of a B-tree node */
    SYMBOL_PREFIX = 8,
    SYMBOL = 40,
    HEAP_PREFIX = 32,
    MAX_HEAP = 1 << 20,  /* bytes of a group's names */
    MAX_SPENT = 1 << 28, /* bytes of metadata read */
    CHARGE = 64,         /* bytes that every read costs */
    SOFT_LINK = 2
};

uint64_t weights_hdf5_take(struct weights_hdf5_cursor *c, size_t n)
{
    const unsigned char *bytes = weights_hdf5_skip(c, n);
    uint64_t number = 0;

    while (bytes && n-- > 0)
        number = number << 8 | bytes[n];
    return number;
}

const unsigned char *weights_hdf5_skip(struct weights_hdf5_cursor *c, size_t n)
{
    const unsigned char *bytes = c->at;

    if (c->bad || n > c->left) {
        c->bad = true;
        return NULL;
    }
    c->at += n;
    c->left -= n;
    return bytes;
}

enum status weights_hdf5_damaged(const struct weights_hdf5 *f, const char *reason)
{
    return error_set(f->err, FAIL_FORMAT, "%s: '%s': %s", f->w->path, f->where, reason);
}

enum status weights_hdf5_unsupported(const struct weights_hdf5 *f, const char *reason)
{
    return error_set(f->err, FAIL_UNSUPPORTED, "%s: '%s': %s", f->w->path, f->where, reason);
}

enum status weights_hdf5_spend(const struct weights_hdf5 *f, size_t nbytes)
{
    *f->spent += nbytes + CHARGE;
    if (*f->spent > MAX_SPENT)
        return error_set(f->err, FAIL_LIMIT, "%s: '%s': the file's structure is larger than that of any network",
                         f->w->path, f->where);
    return OK;
}

enum status weights_hdf5_read(unsigned char *bytes, const struct weights_hdf5 *f, uint64_t address, size_t n)
{
    enum status rc;

    TRY(weights_hdf5_spend(f, n));
    rc = weights_pread(bytes, f->w, address, n, f->err);
done:
    return rc;
}

/* Read n bytes and set a cursor to their start. */
static enum status read_at(struct weights_hdf5_cursor *c, unsigned char *bytes, const struct weights_hdf5 *f,
                           uint64_t address, size_t n)
{
    *c = (struct weights_hdf5_cursor){.at = bytes, .left = n};
    return weights_hdf5_read(bytes, f, address, n);
}

enum status weights_hdf5_start(uint64_t *root, const struct weights_hdf5 *f)
{
    unsigned char bytes[SUPERBLOCK];
    struct weights_hdf5_cursor c;
    enum status rc;

    TRY(read_at(&c, bytes, f, 0, sizeof bytes));
    weights_hdf5_skip(&c, 8);
    uint64_t version = weights_hdf5_take(&c, 1);
    if (version > 1)
        return weights_hdf5_unsupported(f,
                                        "HDF5 of a newer kind than Keras writes; save it with h5py's default libver");
    weights_hdf5_skip(&c, 4);
    if (weights_hdf5_take(&c, 1) != ADDRESS || weights_hdf5_take(&c, 1) != ADDRESS)
        return weights_hdf5_unsupported(f, "its addresses do not have 8 bytes, as those of h5py have");
    weights_hdf5_skip(&c, version == 0 ? 9 : 13);
    if (weights_hdf5_take(&c, ADDRESS) != 0)
        return weights_hdf5_unsupported(f, "there is other data before the HDF5 data");
    weights_hdf5_skip(&c, ADDRESS);
    if (weights_hdf5_take(&c, ADDRESS) > f->w->nbytes)
        return weights_hdf5_damaged(f, "it is truncated");
    weights_hdf5_skip(&c, (size_t)2 * ADDRESS);
    *root = weights_hdf5_take(&c, ADDRESS);
done:
    return rc;
}

/* ---- object headers ---------------------------------------------------------------------------------------------- */

/* Blocks of an object header that are still to be read. */
struct blocks {
    uint64_t address[WEIGHTS_HDF5_MAX_BLOCKS];
    size_t nbytes[WEIGHTS_HDF5_MAX_BLOCKS];
    size_t n, total;
};

static enum status add_block(struct blocks *b, const struct weights_hdf5 *f, uint64_t address, uint64_t nbytes)
{
    if (b->n == WEIGHTS_HDF5_MAX_BLOCKS || nbytes > MAX_HEADER - b->total || nbytes > f->w->nbytes)
        return weights_hdf5_damaged(f, "an object header is too large");
    b->address[b->n] = address;
    b->nbytes[b->n++] = (size_t)nbytes;
    b->total += (size_t)nbytes;
    return OK;
}

static enum status add_messages(struct weights_hdf5_object *o, size_t *capacity, struct blocks *blocks,
                                const struct weights_hdf5 *f, struct weights_hdf5_cursor c, uint64_t address)
{
    const unsigned char *start = c.at;
    enum status rc = OK;

    while (c.left >= MESSAGE_PREFIX) {
        struct weights_hdf5_message m = {.type = (unsigned)weights_hdf5_take(&c, 2)};
        m.nbytes = (size_t)weights_hdf5_take(&c, 2);
        m.shared = (weights_hdf5_take(&c, 1) & 2) != 0;
        weights_hdf5_skip(&c, 3);
        m.address = address + (uint64_t)(c.at - start);
        m.bytes = weights_hdf5_skip(&c, m.nbytes);
        if (!m.bytes)
            return weights_hdf5_damaged(f, "a message is longer than its object header");
        struct weights_hdf5_message *messages = weights_grow(o->messages, capacity, o->nmessages, sizeof *messages);
        if (!messages)
            return error_system(f->err, "%s", f->w->path);
        o->messages = messages;
        o->messages[o->nmessages++] = m;
        struct weights_hdf5_cursor body = {.at = m.bytes, .left = m.nbytes};
        uint64_t next = weights_hdf5_take(&body, ADDRESS), nbytes = weights_hdf5_take(&body, ADDRESS);
        if (m.type == WEIGHTS_HDF5_CONTINUATION && !body.bad)
            TRY(add_block(blocks, f, next, nbytes));
    }
done:
    return rc;
}

enum status weights_hdf5_open(struct weights_hdf5_object *o, const struct weights_hdf5 *f, uint64_t address)
{
    unsigned char prefix[PREFIX];
    struct weights_hdf5_cursor c;
    struct blocks blocks = {.n = 0};
    size_t capacity = 0;
    enum status rc;

    *o = (struct weights_hdf5_object){0};
    TRY(read_at(&c, prefix, f, address, sizeof prefix));
    if (memcmp(prefix, "OHDR", 4) == 0)
        return weights_hdf5_unsupported(
            f, "an object of a newer kind than Keras writes; save it with h5py's default libver");
    if (weights_hdf5_take(&c, 1) != 1)
        return weights_hdf5_damaged(f, "an object header is not where it should be");
    weights_hdf5_skip(&c, 7);
    TRY(add_block(&blocks, f, address + PREFIX, weights_hdf5_take(&c, 4)));
    for (size_t b = 0; b < blocks.n; b++) {
        o->blocks[b] = malloc(blocks.nbytes[b] + 1);
        if (!o->blocks[b])
            return error_system(f->err, "%s", f->w->path);
        TRY(read_at(&c, o->blocks[b], f, blocks.address[b], blocks.nbytes[b]));
        TRY(add_messages(o, &capacity, &blocks, f, c, blocks.address[b]));
    }
done:
    return rc;
}

void weights_hdf5_release(struct weights_hdf5_object *o)
{
    for (size_t b = 0; b < WEIGHTS_HDF5_MAX_BLOCKS; b++)
        free(o->blocks[b]);
    free(o->messages);
    *o = (struct weights_hdf5_object){0};
}

const struct weights_hdf5_message *weights_hdf5_message(const struct weights_hdf5_object *o, unsigned type)
{
    for (size_t i = 0; i < o->nmessages; i++)
        if (o->messages[i].type == type)
            return &o->messages[i];
    return NULL;
}

/* ---- groups ---------------------------------------------------------------------------------------------------- */

/* A search for a name in a group's tree. */
struct search {
    const struct weights_hdf5 *f;
    const char *name;
    size_t nname;
    unsigned char *heap; /* the group's names */
    size_t nheap;        /* its bytes */
    uint64_t found;      /* the object's address, or 0 */
};

static enum status read_heap(struct search *s, uint64_t address)
{
    unsigned char prefix[HEAP_PREFIX];
    struct weights_hdf5_cursor c;
    enum status rc;

    TRY(read_at(&c, prefix, s->f, address, sizeof prefix));
    if (memcmp(weights_hdf5_skip(&c, 8), "HEAP\0", 5) != 0)
        return weights_hdf5_damaged(s->f, "the names of a group are not where they should be");
    uint64_t nbytes = weights_hdf5_take(&c, ADDRESS);
    weights_hdf5_skip(&c, ADDRESS);
    if (nbytes == 0 || nbytes > MAX_HEAP || nbytes > s->f->w->nbytes)
        return weights_hdf5_damaged(s->f, "the names of a group have an impossible size");
    s->nheap = (size_t)nbytes;
    s->heap = malloc(s->nheap);
    if (!s->heap)
        return error_system(s->f->err, "%s", s->f->w->path);
    rc = weights_hdf5_read(s->heap, s->f, weights_hdf5_take(&c, ADDRESS), s->nheap);
done:
    return rc;
}

static bool is_wanted(const struct search *s, uint64_t offset)
{
    return offset < s->nheap && s->nname < s->nheap - offset && memcmp(s->heap + offset, s->name, s->nname) == 0 &&
           s->heap[offset + s->nname] == '\0';
}

static enum status search_symbols(struct search *s, uint64_t address)
{
    unsigned char prefix[SYMBOL_PREFIX], symbol[SYMBOL];
    struct weights_hdf5_cursor c;
    enum status rc;

    TRY(read_at(&c, prefix, s->f, address, sizeof prefix));
    if (memcmp(weights_hdf5_skip(&c, 6), "SNOD\1", 5) != 0)
        return weights_hdf5_damaged(s->f, "a node of a group is not where it should be");
    size_t n = (size_t)weights_hdf5_take(&c, 2);
    for (size_t i = 0; i < n && !s->found; i++) {
        TRY(read_at(&c, symbol, s->f, address + SYMBOL_PREFIX + i * SYMBOL, sizeof symbol));
        bool wanted = is_wanted(s, weights_hdf5_take(&c, ADDRESS));
        uint64_t object = weights_hdf5_take(&c, ADDRESS);
        if (wanted && weights_hdf5_take(&c, 4) == SOFT_LINK)
            return weights_hdf5_unsupported(s->f, "it is a link, and links are not followed");
        if (wanted)
            s->found = object;
    }
done:
    return rc;
}

/* Search the tree below a node, which must be below `level` unless that is negative. Levels decrease, so the search
 * ends. */
static enum status search_tree(struct search *s, uint64_t address, int level)
{
    unsigned char prefix[NODE_PREFIX], child[2 * ADDRESS];
    struct weights_hdf5_cursor c;
    enum status rc;

    TRY(read_at(&c, prefix, s->f, address, sizeof prefix));
    if (memcmp(weights_hdf5_skip(&c, 5), "TREE\0", 5) != 0)
        return weights_hdf5_damaged(s->f, "a node of a group is not where it should be");
    int own = (int)weights_hdf5_take(&c, 1);
    size_t n = (size_t)weights_hdf5_take(&c, 2);
    if (own >= level && level >= 0)
        return weights_hdf5_damaged(s->f, "the nodes of a group are out of order");
    for (size_t i = 0; i < n && !s->found; i++) {
        TRY(read_at(&c, child, s->f, address + NODE_PREFIX + i * sizeof child, sizeof child));
        weights_hdf5_skip(&c, ADDRESS);
        uint64_t below = weights_hdf5_take(&c, ADDRESS);
        TRY(own > 0 ? search_tree(s, below, own) : search_symbols(s, below));
    }
done:
    return rc;
}

/* *address is 0 if the group has no such member. */
static enum status find_member(uint64_t *address, const struct weights_hdf5 *f, uint64_t group, const char *name,
                               size_t nname)
{
    struct weights_hdf5_object o = {0};
    struct search s = {.f = f, .name = name, .nname = nname};
    enum status rc;

    TRY(weights_hdf5_open(&o, f, group));
    const struct weights_hdf5_message *m = weights_hdf5_message(&o, WEIGHTS_HDF5_SYMBOLS);
    if (!m || m->shared) {
        bool newer = weights_hdf5_message(&o, WEIGHTS_HDF5_LINK) || weights_hdf5_message(&o, WEIGHTS_HDF5_LINK_INFO);
        rc = newer ? weights_hdf5_unsupported(f, "its group has external or soft links, which are not followed, or is "
                                                 "of a newer kind than Keras writes")
                   : weights_hdf5_damaged(f, "its path contains an object that is not a group");
        goto done;
    }
    struct weights_hdf5_cursor c = {.at = m->bytes, .left = m->nbytes};
    uint64_t tree = weights_hdf5_take(&c, ADDRESS), heap = weights_hdf5_take(&c, ADDRESS);
    if (c.bad) {
        rc = weights_hdf5_damaged(f, "the description of a group is damaged");
        goto done;
    }
    TRY(read_heap(&s, heap));
    TRY(search_tree(&s, tree, -1));
    *address = s.found;
done:
    free(s.heap);
    weights_hdf5_release(&o);
    return rc;
}

enum status weights_hdf5_look(uint64_t *address, const struct weights_hdf5 *f, uint64_t group, const char *path)
{
    enum status rc = OK;

    *address = group;
    for (size_t n; *path && *address != 0; path += n + (path[n] == '/')) {
        n = strcspn(path, "/");
        TRY(find_member(address, f, *address, path, n));
    }
done:
    return rc;
}

enum status weights_hdf5_find(uint64_t *address, const struct weights_hdf5 *f, uint64_t group, const char *path)
{
    enum status rc = weights_hdf5_look(address, f, group, path);

    if (rc == OK && *address == 0)
        rc = error_set(f->err, FAIL_FORMAT, "%s: '%s': there is no such object in the file", f->w->path, f->where);
    return rc;
}
