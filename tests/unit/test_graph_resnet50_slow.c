/* ResNet-50 at its full width, BatchNorm folded, with random weights: the measure in float32 against the reference in
 * double. The image is smaller than ImageNet's, because the reference takes its time: RESNET50_SIDE overrides it. */
#include "tests/support/assert.h"
#include "tests/support/graph_measure.h"
#include "tests/support/graph_reference.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { SIDE = 64, STAGES = 4, CLASSES = 1000, EXPANSION = 4 };

/* Of the largest channel of each variable. */
static const double BAR = 1e-4;

/* Roundings of an activation on its way, against one if only the result is rounded. */
static const double ROUNDINGS = 16;
static const double LIMIT = 0.02;

__attribute__((format(printf, 2, 3))) static void append(char text[GRAPH_TEXT], const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text + used, GRAPH_TEXT - used, format, arguments);
    va_end(arguments);
}

/* A bottleneck that reads `below`; its sum is called b<stage>_<block>. */
static void append_block(char text[GRAPH_TEXT], const char *below, size_t stage, size_t block, size_t width)
{
    size_t stride = stage > 1 && block == 0 ? 2 : 1;

    append(text, "b%zu_%zu_conv1 convolution %s out=%zu window=1 relu\n", stage, block, below, width);
    append(text, "b%zu_%zu_conv2 convolution b%zu_%zu_conv1 out=%zu window=3 stride=%zu pad=1 relu\n", stage, block,
           stage, block, width, stride);
    append(text, "b%zu_%zu_conv3 convolution b%zu_%zu_conv2 out=%zu window=1\n", stage, block, stage, block,
           EXPANSION * width);
    if (block == 0) {
        append(text, "b%zu_down convolution %s out=%zu window=1 stride=%zu\n", stage, below, EXPANSION * width, stride);
        append(text, "b%zu_%zu add b%zu_%zu_conv3,b%zu_down relu\n", stage, block, stage, block, stage);
    } else {
        append(text, "b%zu_%zu add b%zu_%zu_conv3,%s relu\n", stage, block, stage, block, below);
    }
}

static void write_network(char text[GRAPH_TEXT], size_t side)
{
    static const size_t blocks[STAGES] = {3, 4, 6, 3};
    char below[32] = "maxpool";

    text[0] = '\0';
    append(text, "input 3x%zux%zu\nconv1 convolution input out=64 window=7 stride=2 pad=3 relu\n", side, side);
    append(text, "maxpool pool conv1 window=3 stride=2 pad=1\n");
    for (size_t stage = 1; stage <= STAGES; stage++)
        for (size_t block = 0; block < blocks[stage - 1]; block++) {
            append_block(text, below, stage, block, (size_t)32 << stage);
            snprintf(below, sizeof below, "b%zu_%zu", stage, block);
        }
    append(text, "mean average %s\nfc dense mean out=%d\n", below, CLASSES);
}

/* He's, uniform and without the shift of graph_text.h, by which wide layers would die; sums and averages weigh one. */
static void draw_weights(struct graph_case *c, struct random *random)
{
    for (size_t k = 0; k < c->net.nlinks; k++) {
        const struct link *link = &c->net.links[k];
        size_t n = network_weight_floats(link), channels = link->upper.channels;
        if (link->kind == LINK_ADD || link->kind == LINK_AVERAGE) {
            c->model[link->weight] = 1;
            memset(c->model + link->bias, 0, channels * sizeof *c->model);
            continue;
        }
        double variance = link->activation.kind == ACTIVATION_RELU ? 2 : 0.5;
        double scale = sqrt(3 * variance * (double)channels / (double)(n ? n : 1));
        for (size_t i = 0; i < n; i++)
            c->model[link->weight + i] = (float)(scale * random_uniform(random));
        for (size_t i = 0; i < channels && n > 0; i++)
            c->model[link->bias + i] = (float)(0.1 * random_uniform(random));
    }
}

/* The largest difference of a variable's channels, of its largest channel. */
static double compare(const double *got, const double *want, size_t n)
{
    double most = 0, worst = 0;

    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs(want[i]));
        worst = isnan(got[i]) || isinf(worst) ? INFINITY : fmax(worst, fabs(want[i] - got[i]));
    }
    return worst / most;
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The class of the largest logit becomes the target. */
static void choose_target(struct graph_case *c, struct graph_reference *ref)
{
    const double *z = ref->a.of[c->net.nlinks];
    size_t best = 0;

    for (size_t i = 1; i < CLASSES; i++)
        best = z[i] > z[best] ? i : best;
    ref->start[c->target.a] = 0;
    ref->start[best] = 1;
    c->target = (struct measure_target){TARGET_CLASS, best, 0};
}

/* Channels of all variables, one after the other, for the caller to free. */
static double *channels_of(const struct graph_reference *ref)
{
    const struct network *net = &ref->c->net;
    struct graph_sweep sweep = {net->nlinks, ref->start, NULL, GRAPH_NONE, GRAPH_NONE};
    struct graph_arrays r;
    size_t at = 0;

    for (size_t k = 0; k <= net->nlinks; k++)
        at += network_shape(net, k).channels;
    double *channels = calloc(at, sizeof *channels);
    assert_non_null(channels);
    graph_arrays_init(&r, net);
    graph_reference_down(&r, NULL, ref, &sweep);
    at = 0;
    for (size_t k = 0; k <= net->nlinks; k++) {
        graph_reference_channels(channels + at, net, k, r.of[k]);
        at += network_shape(net, k).channels;
    }
    graph_arrays_free(&r);
    return channels;
}

/* How far channels of the reference move if its activations are rounded to float32, which no program in float32 can
 * avoid: a sum of an add that is as small as the stabilizer has lost its digits to its terms. */
static void spread_of(double *spread, const struct graph_case *c, const double *want)
{
    struct graph_reference *rounded = calloc(1, sizeof *rounded);

    assert_non_null(rounded);
    graph_reference_init_rounded(rounded, c);
    double *got = channels_of(rounded);
    for (size_t k = 0, at = 0; k <= c->net.nlinks; at += network_shape(&c->net, k++).channels)
        spread[k] = compare(got + at, want + at, network_shape(&c->net, k).channels);
    free(got);
    graph_reference_free(rounded);
    free(rounded);
}

/* The differences of the variables' channels, the largest of them, and the variation. */
static double compare_all(double *off, double *variation, const struct graph_outcome *outcome,
                          const struct graph_measure *m, const double *want)
{
    const struct network *net = &m->c->net;
    double worst = 0;

    *variation = 1;
    for (size_t k = 0, at = 0; k <= net->nlinks; at += network_shape(net, k++).channels) {
        size_t n = network_shape(net, k).channels;
        off[k] = compare(outcome->result.relevance + m->plan.channel[k], want + at, n);
        if (!isfinite(off[k]))
            fail_msg("the channels of %s differ by %g", network_variable(net, k), off[k]);
        if (!(off[k] <= BAR))
            print_message("the channels of %s differ by %.2g of the largest\n", network_variable(net, k), off[k]);
        worst = fmax(worst, off[k]);
        *variation = fmax(*variation, outcome->result.variation[k]);
    }
    return worst;
}

/* Beyond the bar a variable may differ by some of its own movements, and never by more than LIMIT. */
static void compare_with_rounding(const double *off, const struct graph_case *c, const double *want)
{
    double spread[NETWORK_MAX_LINKS + 1];

    spread_of(spread, c, want);
    for (size_t k = 0; k <= c->net.nlinks; k++) {
        double allowed = fmax(BAR, fmin(LIMIT, ROUNDINGS * spread[k]));
        if (off[k] > BAR)
            print_message("rounding the activations moves those of %s by %.2g\n", network_variable(&c->net, k),
                          spread[k]);
        if (!(off[k] <= allowed))
            fail_msg("the channels of %s differ by %.2g of the largest, %.2g are allowed", network_variable(&c->net, k),
                     off[k], allowed);
    }
}

static void channels_in_float_are_those_in_double(void **state)
{
    struct random random = random_seed("resnet50");
    const char *given = getenv("RESNET50_SIDE");
    struct graph_case *c = calloc(1, sizeof *c);
    struct graph_measure *m = calloc(1, sizeof *m);
    struct graph_reference *ref = calloc(1, sizeof *ref);
    char *text = calloc(1, GRAPH_TEXT);
    struct graph_outcome outcome;
    double off[NETWORK_MAX_LINKS + 1], variation, start = seconds();

    (void)state;
    write_network(text, given ? strtoul(given, NULL, 10) : SIDE);
    graph_case_init(c, text, &random);
    draw_weights(c, &random);
    assert_true(rule_composite(c->rules, "epsilon_gamma_box", &c->net));
    c->target = (struct measure_target){TARGET_CLASS, 0, 0};
    graph_reference_init(ref, c);
    choose_target(c, ref);
    double *want = channels_of(ref), slow = seconds() - start;
    graph_measure_init(m, c, GIVEN_NONE, 1, &random);
    start = seconds();
    graph_measure_run(&outcome, m, NULL, NULL, NULL);
    double fast = seconds() - start;
    assert_int_equal(outcome.result.status, MEASURE_OK);
    double worst = compare_all(off, &variation, &outcome, m, want);
    print_message("ResNet-50, %zu pixels: %.1f s in float, %.0f s in double; channels within %.2g, variation %.3g\n",
                  c->net.input.height, fast, slow, worst, variation);
    if (!(worst <= BAR))
        compare_with_rounding(off, c, want);
    graph_reference_free(ref);
    graph_outcomes_free(&outcome, m);
    graph_measure_free(m);
    graph_case_free(c);
    free(want);
    free(text);
    free(ref);
    free(m);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(channels_in_float_are_those_in_double)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
