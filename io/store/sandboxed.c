#include "io/store/sandboxed.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ATTRIBUTE = 1 << 26 };

/* ---- opening --------------------------------------------------------------------------------------------------- */

static enum status check_format(const struct store_sandboxed *local, struct error *err)
{
    enum status rc = OK;
    char *format = NULL;
    int64_t version = 0;

    if (!store_sandboxed_has_attribute(local, "", "format"))
        return error_set(err, FAIL_FORMAT, "%s: is an HDF5 file, but not a store of nrmflow", local->path);
    TRY(store_sandboxed_get_text(&format, local, "", "format", err));
    if (!format || strcmp(format, "nrmflow") != 0) {
        rc = error_set(err, FAIL_FORMAT, "%s: is an HDF5 file of another format, not a store of nrmflow", local->path);
        goto done;
    }
    TRY(store_sandboxed_get_int(&version, local, "", "format_version", err));
    if (version > STORE_FORMAT_VERSION)
        rc =
            error_set(err, FAIL_UNSUPPORTED, "%s: has format version %lld, this program reads up to %d; update nrmflow",
                      local->path, (long long)version, (int)STORE_FORMAT_VERSION);
    else if (version < 1)
        rc = error_set(err, FAIL_FORMAT, "%s: has the impossible format version %lld", local->path, (long long)version);
done:
    free(format);
    return rc;
}

enum status store_sandboxed_open(struct store_sandboxed *local, struct error *err)
{
    enum status rc = OK;

    TRY(h5_open(&local->file, local->path, err));
    if (H5Fget_filesize(local->file, &local->nbytes) < 0) {
        rc = h5_error(err, FAIL_SYSTEM, "%s: has no size", local->path);
        goto done;
    }
    TRY(check_format(local, err));
done:
    return rc;
}

enum status store_sandboxed_guard(const struct store_sandboxed *local, const char *path, struct error *err)
{
    return h5_compact(local->file, path)
               ? OK
               : error_set(err, FAIL_UNSUPPORTED,
                           "%s: the groups at /%s are damaged, or another program has rewritten them in a form that is "
                           "not read; use the file that nrmflow wrote",
                           local->path, path);
}

static enum status open_object(hid_t *object, const struct store_sandboxed *local, const char *path, struct error *err)
{
    enum status rc = store_sandboxed_guard(local, path, err);

    *object = H5I_INVALID_HID;
    return rc == OK ? h5_open_object(object, local->file, path, local->path, err) : rc;
}

bool store_sandboxed_has(const struct store_sandboxed *local, const char *path)
{
    return store_sandboxed_guard(local, path, NULL) == OK && h5_exists(local->file, path);
}

/* ---- attributes ------------------------------------------------------------------------------------------------ */

bool store_sandboxed_has_attribute(const struct store_sandboxed *local, const char *object, const char *name)
{
    hid_t id;
    bool found = open_object(&id, local, object, NULL) == OK && H5Aexists(id, name) > 0;

    h5_close(&id);
    H5Eclear2(H5E_DEFAULT);
    return found;
}

static enum status attribute_failure(const struct store_sandboxed *local, const char *object, const char *name,
                                     const char *what, struct error *err)
{
    return h5_error(err, FAIL_FORMAT, "%s: the attribute %s of /%s %s", local->path, name, object, what);
}

static enum status open_attribute(hid_t *attribute, hid_t *type, const struct store_sandboxed *local,
                                  const char *object, const char *name, struct error *err)
{
    hid_t id, space = H5I_INVALID_HID;

    *attribute = *type = H5I_INVALID_HID;
    enum status rc = open_object(&id, local, object, err);

    if (rc != OK)
        return rc;
    if (H5Aexists(id, name) <= 0) {
        rc = attribute_failure(local, object, name, "is missing", err);
    } else {
        *attribute = H5Aopen(id, name, H5P_DEFAULT);
        space = *attribute < 0 ? H5I_INVALID_HID : H5Aget_space(*attribute);
        *type = *attribute < 0 ? H5I_INVALID_HID : H5Aget_type(*attribute);
        if (*type < 0 || space < 0)
            rc = attribute_failure(local, object, name, "is damaged", err);
        else if (H5Sget_simple_extent_type(space) != H5S_SCALAR)
            rc = attribute_failure(local, object, name, "is not a single value", err);
    }
    h5_close(&space);
    h5_close(&id);
    return rc;
}

bool store_sandboxed_fixed_text(hid_t type)
{
    return H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0;
}

enum status store_sandboxed_get_text(char **out, const struct store_sandboxed *local, const char *object,
                                     const char *name, struct error *err)
{
    enum status rc = OK;
    hid_t attribute = H5I_INVALID_HID, type = H5I_INVALID_HID;
    char *text = NULL;

    *out = NULL;
    TRY(open_attribute(&attribute, &type, local, object, name, err));
    size_t nbytes = H5Tget_size(type);

    if (!store_sandboxed_fixed_text(type) || nbytes == 0 || nbytes > MAX_ATTRIBUTE) {
        rc = attribute_failure(local, object, name, "is not text of a fixed length", err);
        goto done;
    }
    text = calloc(nbytes + 1, 1);
    if (!text) {
        rc = error_system(err, "%s: no memory for the attribute %s", local->path, name);
        goto done;
    }
    if (H5Aread(attribute, type, text) < 0) {
        rc = attribute_failure(local, object, name, "cannot be read", err);
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

static enum status get_number(void *out, hid_t memory, bool integer, const struct store_sandboxed *local,
                              const char *object, const char *name, struct error *err)
{
    enum status rc = OK;
    hid_t attribute = H5I_INVALID_HID, type = H5I_INVALID_HID;

    TRY(open_attribute(&attribute, &type, local, object, name, err));
    H5T_class_t class = H5Tget_class(type);

    if (class != H5T_INTEGER && (integer || class != H5T_FLOAT))
        rc = attribute_failure(local, object, name, integer ? "is not an integer" : "is not a number", err);
    else if (H5Aread(attribute, memory, out) < 0)
        rc = attribute_failure(local, object, name, "cannot be read", err);
done:
    h5_close(&type);
    h5_close(&attribute);
    return rc;
}

enum status store_sandboxed_get_int(int64_t *out, const struct store_sandboxed *local, const char *object,
                                    const char *name, struct error *err)
{
    return get_number(out, H5T_NATIVE_INT64, true, local, object, name, err);
}

enum status store_sandboxed_get_real(double *out, const struct store_sandboxed *local, const char *object,
                                     const char *name, struct error *err)
{
    return get_number(out, H5T_NATIVE_DOUBLE, false, local, object, name, err);
}

/* ---- lists ----------------------------------------------------------------------------------------------------- */

/* Negative, which ends the iteration, if there are too many or there is no memory. */
static herr_t add_name(struct store_names *names, const char *name)
{
    if (names->count == STORE_LOCAL_NAMES)
        return -1;
    if ((names->count & (names->count + 1)) == 0) { /* 0, 1, 3, 7, ...: room for twice as many, and one */
        char **larger = realloc(names->names, (2 * names->count + 2) * sizeof *larger);

        if (!larger)
            return -1;
        names->names = larger;
    }
    names->names[names->count] = strdup(name);
    return names->names[names->count] ? (names->count++, 0) : -1;
}

static herr_t add_link(hid_t group, const char *name, const H5L_info_t *info, void *names)
{
    (void)group, (void)info;
    return add_name(names, name);
}

static herr_t add_attribute(hid_t object, const char *name, const H5A_info_t *info, void *names)
{
    (void)object, (void)info;
    return add_name(names, name);
}

static enum status list_failure(struct store_names *out, const struct store_sandboxed *local, const char *path,
                                struct error *err)
{
    store_names_free(out);
    return h5_error(err, FAIL_FORMAT, "%s: what is in /%s cannot be listed", local->path, path);
}

enum status store_sandboxed_list(struct store_names *out, const struct store_sandboxed *local, const char *group,
                                 struct error *err)
{
    hid_t id;
    H5G_info_t info;
    enum status rc = open_object(&id, local, group, err);

    *out = (struct store_names){0};
    if (rc != OK)
        return rc;
    if (H5Iget_type(id) != H5I_GROUP || H5Gget_info(id, &info) < 0 || info.nlinks > STORE_LOCAL_NAMES) {
        rc = list_failure(out, local, group, err);
    } else if (H5Literate(id, H5_INDEX_CRT_ORDER, H5_ITER_INC, NULL, add_link, out) < 0) {
        H5Eclear2(H5E_DEFAULT); /* a group copied by another program may have lost the order */
        store_names_free(out);
        if (H5Literate(id, H5_INDEX_NAME, H5_ITER_INC, NULL, add_link, out) < 0)
            rc = list_failure(out, local, group, err);
    }
    h5_close(&id);
    return rc;
}

enum status store_sandboxed_list_attributes(struct store_names *out, const struct store_sandboxed *local,
                                            const char *object, struct error *err)
{
    hid_t id;
    enum status rc = open_object(&id, local, object, err);

    *out = (struct store_names){0};
    if (rc != OK)
        return rc;
    if (H5Aiterate2(id, H5_INDEX_NAME, H5_ITER_INC, NULL, add_attribute, out) < 0)
        rc = list_failure(out, local, object, err);
    h5_close(&id);
    return rc;
}
