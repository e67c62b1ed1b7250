#include "io/store/sandboxed_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXTS = 8, MAX_TEXT = 1024, MAX_REFERENCES = 1 << 20 };

/* The object that is checked. */
struct object {
    struct store_problems *problems;
    const struct store_sandboxed *reader;
    const char *path;
    hid_t id; /* open */
};

/* An attribute, if it is there; negative if not. Caller closes it. */
static hid_t open_attribute(hid_t object, const char *name)
{
    return H5Aexists(object, name) > 0 ? H5Aopen(object, name, H5P_DEFAULT) : H5I_INVALID_HID;
}

/* Number of elements of an attribute with at most one axis; 0 if it has more. */
static size_t count_elements(hid_t attribute)
{
    hid_t space = H5Aget_space(attribute);
    int ndim = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    hssize_t count = ndim == 0 || ndim == 1 ? H5Sget_simple_extent_npoints(space) : 0;

    h5_close(&space);
    return count > 0 ? (size_t)count : 0;
}

/* ---- text ------------------------------------------------------------------------------------------------------ */

/* The text of an attribute, several of them separated by commas; false if the attribute is not text. */
static bool read_texts(char *out, size_t nbytes, const struct object *o, const char *name)
{
    hid_t attribute = open_attribute(o->id, name);
    hid_t type = attribute < 0 ? H5I_INVALID_HID : H5Aget_type(attribute);
    size_t count = type < 0 ? 0 : count_elements(attribute), width = type < 0 ? 0 : H5Tget_size(type), used = 0;
    char *texts = NULL;

    out[0] = '\0';
    if (count > 0 && count <= MAX_TEXTS && width > 0 && width <= MAX_TEXT && store_sandboxed_fixed_text(type))
        texts = calloc(count, width + 1);
    bool ok = texts && H5Aread(attribute, type, texts) >= 0;

    for (size_t i = 0; ok && i < count && used < nbytes; i++)
        used += (size_t)snprintf(out + used, nbytes - used, "%s%.*s", i ? "," : "", (int)width, texts + i * width);
    free(texts);
    h5_close(&type);
    h5_close(&attribute);
    return ok;
}

/* Add a problem unless the attribute is this text. */
static void expect_text(const struct object *o, const char *name, const char *wanted)
{
    char found[MAX_TEXT];

    if (!read_texts(found, sizeof found, o, name))
        store_problem_add(o->problems, o->path, "has no attribute %s with text (%s is expected)", name, wanted);
    else if (strcmp(found, wanted) != 0)
        store_problem_add(o->problems, o->path, "the attribute %s is \"%.200s\", not \"%s\"", name, found, wanted);
}

/* ---- datasets -------------------------------------------------------------------------------------------------- */

/* Whether an attribute has one element of this class for every axis. */
static bool has_axes_attribute(const struct object *o, const char *name, H5T_class_t class, size_t ndim)
{
    hid_t attribute = open_attribute(o->id, name);
    hid_t type = attribute < 0 ? H5I_INVALID_HID : H5Aget_type(attribute);
    bool ok = type >= 0 && H5Tget_class(type) == class && count_elements(attribute) == ndim;

    h5_close(&type);
    h5_close(&attribute);
    return ok;
}

/* An element of a scale's list of the datasets that use it. */
struct user {
    hobj_ref_t dataset;
    int axis;
};

static hid_t user_type(void)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(struct user));

    if (H5Tinsert(type, "dataset", HOFFSET(struct user, dataset), H5T_STD_REF_OBJ) < 0 ||
        H5Tinsert(type, "dimension", HOFFSET(struct user, axis), H5T_NATIVE_INT) < 0)
        h5_close(&type);
    return type;
}

/* Whether the list of an open scale contains this axis of the dataset. */
static bool scale_lists_axis(const struct object *o, hid_t scale, size_t axis)
{
    hid_t attribute = open_attribute(scale, "REFERENCE_LIST"), memory = user_type();
    hid_t type = attribute < 0 ? H5I_INVALID_HID : H5Aget_type(attribute);
    size_t count = type < 0 || H5Tget_class(type) != H5T_COMPOUND ? 0 : count_elements(attribute);
    struct user *users = count > 0 && count <= MAX_REFERENCES ? calloc(count, sizeof *users) : NULL;
    hobj_ref_t mine;
    bool found = false, ok = users && memory >= 0 && H5Aread(attribute, memory, users) >= 0 &&
                             H5Rcreate(&mine, o->reader->file, o->path, H5R_OBJECT, H5I_INVALID_HID) >= 0;

    for (size_t i = 0; ok && i < count; i++)
        found = found || (users[i].axis == (int)axis && memcmp(&users[i].dataset, &mine, sizeof mine) == 0);
    free(users);
    h5_close(&type);
    h5_close(&memory);
    h5_close(&attribute);
    return found;
}

/* Length of a scale; STORE_ANY if it has none. */
static size_t scale_length(const struct object *o, hid_t scale, const char *path)
{
    size_t ndim, dims[H5_MAX_DIMS], nelements;
    bool ok = h5_shape(&ndim, dims, &nelements, scale, 1, path, o->reader->path, NULL) == OK;

    return ok && ndim == 1 ? dims[0] : STORE_ANY;
}

static bool same_object(const struct store_sandboxed *reader, const char *one, const char *two)
{
    H5O_info_t a, b;

    return store_sandboxed_has(reader, one) && store_sandboxed_has(reader, two) &&
           H5Oget_info_by_name(reader->file, one, &a, H5P_DEFAULT) >= 0 &&
           H5Oget_info_by_name(reader->file, two, &b, H5P_DEFAULT) >= 0 && a.addr == b.addr;
}

void store_sandboxed_check_link(struct store_problems *problems, const struct store_sandboxed *reader, const char *path)
{
    const char *scale = strrchr(path, '/') + 1;

    if (!same_object(reader, path, scale))
        store_problem_add(problems, path, "is not the scale /%s", scale);
}

/* Check that the dataset's group has a link to the scale of this name; store_sandboxed_check_link says whether it leads
 * there. */
static void expect_link(const struct object *o, const char *name)
{
    char link[STORE_PATH];
    const char *slash = strrchr(o->path, '/');

    snprintf(link, sizeof link, "%.*s%s", slash ? (int)(slash + 1 - o->path) : 0, o->path, name);
    if (!store_sandboxed_has(o->reader, link))
        store_problem_add(o->problems, o->path, "has the axis %s, but its group has no link to the scale /%s", name,
                          name);
}

/* Check that the axis has the scale of the table. */
static void check_scale(const struct object *o, const struct store_field *field, size_t axis, size_t length)
{
    size_t name_length;
    const char *name = store_axis_name(field, axis, &name_length);
    const struct store_axis *entry = store_find_axis(name, name_length);
    char path[STORE_PATH];
    hid_t scale;

    if (!entry)
        return;
    store_scale_path(path, sizeof path, entry, o->path);
    if (strcmp(path, o->path) == 0) {
        expect_text(o, "CLASS", "DIMENSION_SCALE");
        return;
    }
    if ((entry->shared && store_sandboxed_guard(o->reader, path, NULL) != OK) ||
        h5_open_dataset(&scale, o->reader->file, path, o->reader->path, NULL) != OK) {
        store_problem_add(o->problems, o->path, "the axis %.*s lacks its scale /%s", (int)name_length, name, path);
        return;
    }
    if (store_scale_linked(entry))
        expect_link(o, entry->name);
    if (scale_length(o, scale, path) != length) {
        o->problems->unreadable = true;
        store_problem_add(o->problems, o->path,
                          "has the length %zu along the axis %.*s, but its scale /%s has another length", length,
                          (int)name_length, name, path);
    }
    if (!scale_lists_axis(o, scale, axis) ||
        !has_axes_attribute(o, "DIMENSION_LIST", H5T_VLEN, store_count_axes(field)))
        store_problem_add(o->problems, o->path, "the axis %.*s lacks its scale /%s", (int)name_length, name, path);
    h5_close(&scale);
}

void store_sandboxed_check_dataset(struct store_problems *problems, const struct store_sandboxed *reader,
                                   const char *path, const struct store_field *field, hid_t dataset, const size_t *dims)
{
    struct object o = {problems, reader, path, dataset};
    size_t naxes = store_count_axes(field);
    char description[MAX_TEXT], meanings[STORE_FLAG_MEANINGS_BYTES];

    if (!read_texts(description, sizeof description, &o, "description") || !description[0])
        store_problem_add(problems, path, "has no description");
    expect_text(&o, "units", field->units);
    if (naxes && !has_axes_attribute(&o, "DIMENSION_LABELS", H5T_STRING, naxes))
        store_problem_add(problems, path, "has no labels of its axes (%s)", field->axes);
    for (size_t d = 0; reader->version > 1 && d < naxes; d++)
        check_scale(&o, field, d, dims[d]);
    if (reader->version > 1 && field->type == STORE_STATUS) {
        store_flag_meanings(meanings);
        expect_text(&o, "flag_meanings", meanings);
    }
}

/* ---- groups ---------------------------------------------------------------------------------------------------- */

bool store_sandboxed_partial(const struct store_sandboxed *reader)
{
    return (store_sandboxed_has(reader, "queries/map/map") || store_sandboxed_has(reader, "evaluation")) &&
           !store_sandboxed_has(reader, "layers");
}

static void check_attribute(const struct object *o, const struct store_attribute *attribute)
{
    static const char *const kinds[] = {"text", "an integer", "a number"};
    int64_t integer;
    double real;
    char *text = NULL;
    enum status rc = FAIL_FORMAT;

    if (!store_sandboxed_has_attribute(o->reader, o->path, attribute->name)) {
        if (attribute->required && (o->path[0] || !store_sandboxed_partial(o->reader)))
            store_problem_add(o->problems, o->path, "the attribute %s is missing", attribute->name);
        return;
    }
    if (attribute->kind == STORE_ATTRIBUTE_TEXT)
        rc = store_sandboxed_get_text(&text, o->reader, o->path, attribute->name, NULL);
    else if (attribute->kind == STORE_ATTRIBUTE_INT)
        rc = store_sandboxed_get_int(&integer, o->reader, o->path, attribute->name, NULL);
    else
        rc = store_sandboxed_get_real(&real, o->reader, o->path, attribute->name, NULL);
    free(text);
    if (rc != OK)
        store_problem_add(o->problems, o->path, "the attribute %s is not %s", attribute->name, kinds[attribute->kind]);
}

/* Check what a viewer plots of the group. */
static void check_signal(const struct object *o, const struct store_group *group)
{
    char signal[STORE_PATH], axes[2 * STORE_NAME];

    if (!group->signal)
        return;
    snprintf(signal, sizeof signal, "%s/%s", o->path, group->signal);
    if (!store_sandboxed_has(o->reader, signal))
        return;
    snprintf(axes, sizeof axes, "%s%s%s", group->axes[0], group->axes[1] ? "," : "",
             group->axes[1] ? group->axes[1] : "");
    expect_text(o, "signal", group->signal);
    expect_text(o, "axes", axes);
}

/* Check the group that a viewer opens next, below a group that only contains groups. */
static void check_default(const struct object *o)
{
    char name[MAX_TEXT], child[STORE_PATH + MAX_TEXT];
    struct store_names names = {0};

    if (store_sandboxed_list(&names, o->reader, o->path, NULL) != OK || names.count == 0) {
        store_names_free(&names);
        return;
    }
    store_names_free(&names);
    if (!read_texts(name, sizeof name, o, "default")) {
        store_problem_add(o->problems, o->path, "has no attribute default");
        return;
    }
    snprintf(child, sizeof child, "%s%s%s", o->path, o->path[0] ? "/" : "", name);
    if (!store_sandboxed_has(o->reader, child))
        store_problem_add(o->problems, o->path, "the attribute default names \"%.200s\", which does not exist", name);
}

void store_sandboxed_check_group(struct store_problems *problems, const struct store_sandboxed *reader,
                                 const char *path)
{
    const struct store_group *group = store_find_group(path);
    struct object o = {.problems = problems, .reader = reader, .path = path};

    if (h5_open_object(&o.id, reader->file, path, reader->path, NULL) != OK)
        return; /* the failure to list it has been reported */
    for (const struct store_attribute *a = NULL; (a = store_next_attribute(a, path));)
        check_attribute(&o, a);
    expect_text(&o, "NX_class", group->nexus_class);
    check_signal(&o, group);
    if (strcmp(group->nexus_class, "NXentry") == 0 || strcmp(group->nexus_class, "NXroot") == 0)
        check_default(&o);
    h5_close(&o.id);
    H5Eclear2(H5E_DEFAULT);
}
