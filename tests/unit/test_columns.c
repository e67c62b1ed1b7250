/* Flows of adjacent pairs from those of edges: nothing is lost or counted twice, and every number is at its place. */
#include "kernels/base/network_origin.h"
#include "pipeline/stats/columns.h"
#include "tests/support/assert.h"
#include "tests/support/graph_random.h"
#include "tests/support/graph_text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { GRAPHS = 200, MOST = 1 << 16 };

/* Numbers of every edge of a link: that of entry i of edge e is 1000 e + i. */
static void fill_joints(float *memory, const float **joints, const struct network *net, size_t link)
{
    const struct link *l = &net->links[link];

    for (size_t e = l->first_edge; e < l->first_edge + l->nedges; e++) {
        size_t n = l->upper.channels;
        n *= network_diagonal(l) ? 1 : network_shape(net, net->edges[e].lower).channels;
        joints[e] = memory;
        for (size_t i = 0; i < n; i++)
            *memory++ = (float)(1000 * (e - l->first_edge) + i);
    }
}

/* Sum of row k over all edges, or of its one number. */
static double edges_row(const float *const *joints, const struct network *net, size_t link, size_t k)
{
    const struct link *l = &net->links[link];
    double sum = 0;

    for (size_t e = l->first_edge; e < l->first_edge + l->nedges; e++) {
        size_t columns = network_shape(net, net->edges[e].lower).channels;
        for (size_t c = 0; c < columns && !network_diagonal(l); c++)
            sum += (double)joints[e][k * columns + c];
        sum += network_diagonal(l) ? (double)joints[e][k] : 0;
    }
    return sum;
}

/* Row k of all the link's pairs. */
static double pairs_row(const float *const *joints, const struct network *net, size_t link, size_t k)
{
    static double row[MOST];
    struct error err = {0};
    double sum = 0;

    for (size_t lower = 0; lower <= link; lower++) {
        struct columns columns;
        struct flows_adjacent pair = {link, lower, false};
        if (!flows_reads(net, link, lower))
            continue;
        assert_int_equal(columns_init(&columns, net, &pair, &err), OK);
        columns_row(row, &columns, joints, k);
        for (size_t c = 0; c < columns.lower; c++)
            sum += row[c];
        columns_free(&columns);
    }
    return sum;
}

static void pairs_of_a_link_have_all_of_its_edges(void **state)
{
    struct random random = random_seed("columns");
    static float memory[MOST];
    static const float *joints[NETWORK_MAX_EDGES];
    static struct network net;
    char text[GRAPH_TEXT], message[200];

    (void)state;
    for (size_t i = 0; i < GRAPHS; i++) {
        graph_random_small(text, &random);
        if (!graph_text_read(&net, text, message, sizeof message))
            continue;
        for (size_t k = 0; k < net.nlinks; k++) {
            if (!network_has_rule(&net.links[k]))
                continue;
            fill_joints(memory, joints, &net, k);
            for (size_t row = 0; row < net.links[k].upper.channels; row++)
                assert_near(pairs_row(joints, &net, k, row), edges_row(joints, &net, k, row), 1e-9);
        }
    }
}

/* "both" has the channels a0 a1 b0 b1 a1; the convolution reads b1 a1. */
static const char joined[] = "input 2x3x3\n"
                             "a convolution input out=2 window=1\n"
                             "b convolution a out=2 window=1\n"
                             "both channels a,b,a:1:1\n"
                             "some channels both:3:2\n"
                             "c convolution some out=2 window=1\n"
                             "twice add a,a\n"
                             "turned channels a:1:1,a:0:1\n"
                             "mixed add a,turned\n"
                             "all channels c,twice,mixed\n"
                             "mean average all\n"
                             "fc dense mean out=2";

static void read_joined(struct network *net)
{
    char message[200] = "";

    if (!graph_text_read(net, joined, message, sizeof message))
        fail_msg("%s", message);
}

static void make(struct columns *columns, const struct network *net, const char *lower, const char *upper,
                 bool diagonal)
{
    struct flows_adjacent pair = {network_find(net, upper) - 1, network_find(net, lower), diagonal};
    struct error err = {0};

    assert_int_equal(columns_init(columns, net, &pair, &err), OK);
}

static void joined_and_chosen_channels_find_their_layer(void **state)
{
    static struct network net;
    struct columns columns;
    double row[2];
    const float joint[] = {1, 2, 3, 4};
    const float *joints[NETWORK_MAX_EDGES] = {NULL};

    (void)state;
    read_joined(&net);
    joints[net.links[network_find(&net, "c") - 1].first_edge] = joint;
    make(&columns, &net, "b", "c", false);
    assert_false(columns.whole);
    columns_row(row, &columns, joints, 1);
    assert_same(row[0], 0);
    assert_same(row[1], 3); /* b1 is column 0 */
    columns_free(&columns);
    make(&columns, &net, "a", "c", false);
    columns_row(row, &columns, joints, 1);
    assert_same(row[1], 4);
    columns_free(&columns);
    make(&columns, &net, "input", "a", false);
    assert_true(columns.whole);
    columns_free(&columns);
}

/* x + x adds up in a vector; x and x with its channels swapped need a matrix. */
static void a_variable_that_is_read_twice_adds_up(void **state)
{
    static struct network net;
    struct columns columns;
    double row[2];
    const float first[] = {1, 2}, second[] = {10, 20};
    const float *joints[NETWORK_MAX_EDGES] = {NULL};
    int32_t lower[2];

    (void)state;
    read_joined(&net);
    size_t twice = net.links[network_find(&net, "twice") - 1].first_edge;
    size_t mixed = net.links[network_find(&net, "mixed") - 1].first_edge;
    joints[twice] = joints[mixed] = first;
    joints[twice + 1] = joints[mixed + 1] = second;
    make(&columns, &net, "a", "twice", true);
    columns_row(row, &columns, joints, 0);
    columns_lower(lower, &columns);
    assert_same(row[0], 11);
    assert_same(row[1], 22);
    assert_int_equal(lower[1], 1);
    columns_free(&columns);
    make(&columns, &net, "a", "mixed", false);
    columns_row(row, &columns, joints, 0);
    assert_same(row[0], 1);
    assert_same(row[1], 10);
    columns_free(&columns);
}

/* Of the average's six channels two are those of "twice". */
static void upper_channels_of_other_layers_are_zero(void **state)
{
    static struct network net;
    struct columns columns;
    double row[6];
    const float joint[] = {1, 2, 3, 4, 5, 6};
    const float *joints[NETWORK_MAX_EDGES] = {NULL};
    int32_t lower[6];

    (void)state;
    read_joined(&net);
    joints[net.links[network_find(&net, "mean") - 1].first_edge] = joint;
    make(&columns, &net, "twice", "mean", true);
    columns_row(row, &columns, joints, 0);
    columns_lower(lower, &columns);
    for (size_t k = 0; k < 6; k++) {
        bool own = k == 2 || k == 3;
        assert_same(row[k], own ? joint[k] : 0);
        assert_int_equal(lower[k], own ? (int)k - 2 : -1);
    }
    columns_free(&columns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_of_a_link_have_all_of_its_edges),
        cmocka_unit_test(joined_and_chosen_channels_find_their_layer),
        cmocka_unit_test(a_variable_that_is_read_twice_adds_up),
        cmocka_unit_test(upper_channels_of_other_layers_are_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
