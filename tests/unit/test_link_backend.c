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

enum { MOST_CHANNELS = 32 };

/* Arrays of all images in the layouts of the kernels, and outputs of two ways to compute them. */
struct arrays {
    size_t lower, upper;
    float *a, *v, *r, *down[2], *up[2];
    double to_bias[2][LINK_SAMPLE_IMAGES * MOST_CHANNELS], absorbed[2][LINK_SAMPLE_IMAGES * MOST_CHANNELS];
};

static float *laid_out(const float *planar, struct layout layout)
{
    float *out = link_sample_floats(LINK_SAMPLE_IMAGES * layout_floats(layout));

    for (size_t i = 0; i < LINK_SAMPLE_IMAGES; i++)
        layout_from_planar(out + i * layout_floats(layout), planar + i * shape_neurons(layout.shape), layout);
    return out;
}

static struct arrays arrays_of(const struct link_sample *s)
{
    struct arrays out = {.lower = layout_floats(s->plan.lower), .upper = layout_floats(s->plan.upper)};

    out.a = laid_out(s->a, s->plan.lower);
    out.v = laid_out(s->v, s->plan.lower);
    out.r = laid_out(s->r, s->plan.upper);
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

/* Image i alone, with coefficients among those of all images. */
static void compute_alone(struct link_sample *s, struct arrays *x, size_t i, size_t coefficients_of)
{
    size_t channels = s->link.upper.channels;
    struct link_ledger ledger = {.to_bias = x->to_bias[1] + i * channels, .absorbed = x->absorbed[1] + i * channels};
    struct link_call call = {.plan = &s->plan,
                             .scratch = &s->scratch,
                             .n = 1,
                             .c_images = LINK_SAMPLE_IMAGES,
                             .a = x->a + coefficients_of * x->lower,
                             .c = s->c + coefficients_of * x->upper,
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
                             .c_images = one_image ? LINK_SAMPLE_IMAGES : 0,
                             .one_image = one_image,
                             .a = x->a + last * x->lower,
                             .c = s->c + last * x->upper,
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
    struct arrays x = arrays_of(s);
    size_t n = LINK_SAMPLE_IMAGES * s->link.upper.channels;

    compute_all(s, &x, false);
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES; i++)
        compute_alone(s, &x, i, i);
    compare_arrays(what, &x);
    assert_sums(what, "to_bias", x.to_bias[0], x.to_bias[1], n);
    assert_sums(what, "absorbed", x.absorbed[0], x.absorbed[1], n);
    arrays_free(&x);
}

static void images_together_equal_images_alone(void **state)
{
    (void)state;
    link_sample_for_all("images", check_images);
}

static void check_sweeps(struct link_sample *s, const char *what)
{
    struct arrays x = arrays_of(s);

    compute_all(s, &x, true);
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES; i++)
        compute_alone(s, &x, i, LINK_SAMPLE_IMAGES - 1);
    compare_arrays(what, &x);
    arrays_free(&x);
}

static void sweeps_of_one_image_equal_passes_alone(void **state)
{
    (void)state;
    link_sample_for_all("sweeps", check_sweeps);
}

static size_t samples_of[LINK_BACKENDS];

static void count_sample(struct link_sample *s, const char *what)
{
    (void)what;
    for (size_t b = 0; b < LINK_BACKENDS; b++)
        samples_of[b] += s->plan.backend == link_backends[b];
}

static void every_backend_of_weighted_links_has_samples(void **state)
{
    (void)state;
    link_sample_for_all("samples", count_sample);
    for (size_t b = 0; b < LINK_BACKENDS; b++)
        if ((samples_of[b] > 0) == !link_backends[b]->flow)
            fail_msg("%s has %zu samples", link_backend_name(link_backends[b]), samples_of[b]);
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
        cmocka_unit_test(every_backend_of_weighted_links_has_samples),
        cmocka_unit_test(a_plan_gets_the_backend_that_suits_best),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
