#include "io/store/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hdf5_hl.h>

/* The name that netCDF gives the scale of a dimension without a variable. */
#define BARE_NAME "This is a netCDF dimension but not a netCDF variable."

/* ---- scales ---------------------------------------------------------------------------------------------------- */

static enum status write_numbers(struct store *store, const char *path, size_t count, struct error *err)
{
    int32_t *numbers = malloc((count ? count : 1) * sizeof *numbers);

    if (!numbers)
        return error_system(err, "%s: no memory for /%s", h5_atomic_path(store->atomic), path);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (int32_t)i;
    enum status rc = store_write(store, path, numbers, 1, &count, err);

    free(numbers);
    return rc;
}

/* Write the scale of an axis, unless it is the caller's. */
static enum status write_scale(struct store *store, const struct store_axis *axis, const char *path, size_t count,
                               struct error *err)
{
    enum status rc = OK;

    if (axis->scale == STORE_SCALE_NUMBERS)
        rc = write_numbers(store, path, count, err);
    if (axis->scale == STORE_SCALE_BARE) {
        TRY(store_create_rows(store, path, 1, &count, err));
        store_close_entry(store_find_entry(store, path));
    }
done:
    return rc;
}

/* Make a dataset the scale of its own axis. */
static enum status make_scale(struct store *store, const char *path, const struct store_axis *axis, struct error *err)
{
    hid_t dataset = H5Dopen2(h5_atomic_file(store->atomic), path, H5P_DEFAULT);
    bool ok = dataset >= 0 && (H5DSis_scale(dataset) > 0 ||
                               H5DSset_scale(dataset, axis->scale == STORE_SCALE_BARE ? BARE_NAME : axis->name) >= 0);

    h5_close(&dataset);
    return ok ? OK : store_write_failure(store, path, err);
}

static enum status attach(struct store *store, const char *path, size_t d, const char *scale, struct error *err)
{
    hid_t file = h5_atomic_file(store->atomic);
    hid_t dataset = H5Dopen2(file, path, H5P_DEFAULT), scale_dataset = H5Dopen2(file, scale, H5P_DEFAULT);
    bool ok = dataset >= 0 && scale_dataset >= 0 && H5DSattach_scale(dataset, scale_dataset, (unsigned)d) >= 0;

    h5_close(&scale_dataset);
    h5_close(&dataset);
    return ok ? OK : store_write_failure(store, path, err);
}

/* Link the shared scale of this name into the group of a dataset. */
static enum status link_scale(struct store *store, const char *path, const char *name, struct error *err)
{
    hid_t file = h5_atomic_file(store->atomic), links = H5I_INVALID_HID;
    char link[4 * STORE_NAME];
    const char *slash = strrchr(path, '/');

    snprintf(link, sizeof link, "%.*s%s", slash ? (int)(slash + 1 - path) : 0, path, name);
    if (H5Lexists(file, link, H5P_DEFAULT) > 0)
        return OK;
    links = H5Pcreate(H5P_LINK_CREATE);
    bool ok = H5Pset_char_encoding(links, H5T_CSET_UTF8) >= 0 &&
              H5Lcreate_hard(file, name, file, link, links, H5P_DEFAULT) >= 0;

    h5_close(&links);
    return ok ? OK : store_write_failure(store, link, err);
}

/* Writing a scale may move the entries, so they are looked up again. */
static enum status scale_axis(struct store *store, const char *path, size_t d, const char *name, struct error *err)
{
    enum status rc = OK;
    const struct store_axis *axis = store_find_axis(name, strlen(name));
    char scale[4 * STORE_NAME];
    size_t length = store_find_entry(store, path)->dims[d];

    if (!axis)
        return OK;
    store_scale_path(scale, sizeof scale, axis, path);
    if (strcmp(scale, path) == 0)
        return make_scale(store, path, axis, err);
    if (!store_find_entry(store, scale))
        TRY(write_scale(store, axis, scale, length, err));
    const struct store_entry *found = store_find_entry(store, scale);

    if (!found)
        return OK;
    if (found->dims[0] != length)
        return error_set(err, FAIL_FORMAT, "%s: /%s has the length %zu along the axis %s, but /%s has %zu",
                         h5_atomic_path(store->atomic), path, length, name, scale, found->dims[0]);
    TRY(make_scale(store, scale, axis, err));
    TRY(attach(store, path, d, scale, err));
    if (store_scale_linked(axis))
        TRY(link_scale(store, path, axis->name, err));
done:
    return rc;
}

static enum status label_axis(struct store *store, const char *path, size_t d, const char *name, struct error *err)
{
    hid_t dataset = H5Dopen2(h5_atomic_file(store->atomic), path, H5P_DEFAULT);
    bool ok = dataset >= 0 && H5DSset_label(dataset, (unsigned)d, name) >= 0;

    h5_close(&dataset);
    return ok ? OK : store_write_failure(store, path, err);
}

static enum status scale_dataset(struct store *store, size_t entry, struct error *err)
{
    enum status rc = OK;
    const struct store_field *field = store->entries[entry].field;

    for (size_t d = 0; d < store->entries[entry].ndim; d++) {
        size_t length;
        const char *at = store_axis_name(field, d, &length);
        char name[32];

        snprintf(name, sizeof name, "%.*s", (int)length, at);
        TRY(scale_axis(store, store->entries[entry].path, d, name, err));
        TRY(label_axis(store, store->entries[entry].path, d, name, err));
    }
done:
    return rc;
}

/* ---- NeXus ----------------------------------------------------------------------------------------------------- */

static const char *default_signal(hid_t file, const char *path, const struct store_group *group)
{
    char signal[4 * STORE_NAME];

    if (!group->signal)
        return NULL;
    snprintf(signal, sizeof signal, "%s/%s", path, group->signal);
    return h5_exists(file, signal) ? group->signal : NULL;
}

static enum status describe_group(struct store *store, const char *path, struct error *err)
{
    enum status rc = OK;
    const struct store_group *group = store_find_group(path);
    const char *signal = default_signal(h5_atomic_file(store->atomic), path, group);
    size_t naxes = group->axes[1] ? 2 : 1;
    hid_t id = H5Gopen2(h5_atomic_file(store->atomic), path[0] ? path : "/", H5P_DEFAULT);

    if (id < 0)
        return store_write_failure(store, path, err);
    if (H5Aexists(id, "NX_class") > 0)
        goto done;
    TRY(store_attribute_text(store, id, path, "NX_class", group->nexus_class, err));
    if (signal) {
        TRY(store_attribute_text(store, id, path, "signal", signal, err));
        TRY(store_attribute_texts(store, id, path, "axes", group->axes, naxes, err));
    }
done:
    h5_close(&id);
    return rc;
}

/* Set the group that a viewer opens below `parent`: the first one written, unless the caller has set another. */
static enum status choose_default(struct store *store, const char *parent, const char *child, struct error *err)
{
    hid_t id = H5Gopen2(h5_atomic_file(store->atomic), parent[0] ? parent : "/", H5P_DEFAULT);
    enum status rc = OK;

    if (id < 0)
        rc = store_write_failure(store, parent, err);
    else if (H5Aexists(id, "default") <= 0)
        rc = store_attribute_text(store, id, parent, "default", child, err);
    h5_close(&id);
    return rc;
}

/* All groups on the way to a dataset; viewers open a group's first one. */
static enum status describe_entry(struct store *store, size_t entry, struct error *err)
{
    enum status rc = OK;
    char parent[4 * STORE_NAME] = "", group[4 * STORE_NAME], child[STORE_NAME];
    const char *path = store->entries[entry].path;

    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) { /* else: describe_root */
        size_t used = strlen(parent);
        snprintf(group, sizeof group, "%.*s", (int)(slash - path), path);
        TRY(describe_group(store, group, err));
        snprintf(child, sizeof child, "%.*s", STORE_NAME - 1, group + used + (used > 0));
        if (used > 0)
            TRY(choose_default(store, parent, child, err));
        snprintf(parent, sizeof parent, "%s", group);
    }
done:
    return rc;
}

/* Viewers open the layers first, if there are any. */
static enum status describe_root(struct store *store, struct error *err)
{
    static const char *const order[] = {"layers", "flows", "queries", "images", "classes"};
    enum status rc = OK;

    TRY(describe_group(store, "", err));
    if (h5_exists(h5_atomic_file(store->atomic), "evaluation")) /* an unfinished one may have attributes only */
        TRY(describe_group(store, "evaluation", err));
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (h5_exists(h5_atomic_file(store->atomic), order[i]))
            TRY(choose_default(store, "", order[i], err));
done:
    return rc;
}

enum status store_finish(struct store *store, struct error *err)
{
    enum status rc = OK;

    for (size_t i = 0; i < store->nentries; i++) { /* the list grows: scales are written on the way */
        TRY(scale_dataset(store, i, err));
        TRY(describe_entry(store, i, err));
    }
    TRY(describe_root(store, err));
done:
    return rc;
}
