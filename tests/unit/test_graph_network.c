/* Networks as graphs: what follows from links and edges, and what is refused. test_network.c has VGG's builder. */
#include "tests/support/assert.h"
#include "tests/support/graph_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(a) (sizeof(a) / sizeof(a)[0])

/* One block of every family: residual with a strided branch, dense, inverted with a gate. */
static const char families[] = "input 3x17x19\n"
                               "stem convolution input out=4 window=7 stride=2 pad=3 relu\n"
                               "half pool stem window=3 stride=2 pad=1\n"
                               "a convolution half out=4 window=3 pad=1 relu\n"
                               "b convolution a out=4 window=3 pad=1\n"
                               "sum add half,b relu\n"
                               "grow convolution sum out=2 window=3 pad=1 relu\n"
                               "all channels sum,grow\n"
                               "norm pass all weighted relu\n"
                               "deep convolution norm out=6 window=3 stride=2 pad=1 groups=6 silu\n"
                               "mean average deep\n"
                               "less convolution mean out=3 window=1 relu\n"
                               "how convolution less out=6 window=1 hard_sigmoid=0.1666:0.5\n"
                               "some gate deep gate=how\n"
                               "down convolution some out=5 window=1\n"
                               "pooled average down\n"
                               "fc dense pooled out=7";

static void read_graph(struct network *net, const char *text)
{
    char message[200] = "";

    if (!graph_text_read(net, text, message, sizeof message))
        fail_msg("%s", message);
}

/* Names of the variables for which `property` holds. */
static void assert_variables(const struct network *net, const bool *property, const char *want)
{
    char names[1024] = "";

    for (size_t k = 0; k <= net->nlinks; k++)
        if (property[k])
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", *names ? " " : "",
                     network_variable(net, k));
    assert_string_equal(names, want);
}

static void shapes_follow_from_windows(void **state)
{
    static const struct {
        const char *name;
        struct shape shape;
    } want[] = {{"stem", {4, 9, 10}}, {"half", {4, 5, 5}}, {"sum", {4, 5, 5}}, {"all", {6, 5, 5}},
                {"deep", {6, 3, 3}},  {"mean", {6, 1, 1}}, {"fc", {7, 1, 1}}};
    struct network net;

    (void)state;
    read_graph(&net, families);
    for (size_t i = 0; i < LENGTH(want); i++) {
        struct shape got = network_shape(&net, network_find(&net, want[i].name));
        assert_int_equal(got.channels, want[i].shape.channels);
        assert_int_equal(got.height, want[i].shape.height);
        assert_int_equal(got.width, want[i].shape.width);
    }
    assert_int_equal(network_find(&net, "none"), net.nlinks + 1);
}

static void no_edge_jumps_over_a_cut(void **state)
{
    struct network net;

    (void)state;
    read_graph(&net, families);
    assert_variables(&net, net.cut, "input stem half sum all norm deep some down pooled fc");
}

static void what_only_gates_is_not_swept_and_cuts_nothing(void **state)
{
    struct network net;

    (void)state;
    read_graph(&net, families);
    assert_variables(&net, net.gates, "how");
    bool unswept[NETWORK_MAX_VARIABLES];
    for (size_t k = 0; k <= net.nlinks; k++)
        unswept[k] = !net.swept[k];
    assert_variables(&net, unswept, "mean less how");
    read_graph(&net, "input 2x1x1\n"
                     "x dense input out=2\n"
                     "s pass x sigmoid\n"
                     "swish gate x gate=s\n"
                     "fc dense swish out=2");
    assert_variables(&net, net.cut, "input x swish fc");
    assert_variables(&net, net.gates, "s");
}

/* A gate that a link reads too is swept. */
static void gate_that_is_read_is_swept(void **state)
{
    struct network net;

    (void)state;
    read_graph(&net, "input 2x1x1\n"
                     "s dense input out=2 sigmoid\n"
                     "some gate input gate=s\n"
                     "both add some,s\n"
                     "fc dense both out=2");
    assert_variables(&net, net.gates, "s");
    assert_variables(&net, net.swept, "input s some both fc");
    assert_variables(&net, net.cut, "input both fc");
}

static void readers_are_edges_in_order_of_links(void **state)
{
    struct network net;

    (void)state;
    read_graph(&net, "input 2x1x1\n"
                     "x dense input out=2\n"
                     "twice add x,x,input\n"
                     "fc dense twice out=2");
    size_t x = network_find(&net, "x");
    assert_int_equal(network_reader_count(&net, x), 2);
    assert_int_equal(network_reader_count(&net, 0), 2);
    assert_int_equal(network_reader_count(&net, net.nlinks), 0);
    for (size_t k = 0, n = 0; k <= net.nlinks; k++)
        for (size_t i = 0; i < network_reader_count(&net, k); i++, n++) {
            size_t e = net.readers[net.first_reader[k] + i];
            assert_int_equal(net.first_reader[k] + i, n);
            assert_int_equal(net.edges[e].lower, k);
            assert_true(i == 0 || e > net.readers[net.first_reader[k] + i - 1]);
        }
    assert_ptr_equal(network_edge(&net, 1, 2), &net.edges[3]);
    assert_int_equal(network_edge(&net, 1, 2)->lower, 0);
    assert_int_equal(network_edge(&net, 1, 2)->link, 1);
}

static void steps_of_a_chain_have_one_reader_that_reads_no_other(void **state)
{
    struct network net;

    (void)state;
    read_graph(&net, families);
    bool steps[NETWORK_MAX_VARIABLES] = {false};
    for (size_t k = 0; k < net.nlinks; k++)
        steps[k] = network_is_step(&net, k);
    assert_variables(&net, steps, "input stem a all norm mean less some down pooled");
}

static void nonnegative_is_what_cannot_be_negative_for_any_image(void **state)
{
    struct network net;

    (void)state;
    read_graph(&net, families);
    assert_variables(&net, net.nonnegative, "stem half a sum grow all norm less how");
    read_graph(&net, "input 2x4x4\n"
                     "clip convolution input out=2 window=1 clip=0:6\n"
                     "clip_signed convolution input out=2 window=1 clip=-1:1\n"
                     "leaky pass clip leaky=0.1\n"
                     "leaky_signed pass clip_signed leaky=0.1\n"
                     "mixed add clip,input\n"
                     "mean average clip window=2\n"
                     "most pool clip window=2\n"
                     "gated gate clip gate=clip_signed\n"
                     "gated_twice gate clip gate=leaky\n"
                     "scaled pass clip weighted\n"
                     "sigmoid pass input sigmoid\n"
                     "gelu pass clip gelu\n"
                     "far channels clip,clip_signed,leaky,leaky_signed,mixed,gated,gated_twice,scaled,sigmoid,gelu\n"
                     "near channels mean,most\n"
                     "d dense far out=2\n"
                     "e dense near out=2\n"
                     "fc add d,e");
    assert_variables(&net, net.nonnegative, "clip leaky mean most gated_twice sigmoid gelu near");
}

/* Names of the variables in an order. */
static void assert_ordered(const struct network *net, enum network_order order, const char *want)
{
    bool has[NETWORK_MAX_VARIABLES];

    for (size_t k = 0; k <= net->nlinks; k++)
        has[k] = net->order[k] == order;
    assert_variables(net, has, want);
}

static void maps_of_3x3_convolutions_have_a_border(void **state)
{
    struct network net;

    (void)state;
    read_graph(&net, families);
    assert_ordered(&net, NETWORK_PLANAR, "input pooled fc");
    assert_ordered(&net, NETWORK_BORDERED, "half a b sum grow");
    assert_ordered(&net, NETWORK_FLAT, "stem all norm deep mean less how some down");
    for (size_t k = 0; k <= net.nlinks; k++)
        assert_int_equal(layout_bordered(network_layout(&net, k)), net.order[k] == NETWORK_BORDERED);
    read_graph(&net, "input 2x4x4\n"
                     "a convolution input out=2 window=3 pad=1\n"
                     "b convolution a out=2 window=3 pad=1\n"
                     "fc dense b out=2");
    assert_ordered(&net, NETWORK_BORDERED, "a");
}

static void a_chain_is_the_graph_in_which_link_k_reads_variable_k(void **state)
{
    struct network net;

    (void)state;
    read_graph(&net, "input 2x4x4\n"
                     "a convolution input out=2 window=3 pad=1\n"
                     "p pool a window=2 stride=2\n"
                     "fc dense p out=2");
    for (size_t k = 0; k <= net.nlinks; k++)
        assert_true(net.cut[k] && net.swept[k] && !net.gates[k]);
    for (size_t k = 0; k < net.nlinks; k++)
        assert_true(network_is_step(&net, k) && network_edge(&net, k, 0)->lower == k);
}

static void kinds_of_links_are_told_apart(void **state)
{
    static const struct {
        const char *line;
        bool rule, diagonal, same3, halving;
        size_t floats;
    } want[] = {
        {"x convolution input out=4 window=3 pad=1", true, false, true, false, 4 * 4 * 9},
        {"x convolution input out=4 window=3 pad=1,1,1,0", true, false, false, false, 4 * 4 * 9},
        {"x convolution input out=4 window=3 pad=1 stride=1x2", true, false, false, false, 4 * 4 * 9},
        {"x convolution input out=6 window=3x5 groups=2", true, false, false, false, 6 * 2 * 15},
        {"x convolution input out=4 window=3 pad=1 groups=4", true, true, false, false, 4 * 9},
        {"x convolution input out=8 window=3 pad=1 groups=4", true, false, false, false, 8 * 9},
        {"x pool input window=2 stride=2", false, false, false, true, 0},
        {"x pool input window=2 stride=2 upper=4x4", false, false, false, false, 0},
        {"x pool input window=3 stride=2", false, false, false, false, 0},
        {"x average input", true, true, false, false, 1},
        {"x add input,input", true, true, false, false, 1},
        {"x channels input:1:2", false, false, false, false, 0},
        {"x gate input gate=input", false, false, false, false, 0},
        {"x pass input", false, false, false, false, 0},
        {"x pass input weighted", false, false, false, false, 4},
        {"x dense input out=5", true, false, false, false, 5 * 4 * 49},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(want); i++) {
        struct network net;
        char message[200] = "";
        graph_text_start(&net, "input 4x7x7");
        if (!graph_text_push(&net, want[i].line, message, sizeof message))
            fail_msg("%s", message);
        const struct link *link = &net.links[0];
        assert_that(network_has_rule(link) == want[i].rule, "%s", want[i].line);
        assert_that(network_diagonal(link) == want[i].diagonal, "%s", want[i].line);
        assert_that((link->kind == LINK_CONVOLUTION && network_same3(link)) == want[i].same3, "%s", want[i].line);
        assert_that((link->kind == LINK_POOL && network_halving(link)) == want[i].halving, "%s", want[i].line);
        assert_int_equal(network_weight_floats(link), want[i].floats);
    }
}

static void channels_are_taken_by_lower_upper_and_step(void **state)
{
    struct network net;

    (void)state;
    read_graph(&net, "input 4x1x1\n"
                     "shuffle channels input:0:2:0:2,input:2:2:1:2\n"
                     "slice channels shuffle:1:2\n"
                     "both channels slice,shuffle\n"
                     "fc dense both out=2");
    assert_int_equal(network_shape(&net, 2).channels, 2);
    assert_int_equal(network_shape(&net, 3).channels, 6);
    struct edge_channels p = network_edge(&net, 2, 1)->channels;
    assert_true(p.lower == 0 && p.upper == 2 && p.step == 1 && p.count == 4);
    p = network_edge(&net, 0, 1)->channels;
    assert_true(p.lower == 2 && p.upper == 1 && p.step == 2 && p.count == 2);
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *line, *message;
} misfits[] = {
    {"a pass input", "there are two layers with the name a"},
    {"input pass a", "there are two layers with the name input"},
    {"x pass y", "x reads a layer that is not below it"},
    {"x pass x", "x reads a layer that is not below it"},
    {"x pool a window=0", "x has a window of 0 x 0 with stride 1 x 1"},
    {"x pool a window=2 stride=1x0", "x has a window of 2 x 2 with stride 1 x 0"},
    {"x pool a window=16777217x1", "x has a window of 16777217 x 1 with stride 1 x 1"},
    {"x convolution a out=2 window=3 pad=3", "x has padding as large as its window"},
    {"x convolution a out=2 window=3 pad=0,0,0,3", "x has padding as large as its window"},
    {"x convolution a out=2 window=8 pad=1", "x has a window of 8 x 8, larger than its map of 5 x 7"},
    {"x pass a,input", "x reads 2 variables"},
    {"x convolution a,a out=2 window=3", "x reads 2 variables"},
    {"x convolution a out=1073741825 window=1", "x has 1073741825 x 5 x 7 neurons"},
    {"x pool a window=2 stride=2 upper=4x3", "x has windows outside of its map"},
    {"x pool a window=2 stride=2 upper=3x5", "x has windows outside of its map"},
    {"x pool a window=2 out=2", "x changes its channels"},
    {"x average a window=2 out=2", "x changes its channels"},
    {"x convolution a out=4 window=3 groups=0", "x has 0 groups of 4 input and 4 output channels"},
    {"x convolution a out=4 window=3 groups=3", "x has 3 groups of 4 input and 4 output channels"},
    {"x convolution a out=6 window=3 groups=4", "x has 4 groups of 4 input and 6 output channels"},
    {"x channels a,small", "x joins maps of different size"},
    {"x channels a upper=5x6", "x joins maps of different size"},
    {"x channels a:0:0 out=1", "x takes channels that are not there"},
    {"x channels a:3:2", "x takes channels that are not there"},
    {"x channels a:0:5", "x takes channels that are not there"},
    {"x channels a:0:2:0:0", "x takes channels that are not there"},
    {"x channels a:0:2:3:1 out=4", "x takes channels that are not there"},
    {"x channels a:0:2:0:4 out=4", "x takes channels that are not there"},
    {"x channels a:0:2:4:1 out=4", "x takes channels that are not there"},
    {"x channels a out=5", "x does not fill its channels"},
    {"x channels a:0:2:0,a:0:2:1 out=4", "x writes channels twice"},
    {"x channels a:0:2:0:2,a:0:2:2:1", "x writes channels twice"},
    {"x add a,input", "x adds maps of different shape"},
    {"x add a,small", "x adds maps of different shape"},
    {"x add a out=5", "x adds maps of different shape"},
    {"x gate a gate=input", "x has a gate of another shape"},
    {"x gate a gate=small", "x has a gate of another shape"},
    {"x gate a gate=none", "x has a gate of another shape"},
    {"x pass a out=3", "x changes its shape"},
    {"x gate a gate=one out=4 upper=1x1", "x changes its shape"},
};

static void links_that_do_not_fit_are_refused_with_the_reason(void **state)
{

    char message[200];

    (void)state;
    for (size_t i = 0; i < LENGTH(misfits); i++) {
        struct network net;
        graph_text_start(&net, "input 3x5x7");
        assert_true(graph_text_push(&net, "a convolution input out=4 window=3 pad=1", message, sizeof message));
        assert_true(graph_text_push(&net, "small convolution a out=4 window=3", message, sizeof message));
        assert_true(graph_text_push(&net, "one average a", message, sizeof message));
        snprintf(message, sizeof message, "nothing");
        if (graph_text_push(&net, misfits[i].line, message, sizeof message))
            fail_msg("%s is taken", misfits[i].line);
        assert_string_equal(message, misfits[i].message);
        assert_int_equal(net.nlinks, 3);
        assert_int_equal(net.nedges, 3);
        assert_true(graph_text_push(&net, "x add a,a", message, sizeof message));
    }
}

static void a_dense_link_has_one_position(void **state)
{
    struct network net;
    struct link link = {.kind = LINK_DENSE, .name = "x", .upper = {2, 2, 1}};
    size_t lower = 0;
    char message[200] = "";

    (void)state;
    network_start(&net, "graph", (struct shape){3, 2, 1});
    assert_int_equal(network_push(&net, &link, &lower, 1, NULL, message, sizeof message), 0);
    assert_string_equal(message, "x is dense and has more than one position");
    assert_int_equal(network_push(&net, &link, &lower, 0, NULL, message, sizeof message), 0);
    assert_string_equal(message, "x reads 0 variables");
}

static void networks_that_are_too_large_are_refused(void **state)
{
    struct network net;
    char line[64], message[200] = "";
    size_t lower[NETWORK_MAX_EDGES] = {0};
    struct link link = {.kind = LINK_ADD, .name = "x"};

    (void)state;
    graph_text_start(&net, "input 1x1x1");
    for (size_t k = 0; k < NETWORK_MAX_LINKS; k++) {
        snprintf(line, sizeof line, "pass%zu pass %s", k, network_variable(&net, k));
        assert_true(graph_text_push(&net, line, message, sizeof message));
    }
    assert_int_equal(network_push(&net, &link, lower, 1, NULL, message, sizeof message), 0);
    assert_string_equal(message, "x: networks have at most 512 layers and 1024 edges");
    assert_true(network_finish(&net, message, sizeof message));
    graph_text_start(&net, "input 1x1x1");
    assert_int_equal(network_push(&net, &link, lower, NETWORK_MAX_EDGES, NULL, message, sizeof message), 1);
    snprintf(link.name, sizeof link.name, "y");
    assert_int_equal(network_push(&net, &link, lower, 1, NULL, message, sizeof message), 0);
    assert_string_equal(message, "y: networks have at most 512 layers and 1024 edges");
    assert_true(network_finish(&net, message, sizeof message));
}

static void networks_that_are_not_whole_are_refused(void **state)
{
    static const struct {
        const char *text, *message;
    } refusals[] = {
        {"input 3x5x7", "the network has no layers"},
        {"input 0x5x7\nfc pass input", "fc has 0 x 5 x 7 neurons"},
        {"input 3x5x7\na convolution input out=4 window=3",
         "the last layer, a, has 15 positions, not one value for every class"},
        {"input 3x5x7\na pass input\nb pass input\nfc dense b out=2", "no layer reads a"},
        {"input 3x5x7\na dense input out=2\nb pass a sigmoid\nfc dense a out=2", "no layer reads b"},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(refusals); i++) {
        struct network net;
        char message[200] = "";
        assert_false(graph_text_read(&net, refusals[i].text, message, sizeof message));
        assert_string_equal(message, refusals[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_follow_from_windows),
        cmocka_unit_test(no_edge_jumps_over_a_cut),
        cmocka_unit_test(what_only_gates_is_not_swept_and_cuts_nothing),
        cmocka_unit_test(gate_that_is_read_is_swept),
        cmocka_unit_test(readers_are_edges_in_order_of_links),
        cmocka_unit_test(steps_of_a_chain_have_one_reader_that_reads_no_other),
        cmocka_unit_test(nonnegative_is_what_cannot_be_negative_for_any_image),
        cmocka_unit_test(maps_of_3x3_convolutions_have_a_border),
        cmocka_unit_test(a_chain_is_the_graph_in_which_link_k_reads_variable_k),
        cmocka_unit_test(kinds_of_links_are_told_apart),
        cmocka_unit_test(channels_are_taken_by_lower_upper_and_step),
        cmocka_unit_test(links_that_do_not_fit_are_refused_with_the_reason),
        cmocka_unit_test(a_dense_link_has_one_position),
        cmocka_unit_test(networks_that_are_too_large_are_refused),
        cmocka_unit_test(networks_that_are_not_whole_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
