#include "tests/support/oracle_case.h"

#include "tests/support/assert.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- reading ----------------------------------------------------------------------------------------------------- */

bool oracle_has(hid_t file, const char *path)
{
    char part[256];

    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (H5Lexists(file, part, H5P_DEFAULT) <= 0)
            return false;
    }
    return H5Lexists(file, path, H5P_DEFAULT) > 0;
}

double *oracle_dataset(hid_t file, const char *path, size_t *n)
{
    hid_t d = H5Dopen2(file, path, H5P_DEFAULT), s = H5Dget_space(d);

    *n = (size_t)H5Sget_simple_extent_npoints(s);
    double *values = calloc(*n, sizeof *values);
    assert_at_least(H5Dread(d, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), 0);
    H5Sclose(s);
    H5Dclose(d);
    return values;
}

double *oracle_attribute(hid_t file, const char *object, const char *name, size_t *n)
{
    hid_t a = H5Aopen_by_name(file, object, name, H5P_DEFAULT, H5P_DEFAULT), s = H5Aget_space(a);

    *n = (size_t)H5Sget_simple_extent_npoints(s);
    double *values = calloc(*n, sizeof *values);
    assert_at_least(H5Aread(a, H5T_NATIVE_DOUBLE, values), 0);
    H5Sclose(s);
    H5Aclose(a);
    return values;
}

/* ---- cases ------------------------------------------------------------------------------------------------------- */

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

const struct network *oracle_network(const struct oracle_case *t)
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
    char composite[ORACLE_NAME], bias[ORACLE_NAME], pool[ORACLE_NAME];

    assert_int_equal(sscanf(name, "%95[^,],%95[^,],%95s", composite, bias, pool), 3);
    assert_true(rule_composite(options->rules, composite, net));
    options->bias = strcmp(bias, "spread") == 0 ? BIAS_SPREAD : BIAS_NEURON;
    options->pool = strcmp(pool, "first") == 0          ? POOL_FIRST
                    : strcmp(pool, "proportional") == 0 ? POOL_PROPORTIONAL
                                                        : POOL_WINNER;
}

struct measure_options oracle_options(const struct oracle_case *t, enum measure_given given)
{
    struct measure_options options = {.given = given, .variation_limit = INFINITY, .group = 1};

    if (*t->suite->prefix)
        random_options(&options, oracle_network(t), t->group + strlen(t->suite->prefix));
    else
        demo_options(&options, oracle_network(t), t->group);
    for (size_t k = 0; k < oracle_network(t)->nlinks; k++)
        options.flows[k] = oracle_network(t)->links[k].kind != LINK_POOL;
    return options;
}

struct measure_target oracle_target(const struct oracle_case *t)
{
    char path[ORACLE_NAME + 32];
    size_t n;

    snprintf(path, sizeof path, "%s/%zu", t->group, t->image);
    double *values = oracle_attribute(t->suite->file, path, "target", &n);
    struct measure_target target = {n == 2 ? TARGET_CONTRAST : TARGET_CLASS, (size_t)values[0],
                                    n == 2 ? (size_t)values[1] : 0};
    free(values);
    return target;
}

/* The input's bounds under the model's preprocessing, from the constants that the oracle used (float32 for the tiny
 * net). */
void oracle_bounds(const struct oracle_case *t, double low[3], double high[3])
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
float *oracle_image(const struct oracle_case *t)
{
    size_t n, each = shape_neurons(network_shape(oracle_network(t), 0));
    char path[64];

    snprintf(path, sizeof path, "%simages", t->suite->prefix);
    double *all = oracle_dataset(t->suite->file, path, &n);
    float *image = malloc(each * sizeof *image);

    for (size_t i = 0; i < each; i++)
        image[i] = (float)all[t->image * each + i];
    free(all);
    return image;
}
