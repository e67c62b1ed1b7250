#include "kernels/measure/far.h"

#include "kernels/base/number.h"
#include "kernels/layer/mask.h"

#include <math.h>
#include <string.h>

enum { MAX_SWEEPS = 64 };

static struct layout layout_of(const struct far_work *work, size_t variable)
{
    return network_layout(work->plan->net, variable);
}

static size_t channels_of(const struct far_work *work, size_t variable)
{
    return network_shape(work->plan->net, variable).channels;
}

/* Whether walks through an upper neuron may miss the lower variable. Walks of the condition pass its lowest variable
 * and all cuts above. */
static bool can_lose(const struct measure_plan *plan, struct far_pair pair)
{
    return plan->options.given == GIVEN_NONE || pair.lower < plan->lowest || !plan->net->cut[pair.lower];
}

/* Whether walks may reach the lower variable without passing the upper one. */
static bool can_go_around(const struct measure_plan *plan, struct far_pair pair)
{
    return !plan->net->cut[pair.upper];
}

static struct sweep_way way_of(const struct far_work *work)
{
    bool sets = work->plan->options.given == GIVEN_SETS;

    return (struct sweep_way){.masks = sets ? work->plan->options.masks : NULL};
}

/* ---- plan and memory ------------------------------------------------------------------------------------------- */

struct far_cost far_cost(const struct measure_plan *plan, struct far_pair pair)
{
    size_t upper = network_shape(plan->net, pair.upper).channels, lower = network_shape(plan->net, pair.lower).channels;
    size_t down = pair.rows && pair.rows < upper ? pair.rows : upper;
    struct far_cost cost = {.up = lower < down, .sweeps = smaller(lower, down)};

    if (can_lose(plan, pair))
        cost.sweeps++;
    cost.flops = (double)cost.sweeps * sweep_flops(plan, pair.lower, pair.upper);
    if (can_go_around(plan, pair)) {
        cost.sweeps++;
        cost.flops += sweep_flops(plan, pair.lower, plan->net->nlinks);
    }
    return cost;
}

void far_place(struct far_work *work, const struct measure_plan *plan, struct far_pair pair, size_t nbytes,
               struct arena *arena)
{
    /* h is known up to the top pool; above, it is swept up from there */
    size_t lowest = pair.upper > plan->top ? smaller(pair.lower, plan->top) : pair.lower;
    size_t highest = can_go_around(plan, pair) ? plan->net->nlinks : pair.upper;

    *work = (struct far_work){.plan = plan, .pair = pair, .cost = far_cost(plan, pair)};
    size_t most = smaller(work->cost.sweeps, MAX_SWEEPS);
    size_t lower = layout_floats(layout_of(work, pair.lower)), upper = layout_floats(layout_of(work, pair.upper));
    sweep_place(&work->sweep, plan, lowest, highest, sweep_batch(plan, lowest, highest, most, nbytes), arena);
    work->products = arena_floats(arena, larger(lower, upper));
    if (plan->options.given != GIVEN_NONE) {
        work->h_lower = arena_floats(arena, lower);
        work->h_upper = arena_floats(arena, upper);
    }
    work->sums = arena_doubles(arena, larger(channels_of(work, pair.lower), channels_of(work, pair.upper)));
    work->channels = arena_bytes(arena, channels_of(work, pair.upper) * sizeof *work->channels);
}

/* ---- h of the condition ------------------------------------------------------------------------------------------ */

/* Start one sweep from the weights v, ones if that is NULL. */
static void start_weights(struct far_work *work, size_t variable, const float *v)
{
    struct layout layout = layout_of(work, variable);
    float *start = sweep_start(&work->sweep, variable, 1);

    for (size_t c = 0; c < layout.shape.channels; c++)
        mask_copy_channel(start, v, c, layout);
}

/* h of a variable, in `room` if it has to be swept up; NULL if it is one. */
static const float *find_h(float *room, struct far_work *work, const struct measure_image *image, size_t variable)
{
    const struct measure_plan *plan = work->plan;
    size_t from = larger(plan->top, plan->lowest);

    if (plan->options.given == GIVEN_NONE || variable < plan->lowest || variable <= plan->top)
        return image->h[variable];
    struct sweep_way way = way_of(work);
    start_weights(work, from, image->h[from]);
    const float *h = sweep_go(&work->sweep, image, from, variable, 1, &way);
    memcpy(room, h, layout_floats(layout_of(work, variable)) * sizeof *room);
    return room;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* Mark the `rows` channels of largest |marginal|. */
static void choose_rows(bool *present, const double *marginal, size_t channels, size_t rows)
{
    for (size_t c = 0; c < channels; c++) {
        size_t better = 0;
        for (size_t other = 0; other < channels; other++)
            better +=
                fabs(marginal[other]) > fabs(marginal[c]) || (fabs(marginal[other]) == fabs(marginal[c]) && other < c);
        present[c] = better < rows;
    }
}

static void start_flow(struct far_flow *flow, struct far_work *work, const struct measure_image *image,
                       const float *h_upper)
{
    size_t upper = channels_of(work, work->pair.upper), lower = channels_of(work, work->pair.lower);

    memset(flow->joint, 0, upper * lower * sizeof *flow->joint);
    memset(flow->lost, 0, upper * sizeof *flow->lost);
    memset(flow->left_out, 0, upper * sizeof *flow->left_out);
    memset(flow->around, 0, lower * sizeof *flow->around);
    for (size_t c = 0; c < upper; c++)
        flow->present[c] = true;
    if (work->pair.rows == 0 || work->pair.rows >= upper)
        return;
    mask_channel_sums(work->sums, work->products, image->m[work->pair.upper], h_upper, false,
                      layout_of(work, work->pair.upper));
    choose_rows(flow->present, work->sums, upper, work->pair.rows);
    for (size_t c = 0; c < upper; c++)
        flow->left_out[c] = flow->present[c] ? 0 : work->sums[c];
}

/* Present channels that have relevance: the others' rows are zero. */
static size_t list_channels(struct far_work *work, const struct measure_image *image, const bool *present)
{
    size_t n = 0;

    mask_channel_sums(work->sums, work->products, image->m[work->pair.upper], NULL, true,
                      layout_of(work, work->pair.upper));
    for (size_t c = 0; c < channels_of(work, work->pair.upper); c++)
        if (present[c] && work->sums[c] != 0)
            work->channels[n++] = c;
    return n;
}

static void sweep_rows(struct far_flow *flow, struct far_work *work, const struct measure_image *image,
                       const float *h_lower)
{
    struct layout above = layout_of(work, work->pair.upper), below = layout_of(work, work->pair.lower);
    size_t total = list_channels(work, image, flow->present), lower = below.shape.channels, n;
    struct sweep_way way = way_of(work);

    for (size_t first = 0; first < total; first += n) {
        n = smaller(total - first, work->sweep.most);
        float *start = sweep_start(&work->sweep, work->pair.upper, n);
        for (size_t i = 0; i < n; i++)
            mask_copy_channel(start + i * layout_floats(above), image->m[work->pair.upper], work->channels[first + i],
                              above);
        const float *found = sweep_go(&work->sweep, image, work->pair.upper, work->pair.lower, n, &way);
        for (size_t i = 0; i < n; i++) {
            mask_channel_sums(work->sums, work->products, found + i * layout_floats(below), h_lower, false, below);
            for (size_t c = 0; c < lower; c++)
                flow->joint[work->channels[first + i] * lower + c] = (float)work->sums[c];
        }
    }
}

/* ---- columns ----------------------------------------------------------------------------------------------------- */

static void sweep_columns(struct far_flow *flow, struct far_work *work, const struct measure_image *image,
                          const float *h_lower)
{
    struct layout above = layout_of(work, work->pair.upper), below = layout_of(work, work->pair.lower);
    size_t total = below.shape.channels, n;
    struct sweep_way way = way_of(work);

    for (size_t first = 0; first < total; first += n) {
        n = smaller(total - first, work->sweep.most);
        float *start = sweep_start(&work->sweep, work->pair.lower, n);
        for (size_t i = 0; i < n; i++)
            mask_copy_channel(start + i * layout_floats(below), h_lower, first + i, below);
        const float *found = sweep_go(&work->sweep, image, work->pair.lower, work->pair.upper, n, &way);
        for (size_t i = 0; i < n; i++) {
            mask_channel_sums(work->sums, work->products, found + i * layout_floats(above), image->m[work->pair.upper],
                              false, above);
            for (size_t c = 0; c < above.shape.channels; c++)
                flow->joint[c * total + first + i] = flow->present[c] ? (float)work->sums[c] : 0;
        }
    }
}

/* M_j (h_j - up(h)_j) by channel, in double. */
static void sweep_lost(struct far_flow *flow, struct far_work *work, const struct measure_image *image,
                       const float *h_lower, const float *h_upper)
{
    struct layout above = layout_of(work, work->pair.upper);
    struct sweep_way way = way_of(work);

    start_weights(work, work->pair.lower, h_lower);
    const float *kept = sweep_go(&work->sweep, image, work->pair.lower, work->pair.upper, 1, &way);
    for (size_t i = 0; i < layout_floats(above); i++)
        work->products[i] = image->m[work->pair.upper][i] * ((h_upper ? h_upper[i] : 1) - kept[i]);
    layout_channel_sums(work->sums, work->products, above);
    for (size_t c = 0; c < above.shape.channels; c++)
        flow->lost[c] = flow->present[c] ? work->sums[c] : 0;
}

static void sweep_around(struct far_flow *flow, struct far_work *work, const struct measure_image *image,
                         const float *h_lower)
{
    size_t last = work->plan->net->nlinks;
    struct sweep_way way = way_of(work);

    way.without = work->pair.upper;
    memcpy(sweep_start(&work->sweep, last, 1), image->m[last], layout_floats(layout_of(work, last)) * sizeof(float));
    const float *found = sweep_go(&work->sweep, image, last, work->pair.lower, 1, &way);
    mask_channel_sums(flow->around, work->products, found, h_lower, false, layout_of(work, work->pair.lower));
}

void far_compute(struct far_flow *flow, struct far_work *work, const struct measure_image *image)
{
    bool needed = work->pair.rows != 0 || can_lose(work->plan, work->pair);
    const float *h_upper = needed ? find_h(work->h_upper, work, image, work->pair.upper) : NULL;

    start_flow(flow, work, image, h_upper);
    const float *h_lower = find_h(work->h_lower, work, image, work->pair.lower);
    if (work->cost.up)
        sweep_columns(flow, work, image, h_lower);
    else
        sweep_rows(flow, work, image, h_lower);
    if (can_lose(work->plan, work->pair))
        sweep_lost(flow, work, image, h_lower, h_upper);
    if (can_go_around(work->plan, work->pair))
        sweep_around(flow, work, image, h_lower);
}
