/* The names of a model's values, each with a number; private to io/onnx/. */
#ifndef NRMFLOW_IO_ONNX_NAMES_H
#define NRMFLOW_IO_ONNX_NAMES_H

#include "io/onnx/memory.h"

#include <stdbool.h>

enum { ONNX_MAX_NAMES = 1 << 20 };

struct onnx_name {
    const char *text; /* [nbytes] as in the file, and a zero */
    size_t nbytes;
};

/* Starts as zeros. Name 0 is the empty one. */
struct onnx_names {
    struct onnx_name *list; /* [count] */
    size_t count, capacity;
    size_t *table; /* [slots] numbers + 1 by hash; 0 for an empty slot */
    size_t slots;
};

/* The number of a name, which is added if it is new; the text is copied. Returns false without memory, above
 * ONNX_MAX_NAMES names, or if too many names have the same hash, which is no accident. */
bool onnx_names_number(size_t *number, struct onnx_names *names, struct onnx_memory *memory, const char *text,
                       size_t nbytes);

#endif
