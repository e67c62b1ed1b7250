/* An unpickler for PyTorch state dicts; private to io/weights/.
 *
 * It knows the opcodes of pickle protocol 2 that torch.save writes for dicts of tensors and numbers, and the globals
 * that name tensors and storages. Anything else is refused, and the message names it. Nothing of the pickle is called:
 * a global is a row of a table.
 *
 * Values have numbers; containers are linked lists of cells. The text of strings is borrowed from the pickle's bytes.
 */
#ifndef NRMFLOW_IO_WEIGHTS_PICKLE_H
#define NRMFLOW_IO_WEIGHTS_PICKLE_H

#include "io/weights/internal.h"

enum weights_pickle_kind {
    WEIGHTS_PICKLE_OTHER, /* None, a float */
    WEIGHTS_PICKLE_INTEGER,
    WEIGHTS_PICKLE_STRING,
    WEIGHTS_PICKLE_TUPLE,
    WEIGHTS_PICKLE_LIST,
    WEIGHTS_PICKLE_DICT,
    WEIGHTS_PICKLE_GLOBAL,
    WEIGHTS_PICKLE_STORAGE,
    WEIGHTS_PICKLE_TENSOR
};

enum { WEIGHTS_PICKLE_END = -1 };

struct weights_pickle_value {
    enum weights_pickle_kind kind;
    long long integer;         /* also a bool; the row of a global; the number of a storage or tensor */
    const unsigned char *text; /* of a string, without a final zero */
    size_t length;             /* of a string; number of items of a container */
    long first, last;          /* cells of a container, or WEIGHTS_PICKLE_END */
};

/* An item of a tuple or list (key unused) or of a dict. */
struct weights_pickle_cell {
    size_t key, value;
    long next;
};

struct weights_pickle_storage {
    const unsigned char *key;
    size_t nkey;
    const struct weights_dtype *dtype;
    size_t numel;
};

struct weights_pickle_tensor {
    size_t storage;
    size_t offset, ndim; /* elements of the storage before the first one */
    size_t dims[WEIGHTS_MAX_DIMS], strides[WEIGHTS_MAX_DIMS];
};

struct weights_pickle {
    struct weights_pickle_value *values;
    struct weights_pickle_cell *cells;
    struct weights_pickle_storage *storages;
    struct weights_pickle_tensor *tensors;
    size_t nvalues, ncells, nstorages, ntensors;
    size_t values_capacity, cells_capacity, storages_capacity, tensors_capacity;
    size_t root;
};

/* Read one pickle.
 *
 *   p       out  its values; caller releases them with weights_pickle_release, also on failure
 *   nused   out  length of the pickle in bytes
 *   bytes   in   [nbytes] borrowed until weights_pickle_release
 *   path    in   the file, for messages
 *
 * Errors: FAIL_FORMAT, FAIL_UNSUPPORTED for an opcode or global that state dicts do not have, FAIL_LIMIT, FAIL_SYSTEM.
 */
enum status weights_pickle_parse(struct weights_pickle *p, size_t *nused, const unsigned char *bytes, size_t nbytes,
                                 const char *path, struct error *err);

void weights_pickle_release(struct weights_pickle *p);

/* Whether a value is this string. */
bool weights_pickle_is_text(const struct weights_pickle_value *v, const char *text);

/* The value of a string key of a dict; NULL if there is none or `dict` is not a dict. */
const struct weights_pickle_value *weights_pickle_find(const struct weights_pickle *p,
                                                       const struct weights_pickle_value *dict, const char *key);

#endif
