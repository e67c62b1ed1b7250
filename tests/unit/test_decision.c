/* Measures and maps of random set expressions: against all walks one by one, and the laws of the measure. */
#include "kernels/measure/decision.h"
#include "pipeline/sets/plan.h"
#include "tests/support/assert.h"
#include "tests/support/random_image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NETWORKS = 24, TEXT = 1024, MAX_NODES = 16 };

/* Two orders of the same float32 sums, relative to the largest sum of magnitudes of a variable. */
static const double BAR = 1e-5;

/* ---- random expressions
 * ------------------------------------------------------------------------------------------- */

enum kind { IN_SET, NOT_IN_SET, AND, OR };

/* Channels, rows and columns of a variable. */
struct box {
    size_t variable, first[3], end[3];
};

struct node {
    enum kind kind;
    struct box box;
    size_t left, right; /* nodes */
};

struct expression {
    size_t count;
    struct node nodes[MAX_NODES];
    char text[TEXT];
};

static struct box random_box(const struct random_image *s, size_t variable)
{
    struct shape shape = network_shape(&s->vgg->net, variable);
    size_t lengths[] = {shape.channels, shape.height, shape.width};
    struct box box = {.variable = variable};

    for (size_t d = 0; d < 3; d++) {
        box.first[d] = random_below(s->random, lengths[d]);
        box.end[d] = box.first[d] + 1 + random_below(s->random, lengths[d] - box.first[d]);
    }
    return box;
}

/* Append to a text. */
static void append(char text[TEXT], const char *piece)
{
    strncat(text, piece, TEXT - strlen(text) - 1);
}

static void append_box(char text[TEXT], const struct random_image *s, const struct box *box)
{
    struct shape shape = network_shape(&s->vgg->net, box->variable);
    char piece[128];

    snprintf(piece, sizeof piece, "%s[%zu:%zu]", network_variable(&s->vgg->net, box->variable), box->first[0],
             box->end[0]);
    append(text, piece);
    if (shape.height == 1)
        return;
    snprintf(piece, sizeof piece, "@(%zu:%zu,%zu:%zu)", box->first[1], box->end[1], box->first[2], box->end[2]);
    append(text, piece);
}

/* A random tree over variables from `lowest` up; appends its text and returns its node. */
static size_t random_tree(struct expression *e, const struct random_image *s, size_t lowest, size_t depth)
{
    size_t at = e->count++;
    struct node node = {.kind = random_below(s->random, 2) ? AND : OR};

    if (depth == 0 || random_below(s->random, 4) == 0) {
        node.kind = random_below(s->random, 4) ? IN_SET : NOT_IN_SET;
        node.box = random_box(s, lowest + random_below(s->random, s->vgg->net.nlinks + 1 - lowest));
        append(e->text, node.kind == IN_SET ? "" : "not ");
        append_box(e->text, s, &node.box);
    } else {
        append(e->text, "(");
        node.left = random_tree(e, s, lowest, depth - 1);
        append(e->text, node.kind == AND ? " and " : " or ");
        node.right = random_tree(e, s, lowest, depth - 1);
        append(e->text, ")");
    }
    e->nodes[at] = node;
    return at;
}

static bool box_has(const struct box *box, struct shape shape, size_t neuron)
{
    size_t at[] = {neuron / shape.width / shape.height, neuron / shape.width % shape.height, neuron % shape.width};
    bool in = true;

    for (size_t d = 0; d < 3; d++)
        in = in && at[d] >= box->first[d] && at[d] < box->end[d];
    return in;
}

static bool is_in(const struct expression *e, size_t at, const struct network *net, const size_t *neurons)
{
    const struct node *node = &e->nodes[at];

    switch (node->kind) {
    case AND:
        return is_in(e, node->left, net, neurons) && is_in(e, node->right, net, neurons);
    case OR:
        return is_in(e, node->left, net, neurons) || is_in(e, node->right, net, neurons);
    default:
        return box_has(&node->box, network_shape(net, node->box.variable), neurons[node->box.variable]) ==
               (node->kind == IN_SET);
    }
}

/* ---- the program's answer
 * ----------------------------------------------------------------------------------------- */

/* The measure of an expression, or into `map`, planar, that of its walks through every neuron of a variable. */
static double answer(float *map, const struct random_image *s, const char *text, size_t variable)
{
    const struct network *net = &s->vgg->net;
    struct error err = {0};
    struct sets sets;
    struct sets_plan plan;
    struct decision_workspace work;
    struct arena arena = arena_over(NULL, 0);
    double value = 0;

    if (sets_parse(&sets, text, net, &err) != OK || sets_plan_init(&plan, &sets, &sets.value, variable, &err) != OK)
        fail_msg("%s: %s", text, err.message);
    struct decision_extent extent = decision_extent(&plan.decision);
    extent.maps = map != NULL;
    decision_place(&work, &s->vgg->plan, extent, &arena);
    float *memory = random_image_alloc(arena.peak / sizeof *memory);
    float *values = random_image_alloc(map ? random_image_floats(s, variable) : 1);
    arena = arena_over(memory, arena.peak);
    decision_place(&work, &s->vgg->plan, extent, &arena);
    if (map) {
        decision_map(values, &plan.decision, variable, s->image, &work);
        layout_to_planar(map, values, network_layout(net, variable));
    } else
        value = plan.everything ? 1 : decision_value(&plan.decision, s->image, &work);
    free(values);
    free(memory);
    sets_plan_free(&plan);
    sets_free(&sets);
    return value;
}

/* The measure of an expression in pieces, ended by NULL. */
static double value_of(const struct random_image *s, ...) __attribute__((sentinel));

static double value_of(const struct random_image *s, ...)
{
    char text[TEXT] = "";
    va_list pieces;

    va_start(pieces, s);
    for (const char *piece; (piece = va_arg(pieces, const char *)) != NULL;)
        append(text, piece);
    va_end(pieces);
    return answer(NULL, s, text, SETS_NO_MAP);
}

static double magnitude(const float *v, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += fabs((double)v[i]);
    return sum;
}

/* The largest sum of magnitudes of a variable. */
static double scale_of(const struct random_image *s)
{
    double largest = 1;

    for (size_t k = 0; k <= s->vgg->net.nlinks; k++)
        largest = fmax(largest, magnitude(s->image->r[k], random_image_floats(s, k)));
    return largest;
}

static void expect_near(double got, double want, double scale, const struct random_image *s, const char *text)
{
    if (!(fabs(got - want) <= BAR * scale))
        fail_msg("%s, %s: %.9g is not %.9g", s->vgg->text, text, got, want);
}

/* ---- all walks one by one
 * ----------------------------------------------------------------------------------------- */

struct walked {
    const struct random_image *s;
    const struct expression *expression;
    size_t variable;               /* of the map */
    double value, *map, magnitude; /* of all walks, in or not */
};

static void add_walk(void *context, const size_t *neurons, double relevance)
{
    struct walked *w = context;

    w->magnitude += fabs(relevance);
    if (!is_in(w->expression, 0, &w->s->vgg->net, neurons))
        return;
    w->value += relevance;
    w->map[neurons[w->variable]] += relevance;
}

/* Walks that end in a bias above conv5_1, whose 2 x 2 positions can be enumerated, are kept out by a set there. */
static void check_walks(struct random_image *s)
{
    const struct network *net = &s->vgg->net;
    size_t lowest = network_find(net, "conv5_1");
    struct expression e = {0};
    struct walked w = {.s = s, .expression = &e};

    random_tree(&e, s, lowest, 3);
    append(e.text, " and conv5_1");
    w.variable = lowest + random_below(s->random, net->nlinks + 1 - lowest);
    size_t n = random_image_neurons(s, w.variable);
    float *map = random_image_alloc(n);
    w.map = calloc(n, sizeof *w.map);
    random_image_walks(s, lowest, net->nlinks, add_walk, &w);
    double scale = fmax(scale_of(s), w.magnitude);
    expect_near(answer(NULL, s, e.text, SETS_NO_MAP), w.value, scale, s, e.text);
    answer(map, s, e.text, w.variable);
    for (size_t i = 0; i < n; i++)
        expect_near((double)map[i], w.map[i], scale, s, e.text);
    free(w.map);
    free(map);
}

static void an_expression_is_the_sum_over_the_walks_in_it(void **state)
{
    (void)state;
    random_image_check_all(check_walks, 2 * NETWORKS, "expressions");
}

/* ---- laws, in any layers
 * ------------------------------------------------------------------------------------------ */

/* Texts of two disjoint sets of one variable and one of another variable. */
static bool random_sets(char a[TEXT], char b[TEXT], char c[TEXT], const struct random_image *s)
{
    size_t variable = random_below(s->random, s->vgg->net.nlinks + 1);
    size_t other = random_below(s->random, s->vgg->net.nlinks + 1);
    struct box left = random_box(s, variable), right = random_box(s, variable), third = random_box(s, other);

    a[0] = b[0] = c[0] = '\0';
    right.first[0] = left.end[0];
    right.end[0] = network_shape(&s->vgg->net, variable).channels;
    append_box(a, s, &left);
    append_box(b, s, &right);
    append_box(c, s, &third);
    return right.first[0] < right.end[0] && variable != other;
}

static void check_laws(struct random_image *s)
{
    char a[TEXT], b[TEXT], c[TEXT], layer[TEXT];
    double scale = scale_of(s);

    while (!random_sets(a, b, c, s))
        ;
    snprintf(layer, sizeof layer, "%.*s", (int)strcspn(a, "["), a);
    double both = value_of(s, a, " and ", c, NULL), mass = value_of(s, layer, " and ", c, NULL);
    double either = value_of(s, a, " or ", c, NULL), two = value_of(s, "(", a, " or ", b, ") and ", c, NULL);
    expect_near(two, both + value_of(s, b, " and ", c, NULL), scale, s, a);
    expect_near(both + value_of(s, "not ", a, " and ", c, NULL), mass, scale, s, a);
    expect_near(either, value_of(s, a, NULL) + value_of(s, c, NULL) - both, scale, s, a);
    assert_same(value_of(s, c, " and ", a, NULL), both);
    assert_same(value_of(s, a, " and ", b, NULL), 0);
}

static void sets_add_up_and_their_order_does_not_matter(void **state)
{
    (void)state;
    random_image_check_all(check_laws, 4 * NETWORKS, "laws");
}

/* A map sums to the measure of the walks that pass the variable. */
static void check_map_sums(struct random_image *s)
{
    struct expression e = {0};
    size_t variable = random_below(s->random, s->vgg->net.nlinks + 1), n = random_image_neurons(s, variable);
    float *map = random_image_alloc(n);
    double sum = 0;

    random_tree(&e, s, 0, 2);
    answer(map, s, e.text, variable);
    for (size_t i = 0; i < n; i++)
        sum += (double)map[i];
    append(e.text, " and ");
    append(e.text, network_variable(&s->vgg->net, variable));
    expect_near(sum, answer(NULL, s, e.text, SETS_NO_MAP), scale_of(s), s, e.text);
    free(map);
}

static void a_map_sums_to_the_walks_that_pass_its_layer(void **state)
{
    (void)state;
    random_image_check_all(check_map_sums, 4 * NETWORKS, "sums");
}

static void check_void(struct random_image *s)
{
    static const char *const texts[] = {"not conv5_2 and conv4_1[0]", "conv5_1[0] and not conv5_1",
                                        "fc6[0] and not fc7"};
    size_t variable = random_below(s->random, s->vgg->net.nlinks + 1), n = random_image_neurons(s, variable);
    float *map = random_image_alloc(n);

    for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++) {
        answer(map, s, texts[t], variable);
        for (size_t i = 0; i < n; i++)
            assert_same(map[i], 0);
    }
    free(map);
}

static void a_map_of_no_walk_is_zero(void **state)
{
    (void)state;
    random_image_check_all(check_void, NETWORKS, "void");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_expression_is_the_sum_over_the_walks_in_it),
        cmocka_unit_test(sets_add_up_and_their_order_does_not_matter),
        cmocka_unit_test(a_map_sums_to_the_walks_that_pass_its_layer),
        cmocka_unit_test(a_map_of_no_walk_is_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
