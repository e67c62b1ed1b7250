#include "kernels/measure/walk_measure.h"

#include "kernels/base/number.h"
#include "kernels/layer/mask.h"

#include <assert.h>
#include <string.h>

static struct layout layout_of(const struct walk_work *work, size_t level)
{
    return network_layout(work->plan->net, work->list.variables[level]);
}

static const float *const *masks_of(const struct walk_work *work)
{
    return work->condition.given == GIVEN_SETS ? work->condition.masks : NULL;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

void walk_measure_place(struct walk_work *work, const struct measure_plan *plan, struct walk_list list,
                        struct walk_condition condition, size_t nbytes, struct arena *arena)
{
    size_t lowest = list.variables[list.nlayers - 1], highest = plan->net->nlinks, floats = 0;
    bool below = condition.given != GIVEN_NONE && condition.lowest < lowest;

    assert(list.nlayers > 1 && list.count > 0);
    *work = (struct walk_work){.plan = plan, .list = list, .condition = condition};
    size_t from = below ? condition.lowest : lowest;
    size_t most = sweep_batch(plan, from, highest, list.count, nbytes);
    sweep_place(&work->sweep, plan, from, highest, most, arena);
    for (size_t level = 0; level < list.nlayers; level++)
        floats = larger(floats, layout_floats(layout_of(work, level)));
    work->h = below ? arena_floats(arena, layout_floats(layout_of(work, list.nlayers - 1))) : NULL;
    work->top = arena_floats(arena, layout_floats(layout_of(work, 0)));
    work->values = arena_floats(arena, most * floats);
    work->products = arena_floats(arena, layout_floats(layout_of(work, list.nlayers - 1)));
    work->sums = arena_doubles(arena, layout_of(work, list.nlayers - 1).shape.channels);
    work->node = arena_bytes(arena, most * sizeof *work->node);
    work->parent = arena_bytes(arena, most * sizeof *work->parent);
}

/* ---- the condition ----------------------------------------------------------------------------------------------- */

/* h of the lowest layer, from the condition's lowest variable up. */
static void sweep_h(struct walk_work *work, const struct measure_image *image)
{
    struct layout from = network_layout(work->plan->net, work->condition.lowest);
    size_t lowest = work->list.variables[work->list.nlayers - 1];
    float *start = sweep_start(&work->sweep, work->condition.lowest, 1);

    for (size_t c = 0; c < from.shape.channels; c++)
        mask_copy_channel(start, NULL, c, from);
    const float *h =
        sweep_go(&work->sweep, image, work->condition.lowest, lowest, 1, &(struct sweep_way){.masks = masks_of(work)});
    memcpy(work->h, h, layout_floats(layout_of(work, work->list.nlayers - 1)) * sizeof *h);
}

/* Relevance of the highest layer, of walks through the sets above it. */
static void sweep_top(struct walk_work *work, const struct measure_image *image)
{
    size_t last = work->plan->net->nlinks, highest = work->list.variables[0];
    size_t floats = layout_floats(layout_of(work, 0));

    if (work->condition.given != GIVEN_SETS || highest == last) {
        memcpy(work->top, image->r[highest], floats * sizeof *work->top);
        return;
    }
    struct layout logits = network_layout(work->plan->net, last);
    memcpy(sweep_start(&work->sweep, last, 1), image->r[last], layout_floats(logits) * sizeof(float));
    memcpy(work->top, sweep_go(&work->sweep, image, last, highest, 1, &(struct sweep_way){.masks = masks_of(work)}),
           floats * sizeof *work->top);
}

/* ---- walks ------------------------------------------------------------------------------------------------------- */

/* Number the different beginnings of walks first .. first + n - 1 down to a level. The number at the level above
 * becomes a walk's parent. Returns how many there are. */
static size_t number_nodes(struct walk_work *work, size_t first, size_t n, size_t level)
{
    size_t nlayers = work->list.nlayers, at = 0;

    for (size_t i = 0; i < n; i++) {
        const size_t *walk = work->list.channels + (first + i) * nlayers;
        at += i > 0 && memcmp(walk, walk - nlayers, (level + 1) * sizeof *walk) != 0;
        work->parent[i] = level ? work->node[i] : 0;
        work->node[i] = at;
    }
    return at + 1;
}

/* Go down one level: from the walks' channels of this one, with the relevance of their parents, to all channels of the
 * next, whose relevance replaces `values`. */
static void descend(struct walk_work *work, const struct measure_image *image, size_t first, size_t n, size_t level)
{
    struct layout here = layout_of(work, level), next = layout_of(work, level + 1);
    size_t nodes = number_nodes(work, first, n, level), from = work->list.variables[level];
    float *start = sweep_start(&work->sweep, from, nodes);
    const float *values = level ? work->values : work->top;

    for (size_t i = 0; i < n; i++)
        if (i == 0 || work->node[i] != work->node[i - 1])
            mask_copy_channel(start + work->node[i] * layout_floats(here),
                              values + work->parent[i] * layout_floats(here),
                              work->list.channels[(first + i) * work->list.nlayers + level], here);
    const float *found = sweep_go(&work->sweep, image, from, work->list.variables[level + 1], nodes,
                                  &(struct sweep_way){.masks = masks_of(work)});
    memcpy(work->values, found, nodes * layout_floats(next) * sizeof *found);
}

/* The relevance of the walks, from their channels of the lowest layer. */
static void finish(double *relevance, struct walk_work *work, size_t first, size_t n)
{
    size_t level = work->list.nlayers - 1;
    struct layout layout = layout_of(work, level);

    for (size_t i = 0; i < n; i++) {
        if (i == 0 || work->node[i] != work->node[i - 1])
            mask_channel_sums(work->sums, work->products, work->values + work->node[i] * layout_floats(layout), work->h,
                              false, layout);
        relevance[i] = work->sums[work->list.channels[(first + i) * work->list.nlayers + level]];
    }
}

void walk_measure_image(double *relevance, struct walk_work *work, const struct measure_image *image)
{
    size_t n;

    if (work->h)
        sweep_h(work, image);
    sweep_top(work, image);
    for (size_t first = 0; first < work->list.count; first += n) {
        n = smaller(work->list.count - first, work->sweep.most);
        for (size_t level = 0; level + 1 < work->list.nlayers; level++)
            descend(work, image, first, n, level);
        finish(relevance + first, work, first, n);
    }
}
