/* Memory of a model, released as a whole; private to io/onnx/. */
#ifndef NRMFLOW_IO_ONNX_MEMORY_H
#define NRMFLOW_IO_ONNX_MEMORY_H

#include <stddef.h>

struct onnx_memory_block;

/* Starts as zeros. */
struct onnx_memory {
    struct onnx_memory_block *blocks;
    size_t used; /* bytes of the newest block */
};

/* n items that are zero; NULL if there is no memory or n * item_bytes overflows. Valid until onnx_memory_release. */
void *onnx_memory_take(struct onnx_memory *m, size_t n, size_t item_bytes);

/* Make room for one more item in an array of n items, which may move; new items are zero. NULL without memory. */
void *onnx_memory_grow(struct onnx_memory *m, void *array, size_t *capacity, size_t n, size_t item_bytes);

/* Release everything; the memory may be used again. */
void onnx_memory_release(struct onnx_memory *m);

#endif
