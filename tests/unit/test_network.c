#include "kernels/base/network_origin.h"
#include "kernels/base/network_vgg.h"
#include "tests/support/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_LAYERS = 24 };

/* Layers of a network with the given channels per convolution, `side` of the last pool and dense widths 20, 10, 7. */
static size_t make_layers(struct network_layer *layers, size_t nconv, const size_t *channels, size_t side)
{
    const size_t dense[] = {channels[nconv] * side * side, 20, 10, 7};

    for (size_t i = 0; i < nconv; i++)
        layers[i] = (struct network_layer){true, channels[i + 1], channels[i], i, i};
    for (size_t i = 0; i < 3; i++)
        layers[nconv + i] = (struct network_layer){false, dense[i + 1], dense[i], nconv + i, 0};
    return nconv + 3;
}

static const size_t widths[] = {3, 4, 4, 6, 6, 8, 8, 8, 9, 9, 9, 9, 9, 9, 9, 9, 9};

static void vgg_variants_are_told_by_their_convolutions(void **state)
{
    static const struct {
        size_t nconv;
        const char *name, *third; /* variable 3 */
    } variants[] = {{8, "vgg11", "conv2_1"}, {10, "vgg13", "pool1"}, {13, "vgg16", "pool1"}, {16, "vgg19", "pool1"}};
    struct network_layer layers[MAX_LAYERS];
    struct network net;
    char message[200];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        size_t n = make_layers(layers, variants[i].nconv, widths, 1);
        assert_true(network_vgg_init(&net, message, sizeof message, layers, n));
        assert_string_equal(net.name, variants[i].name);
        assert_string_equal(network_variable(&net, 3), variants[i].third);
        assert_int_equal(net.nlinks, variants[i].nconv + 5 + 3);
        assert_string_equal(network_variable(&net, net.nlinks), "fc8");
    }
}

static void input_size_follows_from_the_first_dense_layer(void **state)
{
    struct network_layer layers[MAX_LAYERS];
    struct network net;
    char message[200];

    (void)state;
    for (size_t side = 1; side <= 7; side++) {
        size_t n = make_layers(layers, 13, widths, side);
        assert_true(network_vgg_init(&net, message, sizeof message, layers, n));
        assert_int_equal(network_shape(&net, 0).height, 32 * side);
        assert_int_equal(network_shape(&net, network_find(&net, "pool5")).width, side);
        assert_int_equal(network_shape(&net, network_find(&net, "fc6")).channels, 20);
    }
}

static void only_the_logits_and_pools_are_not_rectified(void **state)
{
    struct network_layer layers[MAX_LAYERS];
    struct network net;
    char message[200];

    (void)state;
    assert_true(network_vgg_init(&net, message, sizeof message, layers, make_layers(layers, 13, widths, 1)));
    for (size_t k = 0; k < net.nlinks; k++)
        assert_int_equal(network_rectified(&net.links[k]), net.links[k].kind != LINK_POOL && k + 1 < net.nlinks);
}

static void adjacent_pairs_reach_across_pools(void **state)
{
    struct network_layer layers[MAX_LAYERS];
    struct network net;
    char message[200];

    (void)state;
    assert_true(network_vgg_init(&net, message, sizeof message, layers, make_layers(layers, 13, widths, 1)));
    size_t pool1 = network_find(&net, "pool1");
    assert_string_equal(network_variable(&net, network_origin(&net, pool1, 2).variable), "conv1_2");
    assert_int_equal(network_origin(&net, pool1, 2).channel, 2);
    assert_int_equal(network_origin(&net, 0, 1).variable, 0);
}

static void layers_that_do_not_fit_are_refused_with_the_reason(void **state)
{
    struct network_layer layers[MAX_LAYERS];
    struct network net;
    char message[200];

    (void)state;
    assert_false(network_vgg_init(&net, message, sizeof message, layers, make_layers(layers, 9, widths, 1)));
    assert_non_null(strstr(message, "12 weighted layers"));
    size_t n = make_layers(layers, 13, widths, 1);
    layers[4].in++;
    assert_false(network_vgg_init(&net, message, sizeof message, layers, n));
    assert_non_null(strstr(message, "layer 5 reads 7 channels"));
    n = make_layers(layers, 13, widths, 1);
    layers[13].in *= 6;
    assert_false(network_vgg_init(&net, message, sizeof message, layers, n));
    assert_non_null(strstr(message, "no square map"));
}

/* Torchvision's VGG16 and VGG11 have these many parameters. */
static void standard_networks_have_torchvisions_sizes(void **state)
{
    struct network net;

    (void)state;
    assert_int_equal(network_vgg_standard(&net, "vgg16", 224, 1, 1000), 138357544);
    assert_string_equal(net.name, "vgg16");
    assert_int_equal(network_vgg_standard(&net, "vgg11", 224, 1, 1000), 132863336);
    assert_int_equal(network_shape(&net, 0).width, 224);
    assert_int_equal(network_vgg_standard(&net, "vgg17", 224, 1, 1000), 0);
    assert_int_equal(network_vgg_standard(&net, "vgg16", 225, 1, 1000), 0);
    assert_int_equal(network_vgg_standard(&net, "vgg16", 0, 1, 1000), 0);
    assert_more(network_vgg_standard(&net, "vgg19", 32, 5000, 2), 0);
    assert_int_equal(network_shape(&net, net.nlinks - 1).channels, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vgg_variants_are_told_by_their_convolutions),
        cmocka_unit_test(input_size_follows_from_the_first_dense_layer),
        cmocka_unit_test(only_the_logits_and_pools_are_not_rectified),
        cmocka_unit_test(adjacent_pairs_reach_across_pools),
        cmocka_unit_test(layers_that_do_not_fit_are_refused_with_the_reason),
        cmocka_unit_test(standard_networks_have_torchvisions_sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
