/* Links with cut edges, of all shapes, against double loops over the pairs of channels. */
#include "kernels/ablation/cut.h"
#include "kernels/layer/reference.h"
#include "tests/support/assert.h"
#include "tests/support/guarded.h"
#include "tests/support/isa_under_test.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { IMAGES = 3 };

struct shape_of_test {
    struct shape lower, upper;
    struct window window;
    size_t groups;
    bool dense, blocked;
};

static const struct shape_of_test shapes[] = {
    {{5, 8, 8}, {7, 8, 8}, WINDOW_SAME3, 1, false, true},
    {{5, 8, 8}, {7, 8, 8}, WINDOW_SAME3, 1, false, false},
    {{17, 4, 4}, {20, 4, 4}, WINDOW_SAME3, 1, false, true},
    {{6, 7, 5}, {4, 3, 2}, {3, 2, 2, 2, 0, 0, 0, 0}, 2, false, false},
    {{6, 5, 5}, {12, 5, 5}, WINDOW_SAME3, 6, false, false}, /* depthwise, two of each */
    {{4, 3, 3}, {9, 3, 3}, {1, 1, 1, 1, 0, 0, 0, 0}, 1, false, false},
    {{4, 2, 3}, {6, 1, 1}, {0, 0, 0, 0, 0, 0, 0, 0}, 1, true, false},
    {{30, 1, 1}, {11, 1, 1}, {0, 0, 0, 0, 0, 0, 0, 0}, 1, true, false},
};

/* A link with random weights and lower activations; arrays in the layouts of the plan. */
struct sample {
    struct link link;
    struct link_plan plan;
    struct cut_edges edges;
    struct guarded model, a, upper, keep, cut, scratch;
};

static struct layout layout_of(struct shape shape, bool blocked)
{
    return blocked ? layout_blocked(shape) : layout_planar(shape);
}

static void start(struct sample *s, const struct shape_of_test *t, struct random *random)
{
    s->link = (struct link){.kind = t->dense ? LINK_DENSE : LINK_CONVOLUTION,
                            .lower = t->lower,
                            .upper = t->upper,
                            .window = t->window,
                            .groups = t->groups,
                            .activation = {.kind = ACTIVATION_RELU}};
    s->edges = cut_edges_of(&s->link);
    size_t weights = network_weight_floats(&s->link), neurons = shape_neurons(t->lower);
    s->link.bias = weights;
    s->model = guarded_alloc(weights + t->upper.channels);
    random_fill(random, s->model.values, weights + t->upper.channels);
    struct link_setting setting = {.rule = {.kind = RULE_ZERO},
                                   .ops = isa_under_test(),
                                   .lower = layout_of(t->lower, t->blocked),
                                   .upper = layout_of(t->upper, t->blocked)};
    link_plan_init(&s->plan, &s->link, &setting, s->model.values);
    s->a = guarded_alloc(IMAGES * layout_floats(s->plan.lower));
    s->upper = guarded_alloc(IMAGES * layout_floats(s->plan.upper));
    s->keep = guarded_alloc(s->edges.count);
    s->cut = guarded_alloc(weights);
    s->scratch = guarded_alloc(cut_scratch_floats(&s->link));
    float *planar = calloc(neurons, sizeof *planar);
    for (size_t i = 0; i < IMAGES; i++) {
        random_fill(random, planar, neurons);
        layout_from_planar(s->a.values + i * layout_floats(s->plan.lower), planar, s->plan.lower);
    }
    free(planar);
    for (size_t e = 0; e < s->edges.count; e++)
        s->keep.values[e] = (float)random_below(random, 2);
}

static void end(struct sample *s)
{
    guarded_free(&s->model);
    guarded_free(&s->a);
    guarded_free(&s->upper);
    guarded_free(&s->keep);
    guarded_free(&s->cut);
    guarded_free(&s->scratch);
}

static void forward(struct sample *s)
{
    cut_weights(s->cut.values, s->plan.weight, s->keep.values, s->edges);
    cut_forward(s->upper.values, s->a.values, s->cut.values, &s->plan, IMAGES, s->scratch.values);
}

/* z of one image by the double reference, in which only weights of one edge are not zero. */
static void add_edge(double *z, const struct sample *s, size_t e, size_t image)
{
    size_t neurons = shape_neurons(s->link.lower), upper = shape_neurons(s->link.upper);
    float *weight = calloc(network_weight_floats(&s->link), sizeof *weight);
    float *bias = calloc(s->link.upper.channels, sizeof *bias), *planar = calloc(neurons, sizeof *planar);
    double *a = calloc(neurons, sizeof *a), *part = calloc(upper, sizeof *part);
    struct reference_link reference = {.link = &s->link, .weight = weight, .bias = bias, .a = a};

    for (size_t i = e * s->edges.taps; i < (e + 1) * s->edges.taps; i++)
        weight[i] = s->plan.weight[i];
    layout_to_planar(planar, s->a.values + image * layout_floats(s->plan.lower), s->plan.lower);
    for (size_t i = 0; i < neurons; i++)
        a[i] = (double)planar[i];
    reference.sums = calloc(neurons + 2 * upper, sizeof *reference.sums);
    reference_forward(part, &reference);
    for (size_t i = 0; i < upper; i++)
        z[i] += part[i];
    free(reference.sums);
    free(part);
    free(a);
    free(planar);
    free(bias);
    free(weight);
}

static void cut_links_sum_the_edges_that_are_left(void **state)
{
    struct random random = random_seed("cut links");

    (void)state;
    for (size_t t = 0; t < sizeof shapes / sizeof shapes[0]; t++) {
        struct sample s;
        start(&s, &shapes[t], &random);
        forward(&s);
        size_t upper = shape_neurons(s.link.upper), positions = shape_positions(s.link.upper);
        double *z = calloc(upper, sizeof *z);
        float *got = calloc(upper, sizeof *got);
        for (size_t e = 0; e < s.edges.count; e++)
            if (s.keep.values[e] != 0)
                add_edge(z, &s, e, IMAGES - 1);
        layout_to_planar(got, s.upper.values + (IMAGES - 1) * layout_floats(s.plan.upper), s.plan.upper);
        for (size_t i = 0; i < upper; i++)
            /* sums of at most 153 products below one */
            assert_near(got[i], fmax(z[i] + (double)s.plan.bias[i / positions], 0), 160 * (double)FLT_EPSILON);
        free(got);
        free(z);
        end(&s);
    }
}

/* Every edge is that of its channels: cutting all edges of a lower channel does what zeros in it do. */
static void cutting_all_edges_of_a_channel_replaces_it(void **state)
{
    struct random random = random_seed("cut channels");

    (void)state;
    for (size_t t = 0; t < sizeof shapes / sizeof shapes[0]; t++) {
        struct sample s;
        start(&s, &shapes[t], &random);
        size_t channel = random_below(&random, s.link.lower.channels), floats = layout_floats(s.plan.upper);
        for (size_t e = 0; e < s.edges.count; e++)
            s.keep.values[e] = cut_lower_channel(&s.link, e) != channel;
        forward(&s);
        struct guarded want = guarded_alloc(IMAGES * floats);
        for (size_t i = 0; i < IMAGES; i++)
            for (size_t p = 0; p < shape_positions(s.link.lower); p++)
                s.a.values[i * layout_floats(s.plan.lower) +
                           layout_index(s.plan.lower, channel, p / s.link.lower.width, p % s.link.lower.width)] = 0;
        cut_forward(want.values, s.a.values, s.plan.weight, &s.plan, IMAGES, s.scratch.values);
        for (size_t i = 0; i < IMAGES * floats; i++)
            assert_same(s.upper.values[i], want.values[i]);
        guarded_free(&want);
        end(&s);
    }
}

/* Cutting all edges into an upper channel leaves its bias. */
static void the_bias_stays(void **state)
{
    struct random random = random_seed("cut all");

    (void)state;
    for (size_t t = 0; t < sizeof shapes / sizeof shapes[0]; t++) {
        struct sample s;
        start(&s, &shapes[t], &random);
        size_t channel = random_below(&random, s.link.upper.channels);
        for (size_t e = 0; e < s.edges.count; e++)
            s.keep.values[e] = cut_upper_channel(&s.link, e) != channel;
        forward(&s);
        for (size_t p = 0; p < shape_positions(s.link.upper); p++) {
            size_t at = layout_index(s.plan.upper, channel, p / s.link.upper.width, p % s.link.upper.width);
            assert_same(s.upper.values[at], fmaxf(s.plan.bias[channel], 0));
        }
        end(&s);
    }
}

/* Copies in a hook's call, each with its own edges cut, are what each alone is; of a dense link also where its weights
 * are copied in pieces. */
static void copies_have_edges_of_their_own(void **state)
{
    static const struct shape_of_test large = {{1500, 1, 1}, {3000, 1, 1}, {0, 0, 0, 0, 0, 0, 0, 0}, 1, true, false};
    struct random random = random_seed("cut copies");

    (void)state;
    for (size_t t = 0; t <= sizeof shapes / sizeof shapes[0]; t++) {
        struct sample s;
        start(&s, t < sizeof shapes / sizeof shapes[0] ? &shapes[t] : &large, &random);
        size_t floats = layout_floats(s.plan.upper);
        struct guarded all = guarded_alloc(s.edges.count), got = guarded_alloc(IMAGES * floats);
        struct guarded weights = guarded_alloc(network_weight_floats(&s.link));
        const float *keep[IMAGES] = {s.keep.values, all.values, s.keep.values};
        for (size_t e = 0; e < s.edges.count; e++)
            all.values[e] = 1;
        struct cut_work work = {weights.values, s.scratch.values};
        cut_copies(&(struct link_call){.plan = &s.plan, .n = IMAGES, .a = s.a.values, .upper = got.values}, keep,
                   &work);
        for (size_t i = 0; i < IMAGES; i++) {
            cut_weights(s.cut.values, s.plan.weight, keep[i], s.edges);
            cut_forward(s.upper.values, s.a.values + i * layout_floats(s.plan.lower), s.cut.values, &s.plan, 1,
                        s.scratch.values);
            for (size_t j = 0; j < floats; j++)
                assert_near(got.values[i * floats + j], s.upper.values[j], 1500 * (double)FLT_EPSILON);
        }
        guarded_free(&all);
        guarded_free(&got);
        guarded_free(&weights);
        end(&s);
    }
}

/* The places of edges in a link's flow (link.h): [K][C], or [K] of a diagonal link. */
static void every_edge_has_its_place_in_the_flow(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof shapes / sizeof shapes[0]; t++) {
        struct link link = {.kind = shapes[t].dense ? LINK_DENSE : LINK_CONVOLUTION,
                            .lower = shapes[t].lower,
                            .upper = shapes[t].upper,
                            .window = shapes[t].window,
                            .groups = shapes[t].groups};
        size_t count = cut_edges_of(&link).count;
        for (size_t e = 0; e < count; e++)
            assert_int_equal(cut_flow_place(&link, e),
                             cut_upper_channel(&link, e) * link.lower.channels + cut_lower_channel(&link, e));
        assert_int_equal(count * link.groups, link.upper.channels * link.lower.channels);
    }
    struct link alone = {.kind = LINK_CONVOLUTION, .lower = {4, 2, 2}, .upper = {4, 2, 2}, .window = WINDOW_SAME3};
    alone.groups = 4;
    for (size_t e = 0; e < 4; e++)
        assert_int_equal(cut_flow_place(&alone, e), e);
}

static void magnitudes_are_sums_over_an_edge(void **state)
{
    struct link link = {.kind = LINK_DENSE, .lower = {2, 1, 2}, .upper = {2, 1, 1}};
    float w[] = {1, -2, 3, 4, -5, -6, 0, -7};
    double sums[4];

    (void)state;
    cut_magnitudes(sums, w, cut_edges_of(&link));
    assert_same(sums[0], 3);
    assert_same(sums[1], 7);
    assert_same(sums[2], 11);
    assert_same(sums[3], 7);
}

static void links_without_weights_have_no_edges(void **state)
{
    enum link_kind kinds[] = {LINK_POOL, LINK_AVERAGE, LINK_ADD, LINK_CHANNELS, LINK_GATE, LINK_PASS};

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct link link = {.kind = kinds[i], .lower = {3, 2, 2}, .upper = {3, 2, 2}, .groups = 1};
        assert_int_equal(cut_edges_of(&link).count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_links_sum_the_edges_that_are_left),
        cmocka_unit_test(cutting_all_edges_of_a_channel_replaces_it),
        cmocka_unit_test(the_bias_stays),
        cmocka_unit_test(copies_have_edges_of_their_own),
        cmocka_unit_test(every_edge_has_its_place_in_the_flow),
        cmocka_unit_test(magnitudes_are_sums_over_an_edge),
        cmocka_unit_test(links_without_weights_have_no_edges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
