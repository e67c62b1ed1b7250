/* Reading a store with HDF5 in the sandboxed process of read.c; private to io/store/.
 *
 * The functions and their errors correspond to those of store.h. The caller frees the results. */
#ifndef NRMFLOW_IO_STORE_SANDBOXED_H
#define NRMFLOW_IO_STORE_SANDBOXED_H

#include "io/base/sandbox.h"
#include "io/store/check.h"
#include "io/store/internal.h"

/* Operations, as [numbers] [texts] bytes of the request > [numbers] bytes of the reply. */
enum store_op {
    STORE_OP_OPEN,          /* [] [] > [size of the file] */
    STORE_OP_HAS,           /* [] [path] > [0 or 1] */
    STORE_OP_HAS_ATTRIBUTE, /* [] [object, name] > [0 or 1] */
    STORE_OP_GET_TEXT,      /* [] [object, name] > [] the text */
    STORE_OP_GET_INT,       /* [] [object, name] > [] int64_t */
    STORE_OP_GET_REAL,      /* [] [object, name] > [] double */
    STORE_OP_LIST,          /* [] [group] > [count] names, each with a NUL */
    STORE_OP_ATTRIBUTES,    /* [] [object] > the same */
    STORE_OP_SHAPE,         /* [] [path] > [ndim, dims] */
    STORE_OP_BYTES,         /* [] [path] > [size in the file] */
    STORE_OP_REAL,          /* [ndim, dims] [path] > [ndim, dims] elements */
    STORE_OP_FLOAT,
    STORE_OP_INT,
    STORE_OP_TEXT,  /* [count] [path] > [count] strings, each with a NUL */
    STORE_OP_WORDS, /* [total, first, n] [path] > [] elements */
    STORE_OP_CHECK, /* [] [] > [count, left out, datasets, unreadable] place and problem, each with a NUL */
    STORE_OP_SLAB,  /* [] [path] struct store_slab > [] elements */
    STORE_NOPS
};

/* Answer a request in the child; `state` is a struct store_sandboxed. */
sandbox_answer store_sandboxed_answer;

/* A store that is open in the child. */
struct store_sandboxed {
    const char *path; /* borrowed */
    hid_t file;
    hsize_t nbytes;
    int64_t version; /* of the format */
};

enum status store_sandboxed_open(struct store_sandboxed *reader, struct error *err);
bool store_sandboxed_has(const struct store_sandboxed *reader, const char *path);
bool store_sandboxed_has_attribute(const struct store_sandboxed *reader, const char *object, const char *name);
enum status store_sandboxed_get_text(char **out, const struct store_sandboxed *reader, const char *object,
                                     const char *name, struct error *err);
enum status store_sandboxed_get_int(int64_t *out, const struct store_sandboxed *reader, const char *object,
                                    const char *name, struct error *err);
enum status store_sandboxed_get_real(double *out, const struct store_sandboxed *reader, const char *object,
                                     const char *name, struct error *err);
enum status store_sandboxed_list(struct store_names *out, const struct store_sandboxed *reader, const char *group,
                                 struct error *err);
enum status store_sandboxed_list_attributes(struct store_names *out, const struct store_sandboxed *reader,
                                            const char *object, struct error *err);
enum status store_sandboxed_shape(size_t *ndim, size_t *dims, const struct store_sandboxed *reader, const char *path,
                                  struct error *err);

size_t store_sandboxed_bytes(const struct store_sandboxed *reader, const char *path);

/* Read numbers; `op` is STORE_OP_REAL, _FLOAT or _INT. */
enum status store_sandboxed_read(void **out, size_t *nbytes, const struct store_sandboxed *reader, const char *path,
                                 enum store_op op, size_t ndim, size_t *dims, struct error *err);

/* Read strings, one after the other, each with a final NUL; *out may be NULL if there are none. */
enum status store_sandboxed_read_text(void **out, size_t *nbytes, const struct store_sandboxed *reader,
                                      const char *path, size_t *count, struct error *err);

/* Read words first .. first + n - 1 of `total`; *out is NULL if n is 0. */
enum status store_sandboxed_read_words(void **out, const struct store_sandboxed *reader, const char *path, size_t total,
                                       size_t first, size_t n, struct error *err);

/* store_check; the caller frees `problems`. */
enum status store_sandboxed_check(struct store_problems *problems, const struct store_sandboxed *reader,
                                  struct error *err);

/* Read the rows of a slab; *out is NULL if it is empty. */
enum status store_sandboxed_read_slab(void **out, const struct store_sandboxed *reader, const char *path,
                                      const struct store_slab *slab, struct error *err);

/* FAIL_UNSUPPORTED if a group on the way to `path` is stored in a form on which HDF5 may crash when it is damaged. */
enum status store_sandboxed_guard(const struct store_sandboxed *reader, const char *path, struct error *err);

/* Whether a type is text of a fixed length. */
bool store_sandboxed_fixed_text(hid_t type);

#endif
