#include "io/store/sandboxed_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Length of an axis in the first dataset that has it; all others must have the same. */
struct axis_length {
    char group[STORE_PATH]; /* "" if the axis has one length in the whole store */
    const char *name;       /* in the table, without a final NUL */
    size_t name_length, length;
    char path[STORE_PATH]; /* the dataset that set it */
};

struct check {
    const struct store_sandboxed *reader;
    struct store_problems *problems;
    struct axis_length *lengths; /* [nlengths] */
    size_t nlengths, capacity;
    bool partial; /* a store without statistics has fewer groups */
};

/* Add a problem that makes readers fail. */
#define UNREADABLE(check, ...)                                                                                         \
    do {                                                                                                               \
        (check)->problems->unreadable = true;                                                                          \
        store_problem_add((check)->problems, __VA_ARGS__);                                                             \
    } while (0)

/* ---- axes ------------------------------------------------------------------------------------------------------ */

/* Whether an axis has one length in the whole store. */
static bool is_global(const char *name, size_t length)
{
    const struct store_axis *axis = store_find_axis(name, length);

    return axis && axis->shared;
}

static struct axis_length *find_length(struct check *c, const char *group, const char *name, size_t length)
{
    for (size_t i = 0; i < c->nlengths; i++) {
        struct axis_length *known = &c->lengths[i];

        if (known->name_length == length && strncmp(known->name, name, length) == 0 && strcmp(known->group, group) == 0)
            return known;
    }
    return NULL;
}

static struct axis_length *new_length(struct check *c)
{
    if (c->nlengths == c->capacity) {
        size_t capacity = c->capacity ? 2 * c->capacity : 64;
        struct axis_length *larger = realloc(c->lengths, capacity * sizeof *larger);

        if (!larger) {
            c->problems->no_memory = true;
            return NULL;
        }
        c->lengths = larger;
        c->capacity = capacity;
    }
    return &c->lengths[c->nlengths++];
}

/* Compare an axis of a dataset with those of the same name. */
static void check_length(struct check *c, const char *path, const char *name, size_t name_length, size_t length)
{
    char group[STORE_PATH] = "";

    const char *slash = strrchr(path, '/');

    if (!is_global(name, name_length))
        snprintf(group, sizeof group, "%.*s", slash ? (int)(slash - path) : 0, path);
    struct axis_length *known = find_length(c, group, name, name_length);

    if (known) {
        if (known->length != length)
            UNREADABLE(c, path, "has the length %zu along the axis %.*s, but /%s has %zu", length, (int)name_length,
                       name, known->path, known->length);
        return;
    }
    known = new_length(c);
    if (!known)
        return;
    *known = (struct axis_length){.name = name, .name_length = name_length, .length = length};
    memcpy(known->group, group, sizeof group);
    snprintf(known->path, sizeof known->path, "%s", path);
}

static void check_axes(struct check *c, const char *path, const struct store_field *field, const size_t *dims)
{
    for (size_t d = 0; d < store_count_axes(field); d++) {
        size_t length;
        const char *name = store_axis_name(field, d, &length);
        check_length(c, path, name, length, dims[d]);
    }
}

/* ---- types ----------------------------------------------------------------------------------------------------- */

/* A name of a type that was found in a file. */
static void describe_type(char *text, size_t nbytes, hid_t type)
{
    static const char *const classes[] = {
        [H5T_INTEGER] = "int",   [H5T_FLOAT] = "float",       [H5T_STRING] = "text",         [H5T_BITFIELD] = "bits",
        [H5T_OPAQUE] = "opaque", [H5T_COMPOUND] = "compound", [H5T_REFERENCE] = "reference", [H5T_ENUM] = "enum",
        [H5T_VLEN] = "sequence", [H5T_ARRAY] = "array"};
    H5T_class_t class = H5Tget_class(type);
    bool known = class >= 0 && (size_t) class < sizeof classes / sizeof classes[0] && classes[class];
    bool number = class == H5T_INTEGER || class == H5T_FLOAT;
    bool is_unsigned = class == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_NONE;
    bool big = number && H5Tget_order(type) == H5T_ORDER_BE;

    if (number)
        snprintf(text, nbytes, "%s%s%zu%s", is_unsigned ? "u" : "", classes[class], 8 * H5Tget_size(type),
                 big ? ", big-endian" : "");
    else
        snprintf(text, nbytes, "%s", known ? classes[class] : "unknown");
}

/* Version 1 has text of a fixed length, and the status as an enumeration. */
static bool same_type(hid_t found, enum store_type type, int64_t version)
{
    if (type == STORE_TEXT)
        return H5Tget_class(found) == H5T_STRING && (H5Tis_variable_str(found) > 0) == (version > 1) &&
               H5Tget_cset(found) == H5T_CSET_UTF8;
    if (type == STORE_STATUS && version == 1)
        return H5Tget_class(found) == H5T_ENUM && H5Tget_size(found) == 1;
    hid_t wanted = store_file_type(type);
    bool same = wanted >= 0 && H5Tequal(wanted, found) > 0;

    h5_close(&wanted);
    return same;
}

static void check_type(struct check *c, const char *path, const struct store_field *field, hid_t type)
{
    char found[64];

    if (!same_type(type, field->type, c->reader->version)) {
        describe_type(found, sizeof found, type);
        UNREADABLE(c, path, "has the type %s, not %s", found,
                   field->type != STORE_TEXT ? store_type_name(field->type)
                   : c->reader->version == 1 ? "UTF-8 text of a fixed length"
                                             : "UTF-8 text of any length");
    }
}

/* ---- objects --------------------------------------------------------------------------------------------------- */

/* Every object is opened only once, because opening takes nearly all of the time. */
static void check_open_dataset(struct check *c, const char *path, const struct store_field *field, hid_t dataset)
{
    size_t ndim, dims[H5_MAX_DIMS], nelements;
    hid_t type = H5Dget_type(dataset);
    size_t nbytes = type < 0 ? 0 : H5Tget_size(type);
    struct error err = {0};
    bool has_shape = nbytes && h5_shape(&ndim, dims, &nelements, dataset, nbytes, path, c->reader->path, &err) == OK;

    if (has_shape)
        check_type(c, path, field, type);
    h5_close(&type);
    if (!has_shape) {
        UNREADABLE(c, path, "cannot be read: %s", nbytes ? err.message : "it has no type");
        return;
    }
    if (ndim != store_count_axes(field)) {
        UNREADABLE(c, path, "has %zu axes, not %zu (%s)", ndim, store_count_axes(field), field->axes);
        return;
    }
    check_axes(c, path, field, dims);
    store_sandboxed_check_dataset(c->problems, c->reader, path, field, dataset, dims);
}

static void check_dataset(struct check *c, const char *path)
{
    const struct store_field *field = store_field_at(path, c->reader->version);
    struct error err = {0};
    hid_t dataset = H5I_INVALID_HID;

    if (!field && store_is_link(path)) {
        store_sandboxed_check_link(c->problems, c->reader, path);
        return;
    }
    if (!field) {
        store_problem_add(c->problems, path, "is not a dataset of a store");
        return;
    }
    c->problems->datasets++;
    if (h5_open_dataset(&dataset, c->reader->file, path, c->reader->path, &err) == OK)
        check_open_dataset(c, path, field, dataset);
    else
        UNREADABLE(c, path, "cannot be read: %s", err.message);
    h5_close(&dataset);
    H5Eclear2(H5E_DEFAULT);
}

static bool listed(const struct store_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i], name) == 0)
            return true;
    return false;
}

/* Whether a store without statistics of a run has less in this group. */
static bool left_out(const char *path)
{
    return !*path || strcmp(path, "images") == 0 || strcmp(path, "state") == 0;
}

/* Check that a group has the datasets that the table requires. */
static void check_contents(struct check *c, const char *path, const struct store_names *names)
{
    size_t nfields;
    const struct store_field *fields = store_fields(&nfields);
    char dataset[STORE_PATH];

    for (size_t i = 0; i < nfields; i++) {
        const char *field = store_path_in(fields[i].path, c->reader->version), *slash = strrchr(field, '/');
        const char *name = slash ? slash + 1 : field;
        bool needed = !store_field_optional(&fields[i]) && !(c->partial && left_out(path));
        if (!needed || !store_field_in(&fields[i], path, c->reader->version) || listed(names, name))
            continue;
        snprintf(dataset, sizeof dataset, "%s%s%s", path, *path ? "/" : "", name);
        UNREADABLE(c, dataset, "is missing");
    }
}

/* Kind of an object, H5I_BADID if it cannot be opened. Listing its group has already called the guard. */
static H5I_type_t kind_of(struct check *c, const char *path, struct error *err)
{
    hid_t object;
    enum status rc = h5_open_object(&object, c->reader->file, path, c->reader->path, err);
    H5I_type_t kind = rc == OK ? H5Iget_type(object) : H5I_BADID;

    h5_close(&object);
    return kind;
}

/* Check a group of the table, or the root, and its contents down to the depth of the table. */
static void check_group(struct check *c, const char *path, int depth)
{
    struct store_names names = {0};
    struct error err = {0};
    char child[STORE_PATH];

    if (store_sandboxed_list(&names, c->reader, path, &err) != OK) {
        UNREADABLE(c, path, "cannot be listed: %s", err.message);
        return;
    }
    store_sandboxed_check_group(c->problems, c->reader, path);
    check_contents(c, path, &names);
    for (size_t i = 0; i < names.count; i++) {
        int length = snprintf(child, sizeof child, "%s%s%s", path, path[0] ? "/" : "", names.names[i]);
        struct error why = {0};
        if (length < 0 || (size_t)length >= sizeof child) {
            UNREADABLE(c, path, "has a name that is too long");
            continue;
        }
        H5I_type_t kind = kind_of(c, child, &why);
        if (kind == H5I_BADID)
            UNREADABLE(c, child, "cannot be opened: %s", why.message);
        else if (kind != H5I_GROUP)
            check_dataset(c, child);
        else if (depth == 0 || !store_find_group(child))
            store_problem_add(c->problems, child, "is not a group of a store");
        else
            check_group(c, child, depth - 1);
    }
    store_names_free(&names);
}

/* Check the groups that every store of a run has. A store that is incomplete, or a shard, also has its state.
 * */
static void check_groups(struct check *c)
{
    static const char *const always[] = {"images", "layers"};
    int64_t complete = 1;

    if (c->partial)
        return;
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
        if (!store_sandboxed_has(c->reader, always[i]))
            UNREADABLE(c, always[i], "is missing");
    if (store_sandboxed_get_int(&complete, c->reader, "", "complete", NULL) != OK)
        return;
    if (complete != 0 && complete != 1)
        store_problem_add(c->problems, "", "the attribute complete is %lld, not 0 or 1", (long long)complete);
    bool wanted = complete != 1 || store_sandboxed_has_attribute(c->reader, "", "shard");
    if (wanted != store_sandboxed_has(c->reader, "state"))
        store_problem_add(c->problems, "state",
                          wanted ? "is missing, although the store is to be continued or merged"
                                 : "exists, although the store is complete");
}

enum status store_sandboxed_check(struct store_problems *problems, const struct store_sandboxed *reader,
                                  struct error *err)
{
    struct check c = {.reader = reader, .problems = problems, .partial = store_sandboxed_partial(reader)};

    check_groups(&c);
    check_group(&c, "", 4);
    free(c.lengths);
    return problems->no_memory
               ? error_set(err, FAIL_RESOURCE, "%s: no memory for the list of its problems", reader->path)
               : OK;
}
