#include "pipeline/sets/plan.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 2 * NETWORK_MAX_VARIABLES };

/* The condition that remains for the walks of each state. */
struct states {
    size_t count;
    struct dnf rest[DECISION_MOST_STATES]; /* owned */
};

struct planner {
    struct sets_plan *out;
    const struct sets *sets;
    size_t map;
    struct states now; /* before the next step */
    struct error *err;
};

static void free_states(struct states *states)
{
    for (size_t s = 0; s < states->count; s++)
        dnf_free(&states->rest[s]);
    states->count = 0;
}

static enum status no_memory(struct error *err)
{
    return error_set(err, FAIL_SYSTEM, "no memory for the plan of a set expression");
}

/* ---- layers ---------------------------------------------------------------------------------------------------- */

/* Sets of neurons of a variable, or its bias, among those that the states need. */
static uint64_t sets_at(const struct planner *p, size_t variable, bool bias)
{
    uint64_t needed = 0, here = 0;

    for (size_t s = 0; s < p->now.count; s++)
        needed |= dnf_sets(&p->now.rest[s]);
    for (size_t i = 0; i < p->sets->nsets; i++)
        if (p->sets->sets[i].variable == variable && p->sets->sets[i].bias == bias)
            here |= UINT64_C(1) << i;
    return needed & here;
}

/* Classes of neurons that are in the same sets. */
struct atoms {
    size_t count;
    uint64_t in[DECISION_MOST_ATOMS];
};

/* The class of the neurons that are in these sets; DECISION_MOST_ATOMS if there is no room for another. */
static size_t atom_of(struct atoms *atoms, uint64_t in)
{
    size_t i = 0;

    while (i < atoms->count && atoms->in[i] != in)
        i++;
    if (i == atoms->count && i + 1 < DECISION_MOST_ATOMS)
        atoms->in[atoms->count++] = in;
    return i < atoms->count ? i : DECISION_MOST_ATOMS;
}

static uint64_t sets_of_neuron(const struct sets *sets, uint64_t here, size_t i)
{
    uint64_t in = 0;

    for (uint64_t left = here; left; left &= left - 1) {
        size_t number = (size_t)__builtin_ctzll(left);
        if (sets_has(&sets->sets[number], i))
            in |= UINT64_C(1) << number;
    }
    return in;
}

/* Assign every neuron of a variable to a class; padding floats belong to the class after the last. */
static enum status classify(struct planner *p, uint8_t *atom, struct atoms *atoms, struct layout layout, uint64_t here,
                            const char *name)
{
    struct shape shape = layout.shape;

    memset(atom, DECISION_OUT, layout_floats(layout));
    for (size_t c = 0, i = 0; c < shape.channels; c++)
        for (size_t y = 0; y < shape.height; y++)
            for (size_t x = 0; x < shape.width; x++, i++) {
                size_t class = atom_of(atoms, sets_of_neuron(p->sets, here, i));
                if (class == DECISION_MOST_ATOMS)
                    return error_set(
                        p->err, FAIL_CONFIG,
                        "the sets cut %s into more than %d pieces; split the expression into several queries", name,
                        DECISION_MOST_ATOMS - 1);
                atom[layout_index(layout, c, y, x)] = (uint8_t) class;
            }
    for (size_t i = 0; i < layout_floats(layout); i++)
        if (atom[i] == DECISION_OUT)
            atom[i] = (uint8_t)atoms->count;
    return OK;
}

/* ---- steps ----------------------------------------------------------------------------------------------------- */

/* Number of the state whose remaining clauses these are. Takes them over. Above a map, no walk is decided to be in. */
static enum status number_state(struct planner *p, uint8_t *number, struct states *states, struct dnf *rest,
                                size_t variable)
{
    size_t s = 0;

    *number = DECISION_OUT;
    if (rest->count == 0)
        return OK;
    *number = DECISION_IN;
    if (dnf_everything(rest) && (p->map == SETS_NO_MAP || variable <= p->map))
        return OK;
    while (s < states->count && !dnf_equal(&states->rest[s], rest))
        s++;
    if (s == DECISION_MOST_STATES)
        return error_set(p->err, FAIL_CONFIG,
                         "the expression needs more than %d sweeps at a time; split it into several queries",
                         (int)DECISION_MOST_STATES);
    if (s == states->count) {
        states->rest[states->count++] = *rest;
        *rest = (struct dnf){0};
    }
    *number = (uint8_t)s;
    return OK;
}

/* Set the next state of the walks of every state, and of those that jump over the variable (around NULL: none do); the
 * planner's states become those after the step. */
static enum status route(struct planner *p, uint8_t *next, uint8_t *around, const struct decision_step *step,
                         const struct atoms *atoms, uint64_t here)
{
    struct states after = {0};
    struct dnf rest = {0};
    enum status rc = OK;

    memset(next, DECISION_OUT, step->nin * step->natoms);
    for (size_t s = 0; s < step->nin; s++)
        for (size_t a = 0; a < atoms->count; a++) {
            TRY(dnf_rest(&rest, &p->now.rest[s], here, atoms->in[a], p->err));
            TRY(number_state(p, &next[s * step->natoms + a], &after, &rest, step->variable));
            dnf_free(&rest);
        }
    for (size_t s = 0; s < step->nin && around; s++) {
        TRY(dnf_rest(&rest, &p->now.rest[s], here, 0, p->err));
        TRY(number_state(p, &around[s], &after, &rest, step->variable));
        around[s] = around[s] == DECISION_IN ? DECISION_OUT : around[s]; /* above a map: not through its variable */
        dnf_free(&rest);
    }
    free_states(&p->now);
    p->now = after;
    after.count = 0;
done:
    dnf_free(&rest);
    free_states(&after);
    return rc;
}

/* Append a step; the plan owns its arrays. */
static struct decision_step *add_step(struct planner *p, size_t variable, size_t natoms)
{
    struct decision_step *step = &p->out->steps[p->out->decision.nsteps++];

    *step = (struct decision_step){.variable = variable, .nin = p->now.count, .natoms = natoms};
    return step;
}

static enum status step_at_layer(struct planner *p, size_t variable, uint64_t here)
{
    struct layout layout = network_layout(p->sets->net, variable);
    struct atoms atoms = {0};
    struct decision_step *step = add_step(p, variable, 0);
    uint8_t *atom = malloc(layout_floats(layout)), *next = NULL, *around = NULL;
    bool cut = p->sets->net->cut[variable];
    enum status rc = OK;

    step->atom = atom;
    if (!atom)
        TRY(no_memory(p->err));
    TRY(classify(p, atom, &atoms, layout, here, network_variable(p->sets->net, variable)));
    step->natoms = atoms.count + 1;
    step->next = next = malloc(step->nin * step->natoms);
    step->around = around = cut ? NULL : malloc(step->nin);
    if (!next || (!cut && !around))
        TRY(no_memory(p->err));
    TRY(route(p, next, around, step, &atoms, here));
    step->nout = p->now.count;
done:
    return rc;
}

/* A walk that enters the bias is in no set below, so it counts if no other set remains. */
static enum status step_at_bias(struct planner *p, size_t variable, uint64_t here)
{
    struct decision_step *step = add_step(p, variable, 1);
    struct atoms goes_on = {.count = 1};
    uint8_t *next = malloc(step->nin);
    bool *counts = calloc(step->nin, sizeof *counts);
    enum status rc = OK;

    step->next = next;
    step->counts = counts;
    if (!next || !counts)
        TRY(no_memory(p->err));
    for (size_t s = 0; s < step->nin; s++)
        for (size_t i = 0; i < p->now.rest[s].count; i++)
            counts[s] = counts[s] || p->now.rest[s].clauses[i] == here;
    TRY(route(p, next, NULL, step, &goes_on, here));
    step->nout = p->now.count;
done:
    return rc;
}

/* ---- the plan -------------------------------------------------------------------------------------------------- */

static enum status add_steps(struct planner *p)
{
    enum status rc = OK;

    for (size_t k = p->sets->net->nlinks + 1; k-- > 0 && p->now.count;) {
        uint64_t neurons = sets_at(p, k, false);
        if (neurons || k == p->map)
            TRY(step_at_layer(p, k, neurons));
        uint64_t bias = sets_at(p, k, true);
        if (bias && p->map != SETS_NO_MAP)
            TRY(error_set(p->err, FAIL_CONFIG, "a map shows neurons, and bias(...) has none"));
        if (bias)
            TRY(step_at_bias(p, k, bias));
    }
done:
    return rc;
}

enum status sets_plan_init(struct sets_plan *plan, const struct sets *sets, const struct dnf *clauses, size_t map,
                           struct error *err)
{
    struct planner p = {.out = plan, .sets = sets, .map = map, .err = err};
    enum status rc = OK;

    *plan = (struct sets_plan){.everything = dnf_everything(clauses)};
    if (clauses->count == 0 || (plan->everything && map == SETS_NO_MAP))
        return OK;
    plan->steps = calloc(MAX_STEPS, sizeof *plan->steps);
    plan->decision.steps = plan->steps;
    if (!plan->steps)
        TRY(no_memory(err));
    TRY(dnf_rest(&p.now.rest[0], clauses, 0, 0, err));
    p.now.count = 1;
    TRY(add_steps(&p));
done:
    free_states(&p.now);
    return rc;
}

static void release(const void *memory)
{
    union {
        const void *constant;
        void *own;
    } pointer = {memory};

    free(pointer.own);
}

void sets_plan_free(struct sets_plan *plan)
{
    for (size_t i = 0; i < plan->decision.nsteps; i++) {
        release(plan->steps[i].atom);
        release(plan->steps[i].next);
        release(plan->steps[i].around);
        release(plan->steps[i].counts);
    }
    free(plan->steps);
    *plan = (struct sets_plan){0};
}

/* ---- text ------------------------------------------------------------------------------------------------------ */

/* The neurons at which walks of some state are counted, or continue. */
static void count_neurons(size_t *in, size_t *on, const struct decision_step *step, const struct network *net)
{
    size_t floats = layout_floats(network_layout(net, step->variable));

    *in = *on = 0;
    for (size_t i = 0; i < floats; i++) {
        bool counted = false, carried = false;
        for (size_t s = 0; s < step->nin; s++) {
            uint8_t to = step->next[s * step->natoms + step->atom[i]];
            counted = counted || to == DECISION_IN;
            carried = carried || to < DECISION_MOST_STATES;
        }
        *in += counted;
        *on += carried;
    }
}

static void print_step(FILE *out, const struct decision_step *step, const struct network *net)
{
    const char *name = network_variable(net, step->variable);
    size_t in, on;

    if (step->counts) {
        fprintf(out, "  %-8s  walks into its link's bias are counted; %zu sweep%s\n", name, step->nout,
                step->nout == 1 ? " continues" : "s continue");
        return;
    }
    count_neurons(&in, &on, step, net);
    fprintf(out, "  %-8s  of %zu neurons", name, shape_neurons(network_shape(net, step->variable)));
    if (in || !on)
        fprintf(out, " %zu are counted", in);
    if (on)
        fprintf(out, "%s %zu continue in %zu sweep%s", in ? " and" : "", on, step->nout, step->nout == 1 ? "" : "s");
    fputc('\n', out);
}

void sets_plan_print(FILE *out, const struct sets_plan *plan, const struct network *net)
{
    size_t passes = decision_passes(&plan->decision);

    if (plan->decision.nsteps == 0)
        fprintf(out, "  nothing to compute: %s\n", plan->everything ? "all walks, measure 1" : "no walk, measure 0");
    for (size_t i = 0; i < plan->decision.nsteps; i++)
        print_step(out, &plan->steps[i], net);
    if (plan->decision.nsteps)
        fprintf(out, "  %zu masked pass%s through links\n", passes, passes == 1 ? "" : "es");
}
