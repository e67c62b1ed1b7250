/* What holds to the bit for the operations of a link: exact zeros, forward passes with and without coefficients, sums
 * of images together and alone; and the summaries of forward passes. */
#include "kernels/layer/linear.h"
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

/* ---- forward passes ---------------------------------------------------------------------------------------------- */

/* The sample's forward pass on all images; any output may be NULL. */
static void run_forward(const struct link_sample *s, float *upper, float *c, struct channels_summary *summaries)
{
    float *a[LINK_SAMPLE_EDGES] = {NULL}, *gate = s->gates ? link_sample_laid_out(s->gate, s->plan.gate) : NULL;
    const float *inputs[LINK_SAMPLE_EDGES];

    for (size_t e = 0; e < link_edges(&s->plan); e++)
        inputs[e] = a[e] = link_sample_laid_out(s->a[e], link_lower(&s->plan, e));
    link_forward(&(struct link_call){.plan = &s->plan,
                                     .scratch = &s->scratch,
                                     .n = LINK_SAMPLE_IMAGES,
                                     .inputs = inputs,
                                     .gate = gate,
                                     .upper = upper,
                                     .c_out = c,
                                     .summaries = summaries});
    for (size_t e = 0; e < link_edges(&s->plan); e++)
        free(a[e]);
    free(gate);
}

static void check_without_coefficients(struct link_sample *s, const char *what)
{
    size_t n = LINK_SAMPLE_IMAGES * layout_floats(s->plan.upper);
    float *with = link_sample_floats(n), *without = link_sample_floats(n);

    run_forward(s, with, s->c, NULL);
    run_forward(s, without, NULL, NULL);
    for (size_t i = 0; i < n; i++)
        if (memcmp(&with[i], &without[i], sizeof *with) != 0)
            fail_msg("%s: float %zu is %.9g without coefficients, %.9g with them", what, i, (double)without[i],
                     (double)with[i]);
    free(with);
    free(without);
}

static void a_forward_pass_is_the_same_without_coefficients(void **state)
{
    (void)state;
    link_sample_for_all("without coefficients", check_without_coefficients);
}

static void check_summaries(struct link_sample *s, const char *what)
{
    size_t floats = layout_floats(s->plan.upper), channels = s->link.upper.channels;
    struct channels_summary got[LINK_SAMPLE_IMAGES * LINK_SAMPLE_CHANNELS], want[LINK_SAMPLE_CHANNELS];
    float *upper = link_sample_floats(LINK_SAMPLE_IMAGES * floats);

    run_forward(s, upper, s->c, got);
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES * channels; i++) {
        const struct channels_summary *w = &want[i % channels];
        if (i % channels == 0)
            channels_summarise(want, upper + i / channels * floats, NULL, s->plan.upper, s->plan.ops);
        if (!(fabs(got[i].value - w->value) <= 1e-5 * w->magnitude))
            fail_msg("%s: the sum of channel %zu is %.9g, not %.9g", what, i, got[i].value, w->value);
        if (!(got[i].largest == w->largest && got[i].position == w->position))
            fail_msg("%s: the largest value of channel %zu is %.9g at %u, not %.9g at %u", what, i,
                     (double)got[i].largest, got[i].position, (double)w->largest, w->position);
    }
    free(upper);
}

static void forward_summaries_are_those_of_the_upper_variable(void **state)
{
    (void)state;
    link_sample_for_all("forward summaries", check_summaries);
}

/* ---- images together and alone ----------------------------------------------------------------------------------- */

/* What a backward pass sums over an image's positions, of each image. */
struct sums {
    size_t channels, joint_floats; /* of an image; channels: the most of the lower and the upper variable */
    struct channels_summary *summaries, *weighted, *forward;
    double *to_bias, *absorbed;
    float *joint;
};

static struct sums sums_of(const struct link_sample *s)
{
    size_t lower = link_lower(&s->plan, 0).shape.channels, upper = s->link.upper.channels;
    size_t channels = lower > upper ? lower : upper, n = LINK_SAMPLE_IMAGES * channels;

    return (struct sums){.channels = channels,
                         .joint_floats = linear_joint_floats(&s->link),
                         .summaries = calloc(n, sizeof(struct channels_summary)),
                         .weighted = calloc(n, sizeof(struct channels_summary)),
                         .forward = calloc(n, sizeof(struct channels_summary)),
                         .to_bias = calloc(n, sizeof(double)),
                         .absorbed = calloc(n, sizeof(double)),
                         .joint = link_sample_floats(LINK_SAMPLE_IMAGES * linear_joint_floats(&s->link))};
}

static void sums_free(struct sums *x)
{
    free(x->summaries);
    free(x->weighted);
    free(x->forward);
    free(x->to_bias);
    free(x->absorbed);
    free(x->joint);
}

/* Both passes of n images from `first` on, and the flow. */
static void run_images(struct sums *out, struct link_sample *s, size_t first, size_t n)
{
    struct layout below = link_lower(&s->plan, 0);
    size_t lower = layout_floats(below), upper = layout_floats(s->plan.upper), lowers = below.shape.channels,
           uppers = s->link.upper.channels;
    float *a = link_sample_laid_out(s->a[0], below), *h = link_sample_laid_out(s->v[0], below),
          *r = link_sample_laid_out(s->r, s->plan.upper), *down = link_sample_floats(n * lower),
          *up = link_sample_floats(n * upper), *c = link_sample_floats(link_coefficients(&s->plan, n));
    struct link_ledger ledger = {.to_bias = out->to_bias + first * uppers,
                                 .absorbed = out->absorbed + first * uppers,
                                 .summaries = out->summaries + first * lowers,
                                 .h = h + first * lower,
                                 .weighted = out->weighted + first * lowers};
    struct link_call call = {.plan = &s->plan,
                             .scratch = &s->scratch,
                             .n = n,
                             .a = a + first * lower,
                             .upper = up,
                             .c_out = c,
                             .summaries = out->forward + first * uppers};

    link_forward(&call);
    call.summaries = NULL;
    call.c_out = NULL;
    call.c = c;
    call.r_upper = r + first * upper;
    call.r_lower = down;
    call.ledger = &ledger;
    call.joint = out->joint + first * out->joint_floats;
    link_backward(&call);
    float *const arrays[] = {a, h, r, down, up, c};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
}

static void assert_doubles(const char *what, const char *which, const double *got, const double *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&got[i], &want[i], sizeof *got) != 0)
            fail_msg("%s: %s of channel %zu is %.17g alone, not %.17g", what, which, i, got[i], want[i]);
}

static void assert_summaries(const char *what, const char *which, const struct channels_summary *got,
                             const struct channels_summary *want, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_doubles(what, which, &got[i].value, &want[i].value, 1);
        assert_doubles(what, which, &got[i].magnitude, &want[i].magnitude, 1);
    }
}

/* Other backends sum parts of several images, which are cut where the number of images says. */
static void check_sums(struct link_sample *s, const char *what)
{
    if (s->plan.backend != &link_taps)
        return;
    struct sums together = sums_of(s), alone = sums_of(s);
    size_t n = LINK_SAMPLE_IMAGES * s->link.upper.channels, below = LINK_SAMPLE_IMAGES * s->link.lower.channels;
    run_images(&together, s, 0, LINK_SAMPLE_IMAGES);
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES; i++)
        run_images(&alone, s, i, 1);
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES * alone.joint_floats; i++)
        if (memcmp(&alone.joint[i], &together.joint[i], sizeof(float)) != 0)
            fail_msg("%s: flow %zu is %.9g alone, not %.9g", what, i, (double)alone.joint[i],
                     (double)together.joint[i]);
    assert_doubles(what, "to_bias", alone.to_bias, together.to_bias, n);
    assert_doubles(what, "absorbed", alone.absorbed, together.absorbed, n);
    assert_summaries(what, "relevance", alone.summaries, together.summaries, below);
    assert_summaries(what, "weighted relevance", alone.weighted, together.weighted, below);
    assert_summaries(what, "activation", alone.forward, together.forward, n);
    sums_free(&together);
    sums_free(&alone);
}

static void sums_by_taps_do_not_depend_on_other_images(void **state)
{
    (void)state;
    link_sample_for_all("sums of images", check_sums);
}

/* ---- exact zeros ------------------------------------------------------------------------------------------------- */

/* No bias; of the last image only two channels of the last position are not zero, both 1, which cancel in the first
 * upper channel. */
static void make_zeros(struct link_sample *s)
{
    const struct link *link = &s->link;
    size_t taps = link->window.height * link->window.width, positions = shape_positions(link->lower);
    float *last = s->a[0] + (LINK_SAMPLE_IMAGES - 1) * s->lower[0];

    memset(s->model + link->bias, 0, link->upper.channels * sizeof(float));
    for (size_t i = 0; i < taps; i++)
        s->model[link->weight + taps + i] = -s->model[link->weight + i];
    memset(last, 0, s->lower[0] * sizeof(float));
    last[positions - 1] = last[2 * positions - 1] = 1;
    link_forms_compute(&s->plan, s->forms, (struct link_bounds){s->low, s->high});
    link_sample_forward(s);
}

/* Whether float32 sums of neuron j can be exact: in Winograd's domain those of tiles that see only zeros. */
static bool exact(const struct link_sample *s, size_t j)
{
    size_t tile = s->plan.backend->tile, row = j % shape_positions(s->link.upper) / s->link.upper.width;

    return tile == 0 || row / tile * tile + tile < s->link.lower.height - 1;
}

static void check_zeros(struct link_sample *s, const char *what)
{
    size_t floats = layout_floats(s->plan.upper), zeros = 0;

    if (s->link.kind != LINK_CONVOLUTION || s->plan.rule.kind != RULE_GAMMA || s->plan.bias_mode != BIAS_NEURON ||
        s->link.groups > 1 || s->link.lower.channels < 2 || s->plan.backend->coefficients != link_upper_floats)
        return;
    make_zeros(s);
    link_sample_reference(s);
    float *c = malloc(s->upper * sizeof *c);
    for (size_t t = 0; t < link_terms(&s->plan); t++) {
        layout_to_planar(c, s->c + (t * LINK_SAMPLE_IMAGES + LINK_SAMPLE_IMAGES - 1) * floats, s->plan.upper);
        for (size_t j = 0; j < s->upper; j++) {
            bool nothing = s->z_double[j] == 0 && exact(s, j);
            zeros += nothing;
            if (nothing && c[j] != 0)
                fail_msg("%s: neuron %zu is zero, and its coefficient %.9g", what, j, (double)c[j]);
        }
    }
    free(c);
    if (zeros == 0 && s->plan.backend->tile == 0)
        fail_msg("%s: no sum is zero", what);
}

static void neurons_that_are_exactly_zero_pass_nothing_by_gamma(void **state)
{
    (void)state;
    link_sample_for_all("zeros", check_zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forward_pass_is_the_same_without_coefficients),
        cmocka_unit_test(forward_summaries_are_those_of_the_upper_variable),
        cmocka_unit_test(sums_by_taps_do_not_depend_on_other_images),
        cmocka_unit_test(neurons_that_are_exactly_zero_pass_nothing_by_gamma),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
