#include "io/onnx/memory.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1 << 16, ALIGN = alignof(max_align_t), FIRST = 8 };

struct onnx_memory_block {
    struct onnx_memory_block *next;
    size_t nbytes;
    alignas(max_align_t) unsigned char bytes[];
};

static struct onnx_memory_block *add_block(struct onnx_memory *m, size_t nbytes)
{
    size_t total;

    if (__builtin_add_overflow(nbytes, sizeof(struct onnx_memory_block), &total))
        return NULL;
    struct onnx_memory_block *block = calloc(1, total);
    if (!block)
        return NULL;
    block->nbytes = nbytes;
    block->next = m->blocks;
    m->blocks = block;
    m->used = 0;
    return block;
}

void *onnx_memory_take(struct onnx_memory *m, size_t n, size_t item_bytes)
{
    size_t nbytes;

    if (__builtin_mul_overflow(n, item_bytes, &nbytes) || nbytes > SIZE_MAX - ALIGN)
        return NULL;
    nbytes = (nbytes + ALIGN - 1) / ALIGN * ALIGN;
    if ((!m->blocks || nbytes > m->blocks->nbytes - m->used) && !add_block(m, nbytes > BLOCK ? nbytes : BLOCK))
        return NULL;
    void *taken = m->blocks->bytes + m->used;
    m->used += nbytes;
    return taken;
}

void *onnx_memory_grow(struct onnx_memory *m, void *array, size_t *capacity, size_t n, size_t item_bytes)
{
    if (n < *capacity)
        return array;
    size_t wanted = *capacity ? 2 * *capacity : FIRST;
    void *moved = onnx_memory_take(m, wanted, item_bytes);
    if (!moved)
        return NULL;
    if (n > 0)
        memcpy(moved, array, n * item_bytes);
    *capacity = wanted;
    return moved;
}

void onnx_memory_release(struct onnx_memory *m)
{
    while (m->blocks) {
        struct onnx_memory_block *next = m->blocks->next;
        free(m->blocks);
        m->blocks = next;
    }
    m->used = 0;
}
