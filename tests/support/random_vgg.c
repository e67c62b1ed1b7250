#include "tests/support/random_vgg.h"

#include "kernels/base/network_vgg.h"
#include "kernels/layer/reference.h"
#include "tests/support/isa_under_test.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONVOLUTIONS = 8, LAYERS = CONVOLUTIONS + 3 };

static const char *const overrides[] = {"zero",  "epsilon",       "epsilon 0.01",  "gamma 0.25", "gamma 0", "gamma 10",
                                        "zplus", "alphabeta 2 1", "alphabeta 1 0", "zbox -1 2",  "wsquare", "flat"};
static const char *const pool_names[] = {
    [POOL_WINNER] = "winner", [POOL_FIRST] = "first", [POOL_PROPORTIONAL] = "proportional"};

static const char *const given_names[] = {[GIVEN_NONE] = "none", [GIVEN_INPUT] = "input", [GIVEN_SETS] = "sets of"};

static const enum measure_given givens[] = {GIVEN_NONE, GIVEN_INPUT, GIVEN_SETS, GIVEN_SETS};

static const enum pool_mode pools[] = {POOL_WINNER, POOL_FIRST, POOL_PROPORTIONAL};

#define LENGTH(a) (sizeof(a) / sizeof(a)[0])

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

/* ---- the network
 * -------------------------------------------------------------------------------------------------- */

/* Weights that neither die out nor grow on the way up, biases of both signs. */
static void fill_layer(float *model, const struct network_layer *layer, size_t inputs, struct random *random)
{
    double scale = sqrt(6 / (double)inputs), shift = 0.5 * random_uniform(random);

    for (size_t i = 0; i < layer->out * inputs; i++)
        model[layer->weight + i] = (float)(scale * (random_uniform(random) + 0.3 * shift));
    for (size_t i = 0; i < layer->out; i++)
        model[layer->bias + i] = (float)(0.5 * random_uniform(random));
}

static void make_network(struct random_vgg *vgg, struct random *random)
{
    struct network_layer layers[LAYERS];
    size_t in = 1 + random_below(random, 3), floats = 0, at[LAYERS];
    char message[128];

    for (size_t i = 0; i < LAYERS; i++) {
        size_t out = 1 + random_below(random, VGG_WIDTH);
        out = i + 1 == LAYERS && out < 2 ? 2 : out; /* a contrast needs two classes */
        at[i] = in * (i < CONVOLUTIONS ? 9 : 1);
        layers[i] = (struct network_layer){i < CONVOLUTIONS, out, in, floats, floats + out * at[i]};
        floats += out * (at[i] + 1);
        in = out;
    }
    vgg->model = aligned_floats(floats);
    for (size_t i = 0; i < LAYERS; i++)
        fill_layer(vgg->model, &layers[i], at[i], random);
    if (!network_vgg_init(&vgg->net, message, sizeof message, layers, LAYERS))
        abort();
}

static void make_options(struct random_vgg *vgg, struct random *random)
{
    struct measure_options *o = &vgg->options;
    const char *composite = rule_composite_name(random_below(random, 9));
    size_t pool = random_below(random, LENGTH(pools));
    char message[128];
    int used;

    *o = (struct measure_options){.bias = random_below(random, 3) ? BIAS_NEURON : BIAS_SPREAD,
                                  .pool = pools[pool],
                                  .given = givens[random_below(random, LENGTH(givens))],
                                  .variation_limit = 1000,
                                  .group = VGG_GROUP};
    rule_composite(o->rules, composite, &vgg->net);
    used = snprintf(vgg->text, sizeof vgg->text, "%s, bias %s, pool %s, given %s", composite,
                    o->bias == BIAS_NEURON ? "neuron" : "spread", pool_names[o->pool], given_names[o->given]);
    size_t one_in = 2 + random_below(random, 3);
    for (size_t k = 0; k < vgg->net.nlinks; k++) {
        o->flows[k] = vgg->net.links[k].kind != LINK_POOL;
        if (vgg->net.links[k].kind == LINK_POOL || random_below(random, one_in) != 0)
            continue;
        const char *text = k == 0 ? "zbox" : overrides[random_below(random, LENGTH(overrides))];
        if (!rule_parse(&o->rules[k], message, sizeof message, text))
            abort();
        used += snprintf(vgg->text + used, sizeof vgg->text - (size_t)used, ", %s = %s", vgg->net.links[k].name, text);
    }
}

/* Some channels of the variable, in a box of positions. */
static float *random_mask(const struct network *net, size_t variable, struct random *random)
{
    struct layout layout = network_layout(net, variable);
    struct shape s = layout.shape;
    size_t first = random_below(random, s.channels), top = random_below(random, s.height);
    size_t left = random_below(random, s.width);
    float *mask = allocate(layout_floats(layout), sizeof *mask);

    for (size_t c = 0; c < s.channels; c++)
        for (size_t y = 0; y < s.height && (c == first || random_below(random, 3)); y++)
            for (size_t x = 0; x < s.width; x++)
                if ((y >= top && x >= left) || (c + first) % 2)
                    mask[layout_index(layout, c, y, x)] = 1;
    return mask;
}

/* Sets of one to three variables. */
static void make_condition(struct random_vgg *vgg, struct random *random)
{
    for (size_t i = 1 + random_below(random, 3); i > 0 && vgg->options.given == GIVEN_SETS; i--) {
        size_t k = random_below(random, vgg->net.nlinks + 1), used = strlen(vgg->text);
        if (vgg->masks[k])
            continue;
        vgg->options.masks[k] = vgg->masks[k] = random_mask(&vgg->net, k, random);
        snprintf(vgg->text + used, sizeof vgg->text - used, " set of %s", network_variable(&vgg->net, k));
    }
}

static void make_images(struct random_vgg *vgg, struct random *random)
{
    struct shape input = network_shape(&vgg->net, 0);
    size_t n = shape_neurons(input), classes = network_shape(&vgg->net, vgg->net.nlinks).channels;

    for (size_t c = 0; c < VGG_WIDTH; c++) {
        vgg->low[c] = (float)(-1 - 0.1 * (double)c);
        vgg->high[c] = (float)(1 + 0.2 * (double)c);
    }
    for (size_t g = 0; g < VGG_GROUP; g++) {
        vgg->inputs[g] = aligned_floats(n);
        random_fill(random, vgg->inputs[g], n);
        /* flat blocks make ties, which only the first maximum would leave to the last bit */
        for (size_t i = 0; i < n && vgg->options.pool != POOL_FIRST && g % 2 == 0; i++)
            vgg->inputs[g][i] = vgg->inputs[g][i / (8 * input.width) * (8 * input.width) + i % input.width / 8 * 8];
        size_t a = random_below(random, classes), b = random_below(random, classes);
        vgg->targets[g] =
            (struct measure_target){random_below(random, 2) && a != b ? TARGET_CONTRAST : TARGET_CLASS, a, b};
    }
}

void random_vgg_plan(struct random_vgg *vgg)
{
    struct arena arena = arena_over(NULL, 0);

    free(vgg->forms);
    free(vgg->memory);
    vgg->options.ops = isa_under_test();
    measure_plan_init(&vgg->plan, &vgg->net, &vgg->options, vgg->model);
    vgg->forms = aligned_floats(measure_forms_floats(&vgg->plan));
    measure_forms_compute(&vgg->plan, vgg->forms, (struct link_bounds){vgg->low, vgg->high});
    measure_forms_bind(&vgg->plan, vgg->forms);
    measure_workspace_place(&vgg->work, &vgg->plan, &arena);
    vgg->memory = aligned_floats(arena.peak / sizeof(float));
    memset(vgg->memory, 0xff, arena.peak); /* NaN: nothing is read before it is written */
    arena = arena_over(vgg->memory, arena.peak);
    measure_workspace_place(&vgg->work, &vgg->plan, &arena);
}

void random_vgg_init(struct random_vgg *vgg, struct random *random)
{
    *vgg = (struct random_vgg){.forms = NULL};
    make_network(vgg, random);
    make_options(vgg, random);
    make_condition(vgg, random);
    make_images(vgg, random);
    random_vgg_plan(vgg);
}

void random_vgg_free(struct random_vgg *vgg)
{
    for (size_t g = 0; g < VGG_GROUP; g++)
        free(vgg->inputs[g]);
    for (size_t k = 0; k < NETWORK_MAX_VARIABLES; k++)
        free(vgg->masks[k]);
    free(vgg->model);
    free(vgg->forms);
    free(vgg->memory);
}

/* ---- the kernels
 * -------------------------------------------------------------------------------------------------- */

static void outcome_init(struct vgg_outcome *o, const struct random_vgg *vgg)
{
    const struct network *net = &vgg->net;
    size_t channels = vgg->plan.channel[net->nlinks + 1];

    *o = (struct vgg_outcome){.result = {.relevance = allocate(channels, sizeof(double)),
                                         .relevance_position = allocate(channels, sizeof(uint32_t)),
                                         .activation = allocate(channels, sizeof(float)),
                                         .activation_position = allocate(channels, sizeof(uint32_t)),
                                         .activation_mean = allocate(channels, sizeof(double))}};
    for (size_t k = 0; k <= net->nlinks; k++)
        o->neurons[k] = allocate(shape_neurons(network_shape(net, k)), sizeof(float));
    for (size_t k = 0; k < net->nlinks; k++) {
        size_t upper = net->links[k].upper.channels;
        o->joint[k] = allocate(upper * net->links[k].lower.channels, sizeof(float));
        o->to_bias[k] = allocate(upper, sizeof(double));
        o->absorbed[k] = allocate(upper, sizeof(double));
    }
}

void vgg_outcomes_free(struct vgg_outcome outcomes[VGG_GROUP], const struct random_vgg *vgg)
{
    for (size_t g = 0; g < VGG_GROUP; g++) {
        struct vgg_outcome *o = &outcomes[g];
        free(o->result.relevance);
        free(o->result.relevance_position);
        free(o->result.activation);
        free(o->result.activation_position);
        free(o->result.activation_mean);
        for (size_t k = 0; k <= vgg->net.nlinks; k++)
            free(o->neurons[k]);
        for (size_t k = 0; k < vgg->net.nlinks; k++) {
            free(o->joint[k]);
            free(o->to_bias[k]);
            free(o->absorbed[k]);
        }
    }
}

struct collector {
    const struct network *net;
    struct vgg_outcome *outcomes;
};

static void collect_neurons(void *context, size_t slot, size_t variable, const float *r, const float *h)
{
    struct collector *c = context;

    layout_products_to_planar(c->outcomes[slot].neurons[variable], r, h, network_layout(c->net, variable));
}

static void collect_flow(void *context, size_t slot, size_t link, const float *joint, const double *to_bias,
                         const double *absorbed)
{
    struct collector *c = context;
    struct vgg_outcome *o = &c->outcomes[slot];
    size_t upper = c->net->links[link].upper.channels, lower = c->net->links[link].lower.channels;

    memcpy(o->joint[link], joint, upper * lower * sizeof *joint);
    memcpy(o->to_bias[link], to_bias, upper * sizeof *to_bias);
    memcpy(o->absorbed[link], absorbed, upper * sizeof *absorbed);
    o->nflows++;
}

void random_vgg_measure(struct vgg_outcome outcomes[VGG_GROUP], struct random_vgg *vgg, const bool present[VGG_GROUP])
{
    struct collector collector = {&vgg->net, outcomes};
    struct measure_result results[VGG_GROUP];
    const float *inputs[VGG_GROUP];

    for (size_t g = 0; g < VGG_GROUP; g++) {
        outcome_init(&outcomes[g], vgg);
        results[g] = outcomes[g].result;
        inputs[g] = present[g] ? vgg->inputs[g] : NULL;
    }
    measure_group(results, &vgg->plan, inputs, vgg->targets,
                  (struct measure_sink){&collector, collect_neurons, collect_flow, NULL}, &vgg->work);
    for (size_t g = 0; g < VGG_GROUP; g++)
        outcomes[g].result = results[g];
}

/* ---- the reference
 * ------------------------------------------------------------------------------------------------ */

/* The links of a chain; bounds and coefficients belong to the caller. */
struct chain {
    struct reference_link links[NETWORK_MAX_LINKS];
    double low[VGG_WIDTH], high[VGG_WIDTH];
};

static struct reference_link link_of(const struct chain *chain, const struct vgg_reference *ref,
                                     const struct random_vgg *vgg, size_t k)
{
    const struct link *link = &vgg->net.links[k];
    struct reference_link l = {.link = link,
                               .rule = vgg->options.rules[k],
                               .bias_mode = vgg->options.bias,
                               .pool = vgg->options.pool,
                               .weight = vgg->model + link->weight,
                               .bias = vgg->model + link->bias,
                               .low = chain->low,
                               .high = chain->high,
                               .a = ref->a[k],
                               .z = ref->z[k + 1]};

    l.sums = allocate(2 * shape_neurons(link->upper) + shape_neurons(link->lower), sizeof(long double));
    for (size_t t = 0; t < RULE_MAX_TERMS; t++)
        l.c[t] = allocate(shape_neurons(link->upper), sizeof(double));
    return l;
}

static void bounds_of(struct chain *chain, const struct random_vgg *vgg, size_t link)
{
    struct rule rule = vgg->options.rules[link];

    for (size_t c = 0; c < VGG_WIDTH; c++) {
        chain->low[c] = rule.input_bounds ? (double)vgg->low[c] : rule.a;
        chain->high[c] = rule.input_bounds ? (double)vgg->high[c] : rule.b;
    }
}

/* out = v within the variable's set; out may be v. */
static void apply_mask(double *out, const struct random_vgg *vgg, size_t variable, const double *v)
{
    const float *mask = vgg->options.given == GIVEN_SETS ? vgg->options.masks[variable] : NULL;

    struct layout layout = network_layout(&vgg->net, variable);

    for (size_t i = 0; i < shape_neurons(layout.shape); i++) {
        size_t p = i % shape_positions(layout.shape), width = layout.shape.width;
        size_t at = layout_index(layout, i / shape_positions(layout.shape), p / width, p % width);
        out[i] = mask ? v[i] * (double)mask[at] : v[i];
    }
}

static void reference_share(struct vgg_reference *ref, const struct chain *chain, const struct random_vgg *vgg,
                            size_t variable)
{
    if (vgg->options.given == GIVEN_NONE || variable <= vgg->plan.lowest)
        for (size_t i = 0; i < shape_neurons(network_shape(&vgg->net, variable)); i++)
            ref->h[variable][i] = 1;
    else
        reference_lift(ref->h[variable], &chain->links[variable - 1], ref->h[variable - 1]);
    apply_mask(ref->h[variable], vgg, variable, ref->h[variable]);
}

static void reference_up(struct vgg_reference *ref, struct chain *chain, const struct random_vgg *vgg)
{
    reference_share(ref, chain, vgg, 0);
    for (size_t k = 0; k < vgg->net.nlinks; k++) {
        const struct link *link = &vgg->net.links[k];
        chain->links[k] = link_of(chain, ref, vgg, k);
        bounds_of(chain, vgg, k);
        reference_forward(ref->z[k + 1], &chain->links[k]);
        for (size_t i = 0; i < shape_neurons(link->upper); i++)
            ref->a[k + 1][i] = network_rectified(link) ? fmax(ref->z[k + 1][i], 0) : ref->z[k + 1][i];
        reference_prepare(&chain->links[k]);
        reference_share(ref, chain, vgg, k + 1);
    }
}

static double sum(const double *v, size_t n)
{
    double s = 0;

    for (size_t i = 0; i < n; i++)
        s += v[i];
    return s;
}

static void reference_down(struct vgg_reference *ref, struct chain *chain, const struct random_vgg *vgg)
{
    apply_mask(ref->m[vgg->net.nlinks], vgg, vgg->net.nlinks, ref->r[vgg->net.nlinks]);
    for (size_t k = vgg->net.nlinks; k-- > 0;) {
        const struct reference_link *l = &chain->links[k];
        size_t channels = l->link->upper.channels;
        bounds_of(chain, vgg, k);
        reference_backward(ref->r[k], l, ref->r[k + 1]);
        reference_shares(ref->to_bias[k], ref->absorbed[k], l, ref->r[k + 1]);
        ref->bias[k] = ref->bias[k + 1] + sum(ref->to_bias[k], channels);
        ref->lost[k] = ref->lost[k + 1] + sum(ref->absorbed[k], channels);
        reference_backward(ref->m[k], l, ref->m[k + 1]);
        apply_mask(ref->m[k], vgg, k, ref->m[k]);
        reference_shares(ref->to_bias[k], ref->absorbed[k], l, ref->m[k + 1]);
        for (size_t j = 0; j < channels && vgg->options.given != GIVEN_NONE && k >= vgg->plan.lowest; j++)
            ref->to_bias[k][j] = ref->absorbed[k][j] = 0;
        if (l->link->kind != LINK_POOL)
            reference_flow(ref->joint[k], l, ref->m[k + 1], ref->h[k]);
        free(l->sums);
        for (size_t t = 0; t < RULE_MAX_TERMS; t++)
            free(l->c[t]);
    }
}

void vgg_reference_init(struct vgg_reference *ref, const struct random_vgg *vgg, const float *input,
                        struct measure_target target)
{
    const struct network *net = &vgg->net;
    struct chain chain;

    *ref = (struct vgg_reference){.bias = {0}};
    for (size_t k = 0; k <= net->nlinks; k++) {
        size_t n = shape_neurons(network_shape(net, k));
        double **arrays[] = {&ref->z[k], &ref->a[k], &ref->r[k], &ref->m[k], &ref->h[k]};
        for (size_t i = 0; i < LENGTH(arrays); i++)
            *arrays[i] = allocate(n, sizeof(double));
        for (size_t i = 0; k == 0 && i < n; i++)
            ref->a[0][i] = (double)input[i];
        if (k == net->nlinks)
            continue;
        size_t upper = net->links[k].upper.channels;
        ref->joint[k] = allocate(upper * net->links[k].lower.channels, sizeof(double));
        ref->to_bias[k] = allocate(upper, sizeof(double));
        ref->absorbed[k] = allocate(upper, sizeof(double));
    }
    reference_up(ref, &chain, vgg);
    const double *z = ref->z[net->nlinks];
    double difference = z[target.a] - z[target.b], *r = ref->r[net->nlinks];
    r[target.a] = target.kind == TARGET_CONTRAST ? z[target.a] / difference : 1;
    if (target.kind == TARGET_CONTRAST)
        r[target.b] = -z[target.b] / difference;
    reference_down(ref, &chain, vgg);
    for (size_t k = 0; k <= net->nlinks; k++) {
        ref->variation[k] = fabs(ref->bias[k]) + fabs(ref->lost[k]);
        for (size_t i = 0; i < shape_neurons(network_shape(net, k)); i++)
            ref->variation[k] += fabs(ref->r[k][i]);
    }
}

void vgg_reference_free(struct vgg_reference *ref, const struct random_vgg *vgg)
{
    for (size_t k = 0; k <= vgg->net.nlinks; k++) {
        free(ref->z[k]);
        free(ref->a[k]);
        free(ref->r[k]);
        free(ref->m[k]);
        free(ref->h[k]);
        free(ref->joint[k]);
        free(ref->to_bias[k]);
        free(ref->absorbed[k]);
    }
}
