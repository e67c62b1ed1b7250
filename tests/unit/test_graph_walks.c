/* The measure of random graphs by sweeps of the reference kernels, against the list of all walks: marginals, joints,
 * conditions, pairs and flows, for every rule and both bias modes. */
#include "tests/support/assert.h"
#include "tests/support/graph_random.h"
#include "tests/support/graph_reference.h"
#include "tests/support/graph_walks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { GRAPHS = 240, LEAST_WALKS = 20, MOST_WALKS = 20000, MAX_SETS = 3 };

/* Of sum |walk|: both sides sum in double precision. */
static const double BAR = 1e-12;

/* Counts of what the accepted graphs have, so that a change of the generator cannot lose it unseen. */
struct traits {
    size_t kinds[LINK_PASS + 1], activations[ACTIVATION_MISH + 1], rules[RULE_FLAT + 1], biases[BIAS_SPREAD + 1];
    size_t pools[POOL_PROPORTIONAL + 1];
    size_t add_of_three, add_of_itself, long_skip, strided, grouped, depthwise, overlapping, padded, counted, unswept;
    size_t contrast;
};

/* What checks have seen: pairs of sets that no walk passes, wrong weights, openings of the ledger by more than 1e-3. */
struct seen {
    struct traits traits;
    size_t parallel, perturbed, openings;
};

/* One graph, both ways. */
struct sample {
    struct graph_case c;
    struct graph_walks walks;
    struct graph_reference ref;
    struct random *random;
    struct seen *seen;
};

static void *allocate(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);

    if (!p)
        abort();
    return p;
}

static size_t neurons(const struct sample *s, size_t k)
{
    return shape_neurons(network_shape(&s->c.net, k));
}

static size_t channels(const struct sample *s, size_t k)
{
    return network_shape(&s->c.net, k).channels;
}

static void expect(const struct sample *s, const char *what, double got, double want)
{
    if (!(fabs(got - want) <= BAR * s->walks.magnitude))
        fail_msg("%s is %.17g, not %.17g as the sum of walks; %zu walks with sum |walk| %.3g of\n%s", what, got, want,
                 s->walks.n, s->walks.magnitude, s->c.text);
}

/* ---- sums of walks ----------------------------------------------------------------------------------------------- */

/* Sets of one to three variables, as masks of all. */
struct sets {
    double *masks[NETWORK_MAX_VARIABLES];
    size_t variables[MAX_SETS], n;
};

static const double *const *masks_of(const struct sets *sets)
{
    return (const double *const *)sets->masks;
}

static bool passes(const struct graph_walk *walk, const struct sets *sets)
{
    for (size_t i = 0; sets && i < sets->n; i++) {
        int32_t j = walk->neurons[sets->variables[i]];
        if (j < 0 || sets->masks[sets->variables[i]][j] == 0)
            return false;
    }
    return true;
}

/* What sums[] of the walks through the sets goes to: index[walk] from a function of the walk, SIZE_MAX for none. */
typedef size_t (*sorter)(const struct sample *s, const struct graph_walk *walk, const size_t *of);

static void sum_walks(double *sums, const struct sample *s, const struct sets *sets, sorter sort, const size_t *of)
{
    for (size_t i = 0; i < s->walks.n; i++) {
        const struct graph_walk *walk = &s->walks.walks[i];
        size_t at = passes(walk, sets) ? sort(s, walk, of) : SIZE_MAX;
        if (at != SIZE_MAX)
            sums[at] += walk->measure;
    }
}

/* Channel of variable k that a walk passes; SIZE_MAX if none. */
static size_t channel_at(const struct sample *s, const struct graph_walk *walk, size_t k)
{
    return walk->neurons[k] < 0 ? SIZE_MAX : (size_t)walk->neurons[k] / shape_positions(network_shape(&s->c.net, k));
}

/* of: a variable. */
static size_t by_neuron(const struct sample *s, const struct graph_walk *walk, const size_t *of)
{
    (void)s;
    return walk->neurons[*of] < 0 ? SIZE_MAX : (size_t)walk->neurons[*of];
}

static size_t all_together(const struct sample *s, const struct graph_walk *walk, const size_t *of)
{
    (void)s;
    (void)walk;
    (void)of;
    return 0;
}

/* of: lower and upper variable. */
static size_t by_pair(const struct sample *s, const struct graph_walk *walk, const size_t *of)
{
    size_t low = channel_at(s, walk, of[0]), up = channel_at(s, walk, of[1]);

    return low == SIZE_MAX || up == SIZE_MAX ? SIZE_MAX : up * channels(s, of[0]) + low;
}

/* of: the variable that they do not pass, and the one whose channel counts. */
static size_t by_channel_without(const struct sample *s, const struct graph_walk *walk, const size_t *of)
{
    return walk->neurons[of[0]] >= 0 ? SIZE_MAX : channel_at(s, walk, of[1]);
}

/* of: an edge. */
static size_t by_edge(const struct sample *s, const struct graph_walk *walk, const size_t *of)
{
    const struct edge *e = &s->c.net.edges[*of];
    size_t low = channel_at(s, walk, e->lower), up = channel_at(s, walk, e->link + 1);

    if (walk->edges[e->link + 1] != (int32_t)*of)
        return SIZE_MAX;
    return network_diagonal(&s->c.net.links[e->link]) ? up : up * channels(s, e->lower) + low;
}

/* Where a walk is when variable k's turn comes: there, below it, in a bias or absorbed above it.
 * of: the variable. */
static size_t by_ledger(const struct sample *s, const struct graph_walk *walk, const size_t *of)
{
    (void)s;
    if (walk->neurons[*of] >= 0)
        return 0;
    if (walk->last < *of)
        return 1;
    return walk->end == GRAPH_BIAS ? 2 : 3;
}

/* of: the link that ends them, and which end. */
static size_t by_end(const struct sample *s, const struct graph_walk *walk, const size_t *of)
{
    return walk->end == (enum graph_end)of[1] && walk->last == of[0] + 1 ? channel_at(s, walk, of[0] + 1) : SIZE_MAX;
}

/* ---- sets -------------------------------------------------------------------------------------------------------- */

static void sets_free(struct sets *sets)
{
    for (size_t i = 0; i < sets->n; i++)
        free(sets->masks[sets->variables[i]]);
}

static void sets_add(struct sets *sets, const struct sample *s, size_t variable)
{
    if (sets->masks[variable])
        return;
    double *mask = allocate(neurons(s, variable), sizeof *mask);
    for (size_t i = 0; i < neurons(s, variable); i++)
        mask[i] = random_below(s->random, 3) ? 1 : 0;
    sets->masks[variable] = mask;
    sets->variables[sets->n++] = variable;
}

static void sets_random(struct sets *sets, const struct sample *s, size_t n)
{
    *sets = (struct sets){.n = 0};
    while (n-- > 0)
        sets_add(sets, s, random_below(s->random, s->c.net.nlinks + 1));
}

/* ---- checks ------------------------------------------------------------------------------------------------------ */

static void check_sum(struct sample *s)
{
    expect(s, "the sum of all walks", s->walks.sum, 1);
}

static void check_marginals(struct sample *s)
{
    struct graph_sweep sweep = {s->c.net.nlinks, s->ref.start, NULL, GRAPH_NONE, GRAPH_NONE};
    struct graph_ledger ledger[NETWORK_MAX_VARIABLES];
    struct graph_arrays r;

    graph_arrays_init(&r, &s->c.net);
    graph_reference_down(&r, ledger, &s->ref, &sweep);
    for (size_t k = 0; k <= s->c.net.nlinks; k++) {
        double *want = allocate(neurons(s, k), sizeof *want), rows[4] = {0};
        sum_walks(want, s, NULL, by_neuron, &k);
        for (size_t j = 0; j < neurons(s, k); j++)
            expect(s, network_variable(&s->c.net, k), r.of[k][j], want[j]);
        sum_walks(rows, s, NULL, by_ledger, &k);
        expect(s, "mass", ledger[k].mass, rows[0]);
        expect(s, "bypass", ledger[k].bypass, rows[1]);
        expect(s, "bias", ledger[k].bias, rows[2]);
        expect(s, "absorbed", ledger[k].absorbed, rows[3]);
        if (s->c.net.cut[k])
            assert_same(ledger[k].bypass, 0);
        free(want);
    }
    graph_arrays_free(&r);
}

static bool any_passes(const struct sample *s, const struct sets *sets)
{
    for (size_t i = 0; i < s->walks.n; i++)
        if (passes(&s->walks.walks[i], sets))
            return true;
    return false;
}

static void check_joint(const struct sample *s, size_t n)
{
    struct sets sets;
    double want = 0;

    sets_random(&sets, s, n);
    sum_walks(&want, s, &sets, all_together, NULL);
    double measure = graph_reference_measure(&s->ref, masks_of(&sets));
    expect(s, "a joint", measure, want);
    for (size_t i = 0; i < sets.n; i++) /* whole variables */
        for (size_t j = 0; j < neurons(s, sets.variables[i]); j++)
            sets.masks[sets.variables[i]][j] = 1;
    if (sets.n == 2 && !any_passes(s, &sets)) {
        assert_same(graph_reference_measure(&s->ref, masks_of(&sets)), 0);
        s->seen->parallel++;
    }
    sets_free(&sets);
}

static void check_joints(struct sample *s)
{
    for (size_t n = 1; n <= MAX_SETS; n++)
        for (size_t i = 0; i < 3; i++)
            check_joint(s, n);
}

/* R(j, B) of every neuron, and the flows along edges. */
static void check_under(const struct sample *s, const struct sets *sets)
{
    const struct network *net = &s->c.net;
    struct graph_arrays m, h;

    graph_arrays_init(&m, net);
    graph_arrays_init(&h, net);
    graph_reference_condition(&m, &h, &s->ref, sets ? masks_of(sets) : NULL);
    for (size_t k = 0; k <= net->nlinks; k++) {
        double *want = allocate(neurons(s, k), sizeof *want);
        sum_walks(want, s, sets, by_neuron, &k);
        for (size_t j = 0; j < neurons(s, k); j++)
            expect(s, network_variable(net, k), m.of[k][j] * h.of[k][j], want[j]);
        free(want);
    }
    for (size_t e = 0; e < net->nedges; e++) {
        const struct edge *edge = &net->edges[e];
        const struct link *link = &net->links[edge->link];
        size_t n = link->upper.channels * (network_diagonal(link) ? 1 : channels(s, edge->lower));
        double *want = allocate(n, sizeof *want), *got = allocate(n, sizeof *got);
        sum_walks(want, s, sets, by_edge, &e);
        if (network_has_rule(link))
            graph_reference_flow(got, &s->ref, edge->link, e - link->first_edge, &m, &h, sets ? masks_of(sets) : NULL);
        for (size_t i = 0; i < n && network_has_rule(link); i++)
            expect(s, link->name, got[i], want[i]);
        free(want);
        free(got);
    }
    graph_arrays_free(&m);
    graph_arrays_free(&h);
}

static void check_ends(const struct sample *s, const struct sets *sets)
{
    const struct network *net = &s->c.net;
    struct graph_sweep sweep = {net->nlinks, s->ref.start, sets ? masks_of(sets) : NULL, GRAPH_NONE, GRAPH_NONE};
    struct graph_arrays r;

    graph_arrays_init(&r, net);
    graph_reference_down(&r, NULL, &s->ref, &sweep);
    for (size_t k = 0; k < net->nlinks; k++) {
        size_t n = net->links[k].upper.channels;
        double *got = allocate(2 * n, sizeof *got), *want = allocate(2 * n, sizeof *want);
        bool above = true; /* all sets are at or above the link's variable */
        for (size_t i = 0; sets && i < sets->n; i++)
            above = above && sets->variables[i] > k;
        reference_shares(got, got + n, &s->ref.links[k], r.of[k + 1]);
        sum_walks(want, s, sets, by_end, (size_t[]){k, GRAPH_BIAS});
        sum_walks(want + n, s, sets, by_end, (size_t[]){k, GRAPH_ABSORBED});
        for (size_t i = 0; i < 2 * n && above; i++)
            expect(s, i < n ? "a bias" : "what is absorbed", got[i], want[i]);
        free(got);
        free(want);
    }
    graph_arrays_free(&r);
}

static void check_conditions(struct sample *s)
{
    struct sets input = {.n = 0};

    sets_add(&input, s, 0);
    check_under(s, NULL);
    check_ends(s, NULL);
    check_under(s, &input);
    for (size_t i = 0; i < neurons(s, 0); i++)
        input.masks[0][i] = 1;
    check_under(s, &input);
    sets_free(&input);
    for (size_t n = 1; n <= MAX_SETS; n++) {
        struct sets sets;
        sets_random(&sets, s, n);
        check_under(s, &sets);
        check_ends(s, &sets);
        sets_free(&sets);
    }
}

static void check_pair(const struct sample *s, size_t lower, size_t upper, const struct sets *sets)
{
    size_t rows = channels(s, upper), columns = channels(s, lower), of[2] = {lower, upper};
    double *joint = allocate(rows * columns, sizeof *joint), *lost = allocate(rows, sizeof *lost);
    double *around = allocate(columns, sizeof *around);
    struct graph_pair pair;

    graph_reference_pair_init(&pair, &s->ref, lower, upper, sets ? masks_of(sets) : NULL);
    sum_walks(joint, s, sets, by_pair, of);
    sum_walks(lost, s, sets, by_channel_without, of);
    sum_walks(around, s, sets, by_channel_without, (size_t[]){upper, lower});
    for (size_t i = 0; i < rows * columns; i++)
        expect(s, "a pair", pair.joint[i], joint[i]);
    for (size_t i = 0; i < rows; i++)
        expect(s, "lost", pair.lost[i], lost[i]);
    for (size_t i = 0; i < columns; i++)
        expect(s, "around", pair.around[i], around[i]);
    for (size_t i = 0; i < columns && s->c.net.cut[upper] && !sets; i++)
        assert_same(pair.around[i], 0);
    graph_reference_pair_free(&pair);
    free(joint);
    free(lost);
    free(around);
}

static void check_pairs(struct sample *s)
{
    for (size_t i = 0; i < 6; i++) {
        size_t upper = 1 + random_below(s->random, s->c.net.nlinks), lower = random_below(s->random, upper);
        struct sets sets;
        sets_random(&sets, s, i % 3);
        check_pair(s, lower, upper, i % 3 ? &sets : NULL);
        sets_free(&sets);
    }
}

/* ---- mistakes ---------------------------------------------------------------------------------------------------- */

/* How far the ledger is from one at the input. */
static double opening(const struct sample *s, size_t forgotten)
{
    struct graph_sweep sweep = {s->c.net.nlinks, s->ref.start, NULL, GRAPH_NONE, forgotten};
    struct graph_ledger ledger[NETWORK_MAX_VARIABLES];
    struct graph_arrays r;

    graph_arrays_init(&r, &s->c.net);
    graph_reference_down(&r, ledger, &s->ref, &sweep);
    graph_arrays_free(&r);
    return ledger[0].mass + ledger[0].bypass + ledger[0].bias + ledger[0].absorbed - 1;
}

/* Without what one edge carries, its walks are missing. */
static void check_forgotten_readers(struct sample *s)
{
    for (size_t e = 0; e < s->c.net.nedges; e++) {
        size_t n = s->c.net.links[s->c.net.edges[e].link].upper.channels * channels(s, s->c.net.edges[e].lower);
        double *carried = allocate(n, sizeof *carried), missing = 0;
        sum_walks(carried, s, NULL, by_edge, &e);
        for (size_t i = 0; i < n; i++)
            missing += carried[i];
        free(carried);
        expect(s, "the ledger without a reader", opening(s, e), -missing);
        s->seen->openings += fabs(missing) > 1e-3;
    }
}

/* A weight that backward alone has otherwise: it does not hand on what the denominators expect. Only edges that jump
 * over a variable. */
static void check_perturbed_weights(struct sample *s)
{
    for (size_t e = 0; e < s->c.net.nedges; e++) {
        size_t k = s->c.net.edges[e].link;
        struct reference_link *link = &s->ref.links[k];
        bool weighted = link->link->kind == LINK_CONVOLUTION || link->link->kind == LINK_DENSE;
        if (s->c.net.edges[e].lower == k || !s->c.net.swept[k + 1] || !weighted || link->rule.kind == RULE_FLAT)
            continue;
        size_t n = network_weight_floats(link->link), changed = random_below(s->random, n);
        float *weights = allocate(n, sizeof *weights);
        memcpy(weights, s->c.model + link->link->weight, n * sizeof *weights);
        weights[changed] *= 1.25F;
        link->weight = weights;
        s->seen->openings += fabs(opening(s, GRAPH_NONE)) > 1e-3;
        s->seen->perturbed++;
        link->weight = s->c.model + link->link->weight;
        expect(s, "the ledger", opening(s, GRAPH_NONE), 0);
        free(weights);
    }
}

/* ---- samples ----------------------------------------------------------------------------------------------------- */

/* A random graph with this rule that has neither few nor too many walks. */
static void sample_init(struct sample *s, const char *rule, struct random *random)
{
    char *text = allocate(GRAPH_TEXT, 1);

    s->random = random;
    for (;;) {
        graph_random_small(text, random);
        graph_case_init(&s->c, text, random);
        graph_case_choose(&s->c, rule, random);
        size_t n = graph_walks_count(&s->c, MOST_WALKS);
        if (n >= LEAST_WALKS && n <= MOST_WALKS)
            break;
        graph_case_free(&s->c);
    }
    graph_walks_init(&s->walks, &s->c);
    graph_reference_init(&s->ref, &s->c);
    free(text);
}

static void sample_free(struct sample *s)
{
    graph_walks_free(&s->walks);
    graph_reference_free(&s->ref);
    graph_case_free(&s->c);
    free(s);
}

static struct seen check_all(void (*check)(struct sample *s), const char *name)
{
    struct seen seen = {.parallel = 0};
    struct random random = random_seed(name);
    size_t nrules = 0;

    while (graph_case_rule(nrules))
        nrules++;
    for (size_t i = 0; i < GRAPHS; i++) {
        struct sample *s = allocate(1, sizeof *s);
        sample_init(s, graph_case_rule(i % nrules), &random);
        s->seen = &seen;
        check(s);
        sample_free(s);
    }
    return seen;
}

/* ---- what the samples have --------------------------------------------------------------------------------------- */

static bool reads_twice(const struct network *net, size_t k)
{
    return net->links[k].nedges > 1 && network_edge(net, k, 0)->lower == network_edge(net, k, 1)->lower;
}

static void count_link(struct traits *traits, const struct graph_case *c, size_t k)
{
    const struct link *l = &c->net.links[k];
    struct window w = l->window;
    bool convolution = l->kind == LINK_CONVOLUTION, pool = l->kind == LINK_POOL;

    traits->kinds[l->kind]++;
    traits->activations[l->activation.kind]++;
    if (network_has_rule(l))
        traits->rules[c->rules[k].kind]++;
    traits->add_of_three += l->kind == LINK_ADD && l->nedges == 3;
    traits->add_of_itself += l->kind == LINK_ADD && reads_twice(&c->net, k);
    traits->strided += convolution && w.down > 1;
    traits->grouped += convolution && l->groups > 1 && !network_diagonal(l);
    traits->depthwise += convolution && network_diagonal(l);
    traits->overlapping += pool && (w.down < w.height || w.across < w.width);
    traits->padded += pool && w.top + w.left + w.bottom + w.right > 0;
    traits->counted += l->kind == LINK_AVERAGE && l->count_padding && w.top + w.left + w.bottom + w.right > 0;
    traits->unswept += !c->net.swept[k + 1];
    for (size_t e = 0; e < l->nedges; e++)
        traits->long_skip += k > network_edge(&c->net, k, e)->lower + 2;
}

static void count_traits(struct sample *s)
{
    struct traits *traits = &s->seen->traits;

    for (size_t k = 0; k < s->c.net.nlinks; k++)
        count_link(traits, &s->c, k);
    traits->biases[s->c.bias]++;
    traits->pools[s->c.pool]++;
    traits->contrast += s->c.target.kind == TARGET_CONTRAST;
}

static void graphs_have_links_of_every_form(void **state)
{
    struct traits traits = check_all(count_traits, "marginals").traits;
    const size_t *counts = (const size_t *)&traits;

    (void)state;
    for (size_t i = 0; i < sizeof traits / sizeof *counts; i++)
        assert_that(counts[i] >= 10, "member %zu of the traits: %zu", i, counts[i]);
}

static void all_walks_sum_to_one(void **state)
{
    (void)state;
    check_all(check_sum, "walks");
}

static void marginals_and_ledger_are_sums_of_walks(void **state)
{
    (void)state;
    check_all(check_marginals, "marginals");
}

static void joints_of_sets_are_sums_of_walks(void **state)
{
    (void)state;
    assert_at_least(check_all(check_joints, "joints").parallel, GRAPHS / 4);
}

static void conditions_flows_and_ends_are_sums_of_walks(void **state)
{
    (void)state;
    check_all(check_conditions, "conditions");
}

static void pairs_with_lost_and_around_are_sums_of_walks(void **state)
{
    (void)state;
    check_all(check_pairs, "pairs");
}

/* The ledger's bar is 1e-5, so that it sees all of these openings. */
static void ledger_opens_if_a_reader_is_forgotten(void **state)
{
    (void)state;
    assert_at_least(check_all(check_forgotten_readers, "readers").openings, GRAPHS);
}

static void ledger_opens_if_a_skip_s_weight_is_wrong(void **state)
{
    (void)state;
    struct seen seen = check_all(check_perturbed_weights, "weights");
    assert_at_least(seen.perturbed, GRAPHS / 2);
    assert_at_least(seen.openings, seen.perturbed / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graphs_have_links_of_every_form),
        cmocka_unit_test(all_walks_sum_to_one),
        cmocka_unit_test(marginals_and_ledger_are_sums_of_walks),
        cmocka_unit_test(joints_of_sets_are_sums_of_walks),
        cmocka_unit_test(conditions_flows_and_ends_are_sums_of_walks),
        cmocka_unit_test(pairs_with_lost_and_around_are_sums_of_walks),
        cmocka_unit_test(ledger_opens_if_a_reader_is_forgotten),
        cmocka_unit_test(ledger_opens_if_a_skip_s_weight_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
