/* The stack machine of the unpickler; private to pickle*.c. */
#ifndef NRMFLOW_IO_WEIGHTS_PICKLE_MACHINE_H
#define NRMFLOW_IO_WEIGHTS_PICKLE_MACHINE_H

#include "io/weights/pickle.h"

enum {
    WEIGHTS_PICKLE_MAX_VALUES = 1 << 20, /* also of cells, and of entries of the stack and the memo */
    WEIGHTS_PICKLE_MAX_STORAGES = 1 << 13,
    WEIGHTS_PICKLE_MAX_TEXT = 255
};

#define WEIGHTS_PICKLE_MARK SIZE_MAX /* on the stack: a mark; in the memo: an unused entry */

struct weights_pickle_machine {
    struct weights_pickle *p;
    const unsigned char *bytes;
    size_t nbytes, at;
    size_t *stack, *memo; /* numbers of values */
    size_t nstack, nmemo, stack_capacity, memo_capacity;
    bool stopped;
    const char *path;
    struct error *err;
};

/* Record a failure with the position in the pickle; returns its status. */
enum status weights_pickle_machine_damaged(struct weights_pickle_machine *m, const char *reason);
enum status weights_pickle_machine_full(struct weights_pickle_machine *m);
enum status weights_pickle_machine_memory(struct weights_pickle_machine *m);

/* Push the number of a value, or a mark. */
enum status weights_pickle_machine_push_number(struct weights_pickle_machine *m, size_t number);

/* Create a value and push it. */
enum status weights_pickle_machine_push(struct weights_pickle_machine *m, struct weights_pickle_value value);
enum status weights_pickle_machine_push_container(struct weights_pickle_machine *m, enum weights_pickle_kind kind);

/* Append an item to the container of this number; `key` is used for dicts only. */
enum status weights_pickle_machine_append(struct weights_pickle_machine *m, size_t container, size_t key, size_t value);

/* Whether the stack has n values above its highest mark. */
bool weights_pickle_machine_has(const struct weights_pickle_machine *m, size_t n);

/* The value `depth` entries below the top of the stack; NULL if there is none, or if it is of another kind. */
const struct weights_pickle_value *weights_pickle_machine_any(const struct weights_pickle_machine *m, size_t depth);
const struct weights_pickle_value *weights_pickle_machine_peek(const struct weights_pickle_machine *m, size_t depth,
                                                               enum weights_pickle_kind kind);

/* The values of the first n items of a container; false if it has fewer. */
bool weights_pickle_machine_items(const struct weights_pickle_value **out, const struct weights_pickle *p,
                                  const struct weights_pickle_value *container, size_t n);

/* Push a global by its name. FAIL_UNSUPPORTED for those that run programs. */
enum status weights_pickle_globals_push(struct weights_pickle_machine *m, const struct weights_pickle_global *named);

/* Push what a global makes of a tuple of arguments. `called` is a global or an object; only functions of the table of
 * globals are run, anything else makes an object. */
enum status weights_pickle_globals_call(struct weights_pickle_machine *m, const struct weights_pickle_value *called,
                                        const struct weights_pickle_value *arguments);

/* Push what a persistent identifier describes: a storage, or the class of a module. */
enum status weights_pickle_globals_persistent(struct weights_pickle_machine *m, const struct weights_pickle_value *id);

#endif
