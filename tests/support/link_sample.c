#include "tests/support/link_sample.h"

#include "kernels/layer/link_backend.h"
#include "tests/support/guarded.h"
#include "tests/support/isa_under_test.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const rules[] = {"zero",          "epsilon 0.01",  "gamma 0.25", "zplus", "alphabeta 2 1",
                                    "alphabeta 1 0", "zbox -1.5 1.5", "wsquare",    "flat"};

#define LENGTH(a) (sizeof(a) / sizeof(a)[0])

float *link_sample_floats(size_t n)
{
    return aligned_alloc(64, (n * sizeof(float) + 127) / 64 * 64);
}

static size_t edge_count(const struct link *link)
{
    return link->nedges ? link->nedges : 1;
}

void link_sample_select(struct link_sample *s, size_t edge)
{
    s->edge = edge;
    s->reference.edge = edge;
}

/* ---- the kernels on planar arrays -------------------------------------------------------------------------------- */

float *link_sample_laid_out(const float *planar, struct layout layout)
{
    float *out = link_sample_floats(LINK_SAMPLE_IMAGES * layout_floats(layout));

    for (size_t i = 0; i < LINK_SAMPLE_IMAGES; i++)
        layout_from_planar(out + i * layout_floats(layout), planar + i * shape_neurons(layout.shape), layout);
    return out;
}

void link_sample_take_planar(float *planar, float *values, struct layout layout)
{
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES; i++)
        layout_to_planar(planar + i * shape_neurons(layout.shape), values + i * layout_floats(layout), layout);
    free(values);
}

/* A new array of all images of a variable. */
static float *room(struct layout layout)
{
    return link_sample_floats(LINK_SAMPLE_IMAGES * layout_floats(layout));
}

static struct layout selected(const struct link_sample *s)
{
    return s->inputs[s->edge].layout;
}

void link_sample_forward(struct link_sample *s)
{
    float *a[LINK_SAMPLE_EDGES] = {NULL}, *gate = s->gates ? link_sample_laid_out(s->gate, s->plan.gate) : NULL;
    float *upper = room(s->plan.upper);
    const float *inputs[LINK_SAMPLE_EDGES];

    for (size_t e = 0; e < edge_count(&s->link); e++)
        inputs[e] = a[e] = link_sample_laid_out(s->a[e], s->inputs[e].layout);
    link_forward(&(struct link_call){.plan = &s->plan,
                                     .scratch = &s->scratch,
                                     .n = LINK_SAMPLE_IMAGES,
                                     .a = s->link.nedges ? NULL : a[0],
                                     .inputs = s->link.nedges ? inputs : NULL,
                                     .gate = gate,
                                     .upper = upper,
                                     .c_out = s->c});
    link_sample_take_planar(s->activation, upper, s->plan.upper);
    for (size_t e = 0; e < edge_count(&s->link); e++)
        free(a[e]);
    free(gate);
}

void link_sample_backward(float *r_lower, double *to_bias, double *absorbed, struct link_sample *s, const float *r)
{
    float *a = link_sample_laid_out(s->a[s->edge], selected(s)), *above = link_sample_laid_out(r, s->plan.upper),
          *below = room(selected(s));
    struct link_ledger ledger = {.to_bias = to_bias, .absorbed = absorbed};

    link_backward(&(struct link_call){.plan = &s->plan,
                                      .n = LINK_SAMPLE_IMAGES,
                                      .edge = s->edge,
                                      .c = s->c,
                                      .a = a,
                                      .r_upper = above,
                                      .r_lower = below,
                                      .ledger = to_bias ? &ledger : NULL,
                                      .scratch = &s->scratch});
    link_sample_take_planar(r_lower, below, selected(s));
    free(above);
    free(a);
}

void link_sample_lift(float *v_upper, struct link_sample *s)
{
    float *a = link_sample_laid_out(s->a[s->edge], selected(s)),
          *below = link_sample_laid_out(s->v[s->edge], selected(s)), *above = room(s->plan.upper);

    link_lift(&(struct link_call){.plan = &s->plan,
                                  .scratch = &s->scratch,
                                  .n = LINK_SAMPLE_IMAGES,
                                  .edge = s->edge,
                                  .a = a,
                                  .c = s->c,
                                  .v_lower = below,
                                  .v_upper = above});
    link_sample_take_planar(v_upper, above, s->plan.upper);
    free(below);
    free(a);
}

void link_sample_flow(float *joint, struct link_sample *s, bool weighted, size_t image)
{
    float *a = link_sample_laid_out(s->a[s->edge], selected(s)), *v = link_sample_laid_out(s->v[s->edge], selected(s)),
          *r = link_sample_laid_out(s->r, s->plan.upper);
    size_t lower = image * layout_floats(selected(s)), upper = image * layout_floats(s->plan.upper);

    link_flow(&(struct link_call){.plan = &s->plan,
                                  .scratch = &s->scratch,
                                  .n = 1,
                                  .edge = s->edge,
                                  .c_images = LINK_SAMPLE_IMAGES,
                                  .a = a + lower,
                                  .c = s->c + upper,
                                  .r_upper = r + upper,
                                  .h = weighted ? v + lower : NULL,
                                  .joint = joint});
    free(r);
    free(v);
    free(a);
}

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

static double *widened(const float *values, size_t n)
{
    double *out = malloc((n ? n : 1) * sizeof *out);

    for (size_t i = 0; i < n; i++)
        out[i] = (double)values[i];
    return out;
}

/* Random values of all images. */
static float *random_array(struct random *random, size_t neurons)
{
    float *out = link_sample_floats(LINK_SAMPLE_IMAGES * neurons);

    random_fill(random, out, LINK_SAMPLE_IMAGES * neurons);
    return out;
}

static struct layout layout_of(struct shape shape, bool planar, bool flat)
{
    return planar ? layout_planar(shape) : flat ? layout_flat(shape) : layout_blocked(shape);
}

/* Whether it may be flat, and something of it is not planar. */
static bool may_be_flat(const struct link_sample_shape *shape)
{
    bool planar = shape->planar_upper;

    for (size_t e = 0; e < (shape->link.nedges ? shape->link.nedges : 1); e++)
        planar = planar && shape->planar[e];
    return !planar && !(shape->link.kind == LINK_CONVOLUTION && network_same3(&shape->link));
}

static void describe_edges(struct link_sample *s, const struct link_sample_shape *shape)
{
    for (size_t e = 0; e < edge_count(&s->link); e++) {
        struct shape lower = s->link.lower;
        if (s->link.kind == LINK_CHANNELS)
            lower.channels = shape->lower_channels[e];
        s->inputs[e] = (struct link_input){layout_of(lower, shape->planar[e], shape->flat_lower), shape->channels[e]};
        s->lower[e] = shape_neurons(lower);
    }
}

/* Few values, of which many are equal, nearly equal (pool.h's tolerance is 2e-5 here), or almost that. */
static void make_ties(float *a, size_t n, struct random *random)
{
    static const float near[] = {0, 0, 1e-5f, 4e-5f};

    for (size_t i = 0; i < n; i++)
        a[i] = rintf(2 * a[i]) / 2 + near[random_below(random, LENGTH(near))];
    a[0] = 1; /* the largest, or nearly */
}

/* Activations of an edge's variable. */
static float *lower_activations(const struct link_sample *s, const struct link_sample_shape *shape, size_t edge,
                                struct random *random)
{
    size_t n = LINK_SAMPLE_IMAGES * s->lower[edge];
    float *a = random_array(random, s->lower[edge]);

    if (s->link.kind == LINK_POOL)
        make_ties(a, n, random);
    for (size_t i = 0; i < n && !shape->signed_input; i++)
        a[i] = a[i] > 0 ? a[i] : 0;
    if (edge > 0 && shape->same_input)
        memcpy(a, s->a[0], n * sizeof *a);
    return a;
}

static void make_arrays(struct link_sample *s, const struct link_sample_shape *shape, struct random *random)
{
    size_t weights = network_weight_floats(&s->link);

    s->link.bias = weights;
    s->model = link_sample_floats(weights + s->link.upper.channels);
    random_fill(random, s->model, weights + s->link.upper.channels);
    for (size_t e = 0; e < edge_count(&s->link); e++)
        s->a[e] = lower_activations(s, shape, e, random);
    s->r = random_array(random, s->upper);
    for (size_t e = 0; e < edge_count(&s->link); e++)
        s->v[e] = random_array(random, s->lower[e]);
    s->activation = link_sample_floats(LINK_SAMPLE_IMAGES * s->upper);
    s->gate = random_array(random, s->gates);
    for (size_t c = 0; c < LINK_SAMPLE_CHANNELS; c++) {
        s->low[c] = -1.5f;
        s->high[c] = 1.5f;
        s->low_double[c] = -1.5;
        s->high_double[c] = 1.5;
    }
}

void link_sample_reference(struct link_sample *s)
{
    size_t last = LINK_SAMPLE_IMAGES - 1, most = 2 * s->upper;

    for (size_t e = 0; e < edge_count(&s->link); e++) {
        s->a_double[e] = widened(s->a[e] + last * s->lower[e], s->lower[e]);
        s->v_double[e] = widened(s->v[e] + last * s->lower[e], s->lower[e]);
        s->reference_inputs[e] =
            (struct reference_input){s->a_double[e], s->inputs[e].layout.shape, s->inputs[e].channels};
        most = s->lower[e] > most ? s->lower[e] : most;
    }
    s->r_double = widened(s->r + last * s->upper, s->upper);
    s->gate_double = widened(s->gate + last * s->gates, s->gates);
    s->z_double = malloc(s->upper * sizeof(double));
    s->reference = (struct reference_link){.link = &s->link,
                                           .inputs = s->link.nedges ? s->reference_inputs : NULL,
                                           .rule = s->plan.rule,
                                           .bias_mode = s->plan.bias_mode,
                                           .pool = s->plan.pool,
                                           .weight = s->model,
                                           .bias = s->model + s->link.bias,
                                           .low = s->low_double,
                                           .high = s->high_double,
                                           .a = s->a_double[0],
                                           .z = s->z_double,
                                           .gate = s->gate_double,
                                           .one_gate = shape_positions(s->plan.gate.shape) == 1,
                                           .sums = malloc(most * sizeof(long double)),
                                           .c = {malloc(s->upper * sizeof(double)), malloc(s->upper * sizeof(double))}};
    reference_forward(s->z_double, &s->reference);
    reference_prepare(&s->reference);
}

/* ---- samples ----------------------------------------------------------------------------------------------------- */

/* How relevance is shared. */
struct sharing {
    const char *rule; /* or of a pool, its mode; else not read */
    enum bias_mode bias;
    enum pool_mode pool;
    enum arrival arrival;
};

static void sample_free(struct link_sample *s)
{
    void *const arrays[] = {s->model,
                            s->forms,
                            s->gate,
                            s->activation,
                            s->c,
                            s->r,
                            s->scratch.upper,
                            s->scratch.lower,
                            s->scratch.work,
                            s->scratch.sums,
                            s->scratch.sum,
                            s->scratch.c,
                            s->r_double,
                            s->z_double,
                            s->gate_double,
                            s->reference.c[0],
                            s->reference.c[1],
                            s->reference.sums};

    for (size_t i = 0; i < LENGTH(arrays); i++)
        free(arrays[i]);
    for (size_t e = 0; e < LINK_SAMPLE_EDGES; e++) {
        free(s->a[e]);
        free(s->v[e]);
        free(s->a_double[e]);
        free(s->v_double[e]);
    }
}

static struct link_scratch scratch_of(const struct link_sample *s)
{
    struct link_scratch_floats need = link_scratch_floats(&s->plan, LINK_SAMPLE_IMAGES);
    size_t sum = layout_floats(s->plan.upper);

    for (size_t e = 0; e < edge_count(&s->link); e++)
        sum = layout_floats(s->inputs[e].layout) > sum ? layout_floats(s->inputs[e].layout) : sum;
    return (struct link_scratch){.upper = link_sample_floats(need.upper),
                                 .lower = link_sample_floats(need.lower),
                                 .work = link_sample_floats(need.work),
                                 .sums = malloc(need.sums * sizeof(struct channels_ledger) + 1),
                                 .sum = link_sample_floats(LINK_SAMPLE_IMAGES * sum),
                                 .c = link_sample_floats(link_spare_floats(&s->plan, LINK_SAMPLE_IMAGES))};
}

/* False, and nothing to free: the backend does not suit the link. */
static bool sample_init(struct link_sample *s, const struct link_sample_shape *shape, struct sharing sharing,
                        const struct link_backend *backend, struct random *random)
{
    struct link_setting setting = {.bias = sharing.bias,
                                   .pool = sharing.pool,
                                   .signed_input = shape->signed_input,
                                   .both_branches = sharing.arrival == EVERYWHERE,
                                   .ops = isa_under_test(),
                                   .lower = layout_of(shape->link.lower, shape->planar[0], shape->flat_lower),
                                   .upper = layout_of(shape->link.upper, shape->planar_upper, shape->flat_upper),
                                   .gate = layout_of(shape->gate, shape->planar_gate, shape->flat_upper),
                                   .inputs = shape->link.nedges ? s->inputs : NULL};
    struct link_plan plan;
    char message[128];

    *s = (struct link_sample){.link = shape->link,
                              .arrival = sharing.arrival,
                              .upper = shape_neurons(shape->link.upper),
                              .gates = shape_neurons(shape->gate)};
    assert_true(rule_parse(&setting.rule, message, sizeof message, sharing.rule));
    describe_edges(s, shape);
    make_arrays(s, shape, random);
    link_plan_init(&plan, &s->link, &setting, s->model);
    if (!link_plan_another(&s->plan, &plan, backend)) {
        sample_free(s);
        return false;
    }
    s->forms = link_sample_floats(link_forms_floats(&s->plan));
    link_forms_compute(&s->plan, s->forms, (struct link_bounds){s->low, s->high});
    link_forms_bind(&s->plan, s->forms);
    s->scratch = scratch_of(s);
    s->c = link_sample_floats(link_coefficients(&s->plan, LINK_SAMPLE_IMAGES));
    link_sample_forward(s);
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->upper && sharing.arrival == ALIVE; i++)
        s->r[i] = s->activation[i] > 0 ? s->r[i] : 0;
    return true;
}

/* Sharing number i of a link: every rule, bias mode and arrival, or every mode of a pool. False after the last.
 * Proportions of signed values have sums near zero, which float32 cannot tell from zero. */
static bool sharing_of(struct sharing *out, const struct link_sample_shape *shape, size_t i)
{
    const struct link *link = &shape->link;
    bool clipped = link->activation.kind == ACTIVATION_CLIP && link->activation.a == 0;
    size_t arrivals = network_rectified(link) || clipped ? ARRIVALS : 1; /* alive is known where z > 0 is */

    *out = (struct sharing){.rule = rules[0]};
    if (link->kind == LINK_POOL) {
        out->pool = (enum pool_mode)i;
        return i < POOL_PROPORTIONAL || (i == POOL_PROPORTIONAL && !shape->signed_input);
    }
    if (!network_has_rule(link))
        return i == 0;
    if (i >= LENGTH(rules) * 2 * arrivals)
        return false;
    *out = (struct sharing){.rule = rules[i / arrivals / 2],
                            .bias = i / arrivals % 2 ? BIAS_SPREAD : BIAS_NEURON,
                            .arrival = (enum arrival)(i % arrivals)};
    return true;
}

static bool flat(const struct link_sample_shape *shape)
{
    return shape->flat_lower || shape->flat_upper;
}

static void describe(char what[128], const struct link_sample_shape *shape, struct sharing sharing,
                     const struct link_backend *backend)
{
    const struct link *link = &shape->link;
    static const char *const pools[] = {"winner", "winner_live", "first", "proportional"};
    const char *name = link_backend_name(backend);

    if (network_has_rule(link))
        snprintf(what, 128, "link %s%s, rule %s, bias %s%s, %s", link->name, flat(shape) ? " (flat)" : "", sharing.rule,
                 sharing.bias == BIAS_NEURON ? "neuron" : "spread", sharing.arrival == ALIVE ? ", alive" : "", name);
    else
        snprintf(what, 128, "link %s%s, %s, %s", link->name, flat(shape) ? " (flat)" : "", pools[sharing.pool], name);
}

/* Every rule and backend of one shape. */
static void check_shape(const struct link_sample_shape *shape, struct random *random,
                        void (*check)(struct link_sample *s, const char *what))
{
    struct sharing sharing;
    char what[128];

    for (size_t j = 0; sharing_of(&sharing, shape, j); j++) {
        struct random first = *random; /* every backend gets the same numbers */
        for (size_t b = 0; b < LINK_BACKENDS; b++) {
            struct link_sample s;
            *random = first;
            describe(what, shape, sharing, link_backends[b]);
            if (!sample_init(&s, shape, sharing, link_backends[b], random))
                continue;
            check(&s, what);
            sample_free(&s);
        }
    }
}

void link_sample_for_all(const char *name, void (*check)(struct link_sample *s, const char *what))
{
    struct random random = random_seed(name);
    const struct link_sample_shape *shape;

    for (size_t i = 0; (shape = link_sample_shape(i)); i++) {
        struct link_sample_shape other = *shape;
        check_shape(shape, &random, check);
        other.flat_lower = other.flat_upper = true;
        if (!flat(shape) && may_be_flat(shape))
            check_shape(&other, &random, check);
    }
}
