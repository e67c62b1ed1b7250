/* The format of torch.save since 1.6: a zip archive with NAME/data.pkl and an uncompressed NAME/data/KEY for every
 * storage. */
#include "io/weights/pth.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zip.h>

enum { MAX_ENTRY_NAME = 600 };

struct archive {
    zip_t *zip;
    zip_file_t *file;           /* the entry that is read, or NULL */
    uint64_t entry, at, nbytes; /* its number, the next byte and its size */
};

static bool recognise(const unsigned char *head, size_t nhead)
{
    return nhead >= 4 && memcmp(head, "PK\3\4", 4) == 0;
}

static enum status open_archive(struct archive *a, const struct weights *w, struct error *err)
{
    int code = 0, copy = fcntl(w->fd, F_DUPFD_CLOEXEC, 0);

    if (copy < 0)
        return error_system(err, "%s", w->path);
    a->zip = zip_fdopen(copy, ZIP_CHECKCONS, &code);
    if (a->zip)
        return OK;
    close(copy);
    zip_error_t why;
    zip_error_init_with_code(&why, code);
    error_set(err, FAIL_FORMAT, "%s: the zip archive cannot be opened; is it truncated? %s", w->path,
              zip_error_strerror(&why));
    zip_error_fini(&why);
    return FAIL_FORMAT;
}

/* The size of an entry, which must be stored without compression. */
static enum status entry_bytes(uint64_t *nbytes, const struct archive *a, const struct weights *w, uint64_t entry,
                               struct error *err)
{
    const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    zip_stat_t st;

    if (zip_stat_index(a->zip, entry, 0, &st) != 0 || (st.valid & needed) != needed)
        return error_set(err, FAIL_FORMAT, "%s: zip entry %llu cannot be read: %s", w->path, (unsigned long long)entry,
                         zip_strerror(a->zip));
    if (st.comp_method != ZIP_CM_STORE || st.encryption_method != ZIP_EM_NONE || st.size != st.comp_size)
        return error_set(err, FAIL_UNSUPPORTED,
                         "%s: zip entry %llu is compressed or encrypted, which torch.save does not do", w->path,
                         (unsigned long long)entry);
    if (st.size > w->nbytes)
        return error_set(err, FAIL_FORMAT, "%s: zip entry %llu is larger than the file", w->path,
                         (unsigned long long)entry);
    *nbytes = st.size;
    return OK;
}

static enum status open_entry(struct archive *a, const struct weights *w, uint64_t entry, struct error *err)
{
    enum status rc;

    TRY(entry_bytes(&a->nbytes, a, w, entry, err));
    if (a->file)
        zip_fclose(a->file);
    a->file = zip_fopen_index(a->zip, entry, 0);
    a->entry = entry;
    a->at = 0;
    if (!a->file)
        rc = error_set(err, FAIL_FORMAT, "%s: zip entry %llu cannot be opened: %s", w->path, (unsigned long long)entry,
                       zip_strerror(a->zip));
done:
    return rc;
}

/* Read n bytes of an entry. If an entry is read from its start to its end, libzip checks its checksum. */
static enum status read_entry(unsigned char *bytes, struct archive *a, const struct weights *w, uint64_t entry,
                              uint64_t offset, size_t n, struct error *err)
{
    unsigned char none;
    enum status rc = OK;

    if (!a->file || a->entry != entry)
        TRY(open_entry(a, w, entry, err));
    if (a->at != offset && zip_fseek(a->file, (zip_int64_t)offset, SEEK_SET) != 0)
        return error_set(err, FAIL_FORMAT, "%s: zip entry %llu ends before its byte %llu", w->path,
                         (unsigned long long)entry, (unsigned long long)offset);
    a->at = offset;
    while (n > 0) {
        zip_int64_t got = zip_fread(a->file, bytes, n);
        if (got <= 0)
            return error_set(err, FAIL_FORMAT, "%s: zip entry %llu is damaged: %s", w->path, (unsigned long long)entry,
                             got < 0 ? zip_file_strerror(a->file) : "it ends too early");
        bytes += got;
        a->at += (uint64_t)got;
        n -= (size_t)got;
    }
    if (a->at == a->nbytes && zip_fread(a->file, &none, 1) != 0)
        rc = error_set(err, FAIL_FORMAT, "%s: zip entry %llu is damaged: %s", w->path, (unsigned long long)entry,
                       zip_file_strerror(a->file));
done:
    return rc;
}

/* The entry NAME/data.pkl, and the length of "NAME/". */
static enum status find_pickle(uint64_t *entry, size_t *nprefix, const struct archive *a, const struct weights *w,
                               struct error *err)
{
    static const char pickle[] = "data.pkl", keras[] = "model.weights.h5", array[] = ".npy";
    const char *what = "a zip archive without NAME/data.pkl is not a file of torch.save";
    zip_int64_t n = zip_get_num_entries(a->zip, 0);

    for (zip_int64_t i = 0; i < n; i++) {
        const char *name = zip_get_name(a->zip, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
        const char *slash = name ? strchr(name, '/') : NULL;
        if (name && strcmp(name, keras) == 0)
            what =
                "it is Keras 3's archive, save it as HDF5, in Python: import keras; keras.models.load_model(\"FILE\")."
                "save(\"FILE.h5\")";
        if (name && strlen(name) > strlen(array) && strcmp(name + strlen(name) - strlen(array), array) == 0)
            what =
                "it holds arrays of NumPy, convert them, in Python: import numpy, torch; torch.save({k: torch.as_tensor"
                "(v) for k, v in numpy.load(\"FILE\").items()}, \"weights.pth\")";
        if (!slash || strcmp(slash + 1, pickle) != 0)
            continue;
        *entry = (uint64_t)i;
        *nprefix = (size_t)(slash + 1 - name);
        if (*nprefix <= WEIGHTS_MAX_NAME)
            return OK;
    }
    return error_set(err, FAIL_UNSUPPORTED, "%s: %s", w->path, what);
}

static enum status read_pickle(unsigned char **bytes, size_t *nbytes, struct archive *a, const struct weights *w,
                               uint64_t entry, struct error *err)
{
    uint64_t size = 0;
    enum status rc;

    TRY(entry_bytes(&size, a, w, entry, err));
    if (size > WEIGHTS_MAX_HEADER)
        return error_set(err, FAIL_LIMIT, "%s: data.pkl has %llu bytes; at most %d are read", w->path,
                         (unsigned long long)size, WEIGHTS_MAX_HEADER);
    *nbytes = (size_t)size;
    *bytes = malloc(*nbytes + 1);
    if (!*bytes)
        return error_system(err, "%s", w->path);
    rc = read_entry(*bytes, a, w, entry, 0, *nbytes, err);
done:
    return rc;
}

/* NAME/byteorder, if it exists, is the byte order of the numbers. */
static enum status check_byteorder(struct archive *a, const struct weights *w, const char *prefix, size_t nprefix,
                                   struct error *err)
{
    static const char little[] = "little";
    unsigned char text[sizeof little] = {0};
    char name[MAX_ENTRY_NAME];
    uint64_t nbytes = 0;
    enum status rc;

    snprintf(name, sizeof name, "%.*sbyteorder", (int)nprefix, prefix);
    zip_int64_t entry = zip_name_locate(a->zip, name, 0);
    if (entry < 0)
        return OK;
    TRY(entry_bytes(&nbytes, a, w, (uint64_t)entry, err));
    if (nbytes < sizeof text)
        TRY(read_entry(text, a, w, (uint64_t)entry, 0, (size_t)nbytes, err));
    if (strcmp((const char *)text, little) != 0)
        rc = error_set(err, FAIL_UNSUPPORTED, "%s: the file was not written by a little-endian machine", w->path);
done:
    return rc;
}

static enum status place_storage(struct weights_pth_place *place, const struct archive *a, const struct weights *w,
                                 const struct weights_pickle_storage *s, const char *prefix, size_t nprefix,
                                 struct error *err)
{
    char name[MAX_ENTRY_NAME];
    uint64_t nbytes = 0;
    enum status rc;

    snprintf(name, sizeof name, "%.*sdata/%.*s", (int)nprefix, prefix, (int)s->nkey, (const char *)s->key);
    zip_int64_t entry = zip_name_locate(a->zip, name, 0);
    if (entry < 0)
        return error_set(err, FAIL_FORMAT, "%s: storage '%.*s' is missing in the archive", w->path, (int)s->nkey,
                         (const char *)s->key);
    TRY(entry_bytes(&nbytes, a, w, (uint64_t)entry, err));
    if (nbytes % s->dtype->nbytes != 0 || nbytes / s->dtype->nbytes != s->numel)
        return error_set(err, FAIL_FORMAT, "%s: storage '%.*s' has %llu bytes instead of %zu times %zu", w->path,
                         (int)s->nkey, (const char *)s->key, (unsigned long long)nbytes, s->numel, s->dtype->nbytes);
    place->entry = (uint64_t)entry;
done:
    return rc;
}

static enum status open_zip(struct weights *w, struct error *err)
{
    struct archive *a = calloc(1, sizeof *a);
    struct weights_pickle p = {0};
    struct weights_pth_place *places = NULL;
    unsigned char *bytes = NULL;
    size_t nbytes = 0, nprefix = 0, used = 0;
    uint64_t entry = 0;
    enum status rc;

    w->state = a;
    if (!a)
        return error_system(err, "%s", w->path);
    TRY(open_archive(a, w, err));
    TRY(find_pickle(&entry, &nprefix, a, w, err));
    const char *prefix = zip_get_name(a->zip, entry, ZIP_FL_ENC_RAW);
    TRY(check_byteorder(a, w, prefix, nprefix, err));
    TRY(read_pickle(&bytes, &nbytes, a, w, entry, err));
    TRY(weights_pickle_parse(&p, &used, bytes, nbytes, w->path, err));
    places = calloc(p.nstorages + 1, sizeof *places);
    if (!places) {
        rc = error_system(err, "%s", w->path);
        goto done;
    }
    for (size_t i = 0; i < p.nstorages; i++)
        TRY(place_storage(&places[i], a, w, &p.storages[i], prefix, nprefix, err));
    TRY(weights_pth_add(w, &p, places, err));
done:
    free(places);
    weights_pickle_release(&p);
    free(bytes);
    return rc;
}

static enum status fetch(unsigned char *bytes, const struct weights *w, const struct weights_record *r, size_t first,
                         size_t n, struct error *err)
{
    size_t nbytes = r->dtype->nbytes;

    return read_entry(bytes, w->state, w, r->entry, r->offset + (uint64_t)first * nbytes, n * nbytes, err);
}

static void close_zip(struct weights *w)
{
    struct archive *a = w->state;

    if (!a)
        return;
    if (a->file)
        zip_fclose(a->file);
    if (a->zip)
        zip_discard(a->zip);
    free(a);
}

const struct weights_format weights_pth_zip_format = {.name = "pytorch zip",
                                                      .epsilon = WEIGHTS_EPSILON_TORCH,
                                                      .recognise = recognise,
                                                      .open = open_zip,
                                                      .fetch = fetch,
                                                      .close = close_zip};
