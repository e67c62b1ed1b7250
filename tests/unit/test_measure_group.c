/* A group of images is measured like each image by itself, whatever the memory held before. In this network some links
 * are computed for the whole group and some image by image, on the way up and on the way down. */
#include "kernels/base/network_vgg.h"
#include "kernels/measure/measure.h"
#include "tests/support/guarded.h"
#include "tests/support/isa_under_test.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { GROUP = 8, SIDE = 32, NARROW = 8, CLASSES = 10, MOST_PIECES = 512 };

/* Float32 sums of a dense product depend on the size of the group. */
static const double BAR = 1e-5;

static void *allocate(size_t nbytes)
{
    void *p = aligned_alloc(ARENA_ALIGNMENT, (nbytes / ARENA_ALIGNMENT + 1) * ARENA_ALIGNMENT);

    if (!p)
        abort();
    memset(p, 0xff, nbytes); /* NaN: nothing is read before it is written */
    return p;
}

/* ---- a network
 * ---------------------------------------------------------------------------------------------------- */

struct fixture {
    struct network net;
    float *model, *inputs[GROUP], *masks[NETWORK_MAX_VARIABLES];
};

static void fixture_init(struct fixture *f, const char *seed)
{
    struct random random = random_seed(seed);
    size_t floats = network_vgg_standard(&f->net, "vgg11", SIDE, NARROW, CLASSES);

    f->model = allocate(floats * sizeof(float));
    for (size_t k = 0; k < f->net.nlinks; k++) {
        const struct link *link = &f->net.links[k];
        size_t inputs = link->kind == LINK_DENSE ? shape_neurons(link->lower) : 9 * link->lower.channels;
        if (link->kind == LINK_POOL)
            continue;
        for (size_t i = 0; i < link->upper.channels * inputs; i++)
            f->model[link->weight + i] = (float)(sqrt(6 / (double)inputs) * random_uniform(&random));
        random_fill(&random, f->model + link->bias, link->upper.channels);
    }
    for (size_t g = 0; g < GROUP; g++) {
        f->inputs[g] = allocate(shape_neurons(network_shape(&f->net, 0)) * sizeof(float));
        random_fill(&random, f->inputs[g], shape_neurons(network_shape(&f->net, 0)));
    }
    for (size_t k = 0; k <= f->net.nlinks; k++) {
        struct layout layout = network_layout(&f->net, k);
        f->masks[k] = allocate(layout_floats(layout) * sizeof(float));
        memset(f->masks[k], 0, layout_floats(layout) * sizeof(float));
        for (size_t n = 0; n < shape_neurons(layout.shape); n++) {
            size_t positions = shape_positions(layout.shape), at = n % positions, width = layout.shape.width;
            f->masks[k][layout_index(layout, n / positions, at / width, at % width)] = n / positions % 3 != 0;
        }
    }
}

static void fixture_free(struct fixture *f)
{
    for (size_t g = 0; g < GROUP; g++)
        free(f->inputs[g]);
    for (size_t k = 0; k <= f->net.nlinks; k++)
        free(f->masks[k]);
    free(f->model);
}

/* Conditions: none, the input, and sets of two variables. */
static const struct given {
    enum measure_given given;
    const char *lowest, *highest;
} givens[] = {
    {GIVEN_NONE, "", ""},
    {GIVEN_INPUT, "", ""},
    {GIVEN_SETS, "conv2_1", "conv3_2"},
    {GIVEN_SETS, "conv3_1", "conv5_2"},
    {GIVEN_SETS, "conv5_1", "fc7"},
    {GIVEN_SETS, "fc6", "fc8"},
};

enum { GIVENS = sizeof givens / sizeof givens[0] };

/* ---- what is handed out of a slot -------------------------------------------------------------------------------- */

/* Arrays of floats or doubles by name, in the order in which they came; owned. */
struct piece {
    char name[32];
    size_t n;
    double *v;
};

struct record {
    size_t npieces;
    struct piece pieces[MOST_PIECES];
};

struct recorder {
    const struct network *net;
    struct record *records; /* [slots] */
};

static double *add_piece(struct record *record, const char *what, const char *name, size_t n)
{
    struct piece *piece = &record->pieces[record->npieces++];

    assert_true(record->npieces <= MOST_PIECES);
    snprintf(piece->name, sizeof piece->name, "%s of %s", what, name);
    piece->n = n;
    piece->v = allocate(n * sizeof *piece->v);
    return piece->v;
}

static void add_doubles(struct record *record, const char *what, const char *name, const double *v, size_t n)
{
    memcpy(add_piece(record, what, name, n), v, n * sizeof *v);
}

static void add_neurons(struct recorder *r, size_t slot, const char *what, size_t variable, const float *x,
                        const float *w)
{
    size_t n = shape_neurons(network_shape(r->net, variable));
    float *planar = allocate(n * sizeof *planar);
    double *v = add_piece(&r->records[slot], what, network_variable(r->net, variable), n);

    layout_products_to_planar(planar, x, w, network_layout(r->net, variable));
    for (size_t i = 0; i < n; i++)
        v[i] = (double)planar[i];
    free(planar);
}

static void take_neurons(void *context, size_t slot, size_t variable, const float *r, const float *h)
{
    add_neurons(context, slot, "R h", variable, r, h);
}

static void take_flow(void *context, size_t slot, size_t link, const float *joint, const double *to_bias,
                      const double *absorbed)
{
    struct recorder *r = context;
    const struct link *of = &r->net->links[link];
    size_t n = of->upper.channels * of->lower.channels;
    double *v = add_piece(&r->records[slot], "flow", of->name, n);

    for (size_t i = 0; i < n; i++)
        v[i] = (double)joint[i];
    add_doubles(&r->records[slot], "to_bias", of->name, to_bias, of->upper.channels);
    add_doubles(&r->records[slot], "absorbed", of->name, absorbed, of->upper.channels);
}

static void take_image(void *context, size_t slot, const struct measure_image *image)
{
    struct recorder *r = context;

    for (size_t k = 0; k <= r->net->nlinks; k++) {
        if (image->a[k])
            add_neurons(r, slot, "kept a", k, image->a[k], NULL);
        add_neurons(r, slot, "kept R", k, image->r[k], NULL);
        add_neurons(r, slot, "kept M h", k, image->m[k], image->h[k]);
    }
}

/* ---- measuring
 * ---------------------------------------------------------------------------------------------------- */

static struct measure_options options_of(const struct fixture *f, const struct given *given, size_t group, bool images)
{
    struct measure_options options = {.given = given->given,
                                      .pool = POOL_WINNER,
                                      .variation_limit = 1e6,
                                      .images = images,
                                      .group = group,
                                      .ops = isa_under_test()};

    rule_composite(options.rules, "epsilon_plus", &f->net);
    for (size_t k = 0; k < f->net.nlinks; k++)
        options.flows[k] = f->net.links[k].kind != LINK_POOL;
    for (size_t k = 0; k <= f->net.nlinks; k++) {
        const char *name = network_variable(&f->net, k);
        if (strcmp(name, given->lowest) == 0 || strcmp(name, given->highest) == 0)
            options.masks[k] = f->masks[k];
    }
    return options;
}

static void result_init(struct measure_result *result, size_t channels)
{
    *result = (struct measure_result){.relevance = allocate(channels * sizeof(double)),
                                      .relevance_position = allocate(channels * sizeof(uint32_t)),
                                      .activation = allocate(channels * sizeof(float)),
                                      .activation_position = allocate(channels * sizeof(uint32_t)),
                                      .activation_mean = allocate(channels * sizeof(double))};
}

/* Move a result into the record of its slot. */
static void finish_result(struct record *record, struct measure_result *result, const struct measure_plan *plan)
{
    size_t channels = plan->channel[plan->net->nlinks + 1], variables = plan->net->nlinks + 1;
    const double *ledger[] = {result->mass, result->variation, result->bias, result->absorbed};
    double numbers[] = {(double)result->status, (double)result->target};

    add_doubles(record, "relevance", "all channels", result->relevance, channels);
    add_doubles(record, "activation_mean", "all channels", result->activation_mean, channels);
    add_doubles(record, "numbers", "the image", numbers, 2);
    add_doubles(record, "logit", "the image", &result->logit, 1);
    add_doubles(record, "given_mass", "the image", &result->given_mass, 1);
    for (size_t i = 0; i < 4; i++)
        add_doubles(record, "ledger", "all variables", ledger[i], variables);
    double *activation = add_piece(record, "activation", "all channels", channels);
    for (size_t c = 0; c < channels; c++)
        activation[c] = (double)result->activation[c];
    free(result->relevance);
    free(result->relevance_position);
    free(result->activation);
    free(result->activation_position);
    free(result->activation_mean);
}

/* Measure one group of inputs, NULL where absent, in memory full of NaN. */
static void measure(struct record *records, const struct fixture *f, const struct measure_options *options,
                    const float *const *inputs)
{
    struct recorder recorder = {&f->net, records};
    struct measure_result results[GROUP];
    struct measure_target targets[GROUP] = {{TARGET_PREDICTED, 0, 0}};
    struct measure_workspace work;
    struct measure_plan plan;
    struct arena arena = arena_over(NULL, 0);

    measure_plan_init(&plan, &f->net, options, f->model);
    assert_true(1 < plan.evaluated && plan.evaluated < plan.grouped && plan.grouped < plan.top);
    float *forms = allocate(measure_forms_floats(&plan) * sizeof(float));
    measure_forms_compute(&plan, forms, (struct link_bounds){NULL, NULL});
    measure_forms_bind(&plan, forms);
    measure_workspace_place(&work, &plan, &arena);
    void *memory = allocate(arena.peak);
    arena = arena_over(memory, arena.peak);
    measure_workspace_place(&work, &plan, &arena);
    for (size_t g = 0; g < options->group; g++) {
        records[g].npieces = 0;
        result_init(&results[g], plan.channel[f->net.nlinks + 1]);
    }
    measure_group(results, &plan, inputs, targets,
                  (struct measure_sink){&recorder, take_neurons, take_flow, take_image}, &work);
    for (size_t g = 0; g < options->group; g++)
        finish_result(&records[g], &results[g], &plan);
    free(memory);
    free(forms);
}

static void record_free(struct record *record)
{
    for (size_t i = 0; i < record->npieces; i++)
        free(record->pieces[i].v);
}

/* ---- comparing
 * ---------------------------------------------------------------------------------------------------- */

static const struct piece *piece_of(const struct record *record, const char *name, size_t before)
{
    for (size_t i = 0; i < record->npieces; i++)
        if (strcmp(record->pieces[i].name, name) == 0 && before-- == 0)
            return &record->pieces[i];
    fail_msg("nothing was handed out as %s", name);
    return NULL;
}

/* Every piece of `got` is in `want` within the bar times its largest magnitude. */
static void assert_record(const struct record *got, const struct record *want, double bar, const char *about)
{
    assert_true(got->npieces > 0);
    for (size_t i = 0; i < got->npieces; i++) {
        const struct piece *g = &got->pieces[i];
        size_t before = 0;
        double most = 0;
        for (size_t j = 0; j < i; j++)
            before += strcmp(got->pieces[j].name, g->name) == 0;
        const struct piece *w = piece_of(want, g->name, before);
        assert_int_equal(g->n, w->n);
        for (size_t j = 0; j < w->n; j++)
            most = fmax(most, fabs(w->v[j]));
        for (size_t j = 0; j < w->n; j++)
            if (!(fabs(g->v[j] - w->v[j]) <= bar * most))
                fail_msg("%s: %s: [%zu] is %.9g, not %.9g within %.3g", about, g->name, j, g->v[j], w->v[j],
                         bar * most);
    }
}

static void text_of(char text[64], const struct given *given, size_t slot)
{
    static const char *const names[] = {[GIVEN_NONE] = "none", [GIVEN_INPUT] = "input", [GIVEN_SETS] = "sets of"};

    snprintf(text, 64, "given %s %s %s, slot %zu", names[given->given], given->lowest, given->highest, slot);
}

/* ---- tests
 * --------------------------------------------------------------------------------------------------------- */

/* Measures the group of eight in all conditions twice and compares every slot that is in the second. */
typedef void (*second)(struct record *records, const struct fixture *f, const struct given *given);

static void compare_group(const char *seed, second measure_second, bool images, double bar)
{
    static struct record first[GROUP], other[GROUP];
    struct fixture f;
    char text[64];

    fixture_init(&f, seed);
    for (size_t i = 0; i < GIVENS; i++) {
        struct measure_options options = options_of(&f, &givens[i], GROUP, images);
        measure(first, &f, &options, (const float *const *)f.inputs);
        memset(other, 0, sizeof other);
        measure_second(other, &f, &givens[i]);
        for (size_t g = 0; g < GROUP; g++) {
            text_of(text, &givens[i], g);
            assert_true(piece_of(&first[g], "numbers of the image", 0)->v[0] == MEASURE_OK);
            if (other[g].npieces)
                assert_record(&other[g], &first[g], bar, text);
            record_free(&first[g]);
            record_free(&other[g]);
        }
    }
    fixture_free(&f);
}

static void measure_one_by_one(struct record *records, const struct fixture *f, const struct given *given)
{
    struct measure_options options = options_of(f, given, 1, true);

    for (size_t g = 0; g < GROUP; g++)
        measure(&records[g], f, &options, (const float *const *)&f->inputs[g]);
}

static void group_of_eight_equals_eight_groups_of_one(void **state)
{
    (void)state;
    compare_group("group", measure_one_by_one, true, BAR);
}

static void measure_without_images(struct record *records, const struct fixture *f, const struct given *given)
{
    struct measure_options options = options_of(f, given, GROUP, false);

    measure(records, f, &options, (const float *const *)f->inputs);
}

static void keeping_the_arrays_of_an_image_changes_no_bit(void **state)
{
    (void)state;
    compare_group("kept arrays", measure_without_images, true, 0);
}

static void measure_every_third(struct record *records, const struct fixture *f, const struct given *given)
{
    struct measure_options options = options_of(f, given, GROUP, true);
    const float *inputs[GROUP] = {NULL};

    for (size_t g = 1; g < GROUP; g += 3)
        inputs[g] = f->inputs[g];
    measure(records, f, &options, inputs);
    for (size_t g = 0; g < GROUP; g++) {
        assert_true(inputs[g] || piece_of(&records[g], "numbers of the image", 0)->v[0] == MEASURE_ABSENT);
        if (!inputs[g])
            record_free(&records[g]);
        records[g].npieces = inputs[g] ? records[g].npieces : 0;
    }
}

static void absent_images_change_no_bit_of_the_others(void **state)
{
    (void)state;
    compare_group("absent images", measure_every_third, true, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(group_of_eight_equals_eight_groups_of_one),
        cmocka_unit_test(keeping_the_arrays_of_an_image_changes_no_bit),
        cmocka_unit_test(absent_images_change_no_bit_of_the_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
