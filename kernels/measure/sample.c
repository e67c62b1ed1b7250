#include "kernels/measure/sample.h"

#include "kernels/base/number.h"
#include "kernels/layer/mask.h"

#include <Random123/philox.h>
#include <assert.h>

enum { MAX_SWEEPS = 16 };

/* ---- draws ------------------------------------------------------------------------------------------------------- */

double sample_uniform(uint64_t seed, uint64_t image, uint32_t layer, uint32_t channel)
{
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    philox4x32_ctr_t counter = {{(uint32_t)image, (uint32_t)(image >> 32), layer, channel}};
    philox4x32_ctr_t bits = philox4x32(counter, key);

    return (double)(((uint64_t)bits.v[0] << 32 | bits.v[1]) >> 11) * 0x1p-53;
}

/* c: the budget that the certain channels leave to the others, divided by the variation of these. */
static double factor(const double *pi, const double *variation, size_t n, double budget)
{
    double rest = 0;

    for (size_t d = 0; d < n; d++) {
        budget -= pi[d] == 1 ? 1 : 0;
        rest += pi[d] == 1 ? 0 : variation[d];
    }
    return rest > 0 ? budget / rest : 0;
}

void sample_probabilities(double *restrict pi, const double *restrict variation, size_t n, double budget)
{
    size_t positive = 0;
    bool settled = false;

    for (size_t d = 0; d < n; d++)
        positive += variation[d] > 0;
    for (size_t d = 0; d < n; d++)
        pi[d] = variation[d] > 0 && (double)positive <= budget ? 1 : 0;
    /* a channel that becomes certain uses less of the budget than c |R|, so c only grows and the loop ends */
    while (!settled) {
        double c = factor(pi, variation, n, budget);
        settled = true;
        for (size_t d = 0; d < n; d++) {
            if (pi[d] == 1)
                continue;
            pi[d] = c * variation[d] < 1 ? c * variation[d] : 1;
            settled = settled && pi[d] < 1;
        }
    }
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

void sample_place(struct sample_work *work, const struct measure_plan *plan, size_t highest, size_t nbytes,
                  struct arena *arena)
{
    size_t floats = 0, channels = 0;

    assert(highest <= plan->top);
    *work = (struct sample_work){.plan = plan};
    sweep_place(&work->sweep, plan, 0, highest, sweep_batch(plan, 0, highest, MAX_SWEEPS, nbytes), arena);
    for (size_t k = 0; k <= highest; k++) {
        floats = larger(floats, layout_floats(network_layout(plan->net, k)));
        channels = larger(channels, network_shape(plan->net, k).channels);
    }
    work->products = arena_floats(arena, floats);
    work->row = arena_doubles(arena, channels);
    work->variation = arena_doubles(arena, channels);
    work->pi = arena_doubles(arena, channels);
    work->drawn = arena_bytes(arena, channels * sizeof *work->drawn);
}

/* ---- one layer of one image -------------------------------------------------------------------------------------- */

/* A batch of sweeps on its way down. */
struct batch {
    struct sample_work *work;
    const struct measure_image *image;
    const size_t *drawn; /* [n] */
    size_t upper;
    const bool *wanted; /* [upper] */
    struct sample_sink sink;
};

static void give_rows(void *context, size_t variable, const float *values, size_t n)
{
    const struct batch *b = context;
    struct layout layout = network_layout(b->work->plan->net, variable);

    if (variable == b->upper || !b->wanted[variable])
        return;
    for (size_t i = 0; i < n; i++) {
        mask_channel_sums(b->work->row, b->work->products, values + i * layout_floats(layout), b->image->h[variable],
                          false, layout);
        b->sink.row(b->sink.context, variable, b->drawn[i], b->work->pi[b->drawn[i]], b->work->row);
    }
}

static size_t draw(struct sample_work *work, const struct measure_image *image, uint64_t index, size_t upper,
                   struct sample_options options)
{
    struct layout layout = network_layout(work->plan->net, upper);
    size_t channels = layout.shape.channels, n = 0;

    mask_channel_sums(work->variation, work->products, image->m[upper], image->h[upper], true, layout);
    sample_probabilities(work->pi, work->variation, channels, options.budget);
    for (size_t d = 0; d < channels; d++)
        if (sample_uniform(options.seed, index, (uint32_t)upper, (uint32_t)d) < work->pi[d])
            work->drawn[n++] = d;
    return n;
}

size_t sample_layer(struct sample_work *work, const struct measure_image *image, uint64_t index, size_t upper,
                    const bool *wanted, struct sample_options options, struct sample_sink sink)
{
    struct layout layout = network_layout(work->plan->net, upper);
    const struct measure_options *measure = &work->plan->options;
    const float *const *masks = measure->given == GIVEN_SETS ? measure->masks : NULL;
    size_t total = draw(work, image, index, upper, options), lowest = 0, n;

    while (!wanted[lowest])
        lowest++;
    assert(lowest < upper);
    for (size_t first = 0; first < total; first += n) {
        struct batch batch = {work, image, work->drawn + first, upper, wanted, sink};
        n = smaller(total - first, work->sweep.most);
        float *start = sweep_start(&work->sweep, upper, n);
        for (size_t i = 0; i < n; i++)
            mask_copy_channel(start + i * layout_floats(layout), image->m[upper], batch.drawn[i], layout);
        sweep_go(&work->sweep, image, upper, lowest, n,
                 &(struct sweep_way){.masks = masks, .visitor = {&batch, give_rows}});
    }
    return total;
}
