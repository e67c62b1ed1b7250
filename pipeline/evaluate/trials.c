#include "pipeline/evaluate/trials.h"

#include <assert.h>
#include <stdint.h>

void trials_place(struct trials *trials, const struct measure_plan *plan, size_t most, bool edges, struct arena *arena)
{
    *trials = (struct trials){.most = most};
    ablation_place(&trials->ablation, plan, TRIALS_AT_ONCE, arena);
    trials->keep = arena_floats(arena, TRIALS_AT_ONCE * most);
    if (edges)
        cut_place(&trials->cut, plan->net, arena);
}

void trials_begin(struct trials *trials, const struct measure_image *image, size_t target)
{
    trials->image = image;
    trials->target = target;
    trials->n = 0;
}

void trials_enter(struct trials *trials, struct trials_units units)
{
    assert(trials->n == 0 && units.count <= trials->most);
    trials->units = units;
}

/* ---- replacing --------------------------------------------------------------------------------------------------- */

static void replace_channels(struct trials *trials, size_t variable, float *a, const float *keep)
{
    const struct measure_plan *plan = trials->ablation.plan;
    const struct trials_units *units = &trials->units;
    struct layout layout = network_layout(plan->net, variable);
    size_t source = units->source[variable];

    for (size_t c = 0; c < layout.shape.channels; c++) {
        float value = units->value ? units->value[plan->channel[source] + c] : 0;
        if (keep[units->first[variable] + c] == 0)
            ablation_fill_channel(a, c, source == variable ? value : ablation_value(plan, source, value), layout);
    }
}

static void replace_squares(struct trials *trials, float *x, const float *keep)
{
    struct layout layout = network_layout(trials->ablation.plan->net, 0);
    size_t patch = trials->units.patch, across = (layout.shape.width + patch - 1) / patch;

    for (size_t c = 0; c < layout.shape.channels; c++)
        for (size_t row = 0; row < layout.shape.height; row++)
            for (size_t column = 0; column < layout.shape.width; column++)
                if (keep[row / patch * across + column / patch] == 0)
                    x[layout_index(layout, c, row, column)] = 0;
}

static void replace(void *context, size_t variable, float *a, size_t n)
{
    struct trials *trials = context;
    size_t floats = layout_floats(network_layout(trials->ablation.plan->net, variable));

    for (size_t i = 0; i < n; i++) {
        const float *keep = trials->keep + i * trials->most;
        if (trials->units.patch && variable == 0)
            replace_squares(trials, a + i * floats, keep);
        else if (!trials->units.patch && !trials->units.edges && trials->units.first[variable] != SIZE_MAX)
            replace_channels(trials, variable, a + i * floats, keep);
    }
}

/* The link whose edges are cut. */
static bool cut_link(void *context, size_t k, const struct link_call *call)
{
    struct trials *trials = context;
    const float *keep[TRIALS_AT_ONCE];

    if (!trials->units.edges || k != trials->units.link)
        return false;
    for (size_t i = 0; i < call->n; i++)
        keep[i] = trials->keep + i * trials->most;
    cut_copies(call, keep, &trials->cut);
    return true;
}

/* ---- trials ------------------------------------------------------------------------------------------------------ */

void trials_finish(struct trials *trials)
{
    const struct network *net = trials->ablation.plan->net;
    struct layout last = network_layout(net, net->nlinks);
    size_t from = trials->units.from;

    if (trials->n == 0)
        return;
    replace(trials, from, ablation_start(&trials->ablation, trials->image, from, trials->n), trials->n);
    const float *z = ablation_forward(&trials->ablation, trials->image, from, trials->n,
                                      (struct ablation_hook){trials, replace, cut_link});
    for (size_t i = 0; i < trials->n; i++) {
        double outcome[CURVE_OUTCOMES];
        curve_outcome(outcome, z + i * layout_floats(last), last.shape.channels, trials->target);
        for (size_t j = 0; j < CURVE_OUTCOMES; j++)
            trials->out[i][j] = (float)outcome[j];
    }
    trials->n = 0;
}

float *trials_add(struct trials *trials, float *out)
{
    if (trials->n == TRIALS_AT_ONCE)
        trials_finish(trials);
    trials->out[trials->n] = out;
    return trials->keep + trials->most * trials->n++;
}
