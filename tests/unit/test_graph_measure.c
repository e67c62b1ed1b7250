/* The measure of graphs by the float32 kernels: against the double reference, and its own laws. */
#include "kernels/measure/far.h"
#include "tests/support/assert.h"
#include "tests/support/graph_measure.h"
#include "tests/support/graph_random.h"
#include "tests/support/graph_reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SMALL = 216, LARGE = 36, SLOTS = 2, COMPOSITES = 9, RULES = 12 };

/* Channels and flows, of the array's largest; neurons, sum |difference| of sum |value|; the ledger's mass of one. Where
 * the total variation is larger than that of trained networks, a rule cancels, and errors grow with it. */
static const double BAR = 1e-4, MAP_BAR = 1e-3, LEDGER_BAR = 1e-5, TRAINED = 3.2;

static void *allocate(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);

    if (!p)
        abort();
    return p;
}

/* ---- samples ----------------------------------------------------------------------------------------------------- */

/* A graph, both ways: the reference has the image of slot 0. */
struct sample {
    struct graph_case c;
    struct graph_measure m;
    struct graph_outcome outcomes[GRAPH_MEASURE_GROUP];
    struct graph_reference ref;
    struct graph_arrays above, share; /* M and h of the condition */
    struct random *random;
    double worst; /* largest variation of slot 0, at least one */
};

static void sample_init(struct sample *s, size_t number, bool large, struct random *random)
{
    char *text = allocate(GRAPH_TEXT, 1);

    s->random = random;
    if (large) {
        graph_random_large(text, (enum graph_family)(number % GRAPH_FAMILIES), random);
        graph_case_init(&s->c, text, random);
        graph_case_choose_composite(&s->c, rule_composite_name(number % COMPOSITES), random);
    } else {
        graph_random_small(text, random);
        graph_case_init(&s->c, text, random);
        graph_case_choose(&s->c, graph_case_rule(number % RULES), random);
    }
    graph_measure_init(&s->m, &s->c, (enum measure_given)(number / 3 % 3), SLOTS, random);
    s->m.options.variation_limit = s->m.plan.options.variation_limit = 100;
    free(text);
}

static void sample_measure(struct sample *s, graph_measure_visitor image, void *context)
{
    graph_measure_run(s->outcomes, &s->m, NULL, image, context);
    s->worst = 1;
    for (size_t k = 0; k <= s->c.net.nlinks; k++)
        s->worst = fmax(s->worst, s->outcomes[0].result.variation[k]);
}

static void sample_refer(struct sample *s)
{
    graph_reference_init(&s->ref, &s->c);
    graph_arrays_init(&s->above, &s->c.net);
    graph_arrays_init(&s->share, &s->c.net);
    graph_reference_condition(&s->above, &s->share, &s->ref, graph_measure_masks(&s->m));
}

static void sample_unrefer(struct sample *s)
{
    graph_reference_free(&s->ref);
    graph_arrays_free(&s->above);
    graph_arrays_free(&s->share);
}

static void sample_free(struct sample *s)
{
    graph_measure_free(&s->m);
    graph_case_free(&s->c);
    free(s);
}

/* Check slot 0 of random graphs, unless it is undefined or exploded; returns how many were. */
typedef void (*checker)(struct sample *s);

static size_t check_all(checker check, size_t graphs, bool large, const char *name)
{
    struct random random = random_seed(name);
    size_t checked = 0;

    for (size_t i = 0; i < graphs; i++) {
        struct sample *s = allocate(1, sizeof *s);
        sample_init(s, i, large, &random);
        sample_measure(s, NULL, NULL);
        if (s->outcomes[0].result.status == MEASURE_OK) {
            sample_refer(s);
            check(s);
            sample_unrefer(s);
            checked++;
        }
        graph_outcomes_free(s->outcomes, &s->m);
        sample_free(s);
    }
    return checked;
}

/* How much larger errors may be than the bars. */
static double excess(const struct sample *s)
{
    return s->worst <= TRAINED ? 1 : s->worst;
}

/* And how large where the array is nearly zero, since its parts cancel or hardly any walk passes it: float32 knows a
 * mass of one to 1e-7. */
static double noise(const struct sample *s)
{
    return s->worst <= TRAINED ? 1e-7 : LEDGER_BAR * s->worst;
}

static void expect_near(const struct sample *s, const char *what, double got, double want, double allowed)
{
    if (!(fabs(got - want) <= allowed))
        fail_msg("%s is %.9g, not %.9g within %.3g; variation %.3g, given %d of\n%s", what, got, want, allowed,
                 s->worst, s->m.options.given, s->c.text);
}

/* An array within BAR of its largest, and `besides`. */
static void expect_array(const struct sample *s, const char *what, const double *got, const double *want, size_t n,
                         double besides)
{
    double most = 0;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(want[i]));
    for (size_t i = 0; i < n; i++)
        expect_near(s, what, got[i], want[i], BAR * excess(s) * most + besides);
}

/* ---- against the reference --------------------------------------------------------------------------------------- */

static void compare_variable(const struct sample *s, size_t k)
{
    const struct network *net = &s->c.net;
    size_t n = shape_neurons(network_shape(net, k)), channels = network_shape(net, k).channels;
    double *want = allocate(n, sizeof *want), *sums = allocate(channels, sizeof *sums), total = 0, difference = 0;

    for (size_t i = 0; i < n; i++) {
        want[i] = s->above.of[k][i] * s->share.of[k][i];
        total += fabs(want[i]);
        difference += fabs(want[i] - (double)s->outcomes[0].neurons[k][i]);
    }
    graph_reference_channels(sums, net, k, want);
    expect_array(s, network_variable(net, k), s->outcomes[0].result.relevance + s->m.plan.channel[k], sums, channels,
                 noise(s));
    if (s->c.pool != POOL_FIRST)
        expect_near(s, "a map's sum of differences", difference, 0, MAP_BAR * excess(s) * total + noise(s));
    free(want);
    free(sums);
}

static void compare_edge(const struct sample *s, size_t e)
{
    const struct edge *edge = &s->c.net.edges[e];
    const struct link *link = &s->c.net.links[edge->link];
    size_t n = graph_measure_entries(&s->c.net, e);
    double *want = allocate(n, sizeof *want), *got = allocate(n, sizeof *got);

    graph_reference_flow(want, &s->ref, edge->link, e - link->first_edge, &s->above, &s->share,
                         graph_measure_masks(&s->m));
    for (size_t i = 0; i < n; i++)
        got[i] = (double)s->outcomes[0].joint[e][i];
    expect_array(s, link->name, got, want, n, noise(s));
    free(want);
    free(got);
}

static void compare_ledger(const struct sample *s)
{
    const struct measure_result *result = &s->outcomes[0].result;
    struct graph_sweep sweep = {s->c.net.nlinks, s->ref.start, NULL, GRAPH_NONE, GRAPH_NONE};
    struct graph_ledger ledger[NETWORK_MAX_VARIABLES];
    struct graph_arrays r;

    graph_arrays_init(&r, &s->c.net);
    graph_reference_down(&r, ledger, &s->ref, &sweep);
    for (size_t k = 0; k <= s->c.net.nlinks; k++) {
        double allowed = BAR * excess(s) * fmax(1, ledger[k].variation);
        expect_near(s, "mass", result->mass[k], ledger[k].mass, allowed);
        expect_near(s, "bypass", result->bypass[k], ledger[k].bypass, allowed);
        expect_near(s, "bias", result->bias[k], ledger[k].bias, allowed);
        expect_near(s, "absorbed", result->absorbed[k], ledger[k].absorbed, allowed);
        expect_near(s, "variation", result->variation[k], ledger[k].variation, allowed);
        if (s->c.net.cut[k])
            assert_same(result->bypass[k], 0);
    }
    graph_arrays_free(&r);
}

static void check_reference(struct sample *s)
{
    for (size_t k = 0; k <= s->c.net.nlinks; k++)
        compare_variable(s, k);
    for (size_t e = 0; e < s->c.net.nedges; e++)
        if (s->m.options.flows[e])
            compare_edge(s, e);
    compare_ledger(s);
}

static void small_graphs_equal_the_reference(void **state)
{
    (void)state;
    assert_at_least(check_all(check_reference, SMALL, false, "small"), SMALL * 3 / 4);
}

/* Like ResNets, DenseNets, MobileNets and Inception, under every composite. */
static void networks_equal_the_reference(void **state)
{
    (void)state;
    assert_at_least(check_all(check_reference, LARGE, true, "networks"), LARGE * 2 / 3);
}

/* ---- the ledger -------------------------------------------------------------------------------------------------- */

static double ledger_sum(const struct measure_result *result, size_t k)
{
    return result->mass[k] + result->bypass[k] + result->bias[k] + result->absorbed[k];
}

static void check_ledger(struct sample *s)
{
    for (size_t g = 0; g < SLOTS; g++) {
        const struct measure_result *result = &s->outcomes[g].result;
        double worst = 1;
        for (size_t k = 0; k <= s->c.net.nlinks; k++)
            worst = fmax(worst, result->variation[k]);
        for (size_t k = 0; k <= s->c.net.nlinks && result->status == MEASURE_OK; k++)
            expect_near(s, network_variable(&s->c.net, k), ledger_sum(result, k), 1,
                        LEDGER_BAR * (worst <= TRAINED ? 1 : worst));
    }
}

static void ledger_closes_at_every_variable(void **state)
{
    (void)state;
    assert_at_least(check_all(check_ledger, LARGE, true, "ledger"), LARGE * 2 / 3);
    assert_at_least(check_all(check_ledger, SMALL, false, "ledger"), SMALL * 3 / 4);
}

/* How far the ledger of slot 0 is from one at the input, after a change of the plan. */
static double opening(struct sample *s)
{
    sample_measure(s, NULL, NULL);
    double sum = ledger_sum(&s->outcomes[0].result, 0);
    graph_outcomes_free(s->outcomes, &s->m);
    return fabs(sum - 1);
}

/* The first edge from `e` on that carries R to a variable which has another already; the number of edges if none. */
static size_t find_second_reader(const struct sample *s, size_t e)
{
    while (e < s->c.net.nedges && (s->m.plan.edges[e].first || !s->c.net.swept[s->c.net.edges[e].link + 1]))
        e++;
    return e;
}

/* Of every network, each second reader overwrites once what the first has brought. */
static void ledger_opens_if_a_reader_is_forgotten(void **state)
{
    struct random random = random_seed("readers");
    size_t openings = 0, tried = 0;

    (void)state;
    for (size_t i = 0; i < LARGE; i++) {
        struct sample *s = allocate(1, sizeof *s);
        sample_init(s, i, true, &random);
        bool closed = opening(s) <= LEDGER_BAR && s->worst <= TRAINED;
        for (size_t e = 0; closed && (e = find_second_reader(s, e)) < s->c.net.nedges; e++) {
            s->m.plan.edges[e].first = true;
            openings += opening(s) > 10 * LEDGER_BAR;
            tried++;
            s->m.plan.edges[e].first = false;
        }
        sample_free(s);
    }
    assert_at_least(tried, LARGE / 2);
    assert_at_least(openings, tried * 2 / 3);
}

/* A weight that is changed once the relevance of its link's variable is known: only the backward pass sees it. */
struct spoiler {
    size_t variable;
    float *weight;
};

static void spoil(void *context, size_t slot, size_t variable, const float *r, const float *h)
{
    const struct spoiler *spoiler = context;

    (void)r, (void)h;
    if (slot == 0 && variable == spoiler->variable)
        *spoiler->weight *= 1.5F;
}

/* The entry of a link's flow that is farthest from zero: of a 1 x 1 convolution, what one weight carries. */
static size_t strongest(const struct sample *s, size_t edge)
{
    const float *joint = s->outcomes[0].joint[edge];
    size_t most = 0;

    for (size_t i = 0; i < graph_measure_entries(&s->c.net, edge); i++)
        most = fabsf(joint[i]) > fabsf(joint[most]) ? i : most;
    return most;
}

/* The ledger is open by half of what the weight carries. */
static bool check_spoilt(struct sample *s, size_t k)
{
    size_t edge = s->c.net.links[k].first_edge;
    const float *inputs[SLOTS] = {s->m.inputs[0]};
    const struct measure_target targets[SLOTS] = {s->c.target};
    struct measure_result results[SLOTS];

    sample_measure(s, NULL, NULL);
    size_t at = strongest(s, edge);
    struct spoiler spoiler = {k + 1, s->c.model + s->c.net.links[k].weight + at};
    double carried = (double)s->outcomes[0].joint[edge][at];
    float before = *spoiler.weight;
    for (size_t g = 0; g < SLOTS; g++)
        results[g] = s->outcomes[g].result;
    measure_group(results, &s->m.plan, inputs, targets, (struct measure_sink){&spoiler, spoil, NULL, NULL}, &s->m.work);
    *spoiler.weight = before;
    expect_near(s, "the ledger", ledger_sum(&results[0], 0), 1 + carried / 2, BAR * s->worst);
    graph_outcomes_free(s->outcomes, &s->m);
    return fabs(carried / 2) > 10 * LEDGER_BAR * s->worst;
}

/* A convolution on an edge that jumps over variables, whose weights the kernels read where the model has them: rule
 * epsilon, whose denominators are not z if the bias is spread. */
static bool is_skip(const struct sample *s, size_t k)
{
    const struct link *link = &s->c.net.links[k];

    return link->kind == LINK_CONVOLUTION && link->window.height == 1 && network_edge(&s->c.net, k, 0)->lower < k &&
           k < s->m.plan.grouped && s->c.net.swept[k + 1] && s->m.plan.links[k].forms[0] == s->c.model + link->weight;
}

static void ledger_opens_if_a_skip_s_weight_is_wrong(void **state)
{
    struct random random = random_seed("weights");
    size_t openings = 0;

    (void)state;
    for (size_t i = 0; i < 6 * LARGE; i += GRAPH_FAMILIES) { /* of ResNets */
        struct sample *s = allocate(1, sizeof *s);
        sample_init(s, i, true, &random);
        for (size_t k = 0; k < s->c.net.nlinks; k++)
            s->m.options.rules[k] = (struct rule){.kind = RULE_EPSILON, .a = 1e-6};
        s->m.options.given = GIVEN_NONE;
        s->m.options.bias = BIAS_SPREAD;
        graph_measure_plan(&s->m);
        bool closed = opening(s) <= LEDGER_BAR * s->worst && s->worst <= 100;
        for (size_t k = 0; k < s->c.net.nlinks && closed; k++)
            openings += is_skip(s, k) && check_spoilt(s, k);
        sample_free(s);
    }
    assert_at_least(openings, LARGE / 2);
}

/* ---- slots ------------------------------------------------------------------------------------------------------- */

static void expect_same_bits(const struct sample *s, const struct graph_outcome *a, const struct graph_outcome *b)
{
    const struct network *net = &s->c.net;
    size_t channels = s->m.plan.channel[net->nlinks + 1];

    assert_int_equal(a->result.status, b->result.status);
    assert_memory_equal(a->result.relevance, b->result.relevance, channels * sizeof(double));
    assert_memory_equal(a->result.activation, b->result.activation, channels * sizeof(float));
    assert_memory_equal(a->result.mass, b->result.mass, sizeof a->result.mass);
    assert_memory_equal(a->result.bypass, b->result.bypass, sizeof a->result.bypass);
    assert_memory_equal(a->result.variation, b->result.variation, sizeof a->result.variation);
    assert_memory_equal(a->result.bias, b->result.bias, sizeof a->result.bias);
    assert_memory_equal(a->result.absorbed, b->result.absorbed, sizeof a->result.absorbed);
    for (size_t k = 0; k <= net->nlinks; k++)
        assert_memory_equal(a->neurons[k], b->neurons[k], shape_neurons(network_shape(net, k)) * sizeof(float));
    for (size_t e = 0; e < net->nedges; e++)
        assert_memory_equal(a->joint[e], b->joint[e], graph_measure_entries(net, e) * sizeof(float));
}

static void slot_does_not_depend_on_the_others(void **state)
{
    static const bool alone[GRAPH_MEASURE_GROUP] = {true};
    struct random random = random_seed("slots");

    (void)state;
    for (size_t i = 0; i < LARGE; i++) {
        struct sample *s = allocate(1, sizeof *s);
        struct graph_outcome outcomes[GRAPH_MEASURE_GROUP];
        sample_init(s, i, i % 2, &random);
        sample_measure(s, NULL, NULL);
        graph_measure_run(outcomes, &s->m, alone, NULL, NULL);
        assert_int_equal(outcomes[1].result.status, MEASURE_ABSENT);
        expect_same_bits(s, &outcomes[0], &s->outcomes[0]);
        graph_outcomes_free(outcomes, &s->m);
        graph_outcomes_free(s->outcomes, &s->m);
        sample_free(s);
    }
}

/* Images go up one by one below plan.evaluated: their bits do not depend on the size of the group. */
static void groups_of_one_and_eight_have_the_same_activations(void **state)
{
    static const size_t sizes[] = {1, 8};
    struct random random = random_seed("groups");

    (void)state;
    for (size_t i = 0; i < LARGE / 2; i++) {
        struct sample *s = allocate(1, sizeof *s);
        struct graph_measure m[2];
        struct graph_outcome outcomes[2][GRAPH_MEASURE_GROUP];
        sample_init(s, i, true, &random);
        for (size_t g = 0; g < 2; g++) {
            graph_measure_init(&m[g], &s->c, GIVEN_NONE, sizes[g], &random);
            graph_measure_run(outcomes[g], &m[g], NULL, NULL, NULL);
        }
        assert_int_equal(m[0].plan.evaluated, m[1].plan.evaluated);
        if (outcomes[0]->result.status == MEASURE_OK && outcomes[1]->result.status == MEASURE_OK)
            assert_memory_equal(outcomes[0]->result.activation, outcomes[1]->result.activation,
                                m[0].plan.channel[m[0].plan.evaluated + 1] * sizeof(float));
        for (size_t g = 0; g < 2; g++) {
            graph_outcomes_free(outcomes[g], &m[g]);
            graph_measure_free(&m[g]);
        }
        sample_free(s);
    }
}

/* ---- far pairs --------------------------------------------------------------------------------------------------- */

static void far_init(struct far_flow *flow, size_t rows, size_t columns)
{
    *flow = (struct far_flow){.joint = allocate(rows * columns, sizeof(float)),
                              .lost = allocate(rows, sizeof(double)),
                              .left_out = allocate(rows, sizeof(double)),
                              .around = allocate(columns, sizeof(double)),
                              .present = allocate(rows, sizeof(bool))};
}

static void far_free(struct far_flow *flow)
{
    free(flow->joint);
    free(flow->lost);
    free(flow->left_out);
    free(flow->around);
    free(flow->present);
}

/* By sweeps down and by sweeps up. What is lost or goes around is what the sweeps miss of one. */
static void compare_pair(const struct sample *s, size_t lower, size_t upper, const struct measure_image *image)
{
    size_t rows = network_shape(&s->c.net, upper).channels, columns = network_shape(&s->c.net, lower).channels;
    struct far_pair pair = {lower, upper, 0};
    struct arena arena = arena_over(NULL, 0);
    double *joint = allocate(rows * columns, sizeof *joint);
    struct graph_pair want;
    struct far_flow flow;
    struct far_work work;

    far_init(&flow, rows, columns);
    graph_reference_pair_init(&want, &s->ref, lower, upper, graph_measure_masks(&s->m));
    far_place(&work, &s->m.plan, pair, 1 << 20, &arena);
    void *memory = aligned_alloc(ARENA_ALIGNMENT, arena.peak);
    memset(memory, 0xff, arena.peak); /* NaN: nothing is read before it is written */
    arena = arena_over(memory, arena.peak);
    far_place(&work, &s->m.plan, pair, 1 << 20, &arena);
    for (int up = 0; up < 2; up++) {
        char what[128];
        snprintf(what, sizeof what, "%s-%s, by sweeps %s,", network_variable(&s->c.net, lower),
                 network_variable(&s->c.net, upper), up ? "up" : "down");
        work.cost.up = up;
        far_compute(&flow, &work, image);
        for (size_t i = 0; i < rows * columns; i++)
            joint[i] = (double)flow.joint[i];
        expect_array(s, what, joint, want.joint, rows * columns, noise(s));
        expect_array(s, what, flow.lost, want.lost, rows, LEDGER_BAR * excess(s));
        expect_array(s, what, flow.around, want.around, columns, LEDGER_BAR * excess(s));
    }
    graph_reference_pair_free(&want);
    far_free(&flow);
    free(memory);
    free(joint);
}

static void take_image(void *context, size_t slot, const struct measure_image *image)
{
    struct sample *s = context;

    for (size_t i = 0; i < 6 && slot == 0; i++) {
        size_t upper = 1 + random_below(s->random, s->c.net.nlinks), lower = random_below(s->random, upper);
        if (s->c.net.swept[upper] && s->c.net.swept[lower])
            compare_pair(s, lower, upper, image);
    }
}

static void far_pairs_equal_the_reference(void **state)
{
    struct random random = random_seed("pairs");

    (void)state;
    for (size_t i = 0; i < SMALL; i++) {
        struct sample *s = allocate(1, sizeof *s);
        sample_init(s, i, false, &random);
        s->m.options.images = true;
        graph_measure_plan(&s->m);
        sample_measure(s, NULL, NULL);
        graph_outcomes_free(s->outcomes, &s->m);
        sample_refer(s);
        sample_measure(s, take_image, s);
        sample_unrefer(s);
        graph_outcomes_free(s->outcomes, &s->m);
        sample_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_graphs_equal_the_reference),
        cmocka_unit_test(networks_equal_the_reference),
        cmocka_unit_test(ledger_closes_at_every_variable),
        cmocka_unit_test(ledger_opens_if_a_reader_is_forgotten),
        cmocka_unit_test(ledger_opens_if_a_skip_s_weight_is_wrong),
        cmocka_unit_test(slot_does_not_depend_on_the_others),
        cmocka_unit_test(groups_of_one_and_eight_have_the_same_activations),
        cmocka_unit_test(far_pairs_equal_the_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
