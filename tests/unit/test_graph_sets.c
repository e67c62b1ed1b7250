/* Set expressions on random graphs: measures and maps against the list of all walks, and what branches change. */
#include "pipeline/sets/plan.h"
#include "tests/support/assert.h"
#include "tests/support/graph_measure.h"
#include "tests/support/graph_random.h"
#include "tests/support/graph_text.h"
#include "tests/support/graph_walks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { GRAPHS = 120, EXPRESSIONS = 4, LEAST_WALKS = 20, MOST_WALKS = 20000, TEXT = 2048, MAX_NODES = 16 };

/* Float32 sums of walks, relative to the sum of all walks' magnitudes, which is below the second number: with rules
 * that cancel more, denominators in float32 are no longer those in double. */
static const double BAR = 2e-5, MAGNITUDE = 30;

/* One graph, planned, with all walks of its image. */
struct sample {
    struct graph_case c;
    struct graph_walks walks;
    struct graph_measure measure;
    struct random *random;
    void (*check)(struct sample *s, const struct measure_image *image);
    size_t checked, around, empty; /* images; unions with walks that jump over the upper layer; empty intersections */
};

static void *allocate(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);

    if (!p)
        abort();
    return p;
}

static float *aligned_floats(size_t n)
{
    float *p = aligned_alloc(ARENA_ALIGNMENT, (n * sizeof *p / ARENA_ALIGNMENT + 1) * ARENA_ALIGNMENT);

    if (!p)
        abort();
    memset(p, 0xff, n * sizeof *p); /* NaN: nothing is read before it is written */
    return p;
}

/* ---- random expressions ------------------------------------------------------------------------------------------ */

enum kind { IN_SET, NOT_IN_SET, IN_BIAS, AND, OR };

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

static void append(char text[TEXT], const char *piece)
{
    strncat(text, piece, TEXT - strlen(text) - 1);
}

/* A variable that walks can pass. */
static size_t random_variable(const struct sample *s)
{
    size_t k = random_below(s->random, s->c.net.nlinks + 1);

    while (!s->c.net.swept[k])
        k = random_below(s->random, s->c.net.nlinks + 1);
    return k;
}

static struct box random_box(const struct sample *s, size_t variable)
{
    struct shape shape = network_shape(&s->c.net, variable);
    size_t lengths[] = {shape.channels, shape.height, shape.width};
    struct box box = {.variable = variable};

    for (size_t d = 0; d < 3; d++) {
        box.first[d] = random_below(s->random, lengths[d]);
        box.end[d] = box.first[d] + 1 + random_below(s->random, lengths[d] - box.first[d]);
    }
    return box;
}

static bool has_bias(const struct network *net, size_t variable)
{
    return variable > 0 &&
           (net->links[variable - 1].kind == LINK_CONVOLUTION || net->links[variable - 1].kind == LINK_DENSE);
}

/* A set, the rest of a layer or, if wanted, a bias. */
static void random_leaf(struct expression *e, struct node *node, const struct sample *s, bool biases)
{
    const struct network *net = &s->c.net;
    size_t variable = random_variable(s);
    char piece[TEXT / 8];

    node->kind = random_below(s->random, 4) ? IN_SET : NOT_IN_SET;
    if (biases && has_bias(net, variable) && random_below(s->random, 3) == 0)
        node->kind = IN_BIAS;
    node->box = random_box(s, variable);
    if (node->kind == IN_BIAS)
        snprintf(piece, sizeof piece, "bias(%s)", network_variable(net, variable));
    else
        snprintf(piece, sizeof piece, "%s%s[%zu:%zu]@(%zu:%zu,%zu:%zu)", node->kind == IN_SET ? "" : "not ",
                 network_variable(net, variable), node->box.first[0], node->box.end[0], node->box.first[1],
                 node->box.end[1], node->box.first[2], node->box.end[2]);
    append(e->text, piece);
}

/* A random tree; appends its text and returns its node. */
static size_t random_tree(struct expression *e, const struct sample *s, bool biases, size_t depth)
{
    size_t at = e->count++;
    struct node node = {.kind = random_below(s->random, 2) ? AND : OR};

    if (depth == 0 || random_below(s->random, 4) == 0) {
        random_leaf(e, &node, s, biases);
    } else {
        append(e->text, "(");
        node.left = random_tree(e, s, biases, depth - 1);
        append(e->text, node.kind == AND ? " and " : " or ");
        node.right = random_tree(e, s, biases, depth - 1);
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

static bool is_in(const struct expression *e, size_t at, const struct network *net, const struct graph_walk *walk)
{
    const struct node *node = &e->nodes[at];
    int32_t neuron = walk->neurons[node->box.variable];

    switch (node->kind) {
    case AND:
        return is_in(e, node->left, net, walk) && is_in(e, node->right, net, walk);
    case OR:
        return is_in(e, node->left, net, walk) || is_in(e, node->right, net, walk);
    case IN_BIAS:
        return walk->end == GRAPH_BIAS && walk->last == node->box.variable;
    default:
        return neuron >= 0 &&
               box_has(&node->box, network_shape(net, node->box.variable), (size_t)neuron) == (node->kind == IN_SET);
    }
}

/* ---- the program's answer ---------------------------------------------------------------------------------------- */

static void parse(struct sets *sets, const struct sample *s, const char *text)
{
    struct error err = {0};

    if (sets_parse(sets, text, &s->c.net, &err) != OK)
        fail_msg("%s: %s", text, err.message);
}

/* The measure of an expression, or into `map`, planar, that of its walks through every neuron of a variable. */
static double answer(float *map, const struct sample *s, const struct measure_image *image, const char *text,
                     size_t variable)
{
    struct error err = {0};
    struct sets sets;
    struct sets_plan plan;
    struct decision_workspace work;
    struct arena arena = arena_over(NULL, 0);
    double value = 0;

    parse(&sets, s, text);
    if (sets_plan_init(&plan, &sets, &sets.value, variable, &err) != OK)
        fail_msg("%s: %s", text, err.message);
    struct decision_extent extent = decision_extent(&plan.decision);
    extent.maps = map != NULL;
    decision_place(&work, &s->measure.plan, extent, &arena);
    float *memory = aligned_floats(arena.peak / sizeof *memory);
    float *values = aligned_floats(map ? layout_floats(network_layout(&s->c.net, variable)) : 1);
    arena = arena_over(memory, arena.peak);
    decision_place(&work, &s->measure.plan, extent, &arena);
    if (map) {
        decision_map(values, &plan.decision, variable, image, &work);
        layout_to_planar(map, values, network_layout(&s->c.net, variable));
    } else {
        value = plan.everything ? 1 : decision_value(&plan.decision, image, &work);
    }
    free(values);
    free(memory);
    sets_plan_free(&plan);
    sets_free(&sets);
    return value;
}

static void expect(const struct sample *s, const char *text, double got, double want)
{
    if (!(fabs(got - want) <= BAR * fmax(1, s->walks.magnitude)))
        fail_msg("%s: %.9g, not %.9g as the sum of walks; %zu walks with sum |walk| %.3g of\n%s", text, got, want,
                 s->walks.n, s->walks.magnitude, s->c.text);
}

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

/* Whether the kernels have the relevance of every neuron as the sum of its walks: test_graph_measure.c checks that, and
 * a tie that float32 decides otherwise is none of this test's business. */
static bool marginals_agree(const struct sample *s, const struct measure_image *image, size_t k)
{
    size_t n = shape_neurons(network_shape(&s->c.net, k));
    double *want = allocate(n, sizeof *want);
    float *got = aligned_floats(n);
    bool agree = true;

    for (size_t i = 0; i < s->walks.n; i++)
        if (s->walks.walks[i].neurons[k] >= 0)
            want[s->walks.walks[i].neurons[k]] += s->walks.walks[i].measure;
    layout_to_planar(got, image->r[k], network_layout(&s->c.net, k));
    for (size_t j = 0; j < n; j++)
        agree = agree && fabs((double)got[j] - want[j]) <= BAR * fmax(1, s->walks.magnitude);
    free(want);
    free(got);
    return agree;
}

static void take_image(void *context, size_t slot, const struct measure_image *image)
{
    struct sample *s = context;

    (void)slot;
    for (size_t k = 0; k <= s->c.net.nlinks; k++)
        if (s->c.net.swept[k] && !marginals_agree(s, image, k))
            return;
    s->check(s, image);
    s->checked++;
}

/* A random graph with its walks; false if they are too few or too many, or cancel. */
static bool draw(struct sample *s, const char *rule)
{
    char text[GRAPH_TEXT];

    graph_random_small(text, s->random);
    graph_case_init(&s->c, text, s->random);
    graph_case_choose(&s->c, rule, s->random);
    size_t n = graph_walks_count(&s->c, MOST_WALKS);
    if (n >= LEAST_WALKS && n <= MOST_WALKS) {
        graph_walks_init(&s->walks, &s->c);
        if (s->walks.magnitude <= MAGNITUDE)
            return true;
        graph_walks_free(&s->walks);
    }
    graph_case_free(&s->c);
    return false;
}

/* Returns the counts of what was seen. */
static struct sample check_all(void (*check)(struct sample *s, const struct measure_image *image), const char *name)
{
    struct random random = random_seed(name);
    struct sample *s = allocate(1, sizeof *s), seen;
    struct graph_outcome outcome;
    size_t nrules = 0;

    *s = (struct sample){.random = &random, .check = check};
    while (graph_case_rule(nrules))
        nrules++;
    for (size_t i = 0; i < GRAPHS; i++) {
        while (!draw(s, graph_case_rule(i % nrules)))
            ;
        graph_measure_init(&s->measure, &s->c, GIVEN_NONE, 1, &random);
        s->measure.options.images = true;
        graph_measure_plan(&s->measure);
        graph_measure_run(&outcome, &s->measure, NULL, take_image, s);
        graph_outcomes_free(&outcome, &s->measure);
        graph_measure_free(&s->measure);
        graph_walks_free(&s->walks);
        graph_case_free(&s->c);
    }
    assert_at_least(s->checked, GRAPHS * 95 / 100);
    seen = *s;
    free(s);
    return seen;
}

/* ---- all walks one by one ---------------------------------------------------------------------------------------- */

/* Sum of the walks in an expression; map[neuron] those of them that pass a neuron of the variable. */
static double walk_sums(double *map, const struct sample *s, const struct expression *e, size_t variable)
{
    double value = 0;

    for (size_t i = 0; i < s->walks.n; i++) {
        const struct graph_walk *walk = &s->walks.walks[i];
        if (!is_in(e, 0, &s->c.net, walk))
            continue;
        value += walk->measure;
        if (map && walk->neurons[variable] >= 0)
            map[walk->neurons[variable]] += walk->measure;
    }
    return value;
}

static void check_expressions(struct sample *s, const struct measure_image *image)
{
    for (size_t i = 0; i < EXPRESSIONS; i++) {
        struct expression *e = allocate(1, sizeof *e);
        random_tree(e, s, true, 3);
        expect(s, e->text, answer(NULL, s, image, e->text, SETS_NO_MAP), walk_sums(NULL, s, e, 0));
        free(e);
    }
}

static void an_expression_is_the_sum_over_the_walks_in_it(void **state)
{
    (void)state;
    check_all(check_expressions, "expressions");
}

static void check_maps(struct sample *s, const struct measure_image *image)
{
    for (size_t i = 0; i < EXPRESSIONS; i++) {
        struct expression *e = allocate(1, sizeof *e);
        size_t variable = random_variable(s), n = shape_neurons(network_shape(&s->c.net, variable));
        float *map = aligned_floats(n);
        double *want = allocate(n, sizeof *want);
        random_tree(e, s, false, 2);
        walk_sums(want, s, e, variable);
        answer(map, s, image, e->text, variable);
        for (size_t j = 0; j < n; j++)
            expect(s, e->text, (double)map[j], want[j]);
        free(want);
        free(map);
        free(e);
    }
}

static void a_map_has_the_walks_through_every_neuron(void **state)
{
    (void)state;
    check_all(check_maps, "maps");
}

/* A set of an upper layer that edges jump over, or one of a lower layer. */
static void check_unions(struct sample *s, const struct measure_image *image)
{
    const struct network *net = &s->c.net;

    for (size_t upper = 2; upper <= net->nlinks; upper++) {
        size_t lower = random_below(s->random, upper);
        struct expression *e = allocate(1, sizeof *e);
        if (!net->cut[upper] && net->swept[upper] && net->swept[lower]) {
            *e = (struct expression){3, {{.kind = OR, .left = 1, .right = 2}}, ""};
            e->nodes[1] = (struct node){.kind = IN_SET, .box = random_box(s, upper)};
            e->nodes[2] = (struct node){.kind = IN_SET, .box = random_box(s, lower)};
            size_t *end = e->nodes[2].box.end, *first = e->nodes[1].box.first;
            e->nodes[2].box = (struct box){.variable = lower, .end = {1, end[1], end[2]}};
            snprintf(e->text, sizeof e->text, "%s[%zu:%zu]@(%zu:%zu,%zu:%zu) or %s[0]@(0:%zu,0:%zu)",
                     network_variable(net, upper), first[0], e->nodes[1].box.end[0], first[1], e->nodes[1].box.end[1],
                     first[2], e->nodes[1].box.end[2], network_variable(net, lower), end[1], end[2]);
            expect(s, e->text, answer(NULL, s, image, e->text, SETS_NO_MAP), walk_sums(NULL, s, e, 0));
            s->around++;
        }
        free(e);
    }
}

static void a_union_counts_the_walks_that_jump_over_its_upper_layer(void **state)
{
    (void)state;
    assert_at_least(check_all(check_unions, "unions").around, GRAPHS);
}

/* ---- branches ---------------------------------------------------------------------------------------------------- */

/* Whether any walk passes both variables. */
static bool together(const struct sample *s, size_t a, size_t b)
{
    for (size_t i = 0; i < s->walks.n; i++)
        if (s->walks.walks[i].neurons[a] >= 0 && s->walks.walks[i].neurons[b] >= 0)
            return true;
    return false;
}

/* Walks of measure zero are not listed, so that branches may seem parallel that are not. */
static void check_intersections(struct sample *s, const struct measure_image *image)
{
    const struct network *net = &s->c.net;
    char text[TEXT];

    (void)image;
    for (size_t upper = 1; upper <= net->nlinks; upper++)
        for (size_t lower = 0; lower < upper; lower++) {
            struct sets sets;
            if (!net->swept[upper] || !net->swept[lower])
                continue;
            snprintf(text, sizeof text, "%s[0] and %s[0]", network_variable(net, upper), network_variable(net, lower));
            parse(&sets, s, text);
            assert_int_equal(sets.value.count, network_leads(net, upper, lower));
            if (sets.value.count == 0) {
                assert_false(together(s, upper, lower));
                s->empty++;
            }
            sets_free(&sets);
        }
}

static void sets_in_parallel_branches_have_an_empty_intersection(void **state)
{
    (void)state;
    assert_at_least(check_all(check_intersections, "intersections").empty, GRAPHS / 4);
}

/* A whole layer above another set is dropped from the plan only if no walk avoids it. */
static const char block[] = "input 2x6x6\n"
                            "0 convolution input out=4 window=3 pad=1 relu\n"
                            "layer1.0.conv1 convolution 0 out=4 window=3 pad=1 relu\n"
                            "layer1.0.conv2 convolution layer1.0.conv1 out=4 window=3 pad=1\n"
                            "layer1.0.add add 0,layer1.0.conv2 relu\n"
                            "pool average layer1.0.add\n"
                            "gate.fc convolution pool out=4 window=1 sigmoid\n"
                            "scaled gate layer1.0.add gate=gate.fc\n"
                            "mean average scaled\n"
                            "fc dense mean out=3";

static struct network read_block(void)
{
    struct network net;
    char message[200] = "";

    if (!graph_text_read(&net, block, message, sizeof message))
        fail_msg("%s", message);
    return net;
}

static void only_whole_cuts_are_left_out_of_an_intersection(void **state)
{
    static const struct {
        const char *text;
        size_t sets; /* that remain */
    } cases[] = {{"layer1.0.add and layer1.0.conv1[2]", 1},
                 {"layer1.0.conv2 and layer1.0.conv1[2]", 2},
                 {"layer1.0.conv2[*] and 0[1]", 2},
                 {"scaled and layer1.0.add and input", 1},
                 {"not 0[1] and layer1.0.add", 1}};
    struct network net = read_block();
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sets sets;
        if (sets_parse(&sets, cases[i].text, &net, &err) != OK)
            fail_msg("%s: %s", cases[i].text, err.message);
        assert_int_equal(sets.value.count, 1);
        assert_int_equal(__builtin_popcountll(sets.value.clauses[0]), cases[i].sets);
        sets_free(&sets);
    }
}

static void mistakes_about_branches_are_explained(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {{"layer1.0.con1[2]", "has no layer \"layer1.0.con1\"; did you mean \"layer1.0.conv1\"?"},
                 {"layer1.0", "has no layer \"layer1.0\""},
                 {"1[2]", "expected a set, such as fc[0:2]"},
                 {"gate.fc[2]", "gate.fc only computes a gate: no walk passes it"},
                 {"pool", "pool only computes a gate: no walk passes it"},
                 {"bias(layer1.0.add)", "layer1.0.add has no bias"},
                 {"bias(mean)", "mean has no bias"},
                 {"bias(scaled)", "scaled has no bias"}};
    struct network net = read_block();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error err = {0};
        struct sets sets;
        assert_int_equal(sets_parse(&sets, cases[i].text, &net, &err), FAIL_CONFIG);
        if (!strstr(err.message, cases[i].message))
            fail_msg("%s: %s", cases[i].text, err.message);
        sets_free(&sets);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_expression_is_the_sum_over_the_walks_in_it),
        cmocka_unit_test(a_map_has_the_walks_through_every_neuron),
        cmocka_unit_test(a_union_counts_the_walks_that_jump_over_its_upper_layer),
        cmocka_unit_test(sets_in_parallel_branches_have_an_empty_intersection),
        cmocka_unit_test(only_whole_cuts_are_left_out_of_an_intersection),
        cmocka_unit_test(mistakes_about_branches_are_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
