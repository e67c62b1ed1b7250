/* Sweeps over images of random networks: against the marginals, single sweeps, each other, and all walks one by one. */
#include "kernels/layer/mask.h"
#include "kernels/measure/sweep.h"
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

enum { NETWORKS = 16, SWEEPS = RANDOM_IMAGE_SWEEPS };

/* Two orders of the same float32 sums, relative to the largest sum of magnitudes on the way. */
static const double BAR = 1e-5;

/* ---- what passes by
 * ----------------------------------------------------------------------------------------------- */

struct record {
    const struct random_image *sample;
    size_t passed[NETWORK_MAX_VARIABLES], count;
    double largest; /* sum of magnitudes of one array */
};

static double magnitude(const float *v, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += fabs((double)v[i]);
    return sum;
}

static void note(void *context, size_t variable, const float *values, size_t n)
{
    struct record *r = context;
    size_t each = random_image_floats(r->sample, variable);

    r->passed[r->count++] = variable;
    for (size_t i = 0; i < n; i++)
        r->largest = fmax(r->largest, magnitude(values + i * each, each));
}

/* Random masks at a third of the variables, for the caller to free. */
static void random_masks(float **masks, const struct random_image *s)
{
    for (size_t k = 0; k <= s->vgg->net.nlinks; k++) {
        struct shape shape = network_shape(&s->vgg->net, k);
        struct mask_box box = mask_everything(shape);
        box.channels.first = random_below(s->random, shape.channels);
        box.rows.end = 1 + random_below(s->random, shape.height);
        masks[k] = NULL;
        if (random_below(s->random, 3))
            continue;
        masks[k] = random_image_alloc(random_image_floats(s, k));
        mask_fill(masks[k], &box, 1, random_below(s->random, 2), network_layout(&s->vgg->net, k));
    }
}

static void free_masks(float **masks, const struct random_image *s)
{
    for (size_t k = 0; k <= s->vgg->net.nlinks; k++)
        free(masks[k]);
}

/* ---- checks
 * ------------------------------------------------------------------------------------------------------- */

static void compare_plain(void *context, size_t variable, const float *values, size_t n)
{
    const struct record *r = context;
    const float *want = r->sample->image->r[variable];
    size_t each = random_image_floats(r->sample, variable);
    double bar = BAR * magnitude(want, each) + BAR;

    for (size_t i = 0; i < n * each; i++)
        if (!(fabs((double)values[i] - (double)want[i % each]) <= bar))
            fail_msg("%s, %s: %g is not %g", r->sample->vgg->text, network_variable(&r->sample->vgg->net, variable),
                     (double)values[i], (double)want[i % each]);
}

static void check_plain(struct random_image *s)
{
    struct record record = {.sample = s};
    size_t top = s->vgg->net.nlinks, each = random_image_floats(s, top);
    float *start = sweep_start(&s->sweep, top, SWEEPS);

    for (size_t i = 0; i < SWEEPS; i++)
        memcpy(start + i * each, s->image->r[top], each * sizeof *start);
    sweep_go(&s->sweep, s->image, top, 0, SWEEPS, &(struct sweep_way){.visitor = {&record, compare_plain}});
}

static void sweep_down_from_the_logits_gives_the_marginals(void **state)
{
    (void)state;
    random_image_check_all(check_plain, NETWORKS, "plain");
}

static void check_passed(struct random_image *s)
{
    struct record record = {.sample = s};
    size_t lower, upper;

    random_image_pair(s, &lower, &upper);
    sweep_start(&s->sweep, upper, 1);
    sweep_go(&s->sweep, s->image, upper, lower, 1, &(struct sweep_way){.visitor = {&record, note}});
    assert_int_equal(record.count, upper - lower + 1);
    for (size_t i = 0; i < record.count; i++)
        assert_int_equal(record.passed[i], upper - i);
    assert_same(record.largest, 0); /* nothing in, nothing out */
    record.count = 0;
    sweep_start(&s->sweep, lower, 1);
    sweep_go(&s->sweep, s->image, lower, upper, 1, &(struct sweep_way){.visitor = {&record, note}});
    for (size_t i = 0; i < record.count; i++)
        assert_int_equal(record.passed[i], lower + i);
}

static void visitor_sees_every_variable_on_the_way(void **state)
{
    (void)state;
    random_image_check_all(check_passed, NETWORKS, "passed");
}

static double product(const float *a, const float *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Random values at a variable's neurons, zeros elsewhere. */
static float *random_neurons(const struct random_image *s, size_t k)
{
    struct layout layout = network_layout(&s->vgg->net, k);
    size_t n = shape_neurons(layout.shape);
    float *planar = random_image_alloc(n), *v = random_image_alloc(layout_floats(layout));

    random_fill(s->random, planar, n);
    layout_from_planar(v, planar, layout);
    free(planar);
    return v;
}

/* sum_j R_j up(v)_j = sum_i v_i down(R)_i with any masks on the way. */
static void check_adjoint(struct random_image *s)
{
    float *masks[NETWORK_MAX_VARIABLES];
    const float *borrowed[NETWORK_MAX_VARIABLES];
    struct record record = {.sample = s};
    struct sweep_visitor visitor = {&record, note};
    size_t lower, upper;

    random_image_pair(s, &lower, &upper);
    random_masks(masks, s);
    for (size_t k = 0; k <= s->vgg->net.nlinks; k++)
        borrowed[k] = masks[k];
    size_t below = random_image_floats(s, lower), above = random_image_floats(s, upper);
    float *r = random_neurons(s, upper), *v = random_neurons(s, lower);
    memcpy(sweep_start(&s->sweep, upper, 1), r, above * sizeof *r);
    double down = product(
        v, sweep_go(&s->sweep, s->image, upper, lower, 1, &(struct sweep_way){.masks = borrowed, .visitor = visitor}),
        below);
    record.count = 0;
    memcpy(sweep_start(&s->sweep, lower, 1), v, below * sizeof *v);
    double up = product(
        r, sweep_go(&s->sweep, s->image, lower, upper, 1, &(struct sweep_way){.masks = borrowed, .visitor = visitor}),
        above);
    if (!(fabs(down - up) <= BAR * record.largest))
        fail_msg("%s, %s and %s: %g down, %g up, of %g", s->vgg->text, network_variable(&s->vgg->net, lower),
                 network_variable(&s->vgg->net, upper), down, up, record.largest);
    free_masks(masks, s);
    free(r);
    free(v);
}

static void down_and_up_are_adjoint(void **state)
{
    (void)state;
    random_image_check_all(check_adjoint, 2 * NETWORKS, "adjoint");
}

/* Sweeps of one batch against the same alone. */
static void check_batch(struct random_image *s)
{
    struct record record = {.sample = s};
    struct sweep_visitor visitor = {&record, note};
    size_t lower, upper;

    random_image_pair(s, &lower, &upper);
    bool down = random_below(s->random, 2);
    size_t from = down ? upper : lower, to = down ? lower : upper;
    size_t in = random_image_floats(s, from), out = random_image_floats(s, to);
    float *start[SWEEPS], *together = random_image_alloc(SWEEPS * out);
    for (size_t i = 0; i < SWEEPS; i++)
        start[i] = random_neurons(s, from);
    float *batch = sweep_start(&s->sweep, from, SWEEPS);
    for (size_t i = 0; i < SWEEPS; i++)
        memcpy(batch + i * in, start[i], in * sizeof *batch);
    memcpy(together, sweep_go(&s->sweep, s->image, from, to, SWEEPS, &(struct sweep_way){.visitor = visitor}),
           SWEEPS * out * sizeof *together);
    for (size_t i = 0; i < SWEEPS; i++) {
        memcpy(sweep_start(&s->sweep, from, 1), start[i], in * sizeof *batch);
        const float *alone = sweep_go(&s->sweep, s->image, from, to, 1, &(struct sweep_way){.masks = NULL});
        for (size_t j = 0; j < out; j++)
            assert_near((double)alone[j], (double)together[i * out + j], BAR * record.largest);
        free(start[i]);
    }
    free(together);
}

static void sweeps_of_a_batch_do_not_depend_on_each_other(void **state)
{
    (void)state;
    random_image_check_all(check_batch, NETWORKS, "batch");
}

/* ---- all walks one by one
 * ----------------------------------------------------------------------------------------- */

struct walked {
    const struct random_image *s;
    size_t lower;
    float *planar[NETWORK_MAX_VARIABLES]; /* masks; NULL where there is none */
    double *found;                        /* [neurons of the lower variable] */
    size_t walks;
};

static void add_walk(void *context, const size_t *neurons, double relevance)
{
    struct walked *w = context;

    for (size_t k = w->lower; k <= w->s->vgg->net.nlinks; k++)
        if (w->planar[k])
            relevance *= (double)w->planar[k][neurons[k]];
    w->found[neurons[w->lower]] += relevance;
    w->walks += relevance != 0;
}

/* The joint of masks with every neuron of conv5_1, which has 2 x 2 positions. */
static void check_walks(struct random_image *s)
{
    const struct network *net = &s->vgg->net;
    size_t lower = network_find(net, "conv5_1"), top = net->nlinks, n = random_image_neurons(s, lower);
    struct walked w = {.s = s, .lower = lower, .found = calloc(n, sizeof(double))};
    float *masks[NETWORK_MAX_VARIABLES], *got = random_image_alloc(n);
    const float *borrowed[NETWORK_MAX_VARIABLES];
    double largest = 1;

    random_masks(masks, s);
    for (size_t k = lower; k <= top; k++) {
        borrowed[k] = masks[k];
        w.planar[k] = masks[k] ? random_image_alloc(random_image_neurons(s, k)) : NULL;
        if (masks[k])
            layout_to_planar(w.planar[k], masks[k], network_layout(net, k));
        largest = fmax(largest, magnitude(s->image->r[k], random_image_floats(s, k)));
    }
    random_image_walks(s, lower, top, add_walk, &w);
    memcpy(sweep_start(&s->sweep, top, 1), s->image->r[top], random_image_floats(s, top) * sizeof(float));
    layout_to_planar(got, sweep_go(&s->sweep, s->image, top, lower, 1, &(struct sweep_way){.masks = borrowed}),
                     network_layout(net, lower));
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - w.found[i]) <= BAR * largest))
            fail_msg("%s: %g by sweep, %g by %zu walks", s->vgg->text, (double)got[i], w.found[i], w.walks);
    free_masks(masks, s);
    for (size_t k = lower; k <= top; k++)
        free(w.planar[k]);
    free(w.found);
    free(got);
}

static void masked_sweep_equals_the_sum_over_all_walks(void **state)
{
    (void)state;
    random_image_check_all(check_walks, NETWORKS, "walks");
}

/* ---- plans
 * -------------------------------------------------------------------------------------------------------- */

static void batch_keeps_to_its_bytes(void **state)
{
    struct random random = random_seed("bytes");
    struct random_vgg vgg;
    struct sweep sweep;

    (void)state;
    random_vgg_init(&vgg, &random);
    for (size_t nbytes = 1; nbytes < 1 << 22; nbytes *= 2) {
        size_t n = sweep_batch(&vgg.plan, 0, vgg.net.nlinks, 64, nbytes);
        struct arena arena = arena_over(NULL, 0), more = arena_over(NULL, 0);
        sweep_place(&sweep, &vgg.plan, 0, vgg.net.nlinks, n, &arena);
        sweep_place(&sweep, &vgg.plan, 0, vgg.net.nlinks, n + 1, &more);
        if (n > 1)
            assert_at_most(arena.peak, nbytes);
        if (n < 64)
            assert_more(more.peak, nbytes);
    }
    random_vgg_free(&vgg);
}

/* A chain of convolutions, halving pools and dense layers. */
static void push(struct network *net, enum link_kind kind, const char *name, size_t channels)
{
    struct link link = {
        .kind = kind, .upper = {channels, kind == LINK_DENSE, kind == LINK_DENSE}, .window = WINDOW_SAME3, .groups = 1};
    char message[200];

    if (kind == LINK_POOL)
        link.window = (struct window)WINDOW_HALVING;
    snprintf(link.name, sizeof link.name, "%s", name);
    size_t lower = net->nlinks;
    if (network_push(net, &link, &lower, 1, NULL, message, sizeof message) == 0)
        fail_msg("%s", message);
}

static void flops_count_weights_positions_and_parts(void **state)
{
    struct network net;
    struct measure_plan plan = {.net = &net};
    char message[200];

    (void)state;
    network_start(&net, "small", (struct shape){2, 4, 4});
    push(&net, LINK_CONVOLUTION, "convolution", 3);
    push(&net, LINK_POOL, "pool", 3);
    push(&net, LINK_DENSE, "dense", 5);
    assert_true(network_finish(&net, message, sizeof message));
    plan.links[0].parts.nparts = 3;
    plan.links[2].parts.nparts = 1;
    assert_same(sweep_flops(&plan, 0, 3), 3 * 2 * 9 * 2 * 3 * 16 + 2 * 12 * 5);
    assert_same(sweep_flops(&plan, 1, 2), 0);
    assert_same(sweep_flops(&plan, 2, 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sweep_down_from_the_logits_gives_the_marginals),
        cmocka_unit_test(visitor_sees_every_variable_on_the_way),
        cmocka_unit_test(down_and_up_are_adjoint),
        cmocka_unit_test(sweeps_of_a_batch_do_not_depend_on_each_other),
        cmocka_unit_test(masked_sweep_equals_the_sum_over_all_walks),
        cmocka_unit_test(batch_keeps_to_its_bytes),
        cmocka_unit_test(flops_count_weights_positions_and_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
