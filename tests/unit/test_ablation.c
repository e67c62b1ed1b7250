/* Images evaluated anew with replaced channels, against the double reference, on random graphs. */
#include "kernels/ablation/ablation.h"
#include "kernels/base/number.h"
#include "tests/support/assert.h"
#include "tests/support/graph_measure.h"
#include "tests/support/graph_random.h"
#include "tests/support/graph_reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SMALL = 120, LARGE = 24, COMPOSITES = 9, RULES = 12, COPIES = 3, MOST = 4, TRIALS = 4 };

/* Of the largest logit or activation; float32 against double. */
static const double BAR = 1e-4;

static void *allocate(size_t nbytes)
{
    void *p = aligned_alloc(ARENA_ALIGNMENT, (nbytes / ARENA_ALIGNMENT + 1) * ARENA_ALIGNMENT);

    if (!p)
        abort();
    memset(p, 0xff, nbytes); /* NaN: nothing is read before it is written */
    return p;
}

/* ---- samples ----------------------------------------------------------------------------------------------------- */

struct sample {
    struct graph_case c;
    struct graph_measure m;
    struct graph_reference ref;
    struct ablation ablation;
    void *memory;
    const struct measure_image *image;
    struct random *random;
    size_t checked;
    void (*check)(struct sample *s);
};

static void sample_init(struct sample *s, size_t number, bool large)
{
    char text[GRAPH_TEXT];
    struct arena arena = arena_over(NULL, 0);

    if (large)
        graph_random_large(text, (enum graph_family)(number % GRAPH_FAMILIES), s->random);
    else
        graph_random_small(text, s->random);
    graph_case_init(&s->c, text, s->random);
    if (large)
        graph_case_choose_composite(&s->c, rule_composite_name(number % COMPOSITES), s->random);
    else
        graph_case_choose(&s->c, graph_case_rule(number % RULES), s->random);
    graph_measure_init(&s->m, &s->c, GIVEN_NONE, 1, s->random);
    s->m.options.images = true;
    s->m.options.variation_limit = INFINITY;
    graph_measure_plan(&s->m);
    graph_reference_init(&s->ref, &s->c);
    ablation_place(&s->ablation, &s->m.plan, MOST, &arena);
    s->memory = allocate(arena.peak);
    arena = arena_over(s->memory, arena.peak);
    ablation_place(&s->ablation, &s->m.plan, MOST, &arena);
}

static void sample_free(struct sample *s)
{
    graph_reference_free(&s->ref);
    graph_measure_free(&s->m);
    graph_case_free(&s->c);
    free(s->memory);
}

static void visit(void *context, size_t slot, const struct measure_image *image)
{
    struct sample *s = context;

    (void)slot;
    s->image = image;
    s->checked++;
    s->check(s);
}

/* Check the images of random graphs that have a measure; returns how many. */
static size_t check_all(void (*check)(struct sample *s), size_t graphs, bool large, const char *name)
{
    struct random random = random_seed(name);
    struct sample *s = calloc(1, sizeof *s);
    size_t checked = 0;

    for (size_t i = 0; i < graphs && s; i++) {
        struct graph_outcome outcome;
        *s = (struct sample){.random = &random, .check = check};
        sample_init(s, i, large);
        graph_measure_run(&outcome, &s->m, NULL, visit, s);
        graph_outcomes_free(&outcome, &s->m);
        checked += s->checked;
        sample_free(s);
    }
    free(s);
    return checked;
}

/* ---- what is replaced -------------------------------------------------------------------------------------------- */

enum { CHANNELS = 512 };

/* Of some variables: which channels of which copy, and the value of all. */
struct replacement {
    const struct sample *s;
    bool at[NETWORK_MAX_VARIABLES];
    bool channel[COPIES][CHANNELS]; /* of every variable the same */
    float value;
    size_t copies, first; /* that are computed, from the first on */
};

static struct replacement random_replacement(struct sample *s)
{
    struct replacement r = {.s = s, .copies = COPIES, .value = (float)random_below(s->random, 3) * 0.3F};

    for (size_t i = 0; i < COPIES; i++)
        for (size_t c = 0; c < CHANNELS; c++)
            r.channel[i][c] = random_below(s->random, 3) == 0;
    return r;
}

static void replace(void *context, size_t variable, float *a, size_t n)
{
    const struct replacement *r = context;
    struct layout layout = network_layout(&r->s->c.net, variable);

    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < layout.shape.channels && r->at[variable]; c++)
            if (r->channel[r->first + i][c % CHANNELS])
                ablation_fill_channel(a + i * layout_floats(layout), c, r->value, layout);
}

/* Replace in the reference, and return its logits. */
static const double *refer(struct sample *s, const struct replacement *r, size_t copy)
{
    const struct network *net = &s->c.net;

    for (size_t k = 0; k <= net->nlinks; k++) {
        size_t n = shape_neurons(network_shape(net, k)), positions = shape_positions(network_shape(net, k));
        if (k > 0)
            reference_forward(s->ref.z.of[k], &s->ref.links[k - 1]);
        for (size_t j = 0; j < n; j++) {
            bool gone = r->at[k] && r->channel[copy][j / positions % CHANNELS];
            double a =
                k > 0 ? reference_activation(net->links[k - 1].activation, s->ref.z.of[k][j]) : (double)s->c.input[j];
            s->ref.a.of[k][j] = gone ? (double)r->value : a;
        }
    }
    return s->ref.a.of[net->nlinks];
}

static void compare(struct sample *s, const struct replacement *r, const float *logits)
{
    size_t last = s->c.net.nlinks, classes = network_shape(&s->c.net, last).channels;

    for (size_t i = 0; i < r->copies; i++) {
        const double *want = refer(s, r, r->first + i);
        double most = 1;
        for (size_t c = 0; c < classes; c++)
            most = fmax(most, fabs(want[c]));
        for (size_t c = 0; c < classes; c++)
            assert_that(fabs((double)logits[i * layout_floats(network_layout(&s->c.net, last)) + c] - want[c]) <=
                            BAR * most,
                        "logit %zu of copy %zu is %g, want %g\n%s", c, i,
                        (double)logits[i * layout_floats(network_layout(&s->c.net, last)) + c], want[c], s->c.text);
    }
}

/* ---- checks ------------------------------------------------------------------------------------------------------ */

/* Change one variable, at its spot, and go up from there. */
static const float *go_from(struct sample *s, struct replacement *r, size_t k)
{
    size_t spot = ablation_spot(&s->m.plan, k);
    float *a = ablation_start(&s->ablation, s->image, spot, r->copies), plain = r->value;

    r->at[k] = r->at[spot] = true;
    r->value = ablation_value(&s->m.plan, k, plain);
    replace(r, spot, a, r->copies);
    r->value = plain;
    r->at[spot] = spot == k;
    return ablation_forward(&s->ablation, s->image, spot, r->copies, (struct ablation_hook){0});
}

static void check_one_variable(struct sample *s)
{
    for (size_t i = 0; i < TRIALS; i++) {
        struct replacement r = random_replacement(s);
        compare(s, &r, go_from(s, &r, random_below(s->random, s->c.net.nlinks)));
    }
}

static void check_many_variables(struct sample *s)
{
    struct replacement r = random_replacement(s);

    for (size_t k = 1; k < s->c.net.nlinks; k++)
        r.at[k] = random_below(s->random, 2);
    ablation_start(&s->ablation, s->image, 0, COPIES);
    compare(s, &r, ablation_forward(&s->ablation, s->image, 0, COPIES, (struct ablation_hook){&r, replace, NULL}));
}

static void check_bits(struct sample *s)
{
    size_t k = random_below(s->random, s->c.net.nlinks);
    size_t floats = layout_floats(network_layout(&s->c.net, s->c.net.nlinks));
    float *together = allocate(COPIES * floats * sizeof *together);
    struct replacement r = random_replacement(s);

    memcpy(together, go_from(s, &r, k), COPIES * floats * sizeof *together);
    r.copies = 1;
    for (r.first = 0; r.first < COPIES; r.first++)
        assert_memory_equal(go_from(s, &r, k), together + r.first * floats, floats * sizeof *together);
    free(together);
}

static void check_activations(struct sample *s)
{
    struct replacement nothing = {.s = s};

    refer(s, &nothing, 0);
    for (size_t k = 0; k <= s->c.net.nlinks; k++) {
        struct layout layout = network_layout(&s->c.net, k);
        size_t positions = shape_positions(layout.shape);
        const float *a = ablation_activations(&s->ablation, s->image, k);
        double most = 1;
        for (size_t j = 0; j < shape_neurons(layout.shape); j++)
            most = fmax(most, fabs(s->ref.a.of[k][j]));
        for (size_t j = 0; j < shape_neurons(layout.shape); j++) {
            size_t at = layout_index(layout, j / positions, j % positions / layout.shape.width, j % layout.shape.width);
            assert_near(a[at], s->ref.a.of[k][j], BAR * most);
        }
    }
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void test_replaced_channels_give_reference_logits_small(void **state)
{
    (void)state;
    assert_at_least(check_all(check_one_variable, SMALL, false, "ablation_one"), SMALL / 2);
}

static void test_replaced_channels_give_reference_logits_large(void **state)
{
    (void)state;
    assert_at_least(check_all(check_one_variable, LARGE, true, "ablation_one_large"), LARGE / 2);
}

static void test_a_hook_replaces_in_many_variables_at_once(void **state)
{
    (void)state;
    assert_at_least(check_all(check_many_variables, SMALL, false, "ablation_many"), SMALL / 2);
    assert_at_least(check_all(check_many_variables, LARGE, true, "ablation_many_large"), LARGE / 2);
}

static void test_bits_of_a_copy_do_not_depend_on_others(void **state)
{
    (void)state;
    assert_at_least(check_all(check_bits, SMALL, false, "ablation_bits"), SMALL / 2);
    assert_at_least(check_all(check_bits, LARGE, true, "ablation_bits_large"), LARGE / 2);
}

static void test_activations_that_are_not_kept_are_computed_again(void **state)
{
    (void)state;
    assert_at_least(check_all(check_activations, SMALL, false, "ablation_activations"), SMALL / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replaced_channels_give_reference_logits_small),
        cmocka_unit_test(test_replaced_channels_give_reference_logits_large),
        cmocka_unit_test(test_a_hook_replaces_in_many_variables_at_once),
        cmocka_unit_test(test_bits_of_a_copy_do_not_depend_on_others),
        cmocka_unit_test(test_activations_that_are_not_kept_are_computed_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
