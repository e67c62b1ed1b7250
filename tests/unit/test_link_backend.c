/* How link.c cuts calls for backends: images together, alone, and sweeps of one image give the same. And which
 * backend a plan gets. */
#include "kernels/layer/link_backend.h"
#include "tests/support/link_sample.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Arrays of all images in the layouts of the kernels, and outputs of two ways to compute them. */
struct arrays {
    size_t lower, upper;
    float *a, *v, *r, *down[2], *up[2];
    double to_bias[2][LINK_SAMPLE_IMAGES * LINK_SAMPLE_CHANNELS],
        absorbed[2][LINK_SAMPLE_IMAGES * LINK_SAMPLE_CHANNELS];
};

static struct arrays arrays_of(const struct link_sample *s)
{
    struct arrays out = {.lower = layout_floats(link_lower(&s->plan, s->edge)), .upper = layout_floats(s->plan.upper)};

    out.a = link_sample_laid_out(s->a[s->edge], link_lower(&s->plan, s->edge));
    out.v = link_sample_laid_out(s->v[s->edge], link_lower(&s->plan, s->edge));
    out.r = link_sample_laid_out(s->r, s->plan.upper);
    for (size_t w = 0; w < 2; w++) {
        out.down[w] = link_sample_floats(LINK_SAMPLE_IMAGES * out.lower);
        out.up[w] = link_sample_floats(LINK_SAMPLE_IMAGES * out.upper);
    }
    return out;
}

static void arrays_free(struct arrays *x)
{
    float *const all[] = {x->a, x->v, x->r, x->down[0], x->down[1], x->up[0], x->up[1]};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void assert_equal(const char *what, const char *which, const float *got, const float *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&got[i], &want[i], sizeof *got) != 0)
            fail_msg("%s: %s %zu is %.9g, not %.9g", what, which, i, (double)got[i], (double)want[i]);
}

static void assert_sums(const char *what, const char *which, const double *got, const double *want, size_t n)
{
    double most = 0;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(want[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= 1e-5 * most))
            fail_msg("%s: %s of channel %zu is %.9g, not %.9g (largest %.3g)", what, which, i, got[i], want[i], most);
}

/* Floats of c of one image and term. */
static size_t coefficients(const struct link_sample *s)
{
    return s->plan.backend->coefficients(&s->plan);
}

/* Image i alone, with coefficients among those of all images. */
static void compute_alone(struct link_sample *s, struct arrays *x, size_t i, size_t coefficients_of)
{
    size_t channels = s->link.upper.channels;
    struct link_ledger ledger = {.to_bias = x->to_bias[1] + i * channels, .absorbed = x->absorbed[1] + i * channels};
    struct link_call call = {.plan = &s->plan,
                             .scratch = &s->scratch,
                             .n = 1,
                             .edge = s->edge,
                             .c_images = LINK_SAMPLE_IMAGES,
                             .a = x->a + coefficients_of * x->lower,
                             .c = s->c + coefficients_of * coefficients(s),
                             .r_upper = x->r + i * x->upper,
                             .r_lower = x->down[1] + i * x->lower,
                             .v_lower = x->v + i * x->lower,
                             .v_upper = x->up[1] + i * x->upper,
                             .ledger = &ledger};

    link_backward(&call);
    link_lift(&call);
}

/* All images or, with `one_image`, sweeps of the last. */
static void compute_all(struct link_sample *s, struct arrays *x, bool one_image)
{
    size_t last = one_image ? LINK_SAMPLE_IMAGES - 1 : 0;
    struct link_ledger ledger = {.to_bias = x->to_bias[0], .absorbed = x->absorbed[0]};
    struct link_call call = {.plan = &s->plan,
                             .scratch = &s->scratch,
                             .n = LINK_SAMPLE_IMAGES,
                             .edge = s->edge,
                             .c_images = one_image ? LINK_SAMPLE_IMAGES : 0,
                             .one_image = one_image,
                             .a = x->a + last * x->lower,
                             .c = s->c + last * coefficients(s),
                             .r_upper = x->r,
                             .r_lower = x->down[0],
                             .v_lower = x->v,
                             .v_upper = x->up[0],
                             .ledger = one_image ? NULL : &ledger};

    link_backward(&call);
    link_lift(&call);
}

static void compare_arrays(const char *what, const struct arrays *x)
{
    assert_equal(what, "relevance", x->down[0], x->down[1], LINK_SAMPLE_IMAGES * x->lower);
    assert_equal(what, "weight", x->up[0], x->up[1], LINK_SAMPLE_IMAGES * x->upper);
}

static void check_images(struct link_sample *s, const char *what)
{
    size_t n = LINK_SAMPLE_IMAGES * s->link.upper.channels;

    for (size_t e = 0; e < link_edges(&s->plan); e++) {
        link_sample_select(s, e);
        struct arrays x = arrays_of(s);
        compute_all(s, &x, false);
        for (size_t i = 0; i < LINK_SAMPLE_IMAGES; i++)
            compute_alone(s, &x, i, i);
        compare_arrays(what, &x);
        assert_sums(what, "to_bias", x.to_bias[0], x.to_bias[1], n);
        assert_sums(what, "absorbed", x.absorbed[0], x.absorbed[1], n);
        arrays_free(&x);
    }
}

static void images_together_equal_images_alone(void **state)
{
    (void)state;
    link_sample_for_all("images", check_images);
}

static void check_sweeps(struct link_sample *s, const char *what)
{
    for (size_t e = 0; e < link_edges(&s->plan); e++) {
        link_sample_select(s, e);
        struct arrays x = arrays_of(s);
        compute_all(s, &x, true);
        for (size_t i = 0; i < LINK_SAMPLE_IMAGES; i++)
            compute_alone(s, &x, i, LINK_SAMPLE_IMAGES - 1);
        compare_arrays(what, &x);
        arrays_free(&x);
    }
}

static void sweeps_of_one_image_equal_passes_alone(void **state)
{
    (void)state;
    link_sample_for_all("sweeps", check_sweeps);
}

/* The forward pass of each image alone: activations and coefficients. */
static void check_forward(struct link_sample *s, const char *what)
{
    size_t upper = layout_floats(s->plan.upper), each = LINK_SAMPLE_IMAGES * coefficients(s);
    float *a[LINK_SAMPLE_EDGES] = {NULL}, *gate = link_sample_laid_out(s->gate, s->plan.gate);
    float *c = link_sample_floats(link_coefficients(&s->plan, LINK_SAMPLE_IMAGES));
    float *all = link_sample_laid_out(s->activation, s->plan.upper), *alone = link_sample_floats(upper);

    for (size_t e = 0; e < link_edges(&s->plan); e++)
        a[e] = link_sample_laid_out(s->a[e], link_lower(&s->plan, e));
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES; i++) {
        const float *inputs[LINK_SAMPLE_EDGES];
        for (size_t e = 0; e < link_edges(&s->plan); e++)
            inputs[e] = a[e] + i * layout_floats(link_lower(&s->plan, e));
        link_forward(&(struct link_call){.plan = &s->plan,
                                         .scratch = &s->scratch,
                                         .n = 1,
                                         .c_images = LINK_SAMPLE_IMAGES,
                                         .inputs = inputs,
                                         .gate = gate + i * layout_floats(s->plan.gate),
                                         .upper = alone,
                                         .c_out = c + i * coefficients(s)});
        assert_equal(what, "activation", alone, all + i * upper, upper);
    }
    for (size_t t = 0; t < link_terms(&s->plan) && network_has_rule(&s->link); t++)
        assert_equal(what, "coefficient", c + t * each, s->c + t * each, each);
    for (size_t e = 0; e < link_edges(&s->plan); e++)
        free(a[e]);
    free(gate);
    free(c);
    free(all);
    free(alone);
}

static void forward_of_images_together_equals_images_alone(void **state)
{
    (void)state;
    link_sample_for_all("forward", check_forward);
}

/* Calls with `add` add what calls without it write. */
static void check_adding(struct link_sample *s, const char *what)
{
    for (size_t e = 0; e < link_edges(&s->plan); e++) {
        link_sample_select(s, e);
        struct arrays x = arrays_of(s);
        struct link_ledger ledger = {.to_bias = x.to_bias[1], .absorbed = x.absorbed[1]};
        struct link_call adding = {.plan = &s->plan,
                                   .scratch = &s->scratch,
                                   .n = LINK_SAMPLE_IMAGES,
                                   .edge = e,
                                   .add = true,
                                   .a = x.a,
                                   .c = s->c,
                                   .r_upper = x.r,
                                   .r_lower = x.down[1],
                                   .v_lower = x.v,
                                   .v_upper = x.up[1],
                                   .ledger = &ledger};
        compute_all(s, &x, false);
        memcpy(x.down[1], x.v, LINK_SAMPLE_IMAGES * x.lower * sizeof(float));
        memcpy(x.up[1], x.r, LINK_SAMPLE_IMAGES * x.upper * sizeof(float));
        link_backward(&adding);
        link_lift(&adding);
        for (size_t i = 0; i < LINK_SAMPLE_IMAGES * x.lower; i++)
            x.down[0][i] = x.v[i] + x.down[0][i];
        for (size_t i = 0; i < LINK_SAMPLE_IMAGES * x.upper; i++)
            x.up[0][i] = x.r[i] + x.up[0][i];
        compare_arrays(what, &x);
        assert_sums(what, "to_bias", x.to_bias[1], x.to_bias[0], LINK_SAMPLE_IMAGES * s->link.upper.channels);
        arrays_free(&x);
    }
}

static void results_are_added_when_asked(void **state)
{
    (void)state;
    link_sample_for_all("adding", check_adding);
}

/* Of the lower channels' relevance, and of its product with weights, in the layout of the edge's variable. */
static void check_summaries(struct link_sample *s, const char *what)
{
    for (size_t e = 0; e < link_edges(&s->plan); e++) {
        link_sample_select(s, e);
        struct layout lower = link_lower(&s->plan, e);
        struct arrays x = arrays_of(s);
        struct channels_summary got[2][LINK_SAMPLE_IMAGES * LINK_SAMPLE_CHANNELS], want[LINK_SAMPLE_CHANNELS];
        struct link_ledger ledger = {
            .to_bias = x.to_bias[0], .absorbed = x.absorbed[0], .summaries = got[0], .h = x.v, .weighted = got[1]};
        link_backward(&(struct link_call){.plan = &s->plan,
                                          .scratch = &s->scratch,
                                          .n = LINK_SAMPLE_IMAGES,
                                          .edge = e,
                                          .a = x.a,
                                          .c = s->c,
                                          .r_upper = x.r,
                                          .r_lower = x.down[0],
                                          .ledger = &ledger});
        for (size_t i = 0; i < 2 * LINK_SAMPLE_IMAGES; i++) {
            size_t image = i / 2, channels = lower.shape.channels;
            channels_summarise(want, x.down[0] + image * x.lower, i % 2 ? x.v + image * x.lower : NULL, lower,
                               s->plan.ops);
            for (size_t c = 0; c < channels; c++)
                if (!(fabs(got[i % 2][image * channels + c].value - want[c].value) <= 1e-5 * want[c].magnitude))
                    fail_msg("%s: edge %zu, channel %zu: %.9g, not %.9g", what, e, c,
                             got[i % 2][image * channels + c].value, want[c].value);
        }
        arrays_free(&x);
    }
}

static void summaries_are_those_of_the_edges_variable(void **state)
{
    (void)state;
    link_sample_for_all("summaries", check_summaries);
}

static size_t samples_of[LINK_BACKENDS];

static void count_sample(struct link_sample *s, const char *what)
{
    (void)what;
    for (size_t b = 0; b < LINK_BACKENDS; b++)
        samples_of[b] += s->plan.backend == link_backends[b];
}

static void every_backend_has_samples(void **state)
{
    (void)state;
    link_sample_for_all("samples", count_sample);
    for (size_t b = 0; b < LINK_BACKENDS; b++)
        if (samples_of[b] == 0)
            fail_msg("%s has no samples", link_backend_name(link_backends[b]));
}

/* The backend of a convolution from `lower` to `upper` under a rule. */
static const char *backend_of(struct shape lower, struct shape upper, enum rule_kind rule, bool signed_input)
{
    static const float model[1];
    struct link link = {.kind = LINK_CONVOLUTION,
                        .lower = lower,
                        .upper = upper,
                        .activation = {ACTIVATION_RELU, 0, 0},
                        .window = WINDOW_SAME3,
                        .groups = 1};
    struct link_setting setting = {.rule = {.kind = rule, .a = 0.25},
                                   .signed_input = signed_input,
                                   .lower = signed_input ? layout_planar(lower) : layout_blocked(lower),
                                   .upper = layout_blocked(upper)};
    struct link_plan plan;

    link_plan_init(&plan, &link, &setting, model);
    return link_backend_name(plan.backend);
}

static void a_plan_gets_the_backend_that_suits_best(void **state)
{
    struct shape input = {3, 8, 8}, small = {16, 2, 2}, map = {16, 8, 8};

    (void)state;
    assert_string_equal(backend_of(input, map, RULE_ZBOX, true), "direct");
    assert_string_equal(backend_of(map, map, RULE_GAMMA, false), "F(4x4)");
    assert_string_equal(backend_of(small, small, RULE_ZPLUS, false), "F(2x2)");
    assert_string_equal(backend_of(map, map, RULE_EPSILON, false), "linear");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_together_equal_images_alone),
        cmocka_unit_test(sweeps_of_one_image_equal_passes_alone),
        cmocka_unit_test(forward_of_images_together_equals_images_alone),
        cmocka_unit_test(results_are_added_when_asked),
        cmocka_unit_test(summaries_are_those_of_the_edges_variable),
        cmocka_unit_test(every_backend_has_samples),
        cmocka_unit_test(a_plan_gets_the_backend_that_suits_best),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
