#include "kernels/base/network_standard.h"
#include "tests/support/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Torchvision's, without two of the four numbers that batch normalisation has for every channel. */
static void residual_networks_have_torchvisions_parameters(void **state)
{
    static const struct {
        const char *name;
        size_t links, floats, channels;
    } networks[] = {
        {"resnet18", 31, 11684712, 512}, {"resnet50", 72, 25530472, 2048}, {"mobilenet_v2", 64, 3487816, 1280}};
    struct network net;

    (void)state;
    for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++) {
        assert_int_equal(network_standard(&net, networks[i].name, 224, 1, 1000), networks[i].floats);
        assert_string_equal(net.name, networks[i].name);
        assert_int_equal(net.nlinks, networks[i].links);
        assert_int_equal(network_shape(&net, net.nlinks - 2).height, 7);
        assert_int_equal(network_shape(&net, net.nlinks - 1).channels, networks[i].channels);
        assert_int_equal(network_shape(&net, net.nlinks).channels, 1000);
    }
}

/* Each weight follows the bias before it, and the last bias ends the model. */
static void weights_lie_one_after_the_other(void **state)
{
    struct network net;
    size_t floats = network_standard(&net, "mobilenet_v2", 64, 2, 10), at = 0;

    (void)state;
    for (size_t k = 0; k < net.nlinks; k++) {
        const struct link *link = &net.links[k];
        if (link->kind != LINK_CONVOLUTION && link->kind != LINK_DENSE)
            continue;
        assert_int_equal(link->weight, at);
        assert_int_equal(link->bias, at + network_weight_floats(link));
        at = link->bias + link->upper.channels;
    }
    assert_int_equal(at, floats);
}

static struct shape shape_of(const struct network *net, const char *name)
{
    return network_shape(net, network_find(net, name));
}

static void blocks_add_their_input_or_its_projection(void **state)
{
    struct network net;

    (void)state;
    assert_more(network_standard(&net, "resnet50", 64, 4, 10), 0);
    assert_int_equal(shape_of(&net, "layer2.0.conv1").height, 16);
    assert_int_equal(shape_of(&net, "layer2.0.conv2").height, 8);
    assert_int_equal(shape_of(&net, "layer2.0.downsample.0").channels, 128);
    assert_int_equal(network_find(&net, "layer2.1.downsample.0"), net.nlinks + 1);
    size_t add = network_find(&net, "layer2.1.add") - 1;
    assert_int_equal(network_edge(&net, add, 1)->lower, network_find(&net, "layer2.0.add"));
    assert_true(network_rectified(&net.links[add]));

    assert_more(network_standard(&net, "mobilenet_v2", 64, 4, 10), 0);
    assert_int_equal(network_find(&net, "features.2.add"), net.nlinks + 1);
    add = network_find(&net, "features.3.add") - 1;
    assert_int_equal(net.links[add].activation.kind, ACTIVATION_NONE);
    assert_true(network_diagonal(&net.links[network_find(&net, "features.3.conv.1.0") - 1]));
}

static void other_names_and_sides_are_refused(void **state)
{
    struct network net;

    (void)state;
    assert_int_equal(network_standard(&net, "resnet19", 224, 1, 10), 0);
    assert_int_equal(network_standard(&net, "resnet18", 225, 1, 10), 0);
    assert_int_equal(network_standard(&net, "resnet18", 0, 1, 10), 0);
    assert_more(network_standard(&net, "vgg11", 32, 32, 10), 0);
    assert_more(network_standard(&net, "mobilenet_v2", 32, 5000, 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(residual_networks_have_torchvisions_parameters),
        cmocka_unit_test(weights_lie_one_after_the_other),
        cmocka_unit_test(blocks_add_their_input_or_its_projection),
        cmocka_unit_test(other_names_and_sides_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
