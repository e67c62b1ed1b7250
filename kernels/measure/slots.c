#include "kernels/measure/slots.h"

#include "kernels/base/number.h"

#include <assert.h>

struct slot {
    size_t variable; /* the last one so far */
    size_t floats;   /* of the largest one */
    float *array;
};

struct slots {
    size_t count;
    struct slot slots[NETWORK_MAX_VARIABLES];
    size_t of[NETWORK_MAX_VARIABLES];
};

/* The highest swept link below variable `highest` that reads variable k: there its array comes into use. */
static size_t first_use(const struct network *net, size_t k, size_t highest)
{
    size_t use = k;

    for (size_t i = net->first_reader[k]; i < net->first_reader[k + 1]; i++) {
        size_t link = net->edges[net->readers[i]].link;
        if (link < highest && net->swept[link + 1])
            use = larger(use, link);
    }
    return use;
}

static void assign(struct slots *slots, const struct network *net, size_t k, size_t lowest, size_t use)
{
    size_t s = 0;

    while (s < slots->count && (slots->slots[s].variable == lowest || slots->slots[s].variable - 1 <= use))
        s++;
    if (s == slots->count)
        slots->slots[slots->count++] = (struct slot){.floats = 0};
    slots->slots[s].variable = k;
    slots->slots[s].floats = larger(slots->slots[s].floats, layout_floats(network_layout(net, k)));
    slots->of[k - lowest] = s;
}

void slots_place(float **arrays, const struct network *net, size_t lowest, size_t highest, size_t n,
                 struct arena *arena)
{
    struct slots slots = {.count = 0};

    assert(lowest <= highest && highest <= net->nlinks);
    for (size_t link = highest + 1; link-- > 0;)
        for (size_t k = highest + 1; k-- > lowest;)
            if (first_use(net, k, highest) == link)
                assign(&slots, net, k, lowest, link);
    for (size_t s = 0; s < slots.count; s++)
        slots.slots[s].array = arena_floats(arena, n * slots.slots[s].floats);
    for (size_t k = lowest; k <= highest && arrays; k++)
        arrays[k - lowest] = slots.slots[slots.of[k - lowest]].array;
}
