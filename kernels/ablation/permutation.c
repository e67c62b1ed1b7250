#include "kernels/ablation/permutation.h"

#include "kernels/ablation/ranking.h"
#include "kernels/base/number.h"
#include "kernels/measure/sample.h"

#include <stdbool.h>
#include <string.h>

/* In the place of a channel in the counter of sample_uniform; no channel has these numbers. */
static const uint32_t of_weights = 0xFFFFFFFF, of_biases = 0xFFFFFFFE;

static bool has_weights(const struct link *link)
{
    return link->kind == LINK_CONVOLUTION || link->kind == LINK_DENSE;
}

void permutation_place(struct permutation_work *work, const struct network *net, struct arena *arena)
{
    size_t most = 0;

    for (size_t k = 0; k < net->nlinks; k++)
        if (has_weights(&net->links[k]))
            most = larger(most, larger(network_weight_floats(&net->links[k]), net->links[k].upper.channels));
    work->score = arena_doubles(arena, most);
    work->order = arena_bytes(arena, most * sizeof *work->order);
    work->scratch = arena_bytes(arena, most * sizeof *work->scratch);
    work->copy = arena_floats(arena, most);
}

struct draw {
    uint64_t seed;
    uint32_t link, channel;
};

static void permute(float *w, size_t n, struct draw draw, struct permutation_work *work)
{
    for (size_t i = 0; i < n; i++)
        work->score[i] = -sample_uniform(draw.seed, i, draw.link, draw.channel);
    ranking_order(work->order, work->scratch, work->score, n);
    memcpy(work->copy, w, n * sizeof *w);
    for (size_t i = 0; i < n; i++)
        w[i] = work->copy[work->order[i]];
}

void permutation_apply(float *model, const struct network *net, size_t k, uint64_t seed, struct permutation_work *work)
{
    const struct link *link = &net->links[k];

    if (!has_weights(link))
        return;
    permute(model + link->weight, network_weight_floats(link), (struct draw){seed, (uint32_t)k, of_weights}, work);
    permute(model + link->bias, link->upper.channels, (struct draw){seed, (uint32_t)k, of_biases}, work);
}
