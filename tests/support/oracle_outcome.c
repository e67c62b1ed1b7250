#include "tests/support/oracle_outcome.h"

#include "kernels/layer/reference.h"
#include "tests/support/isa_under_test.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void oracle_outcome_init(struct oracle_outcome *o, const struct network *net)
{
    *o = (struct oracle_outcome){.given_mass = 1};
    for (size_t k = 0; k <= net->nlinks; k++)
        o->neurons[k] = calloc(shape_neurons(network_shape(net, k)), sizeof(double));
    for (size_t k = 0; k < net->nlinks; k++) {
        const struct link *link = &net->links[k];
        o->joint[k] = calloc(link->upper.channels * link->lower.channels, sizeof(double));
        o->to_bias[k] = calloc(link->upper.channels, sizeof(double));
        o->absorbed[k] = calloc(link->upper.channels, sizeof(double));
    }
}

void oracle_outcome_free(struct oracle_outcome *o, const struct network *net)
{
    for (size_t k = 0; k <= net->nlinks; k++)
        free(o->neurons[k]);
    for (size_t k = 0; k < net->nlinks; k++) {
        free(o->joint[k]);
        free(o->to_bias[k]);
        free(o->absorbed[k]);
    }
}

struct collector {
    const struct network *net;
    struct oracle_outcome *o;
    const struct oracle_case *t;
    const struct measure_plan *plan;
    oracle_outcome_look *look;
};

static void look_at_image(void *context, size_t slot, const struct measure_image *image)
{
    const struct collector *c = context;

    (void)slot;
    c->look(c->t, c->plan, image);
}

static void collect_neurons(void *context, size_t slot, size_t variable, const float *r, const float *h)
{
    struct collector *c = context;

    size_t n = shape_neurons(network_shape(c->net, variable));
    float *planar = malloc(n * sizeof *planar);

    (void)slot;
    layout_products_to_planar(planar, r, h, network_layout(c->net, variable));
    for (size_t i = 0; i < n; i++)
        c->o->neurons[variable][i] = (double)planar[i];
    free(planar);
}

static void collect_flow(void *context, size_t slot, size_t link, const float *joint, const double *to_bias,
                         const double *absorbed)
{
    struct collector *c = context;
    const struct link *l = &c->net->links[link];

    (void)slot;
    for (size_t i = 0; i < l->upper.channels * l->lower.channels; i++)
        c->o->joint[link][i] = (double)joint[i];
    memcpy(c->o->to_bias[link], to_bias, l->upper.channels * sizeof *to_bias);
    memcpy(c->o->absorbed[link], absorbed, l->upper.channels * sizeof *absorbed);
}

/* The tuned kernels. */
void oracle_outcome_float(struct oracle_outcome *o, const struct oracle_case *t, enum measure_given given,
                          oracle_outcome_look *look)
{
    const struct network *net = oracle_network(t);
    struct measure_options options = oracle_options(t, given);
    struct measure_target target = oracle_target(t);
    struct measure_plan plan;
    struct measure_workspace work;
    struct arena arena = arena_over(NULL, 0);
    struct collector collector = {net, o, t, &plan, look};
    float *image = oracle_image(t), low_float[3], high_float[3];
    double low[3], high[3];
    const float *inputs[] = {image};

    oracle_bounds(t, low, high);
    for (size_t c = 0; c < 3; c++) {
        low_float[c] = (float)low[c];
        high_float[c] = (float)high[c];
    }

    options.images = given == GIVEN_NONE;
    options.ops = isa_under_test();
    measure_plan_init(&plan, net, &options, t->suite->model.weights);
    float *forms = aligned_alloc(64, measure_forms_floats(&plan) * sizeof *forms + 64);
    measure_forms_compute(&plan, forms, (struct link_bounds){low_float, high_float});
    measure_forms_bind(&plan, forms);
    measure_workspace_place(&work, &plan, &arena);
    void *memory = aligned_alloc(ARENA_ALIGNMENT, arena.peak);
    memset(memory, 0xff, arena.peak); /* NaN: a read before a write shows */
    arena = arena_over(memory, arena.peak);
    measure_workspace_place(&work, &plan, &arena);
    size_t channels = plan.channel[net->nlinks + 1];
    struct measure_result result = {.relevance = calloc(channels, sizeof(double)),
                                    .relevance_position = calloc(channels, sizeof(uint32_t)),
                                    .activation = calloc(channels, sizeof(float)),
                                    .activation_position = calloc(channels, sizeof(uint32_t)),
                                    .activation_mean = calloc(channels, sizeof(double))};
    measure_group(&result, &plan, inputs, &target,
                  (struct measure_sink){&collector, collect_neurons, collect_flow, look_at_image}, &work);
    assert_int_equal(result.status, MEASURE_OK);
    for (size_t k = 0; k <= net->nlinks; k++) {
        o->mass[k] = result.mass[k];
        o->bias[k] = result.bias[k];
        o->lost[k] = result.absorbed[k];
        o->variation[k] = result.variation[k];
    }
    o->given_mass = result.given_mass;
    free(result.relevance);
    free(result.relevance_position);
    free(result.activation);
    free(result.activation_position);
    free(result.activation_mean);
    free(memory);
    free(forms);
    free(image);
}

static double sum(const double *v, size_t n)
{
    double s = 0;

    for (size_t i = 0; i < n; i++)
        s += v[i];
    return s;
}

static double *doubles(size_t n)
{
    return calloc(n, sizeof(double));
}

struct chain {
    struct reference_link links[NETWORK_MAX_LINKS];
    double *a[NETWORK_MAX_VARIABLES], *z[NETWORK_MAX_VARIABLES], *h[NETWORK_MAX_VARIABLES];
    double low[3], high[3];
};

static void chain_forward(struct chain *chain, const struct oracle_case *t, const struct measure_options *options)
{
    const struct network *net = oracle_network(t);
    const float *weights = t->suite->model.weights;
    float *image = oracle_image(t);

    oracle_bounds(t, chain->low, chain->high);
    for (size_t k = 0; k <= net->nlinks; k++) {
        size_t n = shape_neurons(network_shape(net, k));
        chain->a[k] = doubles(n);
        chain->z[k] = doubles(n);
        chain->h[k] = doubles(n);
        for (size_t i = 0; k == 0 && i < n; i++)
            chain->a[0][i] = (double)image[i];
    }
    for (size_t k = 0; k < net->nlinks; k++) {
        const struct link *link = &net->links[k];
        size_t n = shape_neurons(link->upper);
        chain->links[k] =
            (struct reference_link){.link = link,
                                    .rule = options->rules[k],
                                    .bias_mode = options->bias,
                                    .pool = options->pool,
                                    .weight = weights + link->weight,
                                    .bias = weights + link->bias,
                                    .low = chain->low,
                                    .high = chain->high,
                                    .a = chain->a[k],
                                    .z = chain->z[k + 1],
                                    .sums = calloc(2 * n + shape_neurons(link->lower), sizeof(long double)),
                                    .c = {doubles(n), doubles(n)}};
        reference_forward(chain->z[k + 1], &chain->links[k]);
        for (size_t i = 0; i < n; i++)
            chain->a[k + 1][i] = network_rectified(link) ? fmax(chain->z[k + 1][i], 0) : chain->z[k + 1][i];
        reference_prepare(&chain->links[k]);
    }
    for (size_t i = 0; i < shape_neurons(network_shape(net, 0)); i++)
        chain->h[0][i] = 1;
    for (size_t k = 0; k < net->nlinks; k++)
        reference_lift(chain->h[k + 1], &chain->links[k], chain->h[k]);
    free(image);
}

static void chain_free(struct chain *chain, const struct network *net)
{
    for (size_t k = 0; k <= net->nlinks; k++) {
        free(chain->a[k]);
        free(chain->z[k]);
        free(chain->h[k]);
    }
    for (size_t k = 0; k < net->nlinks; k++) {
        free(chain->links[k].sums);
        for (size_t i = 0; i < RULE_MAX_TERMS; i++)
            free(chain->links[k].c[i]);
    }
}

static void start(double *r, const double *z, struct measure_target target)
{
    double difference = z[target.a] - z[target.b];

    r[target.a] = target.kind == TARGET_CONTRAST ? z[target.a] / difference : 1;
    if (target.kind == TARGET_CONTRAST)
        r[target.b] = -z[target.b] / difference;
}

/* The reference kernels; both outcomes in one sweep. */
void oracle_outcome_double(struct oracle_outcome *plain, struct oracle_outcome *given, const struct oracle_case *t)
{
    const struct network *net = oracle_network(t);
    struct measure_options options = oracle_options(t, GIVEN_NONE);
    struct chain chain = {0};

    chain_forward(&chain, t, &options);
    start(plain->neurons[net->nlinks], chain.z[net->nlinks], oracle_target(t));
    for (size_t k = net->nlinks; k > 0; k--) {
        const struct reference_link *l = &chain.links[k - 1];
        const double *r = plain->neurons[k];
        size_t channels = l->link->upper.channels;
        reference_backward(plain->neurons[k - 1], l, r);
        reference_shares(plain->to_bias[k - 1], plain->absorbed[k - 1], l, r);
        if (l->link->kind != LINK_POOL) {
            reference_flow(plain->joint[k - 1], l, r, NULL);
            reference_flow(given->joint[k - 1], l, r, chain.h[k - 1]);
        }
        plain->bias[k - 1] = plain->bias[k] + sum(plain->to_bias[k - 1], channels);
        plain->lost[k - 1] = plain->lost[k] + sum(plain->absorbed[k - 1], channels);
    }
    for (size_t k = 0; k <= net->nlinks; k++) {
        size_t n = shape_neurons(network_shape(net, k));
        plain->mass[k] = sum(plain->neurons[k], n);
        for (size_t i = 0; i < n; i++) {
            given->neurons[k][i] = plain->neurons[k][i] * chain.h[k][i];
            plain->variation[k] += fabs(plain->neurons[k][i]);
        }
    }
    given->given_mass = plain->mass[0];
    chain_free(&chain, net);
}
