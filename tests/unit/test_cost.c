#include "kernels/base/network_vgg.h"
#include "kernels/measure/cost.h"
#include "tests/support/assert.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct measure_plan plan_of(const struct network *net, const char *composite)
{
    static const float model[1]; /* never looked at */
    struct measure_options options = {.variation_limit = 1000, .group = 1, .ops = ops_select("generic")};
    struct measure_plan plan;

    assert_true(rule_composite(options.rules, composite, net));
    measure_plan_init(&plan, net, &options, model);
    return plan;
}

static void a_map_costs_two_operations_a_weight_and_position(void **state)
{
    struct link convolution = {
        .kind = LINK_CONVOLUTION, .lower = {3, 8, 10}, .upper = {5, 8, 10}, .window = WINDOW_SAME3, .groups = 1};
    struct link dense = {.kind = LINK_DENSE, .lower = {4, 2, 2}, .upper = {7, 1, 1}};
    struct link pool = {.kind = LINK_POOL, .lower = {3, 8, 10}, .upper = {3, 4, 5}};

    (void)state;
    assert_same(cost_map(&convolution), 2 * 9 * 3 * 5 * 80);
    assert_same(cost_map(&dense), 2 * 16 * 7);
    assert_same(cost_map(&pool), 0);
}

/* 30.9 forward + 30.5 gamma's denominators + 31.0 down, in GFLOP. */
static void the_floor_of_vgg16_is_92_5_gflop(void **state)
{
    struct network net;

    (void)state;
    assert_more(network_vgg_standard(&net, "vgg16", 224, 1, 1000), 0);
    struct measure_plan plan = plan_of(&net, "epsilon_gamma_box");
    assert_near(cost_floor(&plan), 92.5e9, 0.05e9);
}

static void denominators_that_are_the_layers_own_cost_nothing(void **state)
{
    static const struct {
        const char *composite;
        size_t first, second; /* of the two lowest links */
    } cases[] = {{"epsilon", 0, 0}, {"epsilon_gamma_box", 0, 1}, {"epsilon_plus", 2, 1}, {"epsilon_plus_flat", 0, 1}};
    struct network net;

    (void)state;
    assert_more(network_vgg_standard(&net, "vgg16", 32, 32, 10), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct measure_plan plan = plan_of(&net, cases[i].composite);
        assert_int_equal(cost_denominators(&plan.links[0]), cases[i].first);
        assert_int_equal(cost_denominators(&plan.links[1]), cases[i].second);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_costs_two_operations_a_weight_and_position),
        cmocka_unit_test(the_floor_of_vgg16_is_92_5_gflop),
        cmocka_unit_test(denominators_that_are_the_layers_own_cost_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
