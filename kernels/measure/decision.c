#include "kernels/measure/decision.h"

#include "kernels/base/number.h"
#include "kernels/measure/plan.h"
#include "kernels/measure/slots.h"

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

/* Memory to go through a link with several arrays at once, and to add. */
static struct link_scratch_floats scratch_need(const struct measure_plan *plan, struct decision_extent extent)
{
    struct link_scratch_floats need = {0};

    for (size_t k = extent.lowest; k <= extent.highest; k++)
        if (k > 0)
            need = link_scratch_both(need, link_scratch_floats(&plan->links[k - 1], extent.states));
    need.sum = extent.states * measure_sum_floats(plan, extent.lowest, extent.highest);
    return need;
}

/* The lowest cut at or above a variable: all walks that may come to it pass there. */
static size_t cut_above(const struct network *net, size_t variable)
{
    while (!net->cut[variable])
        variable++;
    return variable;
}

void decision_place(struct decision_workspace *work, const struct measure_plan *plan, struct decision_extent extent,
                    struct arena *arena)
{
    size_t floats = 0, channels = 0, lower = 0;

    *work = (struct decision_workspace){.plan = plan, .lowest = extent.lowest, .states = extent.states};
    if (extent.lowest > extent.highest)
        return; /* no steps */
    extent.highest = cut_above(plan->net, extent.highest);
    size_t count = extent.highest - extent.lowest + 1;
    for (size_t k = extent.lowest; k <= extent.highest; k++) {
        floats = larger(floats, measure_variable_floats(plan, k));
        channels = larger(channels, network_shape(plan->net, k).channels);
        if (k > 0)
            lower = larger(lower, measure_variable_floats(plan, network_edge(plan->net, k - 1, 0)->lower));
    }
    work->before = arena_bytes(arena, count * sizeof *work->before);
    slots_place(work->before, plan->net, extent.lowest, extent.highest, extent.states, arena);
    if (extent.maps) {
        work->weights = arena_bytes(arena, count * sizeof *work->weights);
        slots_place(work->weights, plan->net, extent.lowest, extent.highest, extent.states, arena);
    }
    for (size_t i = 0; i < 2; i++)
        work->now[i] = arena_floats(arena, extent.states * floats);
    work->lower = arena_floats(arena, lower);
    work->to_bias = arena_doubles(arena, 2 * channels);
    work->scratch = link_scratch_place(scratch_need(plan, extent), arena);
}

/* ---- the walks of a decision ------------------------------------------------------------------------------------- */

/* A decision on its way through an image. */
struct course {
    const struct decision *decision;
    const struct measure_image *image;
    struct decision_workspace *work;
    size_t last; /* variable of the last step: below it nothing is undecided */
    bool holds[NETWORK_MAX_VARIABLES];
};

static float *before(const struct course *course, size_t variable)
{
    return course->work->before[variable - course->work->lowest];
}

static float *weights(const struct course *course, size_t variable)
{
    return course->work->weights[variable - course->work->lowest];
}

static size_t floats_of(const struct course *course, size_t variable)
{
    return measure_variable_floats(course->work->plan, variable);
}

/* The first step at or below a variable. */
static size_t first_step(const struct decision *decision, size_t variable)
{
    size_t i = 0;

    while (i < decision->nsteps && decision->steps[i].variable > variable)
        i++;
    return i;
}

/* States of walks that come to a variable, before its steps. */
static size_t states_at(const struct decision *decision, size_t variable)
{
    size_t i = first_step(decision, variable);

    return i < decision->nsteps ? decision->steps[i].nin : 0;
}

/* The state at variable `lower`, before its steps, of a walk that is in `state` after the steps of `upper` and goes
 * from one to the other. */
static uint8_t state_across(const struct decision *decision, size_t upper, size_t lower, size_t state)
{
    size_t to = state;

    for (size_t i = first_step(decision, upper - 1); i < decision->nsteps && decision->steps[i].variable > lower; i++) {
        const struct decision_step *step = &decision->steps[i];
        to = step->counts ? step->next[to] : step->around[to];
        if (to >= DECISION_MOST_STATES)
            return DECISION_OUT;
    }
    return (uint8_t)to;
}

/* Whether walks along an edge change their states on the way. */
static bool jumps_over_step(const struct decision *decision, size_t upper, size_t lower)
{
    return first_step(decision, upper - 1) != first_step(decision, lower);
}

static struct link_call call_of(const struct course *course, size_t k, size_t e, size_t n)
{
    return (struct link_call){.plan = &course->work->plan->links[k],
                              .scratch = &course->work->scratch,
                              .n = n,
                              .edge = e,
                              .one_image = true,
                              .a = course->image->a[network_edge(course->work->plan->net, k, e)->lower],
                              .c = course->image->c[k]};
}

/* ---- down -------------------------------------------------------------------------------------------------------- */

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
static double count_bias(const struct course *course, const struct decision_step *step, const float *states)
{
    struct decision_workspace *work = course->work;
    size_t k = step->variable - 1, floats = floats_of(course, step->variable);
    size_t channels = network_shape(work->plan->net, step->variable).channels;
    struct link_ledger ledger = {.to_bias = work->to_bias, .absorbed = work->to_bias + channels};
    double counted = 0;

    for (size_t s = 0; s < step->nin; s++) {
        if (!step->counts[s])
            continue;
        struct link_call call = call_of(course, k, 0, 1);
        call.one_image = false;
        call.r_upper = states + s * floats;
        call.r_lower = work->lower;
        call.ledger = &ledger;
        link_backward(&call);
        for (size_t c = 0; c < channels; c++)
            counted += work->to_bias[c];
    }
    return counted;
}

/* Take the steps of a variable from work->now[0], which becomes the states after them. Returns the counted sum. */
static double take_steps(const struct course *course, size_t variable)
{
    struct decision_workspace *work = course->work;
    const struct decision *decision = course->decision;
    size_t floats = floats_of(course, variable);
    double value = 0;

    for (size_t i = first_step(decision, variable); i < decision->nsteps && decision->steps[i].variable == variable;
         i++) {
        const struct decision_step *step = &decision->steps[i];
        double counted = step->counts ? count_bias(course, step, work->now[0]) : 0;
        memset(work->now[1], 0, step->nout * floats * sizeof(float));
        for (size_t s = 0; s < step->nin; s++)
            counted += sort_state(work->now[1], work->now[0] + s * floats, step, s, floats);
        float *other = work->now[0];
        work->now[0] = work->now[1];
        work->now[1] = other;
        value += counted;
    }
    return value;
}

/* The states in work->now[0], after the steps of variable k + 1, along an edge of link k. */
static void follow_down(struct course *course, size_t k, size_t e, size_t nstates)
{
    const struct decision *decision = course->decision;
    size_t lower = network_edge(course->work->plan->net, k, e)->lower, floats = floats_of(course, lower);
    size_t upper_floats = floats_of(course, k + 1), nin = states_at(decision, lower);

    if (lower < course->last || nin == 0)
        return;
    if (!jumps_over_step(decision, k + 1, lower)) {
        struct link_call call = call_of(course, k, e, nstates);
        call.add = course->holds[lower];
        call.r_upper = course->work->now[0];
        call.r_lower = before(course, lower);
        link_backward(&call);
    }
    if (!course->holds[lower] && jumps_over_step(decision, k + 1, lower))
        memset(before(course, lower), 0, nin * floats * sizeof(float));
    for (size_t s = 0; s < nstates && jumps_over_step(decision, k + 1, lower); s++) {
        uint8_t to = state_across(decision, k + 1, lower, s);
        struct link_call call = call_of(course, k, e, 1);
        call.add = true;
        call.r_upper = course->work->now[0] + s * upper_floats;
        call.r_lower = before(course, lower) + to * floats;
        if (to != DECISION_OUT)
            link_backward(&call);
    }
    course->holds[lower] = true;
}

/* Down to a variable, whose states before its steps are then in its array. Returns the sum counted on the way. */
static double go_down(struct course *course, size_t to)
{
    const struct network *net = course->work->plan->net;
    const struct decision *decision = course->decision;
    size_t top = cut_above(net, decision->steps[0].variable);
    double value = 0;

    assert(decision->steps[0].nin == 1);
    memcpy(before(course, top), course->image->r[top], floats_of(course, top) * sizeof(float));
    course->holds[top] = true;
    for (size_t k = top; k > to; k--) {
        if (!course->holds[k])
            continue;
        memcpy(course->work->now[0], before(course, k), states_at(decision, k) * floats_of(course, k) * sizeof(float));
        value += take_steps(course, k);
        size_t i = first_step(decision, k - 1), nstates = i < decision->nsteps ? decision->steps[i].nin : 0;
        for (size_t e = 0; e < net->links[k - 1].nedges && nstates; e++)
            follow_down(course, k - 1, e, nstates);
    }
    return value;
}

static struct course start(const struct decision *decision, const struct measure_image *image,
                           struct decision_workspace *work)
{
    return (struct course){
        .decision = decision, .image = image, .work = work, .last = decision->steps[decision->nsteps - 1].variable};
}

double decision_value(const struct decision *decision, const struct measure_image *image,
                      struct decision_workspace *work)
{
    if (decision->nsteps == 0)
        return 0;
    struct course course = start(decision, image, work);
    double value = go_down(&course, course.last);
    if (!course.holds[course.last])
        return value;
    memcpy(work->now[0], before(&course, course.last),
           states_at(decision, course.last) * floats_of(&course, course.last) * sizeof(float));
    return value + take_steps(&course, course.last);
}

/* ---- maps -------------------------------------------------------------------------------------------------------- */

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

/* Shares of variable k + 1 after its steps, [nstates], into work->now[0]: the sum over the edges of link k. */
static void gather_weights(struct course *course, size_t k, size_t nstates)
{
    const struct decision *decision = course->decision;
    const struct network *net = course->work->plan->net;
    float *out = course->work->now[0];
    size_t floats = floats_of(course, k + 1);
    bool started = false;

    for (size_t e = 0; e < net->links[k].nedges && net->swept[k + 1]; e++) {
        size_t lower = network_edge(net, k, e)->lower;
        bool jumps = jumps_over_step(decision, k + 1, lower);
        if (lower < course->last || !course->holds[lower])
            continue;
        if (!jumps) {
            struct link_call call = call_of(course, k, e, nstates);
            call.add = started;
            call.v_lower = weights(course, lower);
            call.v_upper = out;
            link_lift(&call);
        } else if (!started) {
            memset(out, 0, nstates * floats * sizeof *out);
        }
        started = true;
        for (size_t s = 0; s < nstates && jumps; s++) {
            uint8_t from = state_across(decision, k + 1, lower, s);
            struct link_call call = call_of(course, k, e, 1);
            call.add = true;
            call.v_lower = weights(course, lower) + from * floats_of(course, lower);
            call.v_upper = out + s * floats;
            if (from != DECISION_OUT)
                link_lift(&call);
        }
    }
    if (!started)
        memset(out, 0, nstates * floats * sizeof *out);
}

/* Shares of every variable from the last step up to `to`, before their steps; those of `to` after its step are then in
 * work->now[0]. */
static void go_up(struct course *course, size_t to)
{
    const struct decision *decision = course->decision;
    const struct decision_step *step = &decision->steps[decision->nsteps - 1];

    memset(course->holds, 0, sizeof course->holds);
    if (course->last < to) {
        weigh(weights(course, course->last), NULL, step, floats_of(course, course->last));
        course->holds[course->last] = true;
    }
    for (size_t k = course->last; k < to; k++) {
        size_t i = first_step(decision, k), nstates = i < decision->nsteps ? decision->steps[i].nin : 0;
        size_t at = first_step(decision, k + 1), floats = floats_of(course, k + 1);
        bool steps = decision->steps[at].variable == k + 1;
        gather_weights(course, k, nstates);
        if (k + 1 == to)
            return;
        if (steps)
            weigh(weights(course, k + 1), course->work->now[0], &decision->steps[at], floats);
        else
            memcpy(weights(course, k + 1), course->work->now[0], nstates * floats * sizeof(float));
        course->holds[k + 1] = true;
    }
}

void decision_map(float *map, const struct decision *decision, size_t variable, const struct measure_image *image,
                  struct decision_workspace *work)
{
    size_t floats = measure_variable_floats(work->plan, variable), at = first_step(decision, variable);

    memset(map, 0, floats * sizeof *map);
    if (at == decision->nsteps || decision->steps[at].variable != variable)
        return; /* no walk reaches the variable */
    struct course course = start(decision, image, work);
    go_down(&course, variable);
    if (!course.holds[variable])
        return;
    go_up(&course, variable);
    const struct decision_step *step = &decision->steps[at];
    for (size_t s = 0; s < step->nin; s++)
        for (size_t i = 0; i < floats; i++) {
            uint8_t to = step->next[s * step->natoms + step->atom[i]];
            float share = to == DECISION_IN ? 1 : to == DECISION_OUT ? 0 : work->now[0][to * floats + i];
            map[i] += share * before(&course, variable)[s * floats + i];
        }
}
