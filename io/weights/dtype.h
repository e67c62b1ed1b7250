/* Types of numbers in files of weights. */
#ifndef NRMFLOW_IO_WEIGHTS_DTYPE_H
#define NRMFLOW_IO_WEIGHTS_DTYPE_H

#include <stddef.h>

/* A type of numbers; `decode` is NULL for types that no layer has. */
struct weights_dtype {
    const char *name;
    size_t nbytes;
    void (*decode)(double *values, const unsigned char *bytes, size_t n); /* from little endian */
};

/* The type of this name in safetensors' spelling, or NULL. */
const struct weights_dtype *weights_dtype_find(const char *name);

#endif
