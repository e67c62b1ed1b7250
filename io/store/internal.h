/* What the files of the store share; not part of its interface. */
#ifndef NRMFLOW_IO_STORE_INTERNAL_H
#define NRMFLOW_IO_STORE_INTERNAL_H

#include "io/h5/atomic.h"
#include "io/h5/h5.h"
#include "io/store/store.h"

/* Who writes the scale of an axis. */
enum store_scale {
    STORE_SCALE_WRITTEN, /* the caller; without it, the axis has none */
    STORE_SCALE_NUMBERS, /* store_finish, if the caller did not: 0, 1, 2, ... */
    STORE_SCALE_BARE     /* store_finish: nothing is stored, which netCDF calls a dimension without a variable */
};

/* An axis. Its scale is a dataset of the same name and length, in the root if all groups share it, otherwise beside the
 * dataset. Groups that use a shared scale with other values than 0, 1, 2, ... have a link of its name to it, so that
 * readers of one group find the values. */
struct store_axis {
    const char *name;
    bool shared;
    enum store_scale scale;
};

/* A group, with its NeXus class and the data that a viewer plots. */
struct store_group {
    const char *path;
    const char *nexus_class;
    const char *signal;  /* NULL if the group only holds groups */
    const char *axes[2]; /* of the signal; "." if an axis has no scale of numbers */
};

/* An attribute; the kinds are those of store_set_*. */
enum store_attribute_kind { STORE_ATTRIBUTE_TEXT, STORE_ATTRIBUTE_INT, STORE_ATTRIBUTE_REAL };

struct store_attribute {
    const char *object; /* "" for the root, or a group of the table */
    const char *name;
    enum store_attribute_kind kind;
    bool required; /* if the object exists */
};

/* The next attribute of an object after `after`, the first one if that is NULL; NULL after the last. */
const struct store_attribute *store_next_attribute(const struct store_attribute *after, const char *object);

/* Where a store of this format version has the dataset of a path; the path itself unless it has moved since. */
const char *store_path_in(const char *path, int64_t version);

/* The field of a path in a store of this format version; NULL if there is none. */
const struct store_field *store_field_at(const char *path, int64_t version);

/* Whether a field of this version is a direct child of a group such as "layers/conv1_1". */
bool store_field_in(const struct store_field *field, const char *group, int64_t version);

/* The axis of a name, the group of a path; NULL if there is none. */
const struct store_axis *store_find_axis(const char *name, size_t length);
const struct store_group *store_find_group(const char *path);

size_t store_count_axes(const struct store_field *field);

/* Name of an axis of a field: `length` bytes of the result. */
const char *store_axis_name(const struct store_field *field, size_t axis, size_t *length);

/* A dataset of a store that is being written. */
struct store_entry {
    char *path;
    const struct store_field *field;
    size_t ndim, dims[STORE_MAX_DIMS];
    hid_t dataset; /* open while rows may be written */
    hid_t element; /* type of an element in memory */
    size_t row_elements;
};

struct store {
    struct h5_atomic *atomic;
    unsigned deflate;
    bool plain_state;
    struct store_entry *entries; /* in the order of writing */
    size_t nentries, capacity;
};

/* Type of an element in memory; text is a pointer. Caller closes it; negative on failure. */
hid_t store_element_type(enum store_type type);

/* The same in the file. */
hid_t store_file_type(enum store_type type);

/* Rows of a dataset, and the elements into which they are read. */
struct store_slab {
    size_t first, nrows, width; /* rows first .. first + nrows - 1, each of `width` elements in the file, too */
    enum store_type type;
    size_t element_bytes; /* of the type in memory */
    bool converted; /* numbers of any type are converted; otherwise the file's type must have the same class and size */
};

/* Read the rows of a slab into out [nrows][width]. Errors as store_read_rows. */
enum status store_read_slab(void *out, const struct store_reader *reader, const char *path,
                            const struct store_slab *slab, struct error *err);

enum { STORE_MAX_NAMES = 100000 }; /* of a list */

/* Append a copy of a name; false if the list is full or there is no memory. */
bool store_names_add(struct store_names *names, const char *name);

/* Path of the scale of a dataset's axis. */
void store_scale_path(char *path, size_t nbytes, const struct store_axis *axis, const char *dataset);

/* Whether groups link to the scale; whether a path such as "layers/conv1_1/class" is that of such a link. */
bool store_scale_linked(const struct store_axis *axis);
bool store_is_link(const char *path);

/* The entry of a path; NULL if nothing has been written there. */
struct store_entry *store_find_entry(const struct store *store, const char *path);

/* Close the handles of an entry, which stays in the list. */
void store_close_entry(struct store_entry *entry);

/* Record a failure to write `path`: the disk's error if there was one, otherwise HDF5's. */
enum status store_write_failure(const struct store *store, const char *path, struct error *err);

/* Attach scales and set NeXus attributes; called before the file is closed. */
enum status store_finish(struct store *store, struct error *err);

/* Set an attribute of an open object; `path` is for messages. One value is a scalar, several are an array. */
enum status store_attribute_text(const struct store *store, hid_t object, const char *path, const char *name,
                                 const char *value, struct error *err);
enum status store_attribute_texts(const struct store *store, hid_t object, const char *path, const char *name,
                                  const char *const *values, size_t count, struct error *err);

/* Create the groups on the way to `path` that do not exist. */
enum status store_make_groups(const struct store *store, const char *path, struct error *err);

/* Bytes of a text as store_copy_text writes it. */
size_t store_text_bytes(const char *text);

/* Copy at most `width` bytes of text, pad them with NUL, and write bytes that are not UTF-8 as \xNN. */
void store_copy_text(char *to, size_t width, const char *from);

/* The values of an image's status and their names, as CF and netCDF have them: attributes of an open dataset. */
enum status store_attribute_flags(const struct store *store, hid_t dataset, const char *path, struct error *err);

/* "ok unread unsupported exploded undefined" */
#define STORE_FLAG_MEANINGS_BYTES 64
void store_flag_meanings(char text[STORE_FLAG_MEANINGS_BYTES]);

#endif
