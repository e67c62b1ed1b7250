/* Which pairs measure.flows asks for in a VGG16, and what it says of those that do not fit. */
#include "kernels/base/network_vgg.h"
#include "pipeline/stats/flows.h"
#include "tests/support/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum status choose(struct flows *flows, struct network *net, const char *text, struct error *err)
{
    char set[256];
    const char *const sets[] = {set};
    struct config config;

    *err = (struct error){0};
    assert_more(network_vgg_standard(net, "vgg16", 32, 16, 10), 0);
    snprintf(set, sizeof set, "measure.flows=%s", text);
    assert_int_equal(config_parse(&config, "[data]\npath = x\n[model]\nweights = y\n", "x.ini", sets, 1, err), OK);
    enum status rc = flows_choose(flows, &config, net, err);
    config_free(&config);
    return rc;
}

static void assert_chosen(struct flows *flows, struct network *net, const char *text)
{
    struct error err;

    if (choose(flows, net, text, &err) != OK)
        fail_msg("%s", err.message);
}

static size_t count_adjacent(const struct flows *flows)
{
    size_t n = 0;

    for (size_t k = 0; k < NETWORK_MAX_LINKS; k++)
        n += flows->adjacent[k];
    return n;
}

/* The pair's number, or SIZE_MAX. */
static size_t find(const struct flows *flows, const struct network *net, const char *name)
{
    char found[FLOWS_NAME];

    for (size_t i = 0; i < flows->count; i++) {
        flows_name(found, net, flows->pairs[i].pair);
        if (strcmp(found, name) == 0)
            return i;
    }
    return SIZE_MAX;
}

static void groups_of_pairs(void **state)
{
    static const struct {
        const char *text;
        size_t adjacent, sampled; /* of 14 layers from input to conv5_3, and three dense ones */
    } cases[] = {{"none", 0, 0}, {"adjacent", 14, 0}, {"dense", 16, 0}, {"all", 13, 78}, {"all, dense", 16, 78}};
    struct flows flows;
    struct network net;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_chosen(&flows, &net, cases[i].text);
        assert_int_equal(count_adjacent(&flows), cases[i].adjacent);
        assert_int_equal(flows.count, cases[i].sampled);
        assert_int_equal(flows.sampled, cases[i].sampled > 0);
    }
}

static void single_pairs_are_exact_and_in_order(void **state)
{
    struct flows flows;
    struct network net;

    (void)state;
    assert_chosen(&flows, &net, "fc6-fc8, conv3_3-conv5_3:7, conv1_2-conv5_3, input-conv2_1, conv5_3-fc6");
    assert_int_equal(flows.count, 4);
    assert_int_equal(find(&flows, &net, "input-conv2_1"), 0);
    assert_int_equal(find(&flows, &net, "conv1_2-conv5_3"), 1);
    assert_int_equal(find(&flows, &net, "conv3_3-conv5_3"), 2);
    assert_int_equal(find(&flows, &net, "fc6-fc8"), 3);
    assert_same(flows.pairs[2].pair.rows, 7);
    assert_same(flows.pairs[1].pair.rows, 0);
    assert_false(flows.sampled);
    assert_same(count_adjacent(&flows), 1);
    assert_true(flows.adjacent[network_find(&net, "fc6") - 1]);
}

static void listed_pairs_are_not_sampled(void **state)
{
    struct flows flows;
    struct network net;

    (void)state;
    assert_chosen(&flows, &net, "all, conv3_3-conv5_3, conv5_3-fc7");
    assert_int_equal(flows.count, 79);
    assert_false(flows.pairs[find(&flows, &net, "conv3_3-conv5_3")].sampled);
    assert_true(flows.pairs[find(&flows, &net, "conv3_2-conv5_3")].sampled);
    assert_int_equal(find(&flows, &net, "conv1_2-conv2_1"), SIZE_MAX); /* neighbours across a pool */
    assert_int_equal(find(&flows, &net, "pool1-conv2_2"), SIZE_MAX);
}

static void cost_is_that_of_the_sweeps(void **state)
{
    struct flows flows;
    struct network net;
    struct measure_options options = {.given = GIVEN_INPUT, .group = 1};
    struct measure_plan plan;

    (void)state;
    assert_chosen(&flows, &net, "conv5_1-conv5_3, conv1_2-conv4_1:8");
    assert_true(rule_composite(options.rules, "epsilon_plus", &net)); /* a part a link */
    float *model = calloc(network_vgg_standard(&net, "vgg16", 32, 16, 10), sizeof *model);
    measure_plan_init(&plan, &net, &options, model);
    struct flows_cost cost = flows_cost(&flows, &plan);
    double first = sweep_flops(&plan, network_find(&net, "conv5_1"), network_find(&net, "conv5_3"));
    double second = sweep_flops(&plan, network_find(&net, "conv1_2"), network_find(&net, "conv4_1"));
    assert_same(first, 2 * 2 * 9 * 32 * 32 * 4); /* two links of 32 channels and 2 x 2 positions */
    assert_same(cost.exact, 2);
    assert_same(cost.sampled, 0);
    assert_same(cost.sweeps, 32 + 4);
    assert_same(cost.flops, 32 * first + 4 * second);
    assert_chosen(&flows, &net, "all");
    cost = flows_cost(&flows, &plan);
    assert_same(cost.exact, 0);
    assert_same(cost.sampled, 78);
    assert_same(cost.sweeps, 12);
    free(model);
}

static void mistakes_are_explained(void **state)
{
    static const char *const cases[][2] = {
        {"conv3_4-conv5_3", "measure.flows: vgg16 has no layer \"conv3_4\"; did you mean \"conv3_"},
        {"conv3_3-", "no layer \"\""},
        {"conv5_3-conv3_3", "the lower layer comes first, as in conv3_3-conv5_3"},
        {"pool3-conv5_3", "pool3 is a pool, whose channels are those of conv3_3"},
        {"conv5_3-conv5_3", "with itself"},
        {"conv3_3-conv5_3:0", "a number of channels, 1 or more"},
        {"conv3_3-conv5_3:x", "a number of channels, 1 or more"},
        {"conv3_3-conv5_3:4x", "a number of channels, 1 or more"},
        {"conv5_2-conv5_3:4", "the flow of neighbours is always whole"},
        {"conv3_3-conv5_3, conv3_3-conv5_3:4", "listed twice"},
    };
    struct flows flows;
    struct network net;
    struct error err;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(choose(&flows, &net, cases[i][0], &err), FAIL_CONFIG);
        if (!strstr(err.message, cases[i][1]))
            fail_msg("\"%s\" is expected in: %s", cases[i][1], err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_of_pairs),
        cmocka_unit_test(single_pairs_are_exact_and_in_order),
        cmocka_unit_test(listed_pairs_are_not_sampled),
        cmocka_unit_test(cost_is_that_of_the_sweeps),
        cmocka_unit_test(mistakes_are_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
