/* An unpickler for PyTorch state dicts; private to io/weights/.
 *
 * It knows the opcodes of protocols 2 to 5 that torch.save writes. Nothing of the pickle is called or imported: the few
 * globals that make tensors, storages and dicts are rows of a table, and whatever another one makes is an object
 * without behaviour, of which the name of its class, its items and its attributes are kept. Globals of modules that run
 * programs are refused, and the message names them.
 *
 * Values have numbers; containers are linked lists of cells. The text of strings is borrowed from the pickle's bytes.
 */
#ifndef NRMFLOW_IO_WEIGHTS_PICKLE_H
#define NRMFLOW_IO_WEIGHTS_PICKLE_H

#include "io/weights/internal.h"

enum weights_pickle_kind {
    WEIGHTS_PICKLE_OTHER, /* None, bytes, an integer of more than 8 bytes */
    WEIGHTS_PICKLE_INTEGER,
    WEIGHTS_PICKLE_REAL,
    WEIGHTS_PICKLE_STRING,
    WEIGHTS_PICKLE_TUPLE,
    WEIGHTS_PICKLE_LIST,
    WEIGHTS_PICKLE_DICT,
    WEIGHTS_PICKLE_GLOBAL,
    WEIGHTS_PICKLE_STORAGE,
    WEIGHTS_PICKLE_TENSOR,
    WEIGHTS_PICKLE_OBJECT /* what an unknown global makes: items as of a dict, and attributes */
};

enum { WEIGHTS_PICKLE_END = -1, WEIGHTS_PICKLE_CLASS = 512 };

struct weights_pickle_value {
    enum weights_pickle_kind kind;
    long long integer; /* also a bool; the number of a global, of an object's global, of a storage or tensor */
    double real;
    const unsigned char *text; /* of a string, without a final zero */
    size_t length;             /* of a string; number of items of a container */
    long first, last;          /* cells of a container, or WEIGHTS_PICKLE_END */
    long attributes;           /* the value with an object's attributes, or WEIGHTS_PICKLE_END */
};

/* An item of a tuple or list (key unused) or of a dict. */
struct weights_pickle_cell {
    size_t key, value;
    long next;
};

/* A class or function that the pickle names. */
struct weights_pickle_global {
    const unsigned char *module, *name; /* as the text of strings */
    size_t nmodule, nname;
    size_t row; /* of the table of known ones; beyond its end if unknown */
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
    struct weights_pickle_global *globals;
    struct weights_pickle_storage *storages;
    struct weights_pickle_tensor *tensors;
    size_t nvalues, ncells, nglobals, nstorages, ntensors;
    size_t values_capacity, cells_capacity, globals_capacity, storages_capacity, tensors_capacity;
    size_t root;
};

/* Read one pickle.
 *
 *   p       out  its values; caller releases them with weights_pickle_release, also on failure
 *   nused   out  length of the pickle in bytes
 *   bytes   in   [nbytes] borrowed until weights_pickle_release
 *   path    in   the file, for messages
 *
 * Errors: FAIL_FORMAT, FAIL_UNSUPPORTED for an opcode that torch.save does not write or a global that runs programs,
 * FAIL_LIMIT, FAIL_SYSTEM. */
enum status weights_pickle_parse(struct weights_pickle *p, size_t *nused, const unsigned char *bytes, size_t nbytes,
                                 const char *path, struct error *err);

void weights_pickle_release(struct weights_pickle *p);

/* Whether a value is this string. */
bool weights_pickle_is_text(const struct weights_pickle_value *v, const char *text);

/* Whether a value has items with keys: a dict or an object. */
bool weights_pickle_has_items(const struct weights_pickle_value *v);

/* "module.name" of a global or of an object's class, characters that are not printable as question marks. */
void weights_pickle_class(char out[WEIGHTS_PICKLE_CLASS], const struct weights_pickle *p,
                          const struct weights_pickle_value *v);

/* The attributes of an object, which are a dict; NULL if it has none or is none. */
const struct weights_pickle_value *weights_pickle_attributes(const struct weights_pickle *p,
                                                             const struct weights_pickle_value *v);

/* The value of a string key of a dict; NULL if there is none or `dict` has no items. */
const struct weights_pickle_value *weights_pickle_find(const struct weights_pickle *p,
                                                       const struct weights_pickle_value *dict, const char *key);

#endif
