#include "tests/support/graph_case.h"

#include "tests/support/graph_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(a) (sizeof(a) / sizeof(a)[0])

static const char *const rules[] = {"zero",          "epsilon",       "gamma 0.25",    "zplus",
                                    "alphabeta 2 1", "alphabeta 1 0", "zbox -1.5 1.2", "wsquare",
                                    "flat",          "epsilon 0.01",  "gamma 0",       "gamma 3"};

static const char *const pool_names[] = {[POOL_WINNER] = "winner",
                                         [POOL_WINNER_LIVE] = "winner live",
                                         [POOL_FIRST] = "first",
                                         [POOL_PROPORTIONAL] = "proportional"};

static void *allocate(size_t n, size_t size)
{
    void *p = aligned_alloc(ARENA_ALIGNMENT, (n * size / ARENA_ALIGNMENT + 1) * ARENA_ALIGNMENT);

    if (!p)
        abort();
    return p;
}

__attribute__((format(printf, 2, 3))) static void note(struct graph_case *c, const char *format, ...)
{
    size_t used = strlen(c->text);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(c->text + used, sizeof c->text - used, format, arguments);
    va_end(arguments);
}

const char *graph_case_rule(size_t i)
{
    return i < LENGTH(rules) ? rules[i] : NULL;
}

void graph_case_init(struct graph_case *c, const char *text, struct random *random)
{
    char message[200] = "";

    *c = (struct graph_case){.bias = BIAS_NEURON};
    snprintf(c->text, sizeof c->text, "%s", text);
    if (!graph_text_read(&c->net, text, message, sizeof message) || c->net.input.channels > GRAPH_CHANNELS) {
        fprintf(stderr, "%s\n%s\n", text, message);
        abort();
    }
    size_t neurons = shape_neurons(c->net.input);
    c->model = graph_text_weights(&c->net, random);
    c->input = allocate(neurons, sizeof *c->input);
    random_fill(random, c->input, neurons);
    for (size_t k = 0; k < c->net.nlinks; k++)
        c->rules[k] = (struct rule){.kind = RULE_EPSILON, .a = 1e-6};
    for (size_t i = 0; i < GRAPH_CHANNELS; i++) {
        c->low[i] = (float)(-1 - 0.1 * (double)i);
        c->high[i] = (float)(1 + 0.2 * (double)i);
    }
}

void graph_case_free(struct graph_case *c)
{
    free(c->model);
    free(c->input);
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

/* An image of few values, so that windows tie: some among each other, and some, nearly zero, with dead ones. */
static void choose_ties(struct graph_case *c, struct random *random)
{
    static const float values[] = {0, 0, 4e-6F, 0.5F, 0.75F, -0.5F};

    for (size_t i = 0; i < shape_neurons(c->net.input); i++)
        c->input[i] = values[random_below(random, LENGTH(values))];
    note(c, ", few values");
}

static void choose_modes(struct graph_case *c, struct random *random)
{
    size_t classes = network_shape(&c->net, c->net.nlinks).channels;
    size_t a = random_below(random, classes), b = random_below(random, classes);

    c->bias = random_below(random, 2) ? BIAS_NEURON : BIAS_SPREAD;
    c->pool = (enum pool_mode)random_below(random, LENGTH(pool_names));
    c->target = (struct measure_target){a != b && random_below(random, 3) == 0 ? TARGET_CONTRAST : TARGET_CLASS, a, b};
    note(c, "\nbias %s, pool %s, target %zu", c->bias == BIAS_NEURON ? "neuron" : "spread", pool_names[c->pool], a);
    if (c->target.kind == TARGET_CONTRAST)
        note(c, " against %zu", b);
    /* the first maximum leaves ties to the last bit */
    if (c->pool != POOL_FIRST && random_below(random, 2))
        choose_ties(c, random);
}

static bool reads_input(const struct network *net, size_t k)
{
    return net->links[k].nedges == 1 && network_edge(net, k, 0)->lower == 0;
}

/* The rule of link k: mostly the general one; of adds and averages mostly epsilon. */
static const char *choose_rule(const struct graph_case *c, size_t k, const char *general, struct random *random)
{
    enum link_kind kind = c->net.links[k].kind;
    size_t dice = random_below(random, 8);

    if (dice == 0)
        return graph_case_rule(random_below(random, LENGTH(rules)));
    if (dice < 4 && (kind == LINK_ADD || kind == LINK_AVERAGE))
        return "epsilon";
    if (dice < 4 && reads_input(&c->net, k))
        return "zbox";
    return general;
}

void graph_case_choose(struct graph_case *c, const char *rule, struct random *random)
{
    char message[200];

    choose_modes(c, random);
    for (size_t k = 0; k < c->net.nlinks; k++) {
        if (!network_has_rule(&c->net.links[k]))
            continue;
        const char *text = choose_rule(c, k, rule, random);
        if (!rule_parse(&c->rules[k], message, sizeof message, text))
            abort();
        note(c, "\n%s: %s", c->net.links[k].name, text);
    }
}

void graph_case_choose_composite(struct graph_case *c, const char *composite, struct random *random)
{
    choose_modes(c, random);
    if (!rule_composite(c->rules, composite, &c->net))
        abort();
    note(c, "\n%s", composite);
}
