/* Flows of far pairs: both directions, all walks, adjacent flows, and sums. */
#include "kernels/layer/mask.h"
#include "kernels/measure/far.h"
#include "tests/support/assert.h"
#include "tests/support/random_image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NETWORKS = 12 };

/* Two orders of the same float32 sums, relative to the largest sum of magnitudes on the way. */
static const double BAR = 1e-5;

/* ---- computing
 * ---------------------------------------------------------------------------------------------------- */

struct outcome {
    struct far_flow flow;
    size_t upper, lower; /* channels */
    struct far_cost cost;
};

static void *zeros(size_t n, size_t size)
{
    void *p = calloc(n, size);

    assert_non_null(p);
    return p;
}

/* The flow by the direction that is given, 0 down, 1 up, or, with -1, by the cheaper one. */
static struct outcome compute(const struct random_image *s, struct far_pair pair, int up)
{
    size_t upper = network_shape(&s->vgg->net, pair.upper).channels;
    size_t lower = network_shape(&s->vgg->net, pair.lower).channels;
    struct outcome o = {{zeros(upper * lower, sizeof(float)), zeros(upper, sizeof(double)),
                         zeros(upper, sizeof(double)), zeros(lower, sizeof(double)), zeros(upper, sizeof(bool))},
                        upper,
                        lower,
                        {false, 0, 0}};
    size_t nbytes = 1 + random_below(s->random, 1 << 20); /* batches of any length */
    struct arena arena = arena_over(NULL, 0);
    struct far_work work;

    far_place(&work, &s->vgg->plan, pair, nbytes, &arena);
    float *memory = random_image_alloc(arena.peak / sizeof *memory);
    arena = arena_over(memory, arena.peak);
    far_place(&work, &s->vgg->plan, pair, nbytes, &arena);
    work.cost.up = up < 0 ? work.cost.up : up == 1;
    far_compute(&o.flow, &work, s->image);
    o.cost = work.cost;
    free(memory);
    return o;
}

static void outcome_free(struct outcome *o)
{
    free(o->flow.joint);
    free(o->flow.lost);
    free(o->flow.left_out);
    free(o->flow.around);
    free(o->flow.present);
}

static bool conditioned(const struct random_image *s)
{
    return s->vgg->options.given != GIVEN_NONE;
}

/* Largest total variation of a variable from l to u, also of what fulfils the condition. */
static double largest_variation(const struct random_image *s, size_t lower, size_t upper)
{
    double largest = 1;

    for (size_t k = lower; k <= upper; k++) {
        double plain = 0, given = 0;
        for (size_t i = 0; i < random_image_floats(s, k); i++) {
            plain += fabs((double)s->image->m[k][i]);
            given += s->image->h[k] ? fabs((double)s->image->m[k][i] * (double)s->image->h[k][i]) : 0;
        }
        largest = fmax(largest, fmax(plain, given));
    }
    return largest;
}

static void expect_near(const struct random_image *s, struct far_pair pair, const char *what, double got, double want,
                        double allowed)
{
    if (!(fabs(got - want) <= allowed))
        fail_msg("%s, %s-%s: %s is %.9g, not %.9g within %.3g", s->vgg->text,
                 network_variable(&s->vgg->net, pair.lower), network_variable(&s->vgg->net, pair.upper), what, got,
                 want, allowed);
}

/* Marginal relevance of every channel of a variable, under the condition if its share is known there. */
static double *marginal(const struct random_image *s, size_t k)
{
    struct layout layout = network_layout(&s->vgg->net, k);
    double *sums = zeros(layout.shape.channels, sizeof *sums);
    float *products = random_image_alloc(layout_floats(layout));

    mask_channel_sums(sums, products, s->image->m[k], s->image->h[k], false, layout);
    free(products);
    return sums;
}

/* ---- checks
 * ------------------------------------------------------------------------------------------------------- */

static void check_directions(struct random_image *s)
{
    struct far_pair pair = {.rows = random_below(s->random, 4)};

    random_image_pair(s, &pair.lower, &pair.upper);
    struct outcome down = compute(s, pair, 0), up = compute(s, pair, 1);
    double bar = BAR * largest_variation(s, pair.lower, pair.upper);
    for (size_t i = 0; i < down.upper * down.lower; i++)
        expect_near(s, pair, "joint up", (double)up.flow.joint[i], (double)down.flow.joint[i], bar);
    assert_memory_equal(up.flow.lost, down.flow.lost, up.upper * sizeof(double));
    assert_memory_equal(up.flow.left_out, down.flow.left_out, up.upper * sizeof(double));
    assert_memory_equal(up.flow.present, down.flow.present, up.upper * sizeof(bool));
    outcome_free(&down);
    outcome_free(&up);
}

static void sweeps_up_give_the_flow_of_sweeps_down(void **state)
{
    (void)state;
    random_image_check_all(check_directions, NETWORKS, "directions");
}

static void check_sums(struct random_image *s)
{
    struct far_pair pair = {.rows = 0};

    random_image_pair(s, &pair.lower, &pair.upper);
    pair.upper = conditioned(s) && pair.upper > s->vgg->plan.top ? s->vgg->plan.top : pair.upper;
    pair.lower = pair.lower < pair.upper ? pair.lower : pair.upper - 1;
    pair.rows = random_below(s->random, 4);
    struct outcome o = compute(s, pair, -1);
    double *above = marginal(s, pair.upper), *below = marginal(s, pair.lower);
    double bar = 4 * BAR * largest_variation(s, pair.lower, pair.upper);
    size_t present = 0;
    for (size_t j = 0; j < o.upper; j++) {
        double row = o.flow.lost[j] + o.flow.left_out[j];
        for (size_t c = 0; c < o.lower; c++)
            row += (double)o.flow.joint[j * o.lower + c];
        expect_near(s, pair, "a row's sum", row, above[j], bar);
        assert_that(o.flow.present[j] || (o.flow.left_out[j] == above[j] && o.flow.lost[j] == 0),
                    "row %zu has %g, left out %g, lost %g", j, above[j], o.flow.left_out[j], o.flow.lost[j]);
        present += o.flow.present[j];
    }
    assert_int_equal(present, pair.rows && pair.rows < o.upper ? pair.rows : o.upper);
    for (size_t c = 0; c < o.lower && present == o.upper; c++) {
        double column = 0;
        for (size_t j = 0; j < o.upper; j++)
            column += (double)o.flow.joint[j * o.lower + c];
        expect_near(s, pair, "a column's sum", column, below[c], bar);
    }
    free(above);
    free(below);
    outcome_free(&o);
}

static void sums_are_the_marginals_of_both_variables(void **state)
{
    (void)state;
    random_image_check_all(check_sums, 2 * NETWORKS, "sums");
}

/* The channels with rows are those of largest |marginal|, and their rows are those of the whole flow. */
static void check_rows(struct random_image *s)
{
    struct far_pair pair = {.rows = 2}, whole;

    random_image_pair(s, &pair.lower, &pair.upper);
    pair.upper = conditioned(s) && pair.upper > s->vgg->plan.top ? s->vgg->plan.top : pair.upper;
    pair.lower = pair.lower < pair.upper ? pair.lower : pair.upper - 1;
    whole = (struct far_pair){pair.lower, pair.upper, 0};
    struct outcome some = compute(s, pair, -1), all = compute(s, whole, -1);
    double *above = marginal(s, pair.upper), bar = BAR * largest_variation(s, pair.lower, pair.upper);
    for (size_t j = 0; j < some.upper; j++)
        for (size_t other = 0; other < some.upper; other++)
            assert_that(!some.flow.present[j] || some.flow.present[other] || fabs(above[other]) <= fabs(above[j]),
                        "row %zu has %g, row %zu %g", j, above[j], other, above[other]);
    for (size_t i = 0; i < some.upper * some.lower; i++)
        expect_near(s, pair, "a row", (double)some.flow.joint[i],
                    some.flow.present[i / some.lower] ? (double)all.flow.joint[i] : 0, bar);
    free(above);
    outcome_free(&some);
    outcome_free(&all);
}

static void chosen_rows_are_those_of_the_largest_marginals(void **state)
{
    (void)state;
    random_image_check_all(check_rows, NETWORKS, "rows");
}

/* Neighbours have flows of their own, by one contraction. */
static void check_adjacent(struct random_image *s)
{
    size_t k = random_below(s->random, s->vgg->net.nlinks);
    struct far_pair pair = {k, k + 1, 0};

    if (s->vgg->net.links[k].kind == LINK_POOL || (conditioned(s) && k > s->vgg->plan.top))
        return;
    struct outcome o = compute(s, pair, -1);
    float *joint = zeros(o.upper * o.lower, sizeof *joint);
    link_flow(&(struct link_call){.plan = &s->vgg->plan.links[k],
                                  .scratch = &s->vgg->work.scratch,
                                  .n = 1,
                                  .a = s->image->a[k],
                                  .c = s->image->c[k],
                                  .r_upper = s->image->m[k + 1],
                                  .h = s->image->h[k],
                                  .joint = joint});
    double bar = BAR * largest_variation(s, pair.lower, pair.upper);
    for (size_t i = 0; i < o.upper * o.lower; i++)
        expect_near(s, pair, "joint", (double)o.flow.joint[i], (double)joint[i], bar);
    free(joint);
    outcome_free(&o);
}

static void flow_of_neighbours_is_the_adjacent_flow(void **state)
{
    (void)state;
    random_image_check_all(check_adjacent, 2 * NETWORKS, "adjacent");
}

/* ---- all walks one by one
 * ----------------------------------------------------------------------------------------- */

struct walked {
    const struct random_image *s;
    struct far_pair pair;
    double *joint;                       /* [C_upper][C_lower] */
    float *share;                        /* of the lower variable, planar; NULL without a condition */
    float *masks[NETWORK_MAX_VARIABLES]; /* of the condition, planar */
};

static size_t channel_of(const struct walked *w, size_t variable, size_t neuron)
{
    return neuron / shape_positions(network_shape(&w->s->vgg->net, variable));
}

static void add_walk(void *context, const size_t *neurons, double relevance)
{
    struct walked *w = context;
    size_t lower = w->pair.lower, upper = w->pair.upper;
    size_t columns = network_shape(&w->s->vgg->net, lower).channels;
    bool passes = true;

    for (size_t k = lower; k <= upper && w->s->vgg->options.given == GIVEN_SETS; k++)
        passes = passes && (!w->masks[k] || w->masks[k][neurons[k]] != 0);
    if (!passes)
        return;

    w->joint[channel_of(w, upper, neurons[upper]) * columns + channel_of(w, lower, neurons[lower])] +=
        relevance * (w->share ? (double)w->share[neurons[lower]] : 1);
}

static void check_walks(struct random_image *s)
{
    const struct network *net = &s->vgg->net;
    struct walked w = {.s = s, .pair = {network_find(net, "conv5_1"), network_find(net, "fc7"), 0}};
    struct measure_image masked = *s->image;
    struct random_image from_m = *s;
    struct outcome o = compute(s, w.pair, -1);
    double bar = BAR * largest_variation(s, w.pair.lower, w.pair.upper);

    w.joint = zeros(o.upper * o.lower, sizeof *w.joint);
    if (s->image->h[w.pair.lower]) {
        w.share = random_image_alloc(random_image_neurons(s, w.pair.lower));
        layout_to_planar(w.share, s->image->h[w.pair.lower], network_layout(net, w.pair.lower));
    }
    for (size_t k = w.pair.lower; k <= w.pair.upper && s->vgg->options.given == GIVEN_SETS; k++) {
        if (!s->vgg->options.masks[k])
            continue;
        w.masks[k] = random_image_alloc(random_image_neurons(s, k));
        layout_to_planar(w.masks[k], s->vgg->options.masks[k], network_layout(net, k));
    }
    memcpy(masked.r, masked.m, sizeof masked.r);
    from_m.image = &masked;
    random_image_walks(&from_m, w.pair.lower, w.pair.upper, add_walk, &w);
    for (size_t i = 0; i < o.upper * o.lower; i++)
        expect_near(s, w.pair, "joint", (double)o.flow.joint[i], w.joint[i], bar);
    for (size_t k = 0; k < NETWORK_MAX_VARIABLES; k++)
        free(w.masks[k]);
    free(w.joint);
    free(w.share);
    outcome_free(&o);
}

static void flow_is_the_sum_over_all_walks(void **state)
{
    (void)state;
    random_image_check_all(check_walks, NETWORKS, "walks");
}

/* ---- cost
 * --------------------------------------------------------------------------------------------------------- */

/* A chain of convolutions and dense layers. */
static void push(struct network *net, enum link_kind kind, const char *name, size_t channels)
{
    struct link link = {
        .kind = kind, .upper = {channels, kind == LINK_DENSE, kind == LINK_DENSE}, .window = WINDOW_SAME3, .groups = 1};
    char message[200];

    snprintf(link.name, sizeof link.name, "%s", name);
    size_t lower = net->nlinks;
    if (network_push(net, &link, &lower, 1, NULL, message, sizeof message) == 0)
        fail_msg("%s", message);
}

static void cheaper_direction_has_fewer_sweeps(void **state)
{
    struct network net;
    struct measure_plan plan = {.net = &net, .options = {.given = GIVEN_INPUT}};
    char message[200];

    (void)state;
    network_start(&net, "small", (struct shape){8, 4, 4});
    push(&net, LINK_CONVOLUTION, "conv1", 5);
    push(&net, LINK_CONVOLUTION, "conv2", 20);
    push(&net, LINK_DENSE, "dense", 3);
    assert_true(network_finish(&net, message, sizeof message));
    plan.links[0].parts.nparts = plan.links[1].parts.nparts = 1;
    struct far_cost cost = far_cost(&plan, (struct far_pair){0, 2, 0});
    assert_true(cost.up);
    assert_same(cost.sweeps, 8);
    assert_same(cost.flops, 8 * sweep_flops(&plan, 0, 2));
    cost = far_cost(&plan, (struct far_pair){0, 2, 7});
    assert_false(cost.up);
    assert_same(cost.sweeps, 7);
    plan.options.given = GIVEN_NONE; /* and what is lost */
    cost = far_cost(&plan, (struct far_pair){0, 1, 0});
    assert_false(cost.up);
    assert_same(cost.sweeps, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sweeps_up_give_the_flow_of_sweeps_down),
        cmocka_unit_test(sums_are_the_marginals_of_both_variables),
        cmocka_unit_test(chosen_rows_are_those_of_the_largest_marginals),
        cmocka_unit_test(flow_of_neighbours_is_the_adjacent_flow),
        cmocka_unit_test(flow_is_the_sum_over_all_walks),
        cmocka_unit_test(cheaper_direction_has_fewer_sweeps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
