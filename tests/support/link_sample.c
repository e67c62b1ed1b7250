#include "tests/support/link_sample.h"

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

static const struct link links[] = {
    {.kind = LINK_CONVOLUTION,
     .name = "signed",
     .lower = {3, 7, 5},
     .upper = {4, 7, 5},
     .activation = {ACTIVATION_RELU, 0, 0},
     .window = WINDOW_SAME3,
     .groups = 1},
    {.kind = LINK_CONVOLUTION,
     .name = "hidden",
     .lower = {5, 3, 8},
     .upper = {17, 3, 8},
     .activation = {ACTIVATION_RELU, 0, 0},
     .window = WINDOW_SAME3,
     .groups = 1},
    {.kind = LINK_CONVOLUTION,
     .name = "tiles",
     .lower = {18, 13, 6},
     .upper = {9, 13, 6},
     .activation = {ACTIVATION_RELU, 0, 0},
     .window = WINDOW_SAME3,
     .groups = 1},
    {.kind = LINK_CONVOLUTION,
     .name = "point",
     .lower = {2, 1, 1},
     .upper = {3, 1, 1},
     .activation = {ACTIVATION_RELU, 0, 0},
     .window = WINDOW_SAME3,
     .groups = 1},
    {.kind = LINK_DENSE,
     .name = "flatten",
     .lower = {4, 3, 3},
     .upper = {11, 1, 1},
     .activation = {ACTIVATION_RELU, 0, 0},
     .window = WINDOW_SAME3,
     .groups = 1},
    {.kind = LINK_DENSE,
     .name = "logits",
     .lower = {13, 1, 1},
     .upper = {7, 1, 1},
     .activation = {ACTIVATION_NONE, 0, 0},
     .window = WINDOW_SAME3,
     .groups = 1},
};

#define LENGTH(a) (sizeof(a) / sizeof(a)[0])

float *link_sample_floats(size_t n)
{
    return aligned_alloc(64, (n * sizeof(float) + 127) / 64 * 64);
}

/* ---- the kernels on planar arrays
 * --------------------------------------------------------------------------------- */

static size_t at_lower(const struct link_sample *s)
{
    return LINK_SAMPLE_IMAGES * layout_floats(s->plan.lower);
}

static size_t at_upper(const struct link_sample *s)
{
    return LINK_SAMPLE_IMAGES * layout_floats(s->plan.upper);
}

/* Copies of all images to and from a layout; the caller frees. */
static float *laid_out(const float *planar, struct layout layout)
{
    float *out = link_sample_floats(LINK_SAMPLE_IMAGES * layout_floats(layout));

    for (size_t i = 0; i < LINK_SAMPLE_IMAGES; i++)
        layout_from_planar(out + i * layout_floats(layout), planar + i * shape_neurons(layout.shape), layout);
    return out;
}

static void take_planar(float *planar, float *values, struct layout layout)
{
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES; i++)
        layout_to_planar(planar + i * shape_neurons(layout.shape), values + i * layout_floats(layout), layout);
    free(values);
}

void link_sample_forward(struct link_sample *s)
{
    float *a = laid_out(s->a, s->plan.lower), *upper = link_sample_floats(at_upper(s));

    link_forward(&(struct link_call){
        .plan = &s->plan, .scratch = &s->scratch, .n = LINK_SAMPLE_IMAGES, .a = a, .upper = upper, .c_out = s->c});
    take_planar(s->activation, upper, s->plan.upper);
    free(a);
}

void link_sample_backward(float *r_lower, double *to_bias, double *absorbed, struct link_sample *s, const float *r)
{
    float *a = laid_out(s->a, s->plan.lower), *above = laid_out(r, s->plan.upper),
          *below = link_sample_floats(at_lower(s));

    struct link_ledger ledger = {.to_bias = to_bias, .absorbed = absorbed};
    link_backward(&(struct link_call){.plan = &s->plan,
                                      .n = LINK_SAMPLE_IMAGES,
                                      .c = s->c,
                                      .a = a,
                                      .r_upper = above,
                                      .r_lower = below,
                                      .ledger = to_bias ? &ledger : NULL,
                                      .scratch = &s->scratch});
    take_planar(r_lower, below, s->plan.lower);
    free(above);
    free(a);
}

void link_sample_lift(float *v_upper, struct link_sample *s)
{
    float *a = laid_out(s->a, s->plan.lower), *below = laid_out(s->v, s->plan.lower),
          *above = link_sample_floats(at_upper(s));

    link_lift(&(struct link_call){.plan = &s->plan,
                                  .scratch = &s->scratch,
                                  .n = LINK_SAMPLE_IMAGES,
                                  .a = a,
                                  .c = s->c,
                                  .v_lower = below,
                                  .v_upper = above});
    take_planar(v_upper, above, s->plan.upper);
    free(below);
    free(a);
}

/* Of one image; with its weights on lower neurons if `weighted`. */
void link_sample_flow(float *joint, struct link_sample *s, bool weighted, size_t image)
{
    float *a = laid_out(s->a, s->plan.lower), *v = laid_out(s->v, s->plan.lower), *r = laid_out(s->r, s->plan.upper);
    size_t lower = image * layout_floats(s->plan.lower), upper = image * layout_floats(s->plan.upper);

    link_flow(&(struct link_call){.plan = &s->plan,
                                  .scratch = &s->scratch,
                                  .n = 1,
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

/* ---- samples
 * ------------------------------------------------------------------------------------------------------ */

static double *link_sample_widened(const float *values, size_t n)
{
    double *out = malloc((n ? n : 1) * sizeof *out);

    for (size_t i = 0; i < n; i++)
        out[i] = (double)values[i];
    return out;
}

size_t link_sample_weights(const struct link *l)
{
    return l->upper.channels * (l->kind == LINK_DENSE ? shape_neurons(l->lower) : 9 * l->lower.channels);
}

static void make_arrays(struct link_sample *s, struct random *random, bool signed_input)
{
    size_t weights = link_sample_weights(&s->link);

    s->link.bias = weights;
    s->model = link_sample_floats(weights + s->link.upper.channels);
    random_fill(random, s->model, weights + s->link.upper.channels);
    s->a = link_sample_floats(LINK_SAMPLE_IMAGES * s->lower);
    s->r = link_sample_floats(LINK_SAMPLE_IMAGES * s->upper);
    s->v = link_sample_floats(LINK_SAMPLE_IMAGES * s->lower);
    s->activation = link_sample_floats(LINK_SAMPLE_IMAGES * s->upper);
    random_fill(random, s->a, LINK_SAMPLE_IMAGES * s->lower);
    random_fill(random, s->r, LINK_SAMPLE_IMAGES * s->upper);
    random_fill(random, s->v, LINK_SAMPLE_IMAGES * s->lower);
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->lower && !signed_input; i++)
        s->a[i] = s->a[i] > 0 ? s->a[i] : 0;
    for (size_t c = 0; c < 32; c++) {
        s->low[c] = -1.5f;
        s->high[c] = 1.5f;
        s->low_double[c] = -1.5;
        s->high_double[c] = 1.5;
    }
}

static void make_reference(struct link_sample *s)
{
    size_t last = (LINK_SAMPLE_IMAGES - 1) * s->lower;

    s->a_double = link_sample_widened(s->a + last, s->lower);
    s->r_double = link_sample_widened(s->r + (LINK_SAMPLE_IMAGES - 1) * s->upper, s->upper);
    s->v_double = link_sample_widened(s->v + last, s->lower);
    s->z_double = malloc(s->upper * sizeof(double));
    s->reference = (struct reference_link){.link = &s->link,
                                           .rule = s->plan.rule,
                                           .bias_mode = s->plan.bias_mode,
                                           .pool = s->plan.pool,
                                           .weight = s->model,
                                           .bias = s->model + s->link.bias,
                                           .low = s->low_double,
                                           .high = s->high_double,
                                           .a = s->a_double,
                                           .z = s->z_double,
                                           .sums = malloc((s->lower + 2 * s->upper) * sizeof(long double)),
                                           .c = {malloc(s->upper * sizeof(double)), malloc(s->upper * sizeof(double))}};
    reference_forward(s->z_double, &s->reference);
    reference_prepare(&s->reference);
}

static struct layout layout_of(const struct link *link, bool lower)
{
    struct shape shape = lower ? link->lower : link->upper;
    bool planar = link->kind == LINK_DENSE || (lower && strcmp(link->name, "signed") == 0);

    return planar ? layout_planar(shape) : layout_blocked(shape);
}

static void sample_free(struct link_sample *s);

/* False, and nothing to free: the backend does not suit the link. */
static bool sample_init(struct link_sample *s, const struct link *link, const char *rule_text, enum bias_mode bias,
                        enum arrival arrival, const struct link_backend *backend, struct random *random)
{
    struct link_setting setting = {.bias = bias,
                                   .pool = POOL_WINNER,
                                   .signed_input = strcmp(link->name, "signed") == 0,
                                   .both_branches = arrival == EVERYWHERE,
                                   .ops = isa_under_test(),
                                   .lower = layout_of(link, true),
                                   .upper = layout_of(link, false)};
    struct link_plan plan;
    char message[128];

    *s = (struct link_sample){
        .link = *link, .arrival = arrival, .upper = shape_neurons(link->upper), .lower = shape_neurons(link->lower)};
    assert_true(rule_parse(&setting.rule, message, sizeof message, rule_text));
    make_arrays(s, random, setting.signed_input);
    link_plan_init(&plan, &s->link, &setting, s->model);
    if (!link_plan_another(&s->plan, &plan, backend)) {
        sample_free(s);
        return false;
    }
    s->forms = link_sample_floats(link_forms_floats(&s->plan));
    link_forms_compute(&s->plan, s->forms, (struct link_bounds){s->low, s->high});
    link_forms_bind(&s->plan, s->forms);
    struct link_scratch_floats need = link_scratch_floats(&s->plan, LINK_SAMPLE_IMAGES);
    s->scratch =
        (struct link_scratch){link_sample_floats(need.upper), link_sample_floats(need.lower),
                              link_sample_floats(need.work), malloc(need.sums * sizeof(struct channels_ledger)), NULL};
    s->c = link_sample_floats(link_coefficients(&s->plan, LINK_SAMPLE_IMAGES));
    link_sample_forward(s);
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->upper && arrival == ALIVE; i++)
        s->r[i] = s->activation[i] > 0 ? s->r[i] : 0;
    make_reference(s);
    return true;
}

static void sample_free(struct link_sample *s)
{
    void *const arrays[] = {s->model,
                            s->forms,
                            s->a,
                            s->activation,
                            s->c,
                            s->r,
                            s->v,
                            s->scratch.upper,
                            s->scratch.lower,
                            s->scratch.work,
                            s->scratch.sums,
                            s->a_double,
                            s->z_double,
                            s->r_double,
                            s->v_double,
                            s->reference.c[0],
                            s->reference.c[1],
                            s->reference.sums};

    for (size_t i = 0; i < LENGTH(arrays); i++)
        free(arrays[i]);
}

/* Call `check` for every link, rule, bias mode, arrival and backend that fits them. */
void link_sample_for_all(const char *name, void (*check)(struct link_sample *s, const char *what))
{
    struct random random = random_seed(name), first = random;
    char what[128];

    for (size_t i = 0; i < LENGTH(links) * LENGTH(rules) * 2 * ARRIVALS * LINK_BACKENDS; i++) {
        const struct link_backend *backend = link_backends[i % LINK_BACKENDS];
        enum arrival arrival = (enum arrival)(i / LINK_BACKENDS % ARRIVALS);
        enum bias_mode bias = i / LINK_BACKENDS / ARRIVALS % 2 ? BIAS_SPREAD : BIAS_NEURON;
        const char *rule = rules[i / LINK_BACKENDS / ARRIVALS / 2 % LENGTH(rules)];
        const struct link *link = &links[i / LINK_BACKENDS / ARRIVALS / 2 / LENGTH(rules)];
        struct link_sample s;
        first = i % LINK_BACKENDS == 0 ? random : first; /* every backend gets the same numbers */
        random = first;
        if (!network_rectified(link) && arrival == ALIVE)
            continue; /* logits */
        snprintf(what, sizeof what, "link %s, rule %s, bias %s%s, %s", link->name, rule,
                 bias == BIAS_NEURON ? "neuron" : "spread", arrival == ALIVE ? ", alive" : "",
                 link_backend_name(backend));
        if (!sample_init(&s, link, rule, bias, arrival, backend, &random))
            continue;
        check(&s, what);
        sample_free(&s);
    }
}
