#include "io/onnx/names.h"

#include <stdint.h>
#include <string.h>

enum { FIRST_SLOTS = 256, MOST_PROBES = 4096 };

/* FNV-1a */
static uint64_t hash(const char *text, size_t nbytes)
{
    uint64_t h = 0xcbf29ce484222325U;

    for (size_t i = 0; i < nbytes; i++)
        h = (h ^ (unsigned char)text[i]) * 0x100000001b3U;
    return h ^ h >> 32;
}

/* The slot of a name, or the empty one where it belongs; `slots` if there is none within MOST_PROBES. */
static size_t find_slot(const struct onnx_names *names, const char *text, size_t nbytes)
{
    size_t slot = (size_t)hash(text, nbytes) & (names->slots - 1);

    for (size_t probe = 0; probe < MOST_PROBES && probe < names->slots; probe++) {
        size_t number = names->table[slot];
        if (number == 0)
            return slot;
        const struct onnx_name *name = &names->list[number - 1];
        if (name->nbytes == nbytes && memcmp(name->text, text, nbytes) == 0)
            return slot;
        slot = (slot + 1) & (names->slots - 1);
    }
    return names->slots;
}

/* Keep at least half of the slots empty. */
static bool reserve(struct onnx_names *names, struct onnx_memory *memory)
{
    if (2 * (names->count + 1) <= names->slots)
        return true;
    names->slots = names->slots ? 2 * names->slots : FIRST_SLOTS;
    names->table = onnx_memory_take(memory, names->slots, sizeof *names->table);
    for (size_t i = 0; names->table && i < names->count; i++) {
        size_t slot = find_slot(names, names->list[i].text, names->list[i].nbytes);
        if (slot == names->slots)
            return false;
        names->table[slot] = i + 1;
    }
    return names->table != NULL;
}

bool onnx_names_number(size_t *number, struct onnx_names *names, struct onnx_memory *memory, const char *text,
                       size_t nbytes)
{
    if (!reserve(names, memory))
        return false;
    size_t slot = find_slot(names, text, nbytes);
    if (slot == names->slots)
        return false;
    if (names->table[slot] == 0) {
        struct onnx_name *list =
            onnx_memory_grow(memory, names->list, &names->capacity, names->count, sizeof *names->list);
        char *copy = onnx_memory_take(memory, nbytes + 1, 1);
        if (!list || !copy || names->count == ONNX_MAX_NAMES)
            return false;
        memcpy(copy, text, nbytes);
        names->list = list;
        names->list[names->count] = (struct onnx_name){copy, nbytes};
        names->table[slot] = ++names->count;
    }
    *number = names->table[slot] - 1;
    return true;
}
