#include "io/store/sandboxed.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ATTRIBUTE = 1 << 26 };

/* ---- opening --------------------------------------------------------------------------------------------------- */

static enum status check_format(struct store_sandboxed *reader, struct error *err)
{
    enum status rc = OK;
    char *format = NULL;

    if (!store_sandboxed_has_attribute(reader, "", "format"))
        return error_set(err, FAIL_FORMAT, "%s: is an HDF5 file, but not a store of nrmflow", reader->path);
    TRY(store_sandboxed_get_text(&format, reader, "", "format", err));
    if (!format || strcmp(format, "nrmflow") != 0) {
        rc = error_set(err, FAIL_FORMAT, "%s: is an HDF5 file of another format, not a store of nrmflow", reader->path);
        goto done;
    }
    TRY(store_sandboxed_get_int(&reader->version, reader, "", "format_version", err));
    if (reader->version > STORE_FORMAT_VERSION)
        rc = error_set(err, FAIL_UNSUPPORTED,
                       "%s: has format version %lld, but this program reads versions up to %d; update nrmflow",
                       reader->path, (long long)reader->version, (int)STORE_FORMAT_VERSION);
    else if (reader->version < 1)
        rc = error_set(err, FAIL_FORMAT, "%s: has the impossible format version %lld", reader->path,
                       (long long)reader->version);
done:
    free(format);
    return rc;
}

enum status store_sandboxed_open(struct store_sandboxed *reader, struct error *err)
{
    enum status rc = OK;

    TRY(h5_open(&reader->file, reader->path, err));
    if (H5Fget_filesize(reader->file, &reader->nbytes) < 0) {
        rc = h5_error(err, FAIL_SYSTEM, "%s: its size cannot be determined", reader->path);
        goto done;
    }
    TRY(check_format(reader, err));
done:
    return rc;
}

enum status store_sandboxed_guard(const struct store_sandboxed *reader, const char *path, struct error *err)
{
    return h5_compact(reader->file, path)
               ? OK
               : error_set(err, FAIL_UNSUPPORTED,
                           "%s: the groups at /%s are damaged, or another program has rewritten them in a form that is "
                           "not read; use the original file",
                           reader->path, path);
}

static enum status open_object(hid_t *object, const struct store_sandboxed *reader, const char *path, struct error *err)
{
    enum status rc = store_sandboxed_guard(reader, path, err);

    *object = H5I_INVALID_HID;
    return rc == OK ? h5_open_object(object, reader->file, path, reader->path, err) : rc;
}

bool store_sandboxed_has(const struct store_sandboxed *reader, const char *path)
{
    return store_sandboxed_guard(reader, path, NULL) == OK && h5_exists(reader->file, path);
}

/* ---- attributes ------------------------------------------------------------------------------------------------ */

bool store_sandboxed_has_attribute(const struct store_sandboxed *reader, const char *object, const char *name)
{
    hid_t id;
    bool found = open_object(&id, reader, object, NULL) == OK && H5Aexists(id, name) > 0;

    h5_close(&id);
    H5Eclear2(H5E_DEFAULT);
    return found;
}

static enum status attribute_failure(const struct store_sandboxed *reader, const char *object, const char *name,
                                     const char *what, struct error *err)
{
    return h5_error(err, FAIL_FORMAT, "%s: the attribute %s of /%s %s", reader->path, name, object, what);
}

static enum status open_attribute(hid_t *attribute, hid_t *type, const struct store_sandboxed *reader,
                                  const char *object, const char *name, struct error *err)
{
    hid_t id, space = H5I_INVALID_HID;

    *attribute = *type = H5I_INVALID_HID;
    enum status rc = open_object(&id, reader, object, err);

    if (rc != OK)
        return rc;
    if (H5Aexists(id, name) <= 0) {
        rc = attribute_failure(reader, object, name, "is missing", err);
    } else {
        *attribute = H5Aopen(id, name, H5P_DEFAULT);
        space = *attribute < 0 ? H5I_INVALID_HID : H5Aget_space(*attribute);
        *type = *attribute < 0 ? H5I_INVALID_HID : H5Aget_type(*attribute);
        if (*type < 0 || space < 0)
            rc = attribute_failure(reader, object, name, "is damaged", err);
        else if (H5Sget_simple_extent_type(space) != H5S_SCALAR)
            rc = attribute_failure(reader, object, name, "is not a single value", err);
    }
    h5_close(&space);
    h5_close(&id);
    return rc;
}

bool store_sandboxed_fixed_text(hid_t type)
{
    return H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0;
}

enum status store_sandboxed_get_text(char **out, const struct store_sandboxed *reader, const char *object,
                                     const char *name, struct error *err)
{
    enum status rc = OK;
    hid_t attribute = H5I_INVALID_HID, type = H5I_INVALID_HID;
    char *text = NULL;

    *out = NULL;
    TRY(open_attribute(&attribute, &type, reader, object, name, err));
    size_t nbytes = H5Tget_size(type);

    if (!store_sandboxed_fixed_text(type) || nbytes == 0 || nbytes > MAX_ATTRIBUTE) {
        rc = attribute_failure(reader, object, name, "is not text of a fixed length", err);
        goto done;
    }
    text = calloc(nbytes + 1, 1);
    if (!text) {
        rc = error_system(err, "%s: no memory for the attribute %s", reader->path, name);
        goto done;
    }
    if (H5Aread(attribute, type, text) < 0) {
        rc = attribute_failure(reader, object, name, "cannot be read", err);
        goto done;
    }
    *out = text;
    text = NULL;
done:
    free(text);
    h5_close(&type);
    h5_close(&attribute);
    return rc;
}

static enum status get_number(void *out, hid_t memory, bool integer, const struct store_sandboxed *reader,
                              const char *object, const char *name, struct error *err)
{
    enum status rc = OK;
    hid_t attribute = H5I_INVALID_HID, type = H5I_INVALID_HID;

    TRY(open_attribute(&attribute, &type, reader, object, name, err));
    H5T_class_t class = H5Tget_class(type);

    if (class != H5T_INTEGER && (integer || class != H5T_FLOAT))
        rc = attribute_failure(reader, object, name, integer ? "is not an integer" : "is not a number", err);
    else if (H5Aread(attribute, memory, out) < 0)
        rc = attribute_failure(reader, object, name, "cannot be read", err);
done:
    h5_close(&type);
    h5_close(&attribute);
    return rc;
}

enum status store_sandboxed_get_int(int64_t *out, const struct store_sandboxed *reader, const char *object,
                                    const char *name, struct error *err)
{
    return get_number(out, H5T_NATIVE_INT64, true, reader, object, name, err);
}

enum status store_sandboxed_get_real(double *out, const struct store_sandboxed *reader, const char *object,
                                     const char *name, struct error *err)
{
    return get_number(out, H5T_NATIVE_DOUBLE, false, reader, object, name, err);
}

/* ---- lists ----------------------------------------------------------------------------------------------------- */

/* A negative result ends the iteration. */
static herr_t add_link(hid_t group, const char *name, const H5L_info_t *info, void *names)
{
    (void)group, (void)info;
    return store_names_add(names, name) ? 0 : -1;
}

static herr_t add_attribute(hid_t object, const char *name, const H5A_info_t *info, void *names)
{
    (void)object, (void)info;
    return store_names_add(names, name) ? 0 : -1;
}

static enum status list_failure(struct store_names *out, const struct store_sandboxed *reader, const char *path,
                                struct error *err)
{
    store_names_free(out);
    return h5_error(err, FAIL_FORMAT, "%s: the contents of /%s cannot be listed", reader->path, path);
}

enum status store_sandboxed_list(struct store_names *out, const struct store_sandboxed *reader, const char *group,
                                 struct error *err)
{
    hid_t id;
    H5G_info_t info;
    enum status rc = open_object(&id, reader, group, err);

    *out = (struct store_names){0};
    if (rc != OK)
        return rc;
    if (H5Iget_type(id) != H5I_GROUP || H5Gget_info(id, &info) < 0 || info.nlinks > STORE_MAX_NAMES) {
        rc = list_failure(out, reader, group, err);
    } else if (H5Literate(id, H5_INDEX_CRT_ORDER, H5_ITER_INC, NULL, add_link, out) < 0) {
        H5Eclear2(H5E_DEFAULT); /* a group copied by another program may have lost the order */
        store_names_free(out);
        if (H5Literate(id, H5_INDEX_NAME, H5_ITER_INC, NULL, add_link, out) < 0)
            rc = list_failure(out, reader, group, err);
    }
    h5_close(&id);
    return rc;
}

enum status store_sandboxed_list_attributes(struct store_names *out, const struct store_sandboxed *reader,
                                            const char *object, struct error *err)
{
    hid_t id;
    enum status rc = open_object(&id, reader, object, err);

    *out = (struct store_names){0};
    if (rc != OK)
        return rc;
    if (H5Aiterate2(id, H5_INDEX_NAME, H5_ITER_INC, NULL, add_attribute, out) < 0)
        rc = list_failure(out, reader, object, err);
    h5_close(&id);
    return rc;
}
