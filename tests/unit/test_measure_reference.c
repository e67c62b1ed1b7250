/* Every case of the oracle's float64 results against the float32 kernels and against the double reference kernels.
 *
 * The shipped tests/data/reference.h5 is a part of the full results; NRMFLOW_REFERENCE names another file of the same
 * layout.
 */
#include "kernels/layer/reference.h"
#include "kernels/measure/far.h"
#include "kernels/measure/measure.h"
#include "tests/support/isa_under_test.h"
#include "tests/support/model_file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hdf5.h>

#include <cmocka.h>

enum { MAX_CASES = 128, CASE_NAME = 96, MAX_LINKS = NETWORK_MAX_LINKS };

/* Largest |difference| allowed, relative to the array's largest |value|. */
static const double FLOAT_BAR = 1e-4, DOUBLE_BAR = 1e-9, EXPLODING_DOUBLE_BAR = 1e-3;
/* Sum |difference| of a neuron map, relative to sum |value|. */
static const double MAP_BAR = 1e-3;
/* The reference's own `absorbed` is R (1 - kept), exact to about this times sum |R|, which is near one unless a rule
 * explodes. */
static const double ABSORBED_FLOAT = 1e-12, ABSORBED_DOUBLE = 1e-15;

/* A network, and where the oracle's results for it are: groups <prefix><case>/<image>. */
struct suite {
    const char *name, *weights, *results, *prefix;
    bool imagenet_preprocessing; /* in float32, as the oracle did */
    hid_t file;
    struct model_file model;
};

struct test_case {
    struct suite *suite;
    char group[CASE_NAME]; /* path of the case in the file */
    size_t image;
    bool in_double;
};

/* One image's results in double, whichever kernels computed them. */
struct outcome {
    double *neurons[NETWORK_MAX_VARIABLES]; /* relevance, plain or under the condition */
    double *joint[MAX_LINKS], *to_bias[MAX_LINKS], *absorbed[MAX_LINKS];
    double mass[NETWORK_MAX_VARIABLES], bias[NETWORK_MAX_VARIABLES], lost[NETWORK_MAX_VARIABLES];
    double variation[NETWORK_MAX_VARIABLES]; /* sum |R| of the neurons */
    double given_mass;
};

static struct suite suites[] = {
    {"demo", JOBS "/demo/fashion_vgg16.safetensors", TEST_DATA "/reference.h5", "", false, .file = H5I_INVALID_HID},
    {"tiny", TEST_DATA "/tiny_vgg11.safetensors", TEST_DATA "/reference.h5", "tiny/", true, .file = H5I_INVALID_HID},
    {"random64", TEST_DATA "/random64.safetensors", TEST_DATA "/random64.h5", "random64/", true,
     .file = H5I_INVALID_HID},
    {"keras64", TEST_DATA "/random64_keras.h5", TEST_DATA "/random64.h5", "random64/", true, .file = H5I_INVALID_HID},
};

enum { SUITES = sizeof suites / sizeof suites[0] };

static struct {
    struct test_case cases[MAX_CASES];
    size_t ncases;
} fixture;

/* ---- reading the reference ------------------------------------------------------------------------------------- */

static bool exists(hid_t file, const char *path)
{
    char part[256];

    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (H5Lexists(file, part, H5P_DEFAULT) <= 0)
            return false;
    }
    return H5Lexists(file, path, H5P_DEFAULT) > 0;
}

static double *read_dataset(hid_t file, const char *path, size_t *n)
{
    hid_t d = H5Dopen2(file, path, H5P_DEFAULT), s = H5Dget_space(d);

    *n = (size_t)H5Sget_simple_extent_npoints(s);
    double *values = calloc(*n, sizeof *values);
    assert_true(H5Dread(d, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Sclose(s);
    H5Dclose(d);
    return values;
}

static double *read_attribute(hid_t file, const char *object, const char *name, size_t *n)
{
    hid_t a = H5Aopen_by_name(file, object, name, H5P_DEFAULT, H5P_DEFAULT), s = H5Aget_space(a);

    *n = (size_t)H5Sget_simple_extent_npoints(s);
    double *values = calloc(*n, sizeof *values);
    assert_true(H5Aread(a, H5T_NATIVE_DOUBLE, values) >= 0);
    H5Sclose(s);
    H5Aclose(a);
    return values;
}

/* ---- cases
 * ------------------------------------------------------------------------------------------------------------ */

/* Cases of the random networks: a composite, a rule in place of one of its, a target. */
static const struct {
    const char *name, *composite, *layer, *rule;
} random_cases[] = {
    {"epsilon_gamma_box", "epsilon_gamma_box", NULL, NULL},
    {"epsilon_gamma_box,lowest", "epsilon_gamma_box", NULL, NULL},
    {"epsilon_gamma_box,contrast", "epsilon_gamma_box", NULL, NULL},
    {"gamma,lowest", "gamma", NULL, NULL},
    {"zplus", "zplus", NULL, NULL},
    {"epsilon_plus_flat", "epsilon_plus_flat", NULL, NULL},
    {"epsilon_alpha2_beta1", "epsilon_alpha2_beta1", NULL, NULL},
    {"wsquare_first", "epsilon_gamma_box", "conv1_1", "wsquare"},
    {"flat_conv4_2", "epsilon_gamma_box", "conv4_2", "flat"},
    {"epsilon_0.25", "epsilon_gamma_box", "fc7", "epsilon 0.25"},
};

static const struct network *network_of(const struct test_case *t)
{
    return &t->suite->model.net;
}

static void random_options(struct measure_options *options, const struct network *net, const char *name)
{
    char message[128];
    size_t i = 0;

    while (strcmp(random_cases[i].name, name) != 0)
        i++;
    assert_true(rule_composite(options->rules, random_cases[i].composite, net));
    if (random_cases[i].layer) {
        size_t k = network_find(net, random_cases[i].layer) - 1;
        assert_true(rule_parse(&options->rules[k], message, sizeof message, random_cases[i].rule));
    }
}

static void demo_options(struct measure_options *options, const struct network *net, const char *name)
{
    char composite[CASE_NAME], bias[CASE_NAME], pool[CASE_NAME];

    assert_int_equal(sscanf(name, "%95[^,],%95[^,],%95s", composite, bias, pool), 3);
    assert_true(rule_composite(options->rules, composite, net));
    options->bias = strcmp(bias, "spread") == 0 ? BIAS_SPREAD : BIAS_NEURON;
    options->pool = strcmp(pool, "first") == 0          ? POOL_FIRST
                    : strcmp(pool, "proportional") == 0 ? POOL_PROPORTIONAL
                                                        : POOL_WINNER;
}

static struct measure_options options_of(const struct test_case *t, enum measure_given given)
{
    struct measure_options options = {.given = given, .variation_limit = INFINITY, .group = 1};

    if (*t->suite->prefix)
        random_options(&options, network_of(t), t->group + strlen(t->suite->prefix));
    else
        demo_options(&options, network_of(t), t->group);
    for (size_t k = 0; k < network_of(t)->nlinks; k++)
        options.flows[k] = network_of(t)->links[k].kind != LINK_POOL;
    return options;
}

static struct measure_target target_of(const struct test_case *t)
{
    char path[CASE_NAME + 32];
    size_t n;

    snprintf(path, sizeof path, "%s/%zu", t->group, t->image);
    double *values = read_attribute(t->suite->file, path, "target", &n);
    struct measure_target target = {n == 2 ? TARGET_CONTRAST : TARGET_CLASS, (size_t)values[0],
                                    n == 2 ? (size_t)values[1] : 0};
    free(values);
    return target;
}

/* The input's bounds under the model's preprocessing, from the constants that the oracle used (float32 for the tiny
 * net). */
static void read_bounds(const struct test_case *t, double low[3], double high[3])
{
    static const float mean[] = {0.485f, 0.456f, 0.406f}, std[] = {0.229f, 0.224f, 0.225f};

    for (size_t c = 0; c < 3; c++) {
        double m = t->suite->imagenet_preprocessing ? (double)mean[c] : 0.2860,
               s = t->suite->imagenet_preprocessing ? (double)std[c] : 0.3530;
        low[c] = -m / s;
        high[c] = (1 - m) / s;
    }
}

/* The image, [C][H][W]. */
static float *read_image(const struct test_case *t)
{
    size_t n, each = shape_neurons(network_shape(network_of(t), 0));
    char path[64];

    snprintf(path, sizeof path, "%simages", t->suite->prefix);
    double *all = read_dataset(t->suite->file, path, &n);
    float *image = malloc(each * sizeof *image);

    for (size_t i = 0; i < each; i++)
        image[i] = (float)all[t->image * each + i];
    free(all);
    return image;
}

/* ---- outcomes
 * ----------------------------------------------------------------------------------------------------------- */

static void outcome_init(struct outcome *o, const struct network *net)
{
    *o = (struct outcome){.given_mass = 1};
    for (size_t k = 0; k <= net->nlinks; k++)
        o->neurons[k] = calloc(shape_neurons(network_shape(net, k)), sizeof(double));
    for (size_t k = 0; k < net->nlinks; k++) {
        const struct link *link = &net->links[k];
        o->joint[k] = calloc(link->upper.channels * link->lower.channels, sizeof(double));
        o->to_bias[k] = calloc(link->upper.channels, sizeof(double));
        o->absorbed[k] = calloc(link->upper.channels, sizeof(double));
    }
}

static void outcome_free(struct outcome *o, const struct network *net)
{
    for (size_t k = 0; k <= net->nlinks; k++)
        free(o->neurons[k]);
    for (size_t k = 0; k < net->nlinks; k++) {
        free(o->joint[k]);
        free(o->to_bias[k]);
        free(o->absorbed[k]);
    }
}

struct collector {
    const struct network *net;
    struct outcome *o;
    const struct test_case *t;
    const struct measure_plan *plan;
};

static void compare_far_pairs(void *context, size_t slot, const struct measure_image *image);

static void collect_neurons(void *context, size_t slot, size_t variable, const float *r, const float *h)
{
    struct collector *c = context;

    size_t n = shape_neurons(network_shape(c->net, variable));
    float *planar = malloc(n * sizeof *planar);

    (void)slot;
    layout_products_to_planar(planar, r, h, network_layout(c->net, variable));
    for (size_t i = 0; i < n; i++)
        c->o->neurons[variable][i] = (double)planar[i];
    free(planar);
}

static void collect_flow(void *context, size_t slot, size_t link, const float *joint, const double *to_bias,
                         const double *absorbed)
{
    struct collector *c = context;
    const struct link *l = &c->net->links[link];

    (void)slot;
    for (size_t i = 0; i < l->upper.channels * l->lower.channels; i++)
        c->o->joint[link][i] = (double)joint[i];
    memcpy(c->o->to_bias[link], to_bias, l->upper.channels * sizeof *to_bias);
    memcpy(c->o->absorbed[link], absorbed, l->upper.channels * sizeof *absorbed);
}

/* The tuned kernels. */
static void run_float(struct outcome *o, const struct test_case *t, enum measure_given given)
{
    const struct network *net = network_of(t);
    struct measure_options options = options_of(t, given);
    struct measure_target target = target_of(t);
    struct measure_plan plan;
    struct measure_workspace work;
    struct arena arena = arena_over(NULL, 0);
    struct collector collector = {net, o, t, &plan};
    float *image = read_image(t), low_float[3], high_float[3];
    double low[3], high[3];
    const float *inputs[] = {image};

    read_bounds(t, low, high);
    for (size_t c = 0; c < 3; c++) {
        low_float[c] = (float)low[c];
        high_float[c] = (float)high[c];
    }

    options.images = given == GIVEN_NONE;
    options.ops = isa_under_test();
    measure_plan_init(&plan, net, &options, t->suite->model.weights);
    float *forms = aligned_alloc(64, measure_forms_floats(&plan) * sizeof *forms + 64);
    measure_forms_compute(&plan, forms, (struct link_bounds){low_float, high_float});
    measure_forms_bind(&plan, forms);
    measure_workspace_place(&work, &plan, &arena);
    void *memory = aligned_alloc(ARENA_ALIGNMENT, arena.peak);
    memset(memory, 0xff, arena.peak); /* NaN: a read before a write shows */
    arena = arena_over(memory, arena.peak);
    measure_workspace_place(&work, &plan, &arena);
    size_t channels = plan.channel[net->nlinks + 1];
    struct measure_result result = {.relevance = calloc(channels, sizeof(double)),
                                    .relevance_position = calloc(channels, sizeof(uint32_t)),
                                    .activation = calloc(channels, sizeof(float)),
                                    .activation_position = calloc(channels, sizeof(uint32_t))};
    measure_group(&result, &plan, inputs, &target,
                  (struct measure_sink){&collector, collect_neurons, collect_flow, compare_far_pairs}, &work);
    assert_int_equal(result.status, MEASURE_OK);
    for (size_t k = 0; k <= net->nlinks; k++) {
        o->mass[k] = result.mass[k];
        o->bias[k] = result.bias[k];
        o->lost[k] = result.absorbed[k];
        o->variation[k] = result.variation[k];
    }
    o->given_mass = result.given_mass;
    free(result.relevance);
    free(result.relevance_position);
    free(result.activation);
    free(result.activation_position);
    free(memory);
    free(forms);
    free(image);
}

static double sum(const double *v, size_t n)
{
    double s = 0;

    for (size_t i = 0; i < n; i++)
        s += v[i];
    return s;
}

static double *doubles(size_t n)
{
    return calloc(n, sizeof(double));
}

struct chain {
    struct reference_link links[MAX_LINKS];
    double *a[NETWORK_MAX_VARIABLES], *z[NETWORK_MAX_VARIABLES], *h[NETWORK_MAX_VARIABLES];
    double low[3], high[3];
};

static void chain_forward(struct chain *chain, const struct test_case *t, const struct measure_options *options)
{
    const struct network *net = network_of(t);
    const float *weights = t->suite->model.weights;
    float *image = read_image(t);

    read_bounds(t, chain->low, chain->high);
    for (size_t k = 0; k <= net->nlinks; k++) {
        size_t n = shape_neurons(network_shape(net, k));
        chain->a[k] = doubles(n);
        chain->z[k] = doubles(n);
        chain->h[k] = doubles(n);
        for (size_t i = 0; k == 0 && i < n; i++)
            chain->a[0][i] = (double)image[i];
    }
    for (size_t k = 0; k < net->nlinks; k++) {
        const struct link *link = &net->links[k];
        size_t n = shape_neurons(link->upper);
        chain->links[k] =
            (struct reference_link){.link = link,
                                    .rule = options->rules[k],
                                    .bias_mode = options->bias,
                                    .pool = options->pool,
                                    .weight = weights + link->weight,
                                    .bias = weights + link->bias,
                                    .low = chain->low,
                                    .high = chain->high,
                                    .a = chain->a[k],
                                    .z = chain->z[k + 1],
                                    .sums = calloc(2 * n + shape_neurons(link->lower), sizeof(long double)),
                                    .c = {doubles(n), doubles(n)}};
        reference_forward(chain->z[k + 1], &chain->links[k]);
        for (size_t i = 0; i < n; i++)
            chain->a[k + 1][i] = link->rectified ? fmax(chain->z[k + 1][i], 0) : chain->z[k + 1][i];
        reference_prepare(&chain->links[k]);
    }
    for (size_t i = 0; i < shape_neurons(network_shape(net, 0)); i++)
        chain->h[0][i] = 1;
    for (size_t k = 0; k < net->nlinks; k++)
        reference_lift(chain->h[k + 1], &chain->links[k], chain->h[k]);
    free(image);
}

static void chain_free(struct chain *chain, const struct network *net)
{
    for (size_t k = 0; k <= net->nlinks; k++) {
        free(chain->a[k]);
        free(chain->z[k]);
        free(chain->h[k]);
    }
    for (size_t k = 0; k < net->nlinks; k++) {
        free(chain->links[k].sums);
        for (size_t i = 0; i < RULE_MAX_TERMS; i++)
            free(chain->links[k].c[i]);
    }
}

static void start(double *r, const double *z, struct measure_target target)
{
    double difference = z[target.a] - z[target.b];

    r[target.a] = target.kind == TARGET_CONTRAST ? z[target.a] / difference : 1;
    if (target.kind == TARGET_CONTRAST)
        r[target.b] = -z[target.b] / difference;
}

/* The reference kernels; both outcomes in one sweep. */
static void run_double(struct outcome *plain, struct outcome *given, const struct test_case *t)
{
    const struct network *net = network_of(t);
    struct measure_options options = options_of(t, GIVEN_NONE);
    struct chain chain = {0};

    chain_forward(&chain, t, &options);
    start(plain->neurons[net->nlinks], chain.z[net->nlinks], target_of(t));
    for (size_t k = net->nlinks; k > 0; k--) {
        const struct reference_link *l = &chain.links[k - 1];
        const double *r = plain->neurons[k];
        size_t channels = l->link->upper.channels;
        reference_backward(plain->neurons[k - 1], l, r);
        reference_shares(plain->to_bias[k - 1], plain->absorbed[k - 1], l, r);
        if (l->link->kind != LINK_POOL) {
            reference_flow(plain->joint[k - 1], l, r, NULL);
            reference_flow(given->joint[k - 1], l, r, chain.h[k - 1]);
        }
        plain->bias[k - 1] = plain->bias[k] + sum(plain->to_bias[k - 1], channels);
        plain->lost[k - 1] = plain->lost[k] + sum(plain->absorbed[k - 1], channels);
    }
    for (size_t k = 0; k <= net->nlinks; k++) {
        size_t n = shape_neurons(network_shape(net, k));
        plain->mass[k] = sum(plain->neurons[k], n);
        for (size_t i = 0; i < n; i++) {
            given->neurons[k][i] = plain->neurons[k][i] * chain.h[k][i];
            plain->variation[k] += fabs(plain->neurons[k][i]);
        }
    }
    given->given_mass = plain->mass[0];
    chain_free(&chain, net);
}

/* ---- comparison
 * ----------------------------------------------------------------------------------------------------------- */

static void assert_close(const char *what, const double *got, const double *want, size_t n, double bar, double absolute)
{
    double most = 0, difference = 0;

    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs(want[i]));
        difference = fmax(difference, isnan(got[i]) ? INFINITY : fabs(got[i] - want[i]));
    }
    if (!(difference <= bar * most + absolute))
        fail_msg("%s: max |difference| %.3g is %.3g of max |value| %.3g, allowed %.3g", what, difference,
                 difference / most, most, bar);
}

static void assert_map_close(const char *what, const double *got, const double *want, size_t n, double bar)
{
    double total = 0, difference = 0;

    for (size_t i = 0; i < n; i++) {
        total += fabs(want[i]);
        difference += fabs(got[i] - want[i]);
    }
    if (!(difference <= bar * total))
        fail_msg("%s: sum |difference| is %.3g of sum |value|, allowed %.3g", what, difference / total, bar);
}

static double *channel_sums(const double *neurons, struct shape s)
{
    double *sums = doubles(s.channels);

    for (size_t i = 0; i < shape_neurons(s); i++)
        sums[i / shape_positions(s)] += neurons[i];
    return sums;
}

struct bars {
    double relative, absorbed;
};

static struct bars bars_of(const struct test_case *t)
{
    if (!t->in_double)
        return (struct bars){FLOAT_BAR, ABSORBED_FLOAT};
    bool explodes = strncmp(t->group, "zero,spread", strlen("zero,spread")) == 0;
    return (struct bars){explodes ? EXPLODING_DOUBLE_BAR : DOUBLE_BAR, ABSORBED_DOUBLE};
}

/* Channel relevance of every variable under <case>/<prefix>channel, and neuron maps under <case>/marginal. */
static void compare_variables(const struct outcome *o, const struct test_case *t, const char *prefix)
{
    const struct network *net = network_of(t);
    char path[256];
    size_t n;

    for (size_t k = 0; k <= net->nlinks; k++) {
        struct shape s = network_shape(net, k);
        double *got = channel_sums(o->neurons[k], s), *want = NULL;
        snprintf(path, sizeof path, "%s/%zu/%schannel/%s", t->group, t->image, prefix, network_variable(net, k));
        if (exists(t->suite->file, path))
            want = read_dataset(t->suite->file, path, &n);
        snprintf(path, sizeof path, "%s/%zu/%smarginal/%s", t->group, t->image, prefix, network_variable(net, k));
        if (!want && exists(t->suite->file, path)) {
            double *map = read_dataset(t->suite->file, path, &n);
            want = channel_sums(map, s);
            if (!strstr(t->group, ",first"))
                assert_map_close(path, o->neurons[k], map, n, t->in_double ? bars_of(t).relative : MAP_BAR);
            free(map);
        }
        assert_non_null(want);
        assert_close(path, got, want, s.channels, bars_of(t).relative, 0);
        free(got);
        free(want);
    }
}

static void pair_path(char *path, size_t npath, const struct test_case *t, const char *prefix, size_t link)
{
    const struct network *net = network_of(t);
    size_t below = network_weighted_below(net, link);

    snprintf(path, npath, "%s/%zu/%sjoint/%s-%s", t->group, t->image, prefix,
             below == net->nlinks ? "input" : net->links[below].name, net->links[link].name);
}

static void compare_attribute(const char *path, const char *name, const double *got, const struct test_case *t,
                              double absolute)
{
    size_t n;
    double *want = read_attribute(t->suite->file, path, name, &n);

    assert_close(path, got, want, n, bars_of(t).relative, absolute);
    free(want);
}

/* ---- far pairs -------------------------------------------------------------------------------------------------- */

/* One pair by sweeps down and by sweeps up. */
static void compare_far_pair(const struct collector *c, const char *path, struct far_pair pair,
                             const struct measure_image *image)
{
    size_t upper = network_shape(c->net, pair.upper).channels, lower = network_shape(c->net, pair.lower).channels, n;
    double *want = read_dataset(c->t->suite->file, path, &n), *got = doubles(upper * lower);
    struct far_flow flow = {calloc(upper * lower, sizeof(float)), doubles(upper), doubles(upper),
                            calloc(upper, sizeof(bool))};
    struct arena arena = arena_over(NULL, 0);
    struct far_work work;

    assert_int_equal(n, upper * lower);
    far_place(&work, c->plan, pair, 1 << 24, &arena);
    void *memory = aligned_alloc(ARENA_ALIGNMENT, arena.peak);
    memset(memory, 0xff, arena.peak);
    arena = arena_over(memory, arena.peak);
    far_place(&work, c->plan, pair, 1 << 24, &arena);
    for (int up = 0; up < 2; up++) {
        work.cost.up = up;
        far_compute(&flow, &work, image);
        for (size_t i = 0; i < n; i++)
            got[i] = (double)flow.joint[i];
        assert_close(path, got, want, n, FLOAT_BAR, 0);
    }
    free(memory);
    free(flow.joint);
    free(flow.lost);
    free(flow.left_out);
    free(flow.present);
    free(got);
    free(want);
}

/* Neighbours, pools passed over, have flows of their own. */
static bool neighbours(const struct network *net, size_t lower, size_t upper)
{
    size_t below = network_weighted_below(net, upper - 1);

    return lower == (below == net->nlinks ? 0 : below + 1);
}

/* Every far pair that the reference has, plain. */
static void compare_far_pairs(void *context, size_t slot, const struct measure_image *image)
{
    const struct collector *c = context;
    char path[256];

    (void)slot;
    for (size_t upper = 1; upper <= c->net->nlinks; upper++)
        for (size_t lower = 0; lower < upper; lower++) {
            snprintf(path, sizeof path, "%s/%zu/joint/%s-%s", c->t->group, c->t->image, network_variable(c->net, lower),
                     network_variable(c->net, upper));
            if (!neighbours(c->net, lower, upper) && exists(c->t->suite->file, path))
                compare_far_pair(c, path, (struct far_pair){lower, upper, 0}, image);
        }
}

static void compare_flows(const struct outcome *o, const struct test_case *t, const char *prefix)
{
    const struct network *net = network_of(t);
    char path[256];
    size_t n;

    for (size_t k = 0; k < net->nlinks; k++) {
        if (net->links[k].kind == LINK_POOL)
            continue;
        pair_path(path, sizeof path, t, prefix, k);
        if (!exists(t->suite->file, path))
            continue; /* the shipped part leaves out large matrices */
        double *want = read_dataset(t->suite->file, path, &n);
        assert_close(path, o->joint[k], want, n, bars_of(t).relative, 0);
        free(want);
        if (*prefix)
            continue;
        compare_attribute(path, "to_bias", o->to_bias[k], t, 0);
        compare_attribute(path, "absorbed", o->absorbed[k], t, bars_of(t).absorbed * fmax(1, o->variation[k + 1]));
    }
}

/* Columns: mass above, to neurons, to the bias, absorbed, and the two last summed from the top. */
static void compare_ledger(const struct outcome *o, const struct test_case *t)
{
    const struct network *net = network_of(t);
    char path[256];
    size_t n;
    double got[MAX_LINKS], want[MAX_LINKS];

    snprintf(path, sizeof path, "%s/%zu/ledger", t->group, t->image);
    double *rows = read_dataset(t->suite->file, path, &n);
    assert_int_equal(n, net->nlinks * 6);
    for (size_t column = 0; column < 6; column++) {
        double explosion = 1;
        for (size_t k = 0; k < net->nlinks; k++) {
            const double values[] = {
                o->mass[k + 1], o->mass[k], o->bias[k] - o->bias[k + 1], o->lost[k] - o->lost[k + 1],
                o->bias[k],     o->lost[k]};
            got[k] = values[column];
            want[k] = rows[k * 6 + column];
            explosion = fmax(explosion, o->variation[k + 1]);
        }
        assert_close(path, got, want, net->nlinks, bars_of(t).relative,
                     column == 3 || column == 5 ? bars_of(t).absorbed * explosion : 0);
    }
    free(rows);
}

static void outcome_equals_oracle(void **state)
{
    const struct test_case *t = *state;
    const struct network *net = network_of(t);
    struct outcome plain, given;
    char path[256];
    size_t n;

    outcome_init(&plain, net);
    outcome_init(&given, net);
    if (t->in_double) {
        run_double(&plain, &given, t);
    } else {
        run_float(&plain, t, GIVEN_NONE);
        run_float(&given, t, GIVEN_INPUT);
    }
    compare_variables(&plain, t, "");
    compare_flows(&plain, t, "");
    compare_ledger(&plain, t);
    compare_variables(&given, t, "given/");
    compare_flows(&given, t, "given/");
    snprintf(path, sizeof path, "%s/%zu/given/mass", t->group, t->image);
    double *mass = read_dataset(t->suite->file, path, &n);
    assert_close(path, &given.given_mass, mass, 1, bars_of(t).relative, 0);
    free(mass);
    outcome_free(&plain, net);
    outcome_free(&given, net);
}

/* ---- listing the cases
 * ---------------------------------------------------------------------------------------------------- */

static void add_case(struct suite *suite, const char *group, size_t image)
{
    bool explodes = strstr(group, "zero,spread") || strstr(group, "gamma,spread"); /* in float32 */

    for (int in_double = explodes ? 1 : 0; in_double < 2 && fixture.ncases < MAX_CASES; in_double++) {
        struct test_case *t = &fixture.cases[fixture.ncases++];
        *t = (struct test_case){.suite = suite, .image = image, .in_double = in_double};
        snprintf(t->group, sizeof t->group, "%s", group);
    }
}

/* Every group of the suite that has a member "0" or "1" with an attribute `target` is a case. */
static herr_t visit_group(hid_t parent, const char *name, const H5L_info_t *info, void *context)
{
    struct suite *suite = context;
    char group[CASE_NAME], member[CASE_NAME + 8];

    (void)parent;
    (void)info;
    snprintf(group, sizeof group, "%s%s", suite->prefix, name);
    for (size_t image = 0; image < 2; image++) {
        snprintf(member, sizeof member, "%s/%zu", group, image);
        if (H5Aexists_by_name(suite->file, member, "target", H5P_DEFAULT) > 0)
            add_case(suite, group, image);
    }
    return 0;
}

static void open_suite(struct suite *suite)
{
    const char *full = getenv("NRMFLOW_REFERENCE");
    bool shipped_part = strstr(suite->results, "/reference.h5") != NULL;

    suite->file = H5Fopen(full && shipped_part ? full : suite->results, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (suite->file < 0)
        exit(1);
    model_file_read(&suite->model, suite->weights);
    H5Literate_by_name(suite->file, *suite->prefix ? suite->prefix : "/", H5_INDEX_NAME, H5_ITER_NATIVE, NULL,
                       visit_group, suite, H5P_DEFAULT);
}

int main(void)
{
    static struct CMUnitTest tests[MAX_CASES];
    static char names[MAX_CASES][CASE_NAME + 64];

    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    for (size_t i = 0; i < SUITES; i++)
        open_suite(&suites[i]);
    for (size_t i = 0; i < fixture.ncases; i++) {
        const struct test_case *t = &fixture.cases[i];
        snprintf(names[i], sizeof names[i], "%s %s image %zu %s", t->suite->name, t->group, t->image,
                 t->in_double ? "double" : "float");
        tests[i] = (struct CMUnitTest){names[i], outcome_equals_oracle, NULL, NULL, &fixture.cases[i]};
    }
    int failed = fixture.ncases ? _cmocka_run_group_tests("reference", tests, fixture.ncases, NULL, NULL) : 1;
    for (size_t i = 0; i < SUITES; i++) {
        model_file_free(&suites[i].model);
        H5Fclose(suites[i].file);
    }
    return failed;
}
