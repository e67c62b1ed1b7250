#include "tests/support/graph_measure.h"

#include "tests/support/isa_under_test.h"

#include <stdlib.h>
#include <string.h>

static void *allocate(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);

    if (!p)
        abort();
    return p;
}

static float *aligned_floats(size_t n)
{
    float *p = aligned_alloc(ARENA_ALIGNMENT, (n * sizeof *p / ARENA_ALIGNMENT + 1) * ARENA_ALIGNMENT);

    if (!p)
        abort();
    return p;
}

size_t graph_measure_entries(const struct network *net, size_t edge)
{
    const struct link *link = &net->links[net->edges[edge].link];

    return link->upper.channels * (network_diagonal(link) ? 1 : network_shape(net, net->edges[edge].lower).channels);
}

/* ---- plan -------------------------------------------------------------------------------------------------------- */

static void mask_init(struct graph_measure *m, size_t variable, struct random *random)
{
    struct layout layout = network_layout(&m->c->net, variable);
    size_t n = shape_neurons(layout.shape);
    float *planar = aligned_floats(n);

    m->planar[variable] = allocate(n, sizeof(double));
    m->masks[variable] = aligned_floats(layout_floats(layout));
    for (size_t i = 0; i < n; i++)
        m->planar[variable][i] = planar[i] = random_below(random, 3) ? 1 : 0;
    layout_from_planar(m->masks[variable], planar, layout);
    m->options.masks[variable] = m->masks[variable];
    free(planar);
}

/* For the reference `given = input` is the set of all of it. */
static void choose_sets(struct graph_measure *m, struct random *random)
{
    size_t input = shape_neurons(m->c->net.input);

    if (m->options.given == GIVEN_INPUT) {
        m->planar[0] = allocate(input, sizeof(double));
        for (size_t i = 0; i < input; i++)
            m->planar[0][i] = 1;
    }
    for (size_t i = 1 + random_below(random, 3); i > 0 && m->options.given == GIVEN_SETS; i--) {
        size_t k = random_below(random, m->c->net.nlinks + 1);
        if (m->c->net.swept[k] && !m->masks[k])
            mask_init(m, k, random);
        else
            i++;
    }
}

void graph_measure_init(struct graph_measure *m, const struct graph_case *c, enum measure_given given, size_t group,
                        struct random *random)
{
    size_t neurons = shape_neurons(c->net.input);

    *m = (struct graph_measure){.c = c};
    m->options = (struct measure_options){
        .bias = c->bias, .pool = c->pool, .given = given, .variation_limit = 1000, .group = group};
    memcpy(m->options.rules, c->rules, sizeof c->rules);
    for (size_t e = 0; e < c->net.nedges; e++)
        m->options.flows[e] =
            network_has_rule(&c->net.links[c->net.edges[e].link]) && c->net.swept[c->net.edges[e].link + 1];
    choose_sets(m, random);
    for (size_t g = 0; g < group; g++) {
        m->inputs[g] = aligned_floats(neurons);
        random_fill(random, m->inputs[g], neurons);
    }
    memcpy(m->inputs[0], c->input, neurons * sizeof *c->input);
    graph_measure_plan(m);
}

void graph_measure_plan(struct graph_measure *m)
{
    struct arena arena = arena_over(NULL, 0);

    free(m->forms);
    free(m->memory);
    m->options.ops = isa_under_test();
    measure_plan_init(&m->plan, &m->c->net, &m->options, m->c->model);
    m->forms = aligned_floats(measure_forms_floats(&m->plan));
    measure_forms_compute(&m->plan, m->forms, (struct link_bounds){m->c->low, m->c->high});
    measure_forms_bind(&m->plan, m->forms);
    measure_workspace_place(&m->work, &m->plan, &arena);
    m->memory = aligned_floats(arena.peak / sizeof(float));
    memset(m->memory, 0xff, arena.peak); /* NaN: nothing is read before it is written */
    arena = arena_over(m->memory, arena.peak);
    measure_workspace_place(&m->work, &m->plan, &arena);
}

void graph_measure_free(struct graph_measure *m)
{
    for (size_t g = 0; g < GRAPH_MEASURE_GROUP; g++)
        free(m->inputs[g]);
    for (size_t k = 0; k < NETWORK_MAX_VARIABLES; k++) {
        free(m->planar[k]);
        free(m->masks[k]);
    }
    free(m->forms);
    free(m->memory);
}

const double *const *graph_measure_masks(const struct graph_measure *m)
{
    return m->options.given == GIVEN_NONE ? NULL : (const double *const *)m->planar;
}

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

static void outcome_init(struct graph_outcome *o, const struct graph_measure *m)
{
    const struct network *net = &m->c->net;
    size_t channels = m->plan.channel[net->nlinks + 1];

    *o = (struct graph_outcome){.result = {.relevance = allocate(channels, sizeof(double)),
                                           .relevance_position = allocate(channels, sizeof(uint32_t)),
                                           .activation = allocate(channels, sizeof(float)),
                                           .activation_position = allocate(channels, sizeof(uint32_t)),
                                           .activation_mean = allocate(channels, sizeof(double))}};
    for (size_t k = 0; k <= net->nlinks; k++)
        o->neurons[k] = allocate(shape_neurons(network_shape(net, k)), sizeof(float));
    for (size_t e = 0; e < net->nedges; e++)
        o->joint[e] = allocate(graph_measure_entries(net, e), sizeof(float));
    for (size_t k = 0; k < net->nlinks; k++) {
        o->to_bias[k] = allocate(net->links[k].upper.channels, sizeof(double));
        o->absorbed[k] = allocate(net->links[k].upper.channels, sizeof(double));
    }
}

void graph_outcomes_free(struct graph_outcome *outcomes, const struct graph_measure *m)
{
    for (size_t g = 0; g < m->options.group; g++) {
        struct graph_outcome *o = &outcomes[g];
        free(o->result.relevance);
        free(o->result.relevance_position);
        free(o->result.activation);
        free(o->result.activation_position);
        free(o->result.activation_mean);
        for (size_t k = 0; k <= m->c->net.nlinks; k++)
            free(o->neurons[k]);
        for (size_t e = 0; e < m->c->net.nedges; e++)
            free(o->joint[e]);
        for (size_t k = 0; k < m->c->net.nlinks; k++) {
            free(o->to_bias[k]);
            free(o->absorbed[k]);
        }
    }
}

struct collector {
    const struct network *net;
    struct graph_outcome *outcomes;
    graph_measure_visitor image;
    void *context;
};

static void collect_neurons(void *context, size_t slot, size_t variable, const float *r, const float *h)
{
    struct collector *c = context;

    layout_products_to_planar(c->outcomes[slot].neurons[variable], r, h, network_layout(c->net, variable));
}

static void collect_flow(void *context, size_t slot, size_t edge, const float *joint, const double *to_bias,
                         const double *absorbed)
{
    struct collector *c = context;
    struct graph_outcome *o = &c->outcomes[slot];
    size_t link = c->net->edges[edge].link, upper = c->net->links[link].upper.channels;

    memcpy(o->joint[edge], joint, graph_measure_entries(c->net, edge) * sizeof *joint);
    memcpy(o->to_bias[link], to_bias, upper * sizeof *to_bias);
    memcpy(o->absorbed[link], absorbed, upper * sizeof *absorbed);
}

static void collect_image(void *context, size_t slot, const struct measure_image *image)
{
    struct collector *c = context;

    c->image(c->context, slot, image);
}

void graph_measure_run(struct graph_outcome *outcomes, struct graph_measure *m, const bool *present,
                       graph_measure_visitor image, void *context)
{
    struct collector collector = {&m->c->net, outcomes, image, context};
    struct measure_result *results = allocate(m->options.group, sizeof *results);
    struct measure_target targets[GRAPH_MEASURE_GROUP];
    const float *inputs[GRAPH_MEASURE_GROUP];

    for (size_t g = 0; g < m->options.group; g++) {
        outcome_init(&outcomes[g], m);
        results[g] = outcomes[g].result;
        inputs[g] = !present || present[g] ? m->inputs[g] : NULL;
        targets[g] = m->c->target;
    }
    measure_group(results, &m->plan, inputs, targets,
                  (struct measure_sink){&collector, collect_neurons, collect_flow, image ? collect_image : NULL},
                  &m->work);
    for (size_t g = 0; g < m->options.group; g++)
        outcomes[g].result = results[g];
    free(results);
}
