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

/* The highest link that reads variable k, of those that are swept and below variable `highest`, or of all, gates
 * included: there its array comes into use on the way down, and is out of use on the way up. */
static size_t first_use(const struct network *net, size_t k, size_t highest, bool swept)
{
    size_t use = k;

    for (size_t i = net->first_reader[k]; i < net->first_reader[k + 1]; i++) {
        size_t link = net->edges[net->readers[i]].link;
        if (link < highest && (!swept || net->swept[link + 1]))
            use = larger(use, link);
    }
    for (size_t link = k; link < net->nlinks && !swept && net->gates[k]; link++)
        if (net->links[link].kind == LINK_GATE && net->links[link].gate == k)
            use = larger(use, link);
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

static void place(float **arrays, const struct network *net, size_t lowest, size_t highest, bool swept, size_t n,
                  struct arena *arena)
{
    struct slots slots = {.count = 0};
    size_t use[NETWORK_MAX_VARIABLES];

    assert(lowest <= highest && highest <= net->nlinks);
    for (size_t k = lowest; k <= highest; k++)
        use[k] = first_use(net, k, highest, swept);
    for (size_t link = highest + 1; link-- > 0;)
        for (size_t k = highest + 1; k-- > lowest;)
            if (use[k] == link)
                assign(&slots, net, k, lowest, link);
    for (size_t s = 0; s < slots.count; s++)
        slots.slots[s].array = arena_floats(arena, n * slots.slots[s].floats);
    for (size_t k = lowest; k <= highest && arrays; k++)
        arrays[k - lowest] = slots.slots[slots.of[k - lowest]].array;
}

void slots_place(float **arrays, const struct network *net, size_t lowest, size_t highest, size_t n,
                 struct arena *arena)
{
    place(arrays, net, lowest, highest, true, n, arena);
}

void slots_place_evaluated(float **arrays, const struct network *net, size_t n, struct arena *arena)
{
    place(arrays, net, 0, net->nlinks, false, n, arena);
}
