/* The format of torch.save before 1.6, and of the published vgg16-397923af.pth: pickles of a magic number, a version,
 * the properties of the writer's machine, the objects, and the list of storage keys; then every storage in the order of
 * that list, preceded by its number of elements (8 bytes, little endian). */
#include "io/weights/pth.h"

#include <stdlib.h>
#include <string.h>

static const unsigned char magic[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                      0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};
static const unsigned char version[] = {0x80, 0x02, 'M', 0xe9, 0x03, '.'};

/* The pickles of a file, one after the other. */
struct stream {
    const struct weights *w;
    unsigned char *bytes;
    size_t nbytes, at;
};

static bool recognise(const unsigned char *head, size_t nhead)
{
    return nhead >= sizeof magic && memcmp(head, magic, sizeof magic) == 0;
}

static enum status read_pickle(struct weights_pickle *p, struct stream *s, struct error *err)
{
    size_t used = 0;
    enum status rc = weights_pickle_parse(p, &used, s->bytes + s->at, s->nbytes - s->at, s->w->path, err);

    s->at += used;
    return rc;
}

static enum status read_start(struct stream *s, struct error *err)
{
    struct weights_pickle system = {0};
    enum status rc;

    s->at = sizeof magic + sizeof version;
    if (s->nbytes < s->at || memcmp(s->bytes + sizeof magic, version, sizeof version) != 0)
        return error_set(err, FAIL_UNSUPPORTED, "%s: not version 1001 of torch.save's stream format", s->w->path);
    TRY(read_pickle(&system, s, err));
    const struct weights_pickle_value *little =
        weights_pickle_find(&system, &system.values[system.root], "little_endian");
    if (!little || little->kind != WEIGHTS_PICKLE_INTEGER || little->integer != 1)
        rc = error_set(err, FAIL_UNSUPPORTED, "%s: the file was not written by a little-endian machine", s->w->path);
done:
    weights_pickle_release(&system);
    return rc;
}

static size_t find_storage(const struct weights_pickle *p, const struct weights_pickle_value *key)
{
    size_t i = 0;

    while (i < p->nstorages && (key->kind != WEIGHTS_PICKLE_STRING || p->storages[i].nkey != key->length ||
                                memcmp(p->storages[i].key, key->text, key->length) != 0))
        i++;
    return i;
}

/* Locate the storage whose number of elements is at *at, and move *at to its end. */
static enum status place_storage(struct weights_pth_place *place, uint64_t *at, const struct weights *w,
                                 const struct weights_pickle_storage *storage, struct error *err)
{
    unsigned char count[8];
    uint64_t numel = 0;
    enum status rc;

    TRY(weights_pread(count, w, *at, sizeof count, err));
    for (size_t i = sizeof count; i-- > 0;)
        numel = numel << 8 | count[i];
    *at += sizeof count;
    if (numel != storage->numel)
        return error_set(err, FAIL_FORMAT, "%s: storage '%.*s' has %llu elements instead of %zu", w->path,
                         (int)storage->nkey, (const char *)storage->key, (unsigned long long)numel, storage->numel);
    if (numel > (w->nbytes - *at) / storage->dtype->nbytes)
        return error_set(err, FAIL_FORMAT, "%s: storage '%.*s' ends beyond the file; is it truncated?", w->path,
                         (int)storage->nkey, (const char *)storage->key);
    place->offset = *at;
    *at += numel * storage->dtype->nbytes;
done:
    return rc;
}

static enum status place_storages(struct weights_pth_place *places, struct stream *s, const struct weights_pickle *p,
                                  struct error *err)
{
    struct weights_pickle keys = {0};
    uint64_t at;
    size_t nplaced = 0;
    enum status rc;

    TRY(read_pickle(&keys, s, err));
    at = s->at;
    const struct weights_pickle_value *list = &keys.values[keys.root];
    if (list->kind != WEIGHTS_PICKLE_LIST || list->length != p->nstorages) {
        rc = error_set(err, FAIL_FORMAT, "%s: the list of storages does not match the tensors", s->w->path);
        goto done;
    }
    for (long cell = list->first; cell != WEIGHTS_PICKLE_END; cell = keys.cells[cell].next, nplaced++) {
        size_t i = find_storage(p, &keys.values[keys.cells[cell].value]);
        if (i == p->nstorages || places[i].offset != 0) {
            rc = error_set(err, FAIL_FORMAT, "%s: item %zu of the list of storages is unknown or occurs twice",
                           s->w->path, nplaced);
            goto done;
        }
        TRY(place_storage(&places[i], &at, s->w, &p->storages[i], err));
    }
done:
    weights_pickle_release(&keys);
    return rc;
}

static enum status open_stream(struct weights *w, struct error *err)
{
    struct stream s = {.w = w};
    struct weights_pickle objects = {0};
    struct weights_pth_place *places = NULL;
    enum status rc;

    s.nbytes = w->nbytes < WEIGHTS_MAX_HEADER ? (size_t)w->nbytes : WEIGHTS_MAX_HEADER;
    s.bytes = malloc(s.nbytes);
    if (!s.bytes) {
        rc = error_system(err, "%s", w->path);
        goto done;
    }
    TRY(weights_pread(s.bytes, w, 0, s.nbytes, err));
    TRY(read_start(&s, err));
    TRY(read_pickle(&objects, &s, err));
    places = calloc(objects.nstorages + 1, sizeof *places);
    if (!places) {
        rc = error_system(err, "%s", w->path);
        goto done;
    }
    TRY(place_storages(places, &s, &objects, err));
    TRY(weights_pth_add(w, &objects, places, err));
done:
    free(places);
    weights_pickle_release(&objects);
    free(s.bytes);
    return rc;
}

static enum status fetch(unsigned char *bytes, const struct weights *w, const struct weights_record *r, size_t first,
                         size_t n, struct error *err)
{
    return weights_pread(bytes, w, r->offset + (uint64_t)first * r->dtype->nbytes, n * r->dtype->nbytes, err);
}

static void close_stream(struct weights *w)
{
    (void)w;
}

const struct weights_format weights_pth_stream_format = {.name = "pytorch stream",
                                                         .epsilon = WEIGHTS_EPSILON_TORCH,
                                                         .recognise = recognise,
                                                         .open = open_stream,
                                                         .fetch = fetch,
                                                         .close = close_stream};
