/* Every case of the oracle's float64 results against the float32 kernels and against the double reference kernels.
 *
 * The shipped tests/data/reference.h5 is a part of the full results; NRMFLOW_REFERENCE names another file of the same
 * layout.
 */
#include "kernels/base/network_origin.h"
#include "kernels/measure/far.h"
#include "tests/support/oracle_outcome.h"

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

enum { MAX_CASES = 128 };

/* Largest |difference| allowed, relative to the array's largest |value|. */
static const double FLOAT_BAR = 1e-4, DOUBLE_BAR = 1e-9, EXPLODING_DOUBLE_BAR = 1e-3;
/* Sum |difference| of a neuron map, relative to sum |value|. */
static const double MAP_BAR = 1e-3;
/* The reference's own `absorbed` is R (1 - kept), exact to about this times sum |R|, which is near one unless a rule
 * explodes. */
static const double ABSORBED_FLOAT = 1e-12, ABSORBED_DOUBLE = 1e-15;

static struct oracle_suite suites[] = {
    {"demo", JOBS "/demo/fashion_vgg16.safetensors", TEST_DATA "/reference.h5", "", false, .file = H5I_INVALID_HID},
    {"tiny", TEST_DATA "/tiny_vgg11.safetensors", TEST_DATA "/reference.h5", "tiny/", true, .file = H5I_INVALID_HID},
    {"random64", TEST_DATA "/random64.safetensors", TEST_DATA "/random64.h5", "random64/", true,
     .file = H5I_INVALID_HID},
    {"keras64", TEST_DATA "/random64_keras.h5", TEST_DATA "/random64.h5", "random64/", true, .file = H5I_INVALID_HID},
};

enum { SUITES = sizeof suites / sizeof suites[0] };

static struct {
    struct oracle_case cases[MAX_CASES];
    size_t ncases;
} fixture;

/* ---- comparison
 * --------------------------------------------------------------------------------------------------- */

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
    double *sums = calloc(s.channels, sizeof *sums);

    for (size_t i = 0; i < shape_neurons(s); i++)
        sums[i / shape_positions(s)] += neurons[i];
    return sums;
}

struct bars {
    double relative, absorbed;
};

static struct bars bars_of(const struct oracle_case *t)
{
    if (!t->in_double)
        return (struct bars){FLOAT_BAR, ABSORBED_FLOAT};
    bool explodes = strncmp(t->group, "zero,spread", strlen("zero,spread")) == 0;
    return (struct bars){explodes ? EXPLODING_DOUBLE_BAR : DOUBLE_BAR, ABSORBED_DOUBLE};
}

/* Channel relevance of every variable under <case>/<prefix>channel, and neuron maps under <case>/marginal. */
static void compare_variables(const struct oracle_outcome *o, const struct oracle_case *t, const char *prefix)
{
    const struct network *net = oracle_network(t);
    char path[256];
    size_t n;

    for (size_t k = 0; k <= net->nlinks; k++) {
        struct shape s = network_shape(net, k);
        double *got = channel_sums(o->neurons[k], s), *want = NULL;
        snprintf(path, sizeof path, "%s/%zu/%schannel/%s", t->group, t->image, prefix, network_variable(net, k));
        if (oracle_has(t->suite->file, path))
            want = oracle_dataset(t->suite->file, path, &n);
        snprintf(path, sizeof path, "%s/%zu/%smarginal/%s", t->group, t->image, prefix, network_variable(net, k));
        if (!want && oracle_has(t->suite->file, path)) {
            double *map = oracle_dataset(t->suite->file, path, &n);
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

static void pair_path(char *path, size_t npath, const struct oracle_case *t, const char *prefix, size_t link)
{
    const struct network *net = oracle_network(t);

    snprintf(path, npath, "%s/%zu/%sjoint/%s-%s", t->group, t->image, prefix,
             network_variable(net, network_origin(net, link, 0).variable), net->links[link].name);
}

static void compare_attribute(const char *path, const char *name, const double *got, const struct oracle_case *t,
                              double absolute)
{
    size_t n;
    double *want = oracle_attribute(t->suite->file, path, name, &n);

    assert_close(path, got, want, n, bars_of(t).relative, absolute);
    free(want);
}

/* ---- far pairs -------------------------------------------------------------------------------------------------- */

/* One pair by sweeps down and by sweeps up. */
static void compare_far_pair(const struct oracle_case *t, const struct measure_plan *plan, const char *path,
                             struct far_pair pair, const struct measure_image *image)
{
    const struct network *net = oracle_network(t);
    size_t upper = network_shape(net, pair.upper).channels, lower = network_shape(net, pair.lower).channels, n;
    double *want = oracle_dataset(t->suite->file, path, &n), *got = calloc(upper * lower, sizeof *got);
    struct far_flow flow = {calloc(upper * lower, sizeof(float)), calloc(upper, sizeof(double)),
                            calloc(upper, sizeof(double)), calloc(lower, sizeof(double)), calloc(upper, sizeof(bool))};
    struct arena arena = arena_over(NULL, 0);
    struct far_work work;

    assert_int_equal(n, upper * lower);
    far_place(&work, plan, pair, 1 << 24, &arena);
    void *memory = aligned_alloc(ARENA_ALIGNMENT, arena.peak);
    memset(memory, 0xff, arena.peak);
    arena = arena_over(memory, arena.peak);
    far_place(&work, plan, pair, 1 << 24, &arena);
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
    free(flow.around);
    free(flow.present);
    free(got);
    free(want);
}

/* Neighbours, pools passed over, have flows of their own. */
static bool neighbours(const struct network *net, size_t lower, size_t upper)
{
    return lower == network_origin(net, upper - 1, 0).variable;
}

/* Every far pair that the reference has, plain. */
static void compare_far_pairs(const struct oracle_case *t, const struct measure_plan *plan,
                              const struct measure_image *image)
{
    const struct network *net = oracle_network(t);
    char path[256];

    for (size_t upper = 1; upper <= net->nlinks; upper++)
        for (size_t lower = 0; lower < upper; lower++) {
            snprintf(path, sizeof path, "%s/%zu/joint/%s-%s", t->group, t->image, network_variable(net, lower),
                     network_variable(net, upper));
            if (!neighbours(net, lower, upper) && oracle_has(t->suite->file, path))
                compare_far_pair(t, plan, path, (struct far_pair){lower, upper, 0}, image);
        }
}

static void compare_flows(const struct oracle_outcome *o, const struct oracle_case *t, const char *prefix)
{
    const struct network *net = oracle_network(t);
    char path[256];
    size_t n;

    for (size_t k = 0; k < net->nlinks; k++) {
        if (net->links[k].kind == LINK_POOL)
            continue;
        pair_path(path, sizeof path, t, prefix, k);
        if (!oracle_has(t->suite->file, path))
            continue; /* the shipped part leaves out large matrices */
        double *want = oracle_dataset(t->suite->file, path, &n);
        assert_close(path, o->joint[k], want, n, bars_of(t).relative, 0);
        free(want);
        if (*prefix)
            continue;
        compare_attribute(path, "to_bias", o->to_bias[k], t, 0);
        compare_attribute(path, "absorbed", o->absorbed[k], t, bars_of(t).absorbed * fmax(1, o->variation[k + 1]));
    }
}

/* Columns: mass above, to neurons, to the bias, absorbed, and the two last summed from the top. */
static void compare_ledger(const struct oracle_outcome *o, const struct oracle_case *t)
{
    const struct network *net = oracle_network(t);
    char path[256];
    size_t n;
    double got[NETWORK_MAX_LINKS], want[NETWORK_MAX_LINKS];

    snprintf(path, sizeof path, "%s/%zu/ledger", t->group, t->image);
    double *rows = oracle_dataset(t->suite->file, path, &n);
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
    const struct oracle_case *t = *state;
    const struct network *net = oracle_network(t);
    struct oracle_outcome plain, given;
    char path[256];
    size_t n;

    oracle_outcome_init(&plain, net);
    oracle_outcome_init(&given, net);
    if (t->in_double) {
        oracle_outcome_double(&plain, &given, t);
    } else {
        oracle_outcome_float(&plain, t, GIVEN_NONE, compare_far_pairs);
        oracle_outcome_float(&given, t, GIVEN_INPUT, compare_far_pairs);
    }
    compare_variables(&plain, t, "");
    compare_flows(&plain, t, "");
    compare_ledger(&plain, t);
    compare_variables(&given, t, "given/");
    compare_flows(&given, t, "given/");
    snprintf(path, sizeof path, "%s/%zu/given/mass", t->group, t->image);
    double *mass = oracle_dataset(t->suite->file, path, &n);
    assert_close(path, &given.given_mass, mass, 1, bars_of(t).relative, 0);
    free(mass);
    oracle_outcome_free(&plain, net);
    oracle_outcome_free(&given, net);
}

/* ---- listing the cases
 * -------------------------------------------------------------------------------------------- */

static void add_case(struct oracle_suite *suite, const char *group, size_t image)
{
    bool explodes = strstr(group, "zero,spread") || strstr(group, "gamma,spread"); /* in float32 */

    for (int in_double = explodes ? 1 : 0; in_double < 2 && fixture.ncases < MAX_CASES; in_double++) {
        struct oracle_case *t = &fixture.cases[fixture.ncases++];
        *t = (struct oracle_case){.suite = suite, .image = image, .in_double = in_double};
        snprintf(t->group, sizeof t->group, "%s", group);
    }
}

/* Every group of the suite that has a member "0" or "1" with an attribute `target` is a case. */
static herr_t visit_group(hid_t parent, const char *name, const H5L_info_t *info, void *context)
{
    struct oracle_suite *suite = context;
    char group[ORACLE_NAME], member[ORACLE_NAME + 8];

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

static void open_suite(struct oracle_suite *suite)
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
    static char names[MAX_CASES][ORACLE_NAME + 64];

    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    for (size_t i = 0; i < SUITES; i++)
        open_suite(&suites[i]);
    for (size_t i = 0; i < fixture.ncases; i++) {
        const struct oracle_case *t = &fixture.cases[i];
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
