#include "io/store/internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the UTF-8 character at `text`, which ends with NUL; 0 if it is not valid. Surrogates, overlong forms and
 * codes above U+10FFFF are not valid. */
static size_t character_bytes(const unsigned char *text)
{
    static const struct {
        unsigned char first, last; /* of the first byte */
        unsigned char low, high;   /* of the second one */
        size_t nbytes;
    } forms[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    if (text[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (text[0] < forms[i].first || text[0] > forms[i].last)
            continue;
        if (text[1] < forms[i].low || text[1] > forms[i].high)
            return 0;
        for (size_t k = 2; k < forms[i].nbytes; k++)
            if ((text[k] & 0xc0) != 0x80)
                return 0;
        return forms[i].nbytes;
    }
    return 0;
}

enum { ESCAPE = 4 }; /* bytes of \xNN */

/* Bytes of the text that the next character consists of; *stored: those that it takes in the store. */
static size_t next_character(const char *text, size_t *stored)
{
    size_t nbytes = character_bytes((const unsigned char *)text);

    *stored = nbytes ? nbytes : ESCAPE;
    return nbytes ? nbytes : 1;
}

static void put_escape(char *to, char byte)
{
    char escape[ESCAPE + 1];

    snprintf(escape, sizeof escape, "\\x%02X", (unsigned)(unsigned char)byte);
    memcpy(to, escape, ESCAPE);
}

size_t store_text_bytes(const char *text)
{
    size_t total = 0, stored;

    for (; *text; total += stored)
        text += next_character(text, &stored);
    return total;
}

void store_copy_text(char *to, size_t width, const char *from)
{
    size_t at = 0, stored;

    for (size_t nbytes; *from; at += stored, from += nbytes) {
        nbytes = next_character(from, &stored);
        if (stored > width - at)
            break;
        if (stored == nbytes)
            memcpy(to + at, from, nbytes);
        else
            put_escape(to + at, *from);
    }
    memset(to + at, 0, width - at);
}

/* A backslash that would read as an escape. */
static bool looks_escaped(const char *text)
{
    return text[0] == '\\' && text[1] == 'x' && isxdigit((unsigned char)text[2]) && isxdigit((unsigned char)text[3]);
}

char *store_escape_name(const char *name)
{
    size_t size = ESCAPE * strlen(name) + 1, at = 0, stored;
    char *out = malloc(size);

    if (!out)
        return NULL;
    for (size_t nbytes; *name; at += stored, name += nbytes) {
        nbytes = next_character(name, &stored);
        if (stored == nbytes && !looks_escaped(name)) {
            memcpy(out + at, name, nbytes);
            continue;
        }
        stored = ESCAPE;
        put_escape(out + at, *name);
    }
    out[at] = '\0';
    return out;
}

/* The value of an attribute. */
struct value {
    hid_t file, memory; /* type of an element in the file and in memory */
    size_t count;       /* elements; one is a scalar, several are an array */
    const void *data;   /* [count] */
};

static enum status set_attribute(const struct store *store, hid_t object, const char *path, const char *name,
                                 const struct value *value, struct error *err)
{
    hsize_t dims = value->count;
    hid_t space = value->count == 1 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &dims, NULL);
    hid_t attribute = H5I_INVALID_HID;
    bool ok = value->file >= 0 && value->memory >= 0 && space >= 0;

    if (ok && H5Aexists(object, name) > 0)
        ok = H5Adelete(object, name) >= 0;
    if (ok)
        attribute = H5Acreate2(object, name, value->file, space, H5P_DEFAULT, H5P_DEFAULT);
    ok = attribute >= 0 && H5Awrite(attribute, value->memory, value->data) >= 0;
    h5_close(&attribute);
    h5_close(&space);
    return ok ? OK : store_write_failure(store, path, err);
}

enum status store_attribute_texts(const struct store *store, hid_t object, const char *path, const char *name,
                                  const char *const *values, size_t count, struct error *err)
{
    size_t width = 1;

    for (size_t i = 0; i < count; i++)
        width = store_text_bytes(values[i]) > width ? store_text_bytes(values[i]) : width;
    char *padded = malloc(width * count);

    if (!padded)
        return error_system(err, "%s: no memory for the attribute %s of /%s", h5_atomic_path(store->atomic), name,
                            path);
    for (size_t i = 0; i < count; i++)
        store_copy_text(padded + i * width, width, values[i]);
    hid_t type = h5_text_type(width);
    const struct value value = {type, type, count, padded};
    enum status rc = set_attribute(store, object, path, name, &value, err);

    h5_close(&type);
    free(padded);
    return rc;
}

enum status store_attribute_text(const struct store *store, hid_t object, const char *path, const char *name,
                                 const char *value, struct error *err)
{
    return store_attribute_texts(store, object, path, name, &value, 1, err);
}

void store_flag_meanings(char text[STORE_FLAG_MEANINGS_BYTES])
{
    size_t at = 0;

    for (int64_t i = 0; i < STORE_NSTATUS && at < STORE_FLAG_MEANINGS_BYTES; i++)
        at += (size_t)snprintf(text + at, STORE_FLAG_MEANINGS_BYTES - at, "%s%s", i ? " " : "", store_status_name(i));
}

enum status store_attribute_flags(const struct store *store, hid_t dataset, const char *path, struct error *err)
{
    uint8_t numbers[STORE_NSTATUS];
    const struct value values = {H5T_STD_U8LE, H5T_NATIVE_UINT8, STORE_NSTATUS, numbers};
    char meanings[STORE_FLAG_MEANINGS_BYTES];
    enum status rc;

    for (uint8_t i = 0; i < STORE_NSTATUS; i++)
        numbers[i] = i;
    store_flag_meanings(meanings);
    TRY(set_attribute(store, dataset, path, "flag_values", &values, err));
    TRY(store_attribute_text(store, dataset, path, "flag_meanings", meanings, err));
done:
    return rc;
}

/* ---- groups and objects ---------------------------------------------------------------------------------------- */

static hid_t make_group(hid_t file, const char *path)
{
    hid_t creation = H5Pcreate(H5P_GROUP_CREATE), links = H5Pcreate(H5P_LINK_CREATE), group = H5I_INVALID_HID;

    if (h5_set_group(creation) >= 0 && H5Pset_char_encoding(links, H5T_CSET_UTF8) >= 0)
        group = H5Gcreate2(file, path, links, creation, H5P_DEFAULT);
    h5_close(&links);
    h5_close(&creation);
    return group;
}

enum status store_make_groups(const struct store *store, const char *path, struct error *err)
{
    hid_t file = h5_atomic_file(store->atomic);
    char part[4 * STORE_NAME];

    for (const char *slash = path; (slash = strchr(slash, '/')); slash++) {
        size_t length = (size_t)(slash - path);

        if (length >= sizeof part)
            return error_set(err, FAIL_FORMAT, "%s: the path %s is too long", h5_atomic_path(store->atomic), path);
        memcpy(part, path, length);
        part[length] = '\0';
        if (H5Lexists(file, part, H5P_DEFAULT) > 0)
            continue;
        hid_t group = make_group(file, part);

        if (group < 0)
            return store_write_failure(store, part, err);
        h5_close(&group);
    }
    return OK;
}

/* Open the object of an attribute; a group of the table is created if it does not exist. */
static enum status open_object(hid_t *object, const struct store *store, const char *path, struct error *err)
{
    hid_t file = h5_atomic_file(store->atomic);

    *object = H5I_INVALID_HID;
    if (h5_exists(file, path)) {
        *object = H5Oopen(file, path[0] ? path : "/", H5P_DEFAULT);
    } else {
        if (!store_find_group(path))
            return error_set(err, FAIL_FORMAT, "%s: /%s has not been written and is not a group of the store",
                             h5_atomic_path(store->atomic), path);
        enum status rc = store_make_groups(store, path, err);

        if (rc != OK)
            return rc;
        *object = make_group(file, path);
    }
    return *object < 0 ? store_write_failure(store, path, err) : OK;
}

enum status store_set_text(struct store *store, const char *object, const char *name, const char *value,
                           struct error *err)
{
    hid_t id;
    enum status rc = open_object(&id, store, object, err);

    if (rc == OK)
        rc = store_attribute_text(store, id, object, name, value, err);
    h5_close(&id);
    return rc;
}

enum status store_set_int(struct store *store, const char *object, const char *name, int64_t value, struct error *err)
{
    const struct value integer = {H5T_STD_I64LE, H5T_NATIVE_INT64, 1, &value};
    hid_t id;
    enum status rc = open_object(&id, store, object, err);

    if (rc == OK)
        rc = set_attribute(store, id, object, name, &integer, err);
    h5_close(&id);
    return rc;
}

enum status store_set_real(struct store *store, const char *object, const char *name, double value, struct error *err)
{
    const struct value real = {H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 1, &value};
    hid_t id;
    enum status rc = open_object(&id, store, object, err);

    if (rc == OK)
        rc = set_attribute(store, id, object, name, &real, err);
    h5_close(&id);
    return rc;
}
