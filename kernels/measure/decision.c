#include "kernels/measure/decision.h"

#include "kernels/base/number.h"
#include "kernels/measure/plan.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

/* ---- extent and memory ----------------------------------------------------------------------------------------- */

/* The variable of the next step, to which the step's states are swept; its own for the last step. */
static size_t variable_after(const struct decision *decision, size_t step)
{
    return decision->steps[step + 1 < decision->nsteps ? step + 1 : step].variable;
}

struct decision_extent decision_extent(const struct decision *decision)
{
    struct decision_extent extent = {.lowest = SIZE_MAX, .highest = 0, .states = 1};

    for (size_t i = 0; i < decision->nsteps; i++) {
        const struct decision_step *step = &decision->steps[i];
        size_t lowest = step->variable - (step->counts != NULL);
        extent.lowest = lowest < extent.lowest ? lowest : extent.lowest;
        extent.highest = larger(extent.highest, step->variable);
        extent.states = larger(extent.states, larger(step->nin, step->nout));
    }
    return extent;
}

struct decision_extent decision_extent_both(struct decision_extent a, struct decision_extent b)
{
    return (struct decision_extent){a.lowest < b.lowest ? a.lowest : b.lowest, larger(a.highest, b.highest),
                                    larger(a.states, b.states), a.maps || b.maps};
}

size_t decision_passes(const struct decision *decision)
{
    size_t passes = 0;

    for (size_t i = 0; i < decision->nsteps; i++) {
        const struct decision_step *step = &decision->steps[i];
        passes += step->nout * (step->variable - variable_after(decision, i));
        for (size_t s = 0; step->counts && s < step->nin; s++)
            passes += step->counts[s];
    }
    return passes;
}

void decision_place(struct decision_workspace *work, const struct measure_plan *plan, struct decision_extent extent,
                    struct arena *arena)
{
    size_t floats = 0, channels = 0;

    *work = (struct decision_workspace){.sweep.plan = plan};
    if (extent.lowest > extent.highest)
        return; /* no steps */
    for (size_t k = extent.lowest; k <= extent.highest; k++) {
        floats = larger(floats, measure_variable_floats(plan, k));
        channels = larger(channels, network_shape(plan->net, k).channels);
    }
    work->states = arena_floats(arena, extent.states * floats);
    if (extent.maps)
        work->weights = arena_floats(arena, extent.states * floats);
    work->to_bias = arena_doubles(arena, 2 * channels);
    if (extent.lowest < extent.highest)
        sweep_place(&work->sweep, plan, extent.lowest, extent.highest, extent.states, arena);
}

/* ---- steps ----------------------------------------------------------------------------------------------------- */

/* Sort the neurons of one state: add each to the array of its next state, or count it. Returns the counted sum. */
static double sort_state(float *restrict out, const float *restrict in, const struct decision_step *step, size_t state,
                         size_t floats)
{
    const uint8_t *next = step->next + state * step->natoms;
    double counted = 0;

    for (size_t i = 0; i < floats; i++) {
        uint8_t to = next[step->atom ? step->atom[i] : 0];
        if (to == DECISION_IN)
            counted += (double)in[i];
        else if (to != DECISION_OUT)
            out[to * floats + i] += in[i];
    }
    return counted;
}

/* Relevance of the counted states that goes to the bias of the link below the step's variable. */
static double count_bias(const struct decision_step *step, const struct measure_image *image,
                         struct decision_workspace *work)
{
    const struct link_plan *link = &work->sweep.plan->links[step->variable - 1];
    size_t floats = measure_variable_floats(work->sweep.plan, step->variable), channels = link->link->upper.channels;
    struct link_ledger ledger = {.to_bias = work->to_bias, .absorbed = work->to_bias + channels};
    double counted = 0;

    for (size_t s = 0; s < step->nin; s++) {
        if (!step->counts[s])
            continue;
        link_backward(&(struct link_call){.plan = link,
                                          .n = 1,
                                          .c = image->c[step->variable - 1],
                                          .a = image->a[step->variable - 1],
                                          .r_upper = work->states + s * floats,
                                          .r_lower = work->sweep.arrays[1],
                                          .ledger = &ledger,
                                          .scratch = &work->sweep.scratch});
        for (size_t c = 0; c < channels; c++)
            counted += work->to_bias[c];
    }
    return counted;
}

/* Apply step i to work->states and sweep the undecided states down to the next step's variable. Returns the counted
 * sum. */
static double take_step(const struct decision *decision, size_t i, const struct measure_image *image,
                        struct decision_workspace *work)
{
    const struct decision_step *step = &decision->steps[i];
    size_t floats = measure_variable_floats(work->sweep.plan, step->variable), below = variable_after(decision, i);
    float *out = step->nout ? sweep_start(&work->sweep, step->variable, step->nout) : NULL;
    double counted = step->counts ? count_bias(step, image, work) : 0;

    for (size_t s = 0; s < step->nin; s++)
        counted += sort_state(out, work->states + s * floats, step, s, floats);
    if (step->nout == 0)
        return counted;
    const float *arrived =
        sweep_go(&work->sweep, image, step->variable, below, step->nout, NULL, (struct sweep_visitor){NULL, NULL});
    memcpy(work->states, arrived, step->nout * measure_variable_floats(work->sweep.plan, below) * sizeof *arrived);
    return counted;
}

/* The first state: the plain measure at the first step's variable. */
static void start(const struct decision *decision, const struct measure_image *image, struct decision_workspace *work)
{
    size_t top = decision->steps[0].variable;

    assert(decision->steps[0].nin == 1);
    memcpy(work->states, image->r[top], measure_variable_floats(work->sweep.plan, top) * sizeof(float));
}

double decision_value(const struct decision *decision, const struct measure_image *image,
                      struct decision_workspace *work)
{
    double value = 0;

    if (decision->nsteps)
        start(decision, image, work);
    for (size_t i = 0; i < decision->nsteps; i++)
        value += take_step(decision, i, image, work);
    return value;
}

/* ---- maps ------------------------------------------------------------------------------------------------------ */

/* For every state before a step, the share of each neuron's walks that is in, from the shares `after` the step. */
static void weigh(float *restrict out, const float *restrict after, const struct decision_step *step, size_t floats)
{
    for (size_t s = 0; s < step->nin; s++)
        for (size_t i = 0; i < floats; i++) {
            uint8_t to = step->next[s * step->natoms + step->atom[i]];
            bool state = to != DECISION_IN && to != DECISION_OUT;
            out[s * floats + i] = to == DECISION_IN ? 1 : state ? after[to * floats + i] : 0;
        }
}

/* Fill work->weights with the shares of the states after step `at`, from the steps below it. */
static void weigh_below(const struct decision *decision, size_t at, const struct measure_image *image,
                        struct decision_workspace *work)
{
    for (size_t i = decision->nsteps; i-- > at + 1;) {
        const struct decision_step *step = &decision->steps[i];
        size_t floats = measure_variable_floats(work->sweep.plan, step->variable),
               above = decision->steps[i - 1].variable;
        float *shares = sweep_start(&work->sweep, step->variable, step->nin);
        weigh(shares, work->weights, step, floats);
        const float *arrived =
            sweep_go(&work->sweep, image, step->variable, above, step->nin, NULL, (struct sweep_visitor){NULL, NULL});
        memcpy(work->weights, arrived, step->nin * measure_variable_floats(work->sweep.plan, above) * sizeof *arrived);
    }
}

void decision_map(float *map, const struct decision *decision, size_t variable, const struct measure_image *image,
                  struct decision_workspace *work)
{
    size_t floats = measure_variable_floats(work->sweep.plan, variable), at = 0;

    memset(map, 0, floats * sizeof *map);
    if (decision->nsteps == 0)
        return;
    start(decision, image, work);
    for (; at < decision->nsteps && decision->steps[at].variable != variable; at++)
        take_step(decision, at, image, work);
    if (at == decision->nsteps)
        return; /* no walk reaches the variable */
    weigh_below(decision, at, image, work);
    const struct decision_step *step = &decision->steps[at];
    for (size_t s = 0; s < step->nin; s++)
        for (size_t i = 0; i < floats; i++) {
            uint8_t to = step->next[s * step->natoms + step->atom[i]];
            float share = to == DECISION_IN ? 1 : to == DECISION_OUT ? 0 : work->weights[to * floats + i];
            map[i] += share * work->states[s * floats + i];
        }
}
