#include "pipeline/stats/flows.h"

#include "pipeline/util/suggest.h"
#include "pipeline/util/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const key = "measure.flows";

void flows_name(char name[FLOWS_NAME], const struct network *net, struct far_pair pair)
{
    snprintf(name, FLOWS_NAME, "%s-%s", network_variable(net, pair.lower), network_variable(net, pair.upper));
}

/* ---- groups of pairs --------------------------------------------------------------------------------------------- */

/* Variable below a weighted link, pools passed over. */
static size_t variable_below(const struct network *net, size_t link)
{
    size_t below = network_weighted_below(net, link);

    return below == net->nlinks ? 0 : below + 1;
}

/* The groups that neighbours across link k belong to. */
static unsigned groups_of(const struct network *net, size_t k)
{
    if (net->links[k].kind == LINK_CONVOLUTION)
        return CONFIG_FLOWS_ADJACENT | CONFIG_FLOWS_DENSE | CONFIG_FLOWS_ALL;
    bool dense_below = k > 0 && net->links[k - 1].kind == LINK_DENSE;
    return dense_below ? CONFIG_FLOWS_DENSE : CONFIG_FLOWS_ADJACENT | CONFIG_FLOWS_DENSE;
}

static const struct flows_pair *find(const struct flows *flows, size_t lower, size_t upper)
{
    for (size_t i = 0; i < flows->count; i++)
        if (flows->pairs[i].pair.lower == lower && flows->pairs[i].pair.upper == upper)
            return &flows->pairs[i];
    return NULL;
}

static bool is_layer(const struct network *net, size_t variable, bool convolution)
{
    if (variable == 0)
        return true;
    return net->links[variable - 1].kind == LINK_CONVOLUTION ||
           (!convolution && net->links[variable - 1].kind == LINK_DENSE);
}

/* Every pair of input and convolutions that are no neighbours, unless it is listed as an exact one. */
static bool add_sampled(struct flows *flows, const struct network *net)
{
    for (size_t upper = 1; upper <= net->nlinks; upper++)
        for (size_t lower = 0; lower < upper && is_layer(net, upper, true); lower++) {
            if (!is_layer(net, lower, true) || lower == variable_below(net, upper - 1) || find(flows, lower, upper))
                continue;
            if (flows->count == FLOWS_MAX)
                return false;
            flows->pairs[flows->count++] = (struct flows_pair){{lower, upper, 0}, true};
            flows->sampled = true;
        }
    return true;
}

/* ---- single pairs ------------------------------------------------------------------------------------------------ */

static enum status find_layer(size_t *variable, const char *name, size_t length, const struct config *config,
                              const struct network *net, struct error *err)
{
    char text[TOKEN], hint[64];
    struct suggest nearest;

    snprintf(text, sizeof text, "%.*s", (int)length, name);
    *variable = network_find(net, text);
    if (*variable <= net->nlinks && is_layer(net, *variable, false))
        return OK;
    if (*variable <= net->nlinks)
        return config_fail(config, err, key, "%s is a pool, whose channels are those of %s", text,
                           network_variable(net, variable_below(net, *variable - 1)));
    suggest_init(&nearest, text);
    for (size_t k = 0; k <= net->nlinks; k++)
        if (is_layer(net, k, false))
            suggest_offer(&nearest, network_variable(net, k));
    suggest_hint(hint, sizeof hint, &nearest);
    return config_fail(config, err, key, "%s has no layer \"%s\"%s", net->name, text, hint);
}

/* "LOWER-UPPER" or "LOWER-UPPER:ROWS" */
static enum status parse_pair(struct far_pair *pair, const char *text, const struct config *config,
                              const struct network *net, struct error *err)
{
    const char *dash = strchr(text, '-'), *upper = dash + 1, *colon = strchr(upper, ':');
    size_t length = colon ? (size_t)(colon - upper) : strlen(upper);
    enum status rc = OK;

    pair->rows = 0;
    TRY(find_layer(&pair->lower, text, (size_t)(dash - text), config, net, err));
    TRY(find_layer(&pair->upper, upper, length, config, net, err));
    if (pair->lower == pair->upper)
        TRY(config_fail(config, err, key, "%s is a layer with itself", text));
    if (pair->lower > pair->upper)
        TRY(config_fail(config, err, key, "%s: the lower layer comes first, as in %s-%s", text,
                        network_variable(net, pair->upper), network_variable(net, pair->lower)));
    if (!colon)
        goto done;
    colon++;
    if (!token_whole(&colon, &pair->rows) || *colon || pair->rows == 0)
        TRY(config_fail(config, err, key, "%s: after the colon comes a number of channels, 1 or more", text));
done:
    return rc;
}

static enum status add_pair(struct flows *flows, const char *text, const struct config *config,
                            const struct network *net, struct error *err)
{
    struct far_pair pair;
    enum status rc = parse_pair(&pair, text, config, net, err);

    if (rc != OK)
        return rc;
    bool neighbours = pair.lower == variable_below(net, pair.upper - 1);
    if (neighbours && pair.rows)
        return config_fail(config, err, key, "%s: the flow of neighbours is always whole; leave out the colon", text);
    if (find(flows, pair.lower, pair.upper))
        return config_fail(config, err, key, "%s is listed twice", text);
    if (neighbours)
        flows->adjacent[pair.upper - 1] = true;
    else
        flows->pairs[flows->count++] = (struct flows_pair){pair, false};
    return OK;
}

static int compare_pairs(const void *a, const void *b)
{
    struct far_pair x = ((const struct flows_pair *)a)->pair, y = ((const struct flows_pair *)b)->pair;

    if (x.upper != y.upper)
        return x.upper < y.upper ? -1 : 1;
    return x.lower < y.lower ? -1 : x.lower > y.lower;
}

enum status flows_choose(struct flows *flows, const struct config *config, const struct network *net, struct error *err)
{
    const struct config_flows *wanted = &config->measure.flows;
    enum status rc = OK;

    *flows = (struct flows){.sweeps = config->measure.sweeps};
    for (size_t k = 0; k < net->nlinks; k++)
        flows->adjacent[k] = net->links[k].kind != LINK_POOL && (wanted->groups & groups_of(net, k));
    if (wanted->pairs.count > FLOWS_MAX)
        TRY(config_fail(config, err, key, "more than %d pairs of layers", FLOWS_MAX));
    for (size_t i = 0; i < wanted->pairs.count; i++)
        TRY(add_pair(flows, wanted->pairs.items[i], config, net, err));
    if ((wanted->groups & CONFIG_FLOWS_ALL) && !add_sampled(flows, net))
        TRY(config_fail(config, err, key, "%s has more than %d pairs of layers; list the pairs that you need",
                        net->name, FLOWS_MAX));
    qsort(flows->pairs, flows->count, sizeof flows->pairs[0], compare_pairs);
done:
    return rc;
}

/* ---- cost -------------------------------------------------------------------------------------------------------- */

/* Lowest variable that is sampled from `upper`; `upper` if there is none. */
static size_t lowest_sampled(const struct flows *flows, size_t upper)
{
    size_t lowest = upper;

    for (size_t i = 0; i < flows->count; i++)
        if (flows->pairs[i].sampled && flows->pairs[i].pair.upper == upper && flows->pairs[i].pair.lower < lowest)
            lowest = flows->pairs[i].pair.lower;
    return lowest;
}

struct flows_cost flows_cost(const struct flows *flows, const struct measure_plan *plan)
{
    struct flows_cost total = {0, 0, 0, 0};

    for (size_t i = 0; i < flows->count; i++) {
        struct far_cost cost = far_cost(plan, flows->pairs[i].pair);
        total.exact += !flows->pairs[i].sampled;
        total.sampled += flows->pairs[i].sampled;
        total.sweeps += flows->pairs[i].sampled ? 0 : (double)cost.sweeps;
        total.flops += flows->pairs[i].sampled ? 0 : cost.flops;
    }
    for (size_t upper = 1; upper <= plan->net->nlinks; upper++) {
        size_t lowest = lowest_sampled(flows, upper);
        double channels = (double)network_shape(plan->net, upper).channels;
        double sweeps = lowest == upper ? 0 : flows->sweeps < channels ? flows->sweeps : channels;
        total.sweeps += sweeps;
        total.flops += sweeps * sweep_flops(plan, lowest, upper);
    }
    return total;
}
