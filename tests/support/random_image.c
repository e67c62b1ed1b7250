#include "tests/support/random_image.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory
 * ------------------------------------------------------------------------------------------------------- */

float *random_image_alloc(size_t n)
{
    float *p = aligned_alloc(ARENA_ALIGNMENT, (n * sizeof *p / ARENA_ALIGNMENT + 1) * ARENA_ALIGNMENT);

    if (!p)
        abort();
    memset(p, 0xff, n * sizeof *p); /* NaN: nothing is read before it is written */
    return p;
}

size_t random_image_floats(const struct random_image *s, size_t k)
{
    return layout_floats(network_layout(&s->vgg->net, k));
}

size_t random_image_neurons(const struct random_image *s, size_t k)
{
    return shape_neurons(network_shape(&s->vgg->net, k));
}

void random_image_pair(const struct random_image *s, size_t *lower, size_t *upper)
{
    *upper = 1 + random_below(s->random, s->vgg->net.nlinks);
    *lower = random_below(s->random, *upper);
}

/* ---- images
 * ------------------------------------------------------------------------------------------------------- */

struct checker {
    void (*check)(struct random_image *image);
    struct random_vgg *vgg;
    struct random *random;
    size_t checked;
};

static void take_image(void *context, size_t slot, const struct measure_image *image)
{
    struct checker *c = context;
    struct random_image s = {c->vgg, c->random, image, {.plan = NULL}};
    struct arena arena = arena_over(NULL, 0);

    (void)slot;
    sweep_place(&s.sweep, &c->vgg->plan, 0, c->vgg->net.nlinks, RANDOM_IMAGE_SWEEPS, &arena);
    float *memory = random_image_alloc(arena.peak / sizeof *memory);
    arena = arena_over(memory, arena.peak);
    sweep_place(&s.sweep, &c->vgg->plan, 0, c->vgg->net.nlinks, RANDOM_IMAGE_SWEEPS, &arena);
    c->check(&s);
    c->checked++;
    free(memory);
}

static void measure_images(struct random_vgg *vgg, struct checker *checker)
{
    struct measure_result results[VGG_GROUP];
    size_t channels = vgg->plan.channel[vgg->net.nlinks + 1];
    double *relevance = calloc(VGG_GROUP * channels, sizeof *relevance);
    uint32_t *positions = calloc(2 * VGG_GROUP * channels, sizeof *positions);
    float *activation = calloc(VGG_GROUP * channels, sizeof *activation);
    double *activation_mean = calloc(VGG_GROUP * channels, sizeof *activation_mean);
    const float *inputs[VGG_GROUP];

    if (!relevance || !positions || !activation || !activation_mean)
        abort();
    for (size_t g = 0; g < VGG_GROUP; g++) {
        results[g] = (struct measure_result){.relevance = relevance + g * channels,
                                             .relevance_position = positions + 2 * g * channels,
                                             .activation = activation + g * channels,
                                             .activation_position = positions + (2 * g + 1) * channels,
                                             .activation_mean = activation_mean + g * channels};
        inputs[g] = vgg->inputs[g];
    }
    measure_group(results, &vgg->plan, inputs, vgg->targets, (struct measure_sink){checker, NULL, NULL, take_image},
                  &vgg->work);
    free(relevance);
    free(positions);
    free(activation);
    free(activation_mean);
}

void random_image_check_all(void (*check)(struct random_image *image), size_t networks, const char *name)
{
    random_image_check_all_of(NULL, check, networks, name);
}

void random_image_check_all_of(void (*change)(struct random_vgg *vgg), void (*check)(struct random_image *image),
                               size_t networks, const char *name)
{
    struct random random = random_seed(name);
    size_t checked = 0;

    for (size_t i = 0; i < networks; i++) {
        struct random_vgg vgg;
        random_vgg_init(&vgg, &random);
        if (change)
            change(&vgg);
        vgg.options.images = true;
        vgg.options.variation_limit = 100;
        random_vgg_plan(&vgg);
        struct checker checker = {check, &vgg, &random, 0};
        measure_images(&vgg, &checker);
        checked += checker.checked;
        random_vgg_free(&vgg);
    }
    if (checked < networks * VGG_GROUP / 3)
        abort();
}

/* ---- all walks one by one
 * ----------------------------------------------------------------------------------------- */

/* r(i|j) of every link on the way as matrices [upper neurons][lower neurons], planar. */
struct walker {
    const struct random_image *s;
    size_t lower;
    float *r[NETWORK_MAX_LINKS];
    size_t neurons[NETWORK_MAX_VARIABLES];
    void (*visit)(void *context, const size_t *neurons, double relevance);
    void *context;
};

/* Row j: what a unit of relevance at neuron j alone becomes one link below. */
static float *matrix_of(const struct random_image *s, size_t k)
{
    struct layout above = network_layout(&s->vgg->net, k + 1), below = network_layout(&s->vgg->net, k);
    size_t upper = random_image_neurons(s, k + 1), lower = random_image_neurons(s, k);
    float *unit = random_image_alloc(upper), *matrix = random_image_alloc(upper * lower);
    struct sweep sweep = s->sweep;

    for (size_t j = 0; j < upper; j++) {
        memset(unit, 0, upper * sizeof *unit);
        unit[j] = 1;
        layout_from_planar(sweep_start(&sweep, k + 1, 1), unit, above);
        layout_to_planar(matrix + j * lower,
                         sweep_go(&sweep, s->image, k + 1, k, 1, &(struct sweep_way){.masks = NULL}), below);
    }
    free(unit);
    return matrix;
}

/* Go on with every walk that has come to neuron j of variable k with this much relevance. */
static void walk(struct walker *w, size_t k, size_t j, double relevance)
{
    w->neurons[k] = j;
    if (k == w->lower) {
        w->visit(w->context, w->neurons, relevance);
        return;
    }
    size_t lower = random_image_neurons(w->s, k - 1);
    for (size_t i = 0; i < lower; i++)
        if (w->r[k - 1][j * lower + i] != 0)
            walk(w, k - 1, i, relevance * (double)w->r[k - 1][j * lower + i]);
}

void random_image_walks(const struct random_image *s, size_t lower, size_t upper,
                        void (*visit)(void *context, const size_t *neurons, double relevance), void *context)
{
    struct walker w = {.s = s, .lower = lower, .visit = visit, .context = context};
    size_t n = random_image_neurons(s, upper);
    float *start = random_image_alloc(n);

    layout_to_planar(start, s->image->r[upper], network_layout(&s->vgg->net, upper));
    for (size_t k = lower; k < upper; k++)
        w.r[k] = matrix_of(s, k);
    for (size_t j = 0; j < n; j++)
        if (start[j] != 0)
            walk(&w, upper, j, (double)start[j]);
    for (size_t k = lower; k < upper; k++)
        free(w.r[k]);
    free(start);
}
