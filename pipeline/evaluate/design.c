#include "pipeline/evaluate/design.h"

#include "kernels/ablation/cut.h"
#include "kernels/base/number.h"
#include "pipeline/evaluate/choice.h"
#include "pipeline/evaluate/randomised.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- places ------------------------------------------------------------------------------------------------------ */

static const struct network *net_of(const struct design *design)
{
    return &design->run->model.net;
}

bool design_convolution(const struct design *design, size_t k)
{
    const struct network *net = net_of(design);

    return k > 0 && k < net->nlinks && net->links[k - 1].kind == LINK_CONVOLUTION && net->swept[k];
}

static bool is_weighted(const struct design *design, size_t k)
{
    const struct network *net = net_of(design);

    return design_convolution(design, k) ||
           (k > 0 && k < net->nlinks && net->links[k - 1].kind == LINK_DENSE && net->swept[k]);
}

/* The last convolution of every size of map, and the first dense layer. */
static bool is_standard(const struct design *design, size_t k)
{
    const struct network *net = net_of(design);
    struct shape own = network_shape(net, k);
    bool dense = net->links[k - 1].kind == LINK_DENSE;

    for (size_t i = 1; i < net->nlinks; i++) {
        struct shape other = network_shape(net, i);
        bool alike =
            net->links[i - 1].kind == net->links[k - 1].kind && other.height == own.height && other.width == own.width;
        if (is_weighted(design, i) && alike && (dense ? i < k : i > k))
            return false;
    }
    return true;
}

static enum status add_layer(struct design *design, const char *name, struct error *err)
{
    const struct network *net = net_of(design);
    size_t k = network_find(net, name);

    if (k > net->nlinks) {
        const char *names[NETWORK_MAX_VARIABLES];
        for (size_t i = 0; i <= net->nlinks; i++)
            names[i] = i > 0 && i < net->nlinks && net->swept[i] ? network_variable(net, i) : NULL;
        return choice_unknown("layers", name, names, net->nlinks + 1, err);
    }
    if (k == 0 || k == net->nlinks || !net->swept[k])
        return error_set(err, FAIL_CONFIG,
                         "--layers: the channels of %s cannot be replaced: choose layers between the input and the "
                         "logits that relevance passes",
                         name);
    for (size_t i = 0; i < design->nlayers; i++)
        if (design->layers[i] == k)
            return OK;
    design->layers[design->nlayers++] = k;
    return OK;
}

static enum status choose_layers(struct design *design, const char *list, struct error *err)
{
    const struct network *net = net_of(design);
    bool all = list && strcmp(list, "all") == 0;
    char name[CHOICE_NAME];
    enum status rc = OK;

    for (size_t k = 1; k < net->nlinks && (!list || all); k++)
        if (is_weighted(design, k) && (all || is_standard(design, k)))
            design->layers[design->nlayers++] = k;
    for (size_t i = 0; list && !all && choice_name(name, list, i); i++)
        TRY(add_layer(design, name, err));
done:
    return rc;
}

size_t design_squares_across(const struct design *design)
{
    return (net_of(design)->input.width + design->patch - 1) / design->patch;
}

size_t design_squares_down(const struct design *design)
{
    return (net_of(design)->input.height + design->patch - 1) / design->patch;
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static enum status add_result(struct design *design, struct design_result result, const char *place, struct error *err)
{
    if (design->nresults == design->capacity) {
        size_t capacity = 2 * design->capacity + 16;
        struct design_result *results = realloc(design->results, capacity * sizeof *results);
        if (!results)
            return error_set(err, FAIL_SYSTEM, "no memory for %zu results", capacity);
        design->results = results;
        design->capacity = capacity;
    }
    snprintf(result.place, sizeof result.place, "%s", place);
    result.at = design->row;
    result.baseline = SIZE_MAX;
    for (size_t i = design->nresults; i-- > 0;) {
        const struct design_result *other = &design->results[i];
        if (other->test == result.test && other->order == ORDER_RELEVANCE && other->kind == result.kind &&
            result.order != ORDER_RELEVANCE && result.kind != DESIGN_DAMAGES && strcmp(other->place, place) == 0)
            result.baseline = i;
    }
    design->row += result.floats;
    design->results[design->nresults++] = result;
    return OK;
}

static enum status add_curves(struct design *design, enum test test, size_t variable, size_t units,
                              enum order_units kind, const char *place, struct error *err)
{
    size_t nfractions = kind == ORDER_EDGES ? CURVE_EDGE_STEPS : design->steps + 1;
    enum status rc = OK;

    for (size_t o = 0; o < ORDERS; o++)
        if (design->orders[o] && order_table[o].of[kind])
            TRY(add_result(
                design,
                (struct design_result){.kind = DESIGN_CURVES,
                                       .test = test,
                                       .order = (enum order)o,
                                       .variable = variable,
                                       .units = units,
                                       .nfractions = nfractions,
                                       .fraction = kind == ORDER_EDGES ? curve_edge_fractions : design->fraction,
                                       .floats = CURVE_SIDES * nfractions * CURVE_OUTCOMES},
                place, err));
done:
    return rc;
}

static enum status add_similarities(struct design *design, enum test test, size_t variable, size_t units, size_t end,
                                    struct error *err)
{
    enum status rc = OK;

    for (size_t o = 0; o < end; o++)
        if (design->orders[o] && order_table[o].of[ORDER_CHANNELS])
            TRY(add_result(design,
                           (struct design_result){.kind = DESIGN_SIMILARITY,
                                                  .test = test,
                                                  .order = (enum order)o,
                                                  .variable = variable,
                                                  .units = units,
                                                  .floats = DESIGN_VALUES},
                           network_variable(net_of(design), variable), err));
done:
    return rc;
}

static enum status plan_targets(struct design *design, struct error *err)
{
    const struct network *net = net_of(design);
    enum status rc = OK;

    for (size_t k = 0; k < net->nlinks; k++) {
        struct shape shape = network_shape(net, k);
        if (net->swept[k])
            TRY(add_similarities(design, TEST_TARGETS, k, k == 0 ? shape_neurons(shape) : shape.channels,
                                 ORDER_MEASURED, err));
    }
done:
    return rc;
}

static enum status plan_damage(struct design *design, struct error *err)
{
    enum status rc = OK;

    for (size_t i = 0; i < design->nlayers; i++) {
        size_t k = design->layers[i], n = smaller(design->sample, network_shape(net_of(design), k).channels);
        struct design_result damages = {
            .kind = DESIGN_DAMAGES, .test = TEST_DAMAGE, .variable = k, .units = n, .floats = 2 * n};
        TRY(add_result(design, damages, network_variable(net_of(design), k), err));
        TRY(add_similarities(design, TEST_DAMAGE, k, n, ORDERS, err));
    }
done:
    return rc;
}

static enum status plan_channels(struct design *design, struct error *err)
{
    enum status rc = OK;

    for (size_t i = 0; i < design->nlayers; i++) {
        size_t k = design->layers[i];
        TRY(add_curves(design, TEST_CHANNELS, k, network_shape(net_of(design), k).channels, ORDER_CHANNELS,
                       network_variable(net_of(design), k), err));
    }
done:
    return rc;
}

static enum status plan_layers(struct design *design, struct error *err)
{
    size_t units = 0;

    for (size_t k = 0; k <= net_of(design)->nlinks; k++)
        units += design_convolution(design, k) ? network_shape(net_of(design), k).channels : 0;
    if (units == 0)
        return error_set(err, FAIL_CONFIG, "--tests: %s has no convolutions; leave out layers", net_of(design)->name);
    return add_curves(design, TEST_LAYERS, 0, units, ORDER_CHANNELS, "convolutions", err);
}

/* The edges of the links that write the layers. */
static enum status plan_flows(struct design *design, struct error *err)
{
    size_t first = design->nresults;
    enum status rc = OK;

    for (size_t i = 0; i < design->nlayers; i++) {
        size_t k = design->layers[i], n = cut_edges_of(&net_of(design)->links[k - 1]).count;
        if (n > 0)
            TRY(add_curves(design, TEST_FLOWS, k, n, ORDER_EDGES, network_variable(net_of(design), k), err));
    }
    if (design->nresults == first)
        TRY(error_set(err, FAIL_CONFIG,
                      "--tests flows: no convolution and no dense layer is among the layers; name some with --layers"));
done:
    return rc;
}

/* Similarities of a view after a stage: "fc8:conv3_3". */
static enum status plan_view(struct design *design, size_t stage, size_t variable, struct error *err)
{
    const struct network *net = net_of(design);
    size_t first = design->nresults;
    struct shape shape = network_shape(net, variable);
    enum status rc = add_similarities(design, TEST_RANDOMISED, variable,
                                      variable == 0 ? shape_neurons(shape) : shape.channels, ORDER_MEASURED, err);

    for (size_t r = first; r < design->nresults; r++)
        snprintf(design->results[r].place, DESIGN_PLACE, "%s:%s", network_variable(net, stage + 1),
                 network_variable(net, variable));
    return rc;
}

/* Of the orders with a measure of their own. */
static enum status plan_randomised(struct design *design, struct error *err)
{
    size_t stages[NETWORK_MAX_LINKS], n = randomised_stages(stages, net_of(design));
    bool none = design->orders[ORDER_RELEVANCE_NONE];
    enum status rc = OK;

    design->orders[ORDER_RELEVANCE_NONE] = false;
    for (size_t s = 0; s < n; s++) {
        TRY(plan_view(design, stages[s], 0, err));
        for (size_t i = 0; i < design->nlayers; i++)
            TRY(plan_view(design, stages[s], design->layers[i], err));
    }
done:
    design->orders[ORDER_RELEVANCE_NONE] = none;
    return rc;
}

size_t design_randomised(const struct design *design)
{
    return smaller(design->run->images.end - design->run->images.first, DESIGN_RANDOMISED);
}

static enum status plan_pixels(struct design *design, struct error *err)
{
    return add_curves(design, TEST_PIXELS, 0, design_squares_across(design) * design_squares_down(design), ORDER_PIXELS,
                      "input", err);
}

static enum status (*const planners[TESTS])(struct design *design, struct error *err) = {
    [TEST_TARGETS] = plan_targets,       [TEST_DAMAGE] = plan_damage, [TEST_CHANNELS] = plan_channels,
    [TEST_LAYERS] = plan_layers,         [TEST_FLOWS] = plan_flows,   [TEST_PIXELS] = plan_pixels,
    [TEST_RANDOMISED] = plan_randomised,
};

/* Averages over the places of a test that has several which are compared. */
static enum status add_averages(struct design *design, enum test test, size_t first, struct error *err)
{
    size_t end = design->nresults;
    enum status rc = OK;

    for (size_t o = 0; o < ORDERS && test != TEST_TARGETS && test != TEST_RANDOMISED; o++) {
        size_t found = 0, one = 0;
        for (size_t i = first; i < end; i++)
            if (design->results[i].order == (enum order)o && design->results[i].kind != DESIGN_DAMAGES) {
                found++;
                one = i;
            }
        if (found > 1)
            TRY(add_result(design,
                           (struct design_result){.kind = DESIGN_AVERAGE,
                                                  .test = test,
                                                  .order = (enum order)o,
                                                  .similar = design->results[one].kind == DESIGN_SIMILARITY},
                           "all", err));
    }
done:
    return rc;
}

/* ---- the design -------------------------------------------------------------------------------------------------- */

static enum status read_options(struct design *design, const struct design_options *options, struct error *err)
{
    const struct config *config = design->run->config;
    enum status rc = OK;

    TRY(test_choose(design->tests, options->tests, err));
    TRY(order_choose(design->orders, options->orders, err));
    design->orders[ORDER_RELEVANCE_NONE] = strcmp(config->measure.given, "none") != 0;
    TRY(choose_layers(design, options->layers, err));
    if (options->replace && strcmp(options->replace, "zero") != 0 && strcmp(options->replace, "mean") != 0)
        TRY(error_set(err, FAIL_CONFIG, "--replace %.40s: must be zero or mean", options->replace));
    design->mean = options->replace && strcmp(options->replace, "mean") == 0;
    if (config->measure.target.kind == CONFIG_TARGET_CONTRAST)
        TRY(error_set(err, FAIL_CONFIG,
                      "a contrast cannot be evaluated, since p is of one class; set measure.target to predicted, label "
                      "or a class"));
    design->steps = options->steps;
    design->sample = options->sample;
    design->patch = options->patch ? options->patch : larger(net_of(design)->input.height / 8, 1);
    design->seed = options->seed == SIZE_MAX ? config->run.seed : options->seed;
    if (design->patch > net_of(design)->input.height)
        TRY(error_set(err, FAIL_CONFIG, "--patch %zu: the input has only %zu rows", design->patch,
                      net_of(design)->input.height));
done:
    return rc;
}

enum status design_init(struct design *design, const struct design_options *options, const struct run_plan *run,
                        struct error *err)
{
    enum status rc = OK;

    *design = (struct design){.run = run, .row = ROW_HEAD};
    TRY(read_options(design, options, err));
    curve_even_fractions(design->fraction, design->steps);
    for (size_t t = 0; t < TESTS; t++) {
        size_t first = design->first[t] = design->nresults;
        if (!design->tests[t])
            continue;
        TRY(planners[t](design, err));
        TRY(add_averages(design, (enum test)t, first, err));
    }
    design->first[TESTS] = design->nresults;
done:
    return rc;
}

void design_free(struct design *design)
{
    free(design->results);
    design->results = NULL;
}

char *design_text(const struct design *design)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    for (size_t t = 0, n = 0; t < TESTS; t++)
        if (design->tests[t])
            fprintf(out, "%s%s", n++ ? "," : "tests=", test_table[t].name);
    for (size_t o = 0, n = 0; o < ORDERS; o++)
        if (design->orders[o])
            fprintf(out, "%s%s", n++ ? "," : " orders=", order_table[o].name);
    for (size_t i = 0; i < design->nlayers; i++)
        fprintf(out, "%s%s", i ? "," : " layers=", network_variable(net_of(design), design->layers[i]));
    fprintf(out, " replace=%s steps=%zu sample=%zu patch=%zu seed=%llu", design->mean ? "mean" : "zero", design->steps,
            design->sample, design->patch, (unsigned long long)design->seed);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

size_t design_curve_at(const struct design_result *result, enum curve_side side, size_t step)
{
    return (side * result->nfractions + step) * CURVE_OUTCOMES;
}
