/* Which pairs measure.flows asks for in a VGG16 and in graphs, and what it says of those that do not fit. */
#include "kernels/base/network_vgg.h"
#include "pipeline/stats/flows.h"
#include "tests/support/assert.h"
#include "tests/support/graph_text.h"

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
    } cases[] = {{"none", 0, 0},   {"adjacent", 14, 0}, {"auto", 14, 0},       {"cuts", 14, 0},
                 {"dense", 16, 0}, {"all", 13, 78},     {"all, dense", 16, 78}};
    struct flows flows;
    struct network net;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_chosen(&flows, &net, cases[i].text);
        assert_int_equal(flows.nadjacent, cases[i].adjacent);
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
    assert_same(flows.nadjacent, 1);
    assert_same(flows.adjacent[0].link, network_find(&net, "fc6") - 1);
    assert_same(flows.adjacent[0].lower, network_find(&net, "conv5_3"));
    assert_true(flows.edges[net.links[flows.adjacent[0].link].first_edge]);
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

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

/* A residual block whose skip goes through a pool, a convolution of two joined variables, one of them twice and with
 * its channels in another order; a depthwise one; a gate. */
static const char graph[] = "input 3x9x9\n"
                            "stem convolution input out=4 window=3 pad=1 relu\n"
                            "half pool stem window=2 stride=2\n"
                            "a.1 convolution half out=4 window=3 pad=1 relu\n"
                            "a.add add half,a.1 relu\n"
                            "all channels a.add,a.1,a.add:1:2\n"
                            "b convolution all out=5 window=1 relu\n"
                            "deep convolution b out=5 window=3 pad=1 groups=5 relu\n"
                            "less average deep\n"
                            "how convolution less out=5 window=1 sigmoid\n"
                            "some gate deep gate=how\n"
                            "twice add some,some\n"
                            "mean average twice\n"
                            "fc1 dense mean out=6 relu\n"
                            "fc2 dense fc1 out=3";

static enum status choose_in(struct flows *flows, const struct network *net, const char *text, struct error *err)
{
    char set[256];
    const char *const sets[] = {set};
    struct config config;

    *err = (struct error){0};
    snprintf(set, sizeof set, "measure.flows=%s", text);
    assert_int_equal(config_parse(&config, "[data]\npath = x\n[model]\nweights = y\n", "x.ini", sets, 1, err), OK);
    enum status rc = flows_choose(flows, &config, net, err);
    config_free(&config);
    return rc;
}

/* The names of the adjacent pairs; a star for those that are vectors. */
static void list_pairs(char text[1024], const struct flows *flows, const struct network *net)
{
    char name[FLOWS_NAME];

    text[0] = '\0';
    for (size_t i = 0; i < flows->nadjacent; i++) {
        flows_name(name, net, flows_ends(&flows->adjacent[i]));
        snprintf(text + strlen(text), 1024 - strlen(text), "%s%s%s", i ? " " : "", name,
                 flows->adjacent[i].diagonal ? "*" : "");
    }
}

static void pairs_of_a_graph_follow_the_edges(void **state)
{
    static const char *const cases[][2] = {
        {"adjacent",
         "input-stem stem-a.1 stem-a.add* a.1-a.add* a.1-b a.add-b b-deep* deep-twice* twice-mean* mean-fc1"},
        {"dense", "input-stem stem-a.1 stem-a.add* a.1-a.add* a.1-b a.add-b b-deep* deep-twice* twice-mean* mean-fc1 "
                  "fc1-fc2"},
        {"cuts", "input-stem b-deep* deep-twice* twice-mean* mean-fc1"},
        {"stem-a.1, a.1-a.add", "stem-a.1 a.1-a.add*"},
        {"none", ""},
    };
    struct flows flows;
    struct network net;
    struct error err;
    char message[200] = "", text[1024];

    (void)state;
    if (!graph_text_read(&net, graph, message, sizeof message))
        fail_msg("%s", message);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (choose_in(&flows, &net, cases[i][0], &err) != OK)
            fail_msg("%s", err.message);
        list_pairs(text, &flows, &net);
        assert_string_equal(text, cases[i][1]);
    }
}

static void pairs_that_are_no_neighbours_are_far(void **state)
{
    struct flows flows;
    struct network net;
    struct error err;
    char message[200] = "";

    (void)state;
    assert_true(graph_text_read(&net, graph, message, sizeof message));
    assert_int_equal(choose_in(&flows, &net, "input-a.add, a.1-deep, all-fc1", &err), OK);
    assert_same(flows.nadjacent, 0);
    assert_same(flows.count, 3);
    assert_int_equal(choose_in(&flows, &net, "how-fc1", &err), FAIL_CONFIG);
    assert_non_null(strstr(err.message, "how serves as a gate only"));
    assert_int_equal(choose_in(&flows, &net, "some-fc1", &err), FAIL_CONFIG);
    assert_non_null(strstr(err.message, "some has no weights, whose channels are those of deep"));
}

/* From b to a.1 walks go straight, or by a.add. */
static void a_listed_pair_has_all_walks_between_its_layers(void **state)
{
    struct flows flows;
    struct network net;
    struct error err;
    char message[200] = "", text[1024];

    (void)state;
    assert_true(graph_text_read(&net, graph, message, sizeof message));
    assert_int_equal(choose_in(&flows, &net, "a.1-b, a.1-a.add", &err), OK);
    list_pairs(text, &flows, &net);
    assert_string_equal(text, "a.1-a.add*");
    assert_int_equal(flows.count, 1);
    assert_string_equal(network_variable(&net, flows.pairs[0].pair.upper), "b");
    assert_int_equal(choose_in(&flows, &net, "adjacent, a.1-b", &err), FAIL_CONFIG);
    assert_non_null(strstr(err.message, "those along the connection alone"));
}

/* 3,000 x 3,000 entries are more than eight million. */
static void flows_too_large_for_the_default_are_those_between_cuts(void **state)
{
    static const char wide[] = "input 1x1x1\n"
                               "a convolution input out=3000 window=1 relu\n"
                               "b convolution a out=3000 window=1 relu\n"
                               "sum add a,b\n"
                               "fc dense sum out=2";
    struct flows flows;
    struct network net;
    struct error err;
    char message[200] = "", text[1024];

    (void)state;
    assert_true(graph_text_read(&net, wide, message, sizeof message));
    assert_int_equal(choose_in(&flows, &net, "auto", &err), OK);
    list_pairs(text, &flows, &net);
    assert_string_equal(text, "input-a a-sum* sum-fc");
    assert_true(flows.between_cuts);
    assert_same(flows.entries, 3000 + 9000000 + 2 * 3000 + 6000);
    assert_int_equal(choose_in(&flows, &net, "adjacent", &err), OK);
    assert_same(flows.nadjacent, 5);
    assert_false(flows.between_cuts);
}

static void cost_is_that_of_the_sweeps(void **state)
{
    struct flows flows;
    struct network net;
    struct measure_options options = {.given = GIVEN_INPUT, .group = 1, .ops = ops_select("generic")};
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
        cmocka_unit_test(pairs_of_a_graph_follow_the_edges),
        cmocka_unit_test(pairs_that_are_no_neighbours_are_far),
        cmocka_unit_test(a_listed_pair_has_all_walks_between_its_layers),
        cmocka_unit_test(flows_too_large_for_the_default_are_those_between_cuts),
        cmocka_unit_test(cost_is_that_of_the_sweeps),
        cmocka_unit_test(mistakes_are_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
