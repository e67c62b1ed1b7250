/* The store: one netCDF-4 file, which is an HDF5 file, with all results of a run (format 2).
 *
 * One table of fields (fields.c) lists everything that a store may contain: the path of every dataset, its type, its
 * axes, its meaning and its unit. The functions for writing look up each path in the table. A path, number of axes or
 * axis length that does not fit is a mistake of the caller and is reported as FAIL_FORMAT. Elements that are never
 * written are NaN, -1, 0, "" or `unread`.
 *
 * A store is written to a temporary file, which store_commit renames into place. Every axis has a scale of its length
 * (channel numbers, names of classes, ...), which is attached to every dataset along that axis; scales that all groups
 * share are in the root. So netCDF finds dimensions and coordinates; types are those that it knows. Groups have NeXus
 * attributes, so viewers open on a plot. No function here prints. Errors name the file and the path in it.
 */
#ifndef NRMFLOW_IO_STORE_STORE_H
#define NRMFLOW_IO_STORE_STORE_H

#include "io/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STORE_FORMAT_VERSION = 2, STORE_MAX_DIMS = 6, STORE_NAME = 256 /* bytes of one part of a path, with NUL */ };

/* ---- fields ---------------------------------------------------------------------------------------------------- */

/* Type of an element: in memory (float, double, int32_t, int64_t, uint64_t, uint8_t) and, little-endian, in the file.
 * */
enum store_type {
    STORE_F32,
    STORE_F64,
    STORE_I32,
    STORE_I64,
    STORE_U64,
    STORE_STATUS, /* uint8_t with an enum store_status, whose names are in the attribute flag_meanings */
    STORE_TEXT,   /* UTF-8 of any length; written by store_write_text */
    STORE_NTYPES
};

/* Status of an image. */
enum store_status {
    STORE_IMAGE_OK,
    STORE_IMAGE_UNREAD,
    STORE_IMAGE_UNSUPPORTED,
    STORE_IMAGE_EXPLODED,
    STORE_IMAGE_UNDEFINED,
    STORE_NSTATUS
};

struct store_field {
    const char *path; /* a component "*" stands for any name: of a variable, a pair, a query */
    enum store_type type;
    const char *axes; /* names separated by commas, outermost first; "" for a scalar */
    const char *description, *units;
};

/* All fields, in the order of the table in docs/reference/store.md. */
const struct store_field *store_fields(size_t *count);

/* Fields whose numbers are the mean over the images of a function of a channel's relevance. The program computes them
 * from their rows alone. */
struct store_function {
    const char *name; /* of the dataset of a layer */
    double (*of)(double relevance);
};

const struct store_function *store_functions(size_t *count);

/* The field of a path such as "layers/conv1_1/mean"; NULL if there is none. */
const struct store_field *store_field(const char *path);

/* Whether the field may be missing although its group exists. */
bool store_field_optional(const struct store_field *field);

/* "ok", "unread", "unsupported", "exploded", "undefined"; "invalid" for any other number. */
const char *store_status_name(int64_t status);

/* "float32", "int64", "uint8", "text", ... */
const char *store_type_name(enum store_type type);

/* ---- writing --------------------------------------------------------------------------------------------------- */

struct store;
struct store_reader;

/* Begin a store that is to be at `path`, with the attributes `format` and `format_version`.
 *
 *   out      out  caller ends it with store_commit or store_discard, which both free it
 *   deflate  in   0 (no compression) .. 9
 * Errors: FAIL_SYSTEM, FAIL_CONFIG (the path is not a regular file, or there is no such level). */
enum status store_create(struct store **out, const char *path, unsigned deflate, struct error *err);

/* Do not compress the datasets in /state: they are soon replaced, and compressing them would take longer than
 * everything else. */
void store_plain_state(struct store *store);

/* Write a whole dataset and create the groups of its path.
 *
 *   data  in  [dims[0]]...[dims[ndim-1]] of the field's type; may be NULL if there are no elements
 *   dims  in  [ndim] lengths in the order of the field's axes; ndim 0 and NULL for a scalar
 * Errors: FAIL_FORMAT (no such field, another number of axes, written before), FAIL_SYSTEM (a full disk). */
enum status store_write(struct store *store, const char *path, const void *data, size_t ndim, const size_t *dims,
                        struct error *err);

/* The name of a file as it is stored: \xNN for bytes that are not UTF-8, and \x5C for a backslash that would begin such
 * an escape, so that names can be told apart and opened again. From malloc; NULL without memory. */
char *store_escape_name(const char *name);

/* Write a column of strings. Bytes that are not UTF-8 become \xNN, with two hexadecimal digits.
 *
 *   values  in  [count] */
enum status store_write_text(struct store *store, const char *path, const char *const *values, size_t count,
                             struct error *err);

/* Begin a dataset that is written in rows along its first axis. Its chunks contain as many whole rows as fit, or parts
 * of one row. Parameters and errors as store_write. */
enum status store_create_rows(struct store *store, const char *path, size_t ndim, const size_t *dims,
                              struct error *err);

/* Write rows first .. first + nrows - 1 of a dataset begun with store_create_rows. Rows may come in any order; in
 * ascending order each chunk is compressed only once.
 *
 *   data  in  [nrows][dims[1]]...[dims[ndim-1]] of the field's type
 * Errors: FAIL_FORMAT (not begun, or rows beyond the end), FAIL_SYSTEM. */
enum status store_write_rows(struct store *store, const char *path, size_t first, size_t nrows, const void *data,
                             struct error *err);

/* Set an attribute; one of that name is replaced. Attributes of the root that other modules read:
 *
 *   text     config, network, composite, bias, pool, given, target, dataset, dataset_sha256, model_sha256,
 *            program_version, isa, blas_core; shard (in a store of a part of the images only);
 *            default (the group that a viewer opens first; also on "layers" and "flows")
 *   integer  seed, complete (0 or 1), weak_condition (1, or absent),
 *            finished (number of images that a partial run has processed)
 *   real     seconds_<stage>
 *
 * A flow has `method` (exact, sampled), a query `expression`.
 *
 *   object  in  "" for the root, a dataset that exists, or a group of the table such as "flows/conv1_1-conv1_2", which
 *               is created if it does not exist
 *   value   in  text of any length (UTF-8; other bytes become \xNN), an int64, or a float64
 * Errors: FAIL_FORMAT (no such object), FAIL_SYSTEM. */
enum status store_set_text(struct store *store, const char *object, const char *name, const char *value,
                           struct error *err);
enum status store_set_int(struct store *store, const char *object, const char *name, int64_t value, struct error *err);
enum status store_set_real(struct store *store, const char *object, const char *name, double value, struct error *err);

/* Copy the dataset of this path from another store, where it has `nrows` rows, to rows first .. first + nrows - 1 of a
 * dataset begun with store_create_rows, bit for bit.
 * Errors: FAIL_FORMAT (not begun, or rows beyond the end; another type, width or number of rows in `from`),
 * FAIL_SYSTEM. */
enum status store_copy_rows(struct store *store, const char *path, size_t first, const struct store_reader *from,
                            size_t nrows, struct error *err);

/* Finish the store: scales, NeXus attributes, close, fsync, rename over the path. Always frees `store`. On failure the
 * temporary file is removed, and an old store at the path is unchanged. */
enum status store_commit(struct store *store, struct error *err);

/* Discard the store and remove its temporary file; NULL is fine. */
void store_discard(struct store *store);

/* ---- reading --------------------------------------------------------------------------------------------------- */

/* Reading works on files of any origin. Links out of the file, external storage, plug-in filters and impossible sizes
 * are refused, as are groups that another program (h5repack) has rewritten without checksums, on which HDF5 1.10 may
 * crash. One call never allocates more than 2 GiB. Attributes have the types of store_set_*. In stores of format 1,
 * datasets that have moved since are found by their present paths.
 *
 * Errors of all functions below: FAIL_FORMAT (damaged, missing, of another type or shape), FAIL_UNSUPPORTED,
 * FAIL_LIMIT, FAIL_SYSTEM. */

/* Open a store and check `format` and `format_version`.
 *
 *   out  out  caller ends it with store_close */
enum status store_open_read(struct store_reader **out, const char *path, struct error *err);

/* NULL is fine. */
void store_close(struct store_reader *reader);

/* Size of the file in bytes. */
uint64_t store_file_bytes(const struct store_reader *reader);

/* Whether there is a group or dataset of this path, or an attribute of this name. */
bool store_has(const struct store_reader *reader, const char *path);
bool store_has_attribute(const struct store_reader *reader, const char *object, const char *name);

/* Read an attribute. Caller frees *out of store_get_text. */
enum status store_get_text(char **out, const struct store_reader *reader, const char *object, const char *name,
                           struct error *err);
enum status store_get_int(int64_t *out, const struct store_reader *reader, const char *object, const char *name,
                          struct error *err);
enum status store_get_real(double *out, const struct store_reader *reader, const char *object, const char *name,
                           struct error *err);

struct store_names {
    size_t count;
    char **names; /* [count] */
};

/* List the names in a group in the order of their creation, or of an object's attributes in alphabetical order. Caller
 * frees the list with store_names_free, which accepts an empty one. */
enum status store_list(struct store_names *out, const struct store_reader *reader, const char *group,
                       struct error *err);
enum status store_list_attributes(struct store_names *out, const struct store_reader *reader, const char *object,
                                  struct error *err);
void store_names_free(struct store_names *names);

/* Shape of a dataset.
 *
 *   dims  out  [STORE_MAX_DIMS] the first *ndim are set */
enum status store_shape(size_t *ndim, size_t *dims, const struct store_reader *reader, const char *path,
                        struct error *err);

/* Compressed size of a dataset in the file, in bytes, of text without the strings themselves; 0 if it cannot be opened,
 * is not a dataset, or is a group's link to a scale in the root. */
uint64_t store_dataset_bytes(const struct store_reader *reader, const char *path);

/* Any length of an axis, for store_read_*. */
#define STORE_ANY ((size_t)-1)

/* Read a whole dataset. Real and float accept numbers of every type, int accepts integers and status.
 *
 *   out   out     its elements; caller frees them with one free(), text as well
 *   dims  in/out  [ndim] expected lengths; STORE_ANY is replaced by the length found. NULL for a scalar, ndim 0
 * Errors: FAIL_FORMAT if the shape or the type is another. */
enum status store_read_real(double **out, const struct store_reader *reader, const char *path, size_t ndim,
                            size_t *dims, struct error *err);
enum status store_read_float(float **out, const struct store_reader *reader, const char *path, size_t ndim,
                             size_t *dims, struct error *err);
enum status store_read_int(int64_t **out, const struct store_reader *reader, const char *path, size_t ndim,
                           size_t *dims, struct error *err);
enum status store_read_text(char ***out, const struct store_reader *reader, const char *path, size_t *count,
                            struct error *err);

/* Read a whole dataset of 64-bit words into the caller's memory.
 *
 *   out  out  [n]; FAIL_MISMATCH if the dataset has another length */
enum status store_read_words(void *out, const struct store_reader *reader, const char *path, size_t n,
                             struct error *err);

/* Read rows first .. first + nrows - 1 into the caller's memory.
 *
 *   out    out  [nrows][width]
 *   width  in   elements of one row; FAIL_FORMAT if the dataset has another width or fewer rows */
enum status store_read_rows(double *out, const struct store_reader *reader, const char *path, size_t first,
                            size_t nrows, size_t width, struct error *err);

#endif
