/* Joint relevance of channel walks: against the sum over all walks of neurons, and bounds of measures without signs. */
#include "kernels/layer/mask.h"
#include "kernels/measure/walk_measure.h"
#include "pipeline/results/walk_search.h"
#include "tests/support/assert.h"
#include "tests/support/random_image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NETWORKS = 10, LAYERS = 4, WIDTH = VGG_WIDTH, ALL = WIDTH * WIDTH * WIDTH * WIDTH };

static const double BAR = 1e-5; /* of the largest sum of magnitudes */

/* Layers from the top down, and every channel walk through them, sorted. */
struct every {
    size_t variables[LAYERS], widths[LAYERS], count;
    size_t channels[ALL][LAYERS];
};

static void list_every(struct every *e, const struct network *net)
{
    static const char *const names[] = {"fc7", "fc6", "conv5_2", "conv5_1"};

    e->count = 1;
    for (size_t k = 0; k < LAYERS; k++) {
        e->variables[k] = network_find(net, names[k]);
        e->widths[k] = network_shape(net, e->variables[k]).channels;
        e->count *= e->widths[k];
    }
    for (size_t i = 0; i < e->count; i++)
        for (size_t k = LAYERS, rest = i; k-- > 0; rest /= e->widths[k])
            e->channels[i][k] = rest % e->widths[k];
}

static size_t number_of(const struct every *e, const size_t *channels)
{
    size_t number = 0;

    for (size_t k = 0; k < LAYERS; k++)
        number = number * e->widths[k] + channels[k];
    return number;
}

static struct walk_condition condition_of(const struct random_image *s)
{
    return (struct walk_condition){s->vgg->options.given, s->vgg->options.masks, s->vgg->plan.lowest};
}

static void measure(double *relevance, const struct random_image *s, struct walk_list list)
{
    size_t nbytes = 1 + random_below(s->random, 1 << 19); /* batches of any length */
    struct arena arena = arena_over(NULL, 0);
    struct walk_work work;

    walk_measure_place(&work, &s->vgg->plan, list, condition_of(s), nbytes, &arena);
    float *memory = random_image_alloc(arena.peak / sizeof *memory);
    arena = arena_over(memory, arena.peak);
    walk_measure_place(&work, &s->vgg->plan, list, condition_of(s), nbytes, &arena);
    walk_measure_image(relevance, &work, s->image);
    free(memory);
}

/* ---- all walks of neurons
 * ------------------------------------------------------------------------------------------ */

struct brute {
    const struct random_image *s;
    const struct every *every;
    float *share;                        /* of the lowest layer, planar */
    float *masks[NETWORK_MAX_VARIABLES]; /* planar */
    double *relevance, magnitude;
};

static void add_walk(void *context, const size_t *neurons, double relevance)
{
    struct brute *b = context;
    size_t channels[LAYERS], lowest = b->every->variables[LAYERS - 1];

    for (size_t k = lowest; k <= b->every->variables[0]; k++)
        if (b->masks[k] && b->masks[k][neurons[k]] == 0)
            return;
    for (size_t k = 0; k < LAYERS; k++)
        channels[k] =
            neurons[b->every->variables[k]] / shape_positions(network_shape(&b->s->vgg->net, b->every->variables[k]));
    relevance *= b->share ? (double)b->share[neurons[lowest]] : 1;
    b->relevance[number_of(b->every, channels)] += relevance;
    b->magnitude += fabs(relevance);
}

static float *planar(const struct random_image *s, const float *values, size_t variable)
{
    float *out = values ? random_image_alloc(random_image_neurons(s, variable)) : NULL;

    if (out)
        layout_to_planar(out, values, network_layout(&s->vgg->net, variable));
    return out;
}

/* Joint relevance of every channel walk by its neurons; returns the sum of all magnitudes. */
static double enumerate(double *relevance, const struct random_image *s, const struct every *every)
{
    size_t lowest = every->variables[LAYERS - 1], highest = every->variables[0];
    struct brute b = {.s = s, .every = every, .relevance = relevance};
    struct measure_image masked = *s->image;
    struct random_image from_m = *s;

    for (size_t k = lowest; k <= highest && s->vgg->options.given == GIVEN_SETS; k++)
        b.masks[k] = planar(s, s->vgg->options.masks[k], k);
    b.share = planar(s, s->image->h[lowest], lowest);
    memcpy(masked.r, masked.m, sizeof masked.r);
    from_m.image = &masked;
    random_image_walks(&from_m, lowest, highest, add_walk, &b);
    for (size_t k = 0; k < NETWORK_MAX_VARIABLES; k++)
        free(b.masks[k]);
    free(b.share);
    return b.magnitude;
}

static void check_neurons(struct random_image *s)
{
    static struct every every;
    static double got[ALL], want[ALL];

    list_every(&every, &s->vgg->net);
    memset(want, 0, sizeof want);
    double magnitude = enumerate(want, s, &every);
    measure(got, s, (struct walk_list){LAYERS, every.variables, every.count, every.channels[0]});
    for (size_t i = 0; i < every.count; i++)
        if (!(fabs(got[i] - want[i]) <= BAR * fmax(magnitude, 1)))
            fail_msg("%s: walk %zu has %.9g, not %.9g", s->vgg->text, i, got[i], want[i]);
}

static void relevance_is_the_sum_over_all_walks_of_neurons(void **state)
{
    (void)state;
    random_image_check_all(check_neurons, 2 * NETWORKS, "neurons");
}

/* ---- strongest walks
 * ------------------------------------------------------------------------------------------------ */

/* The flows of neighbouring layers and the relevance of the layers, as sums over all walks; dense layers and pools
 * on the way pass walks on. */
static void sum_pairs(struct walk_pair pairs[LAYERS - 1], double joint[LAYERS - 1][WIDTH * WIDTH],
                      double relevance[LAYERS - 1][WIDTH], const struct every *e, const double *walks)
{
    for (size_t k = 0; k + 1 < LAYERS; k++) {
        memset(joint[k], 0, sizeof joint[k]);
        memset(relevance[k], 0, sizeof relevance[k]);
        pairs[k] = (struct walk_pair){e->widths[k], e->widths[k + 1], joint[k], relevance[k]};
        for (size_t i = 0; i < e->count; i++) {
            joint[k][e->channels[i][k] * e->widths[k + 1] + e->channels[i][k + 1]] += walks[i];
            relevance[k][e->channels[i][k]] += walks[i];
        }
    }
}

/* Rules that never hand down anything negative. */
static void make_nonnegative(struct random_vgg *vgg)
{
    rule_composite(vgg->options.rules, "zplus", &vgg->net);
    for (size_t g = 0; g < VGG_GROUP; g++)
        vgg->targets[g].kind = TARGET_CLASS;
}

static void check_bound(struct random_image *s)
{
    static struct every every;
    static double exact[ALL];
    double joint[LAYERS - 1][WIDTH * WIDTH], relevance[LAYERS - 1][WIDTH];
    struct walk_pair pairs[LAYERS - 1];
    struct walk walks[20];

    list_every(&every, &s->vgg->net);
    measure(exact, s, (struct walk_list){LAYERS, every.variables, every.count, every.channels[0]});
    sum_pairs(pairs, joint, relevance, &every, exact);
    size_t most = 1 + random_below(s->random, 20);
    struct walk_found found = {.walks = walks};
    struct error err = {0};
    assert_int_equal(walk_search(&found, pairs, LAYERS - 1, WALK_BOTTLENECK, most, &err), OK);
    for (size_t i = 0; i < every.count; i++) {
        bool listed = false;
        struct walk walk = {.product = 0};
        for (size_t j = 0; j < found.count; j++)
            listed = listed || number_of(&every, walks[j].channels) == i;
        memcpy(walk.channels, every.channels[i], sizeof every.channels[i]);
        walk_search_score(&walk, pairs, LAYERS - 1);
        assert_at_least(exact[i], -1e-7);
        assert_at_most(exact[i], walk.bottleneck + 1e-7);
        if (!listed)
            assert_at_most(exact[i], found.others + 1e-7);
    }
}

static void bottleneck_bounds_a_measure_without_signs(void **state)
{
    (void)state;
    random_image_check_all_of(make_nonnegative, check_bound, NETWORKS, "bound");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relevance_is_the_sum_over_all_walks_of_neurons),
        cmocka_unit_test(bottleneck_bounds_a_measure_without_signs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
