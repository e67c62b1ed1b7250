#include "pipeline/stats/flows.h"

#include "kernels/base/network_origin.h"
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

struct far_pair flows_ends(const struct flows_adjacent *pair)
{
    return (struct far_pair){pair->lower, pair->link + 1, 0};
}

/* ---- adjacent pairs ---------------------------------------------------------------------------------------------- */

/* Channels that an edge carries: those of its variable. */
static size_t edge_channels(const struct network *net, size_t edge)
{
    return network_shape(net, net->edges[edge].lower).channels;
}

/* Mark the variables that an edge's channels come from. */
static void mark_origins(bool *marked, const struct network *net, size_t edge)
{
    for (size_t c = 0; c < edge_channels(net, edge); c++)
        marked[network_origin(net, net->edges[edge].lower, c).variable] = true;
}

void flows_origins(bool marked[NETWORK_MAX_VARIABLES], const struct network *net, size_t link)
{
    const struct link *l = &net->links[link];

    memset(marked, 0, NETWORK_MAX_VARIABLES * sizeof *marked);
    for (size_t e = l->first_edge; e < l->first_edge + l->nedges && network_has_rule(l); e++)
        mark_origins(marked, net, e);
}

bool flows_reads(const struct network *net, size_t link, size_t variable)
{
    bool marked[NETWORK_MAX_VARIABLES];

    flows_origins(marked, net, link);
    return marked[variable];
}

/* Whether no channel of a diagonal link comes from two channels of the variable, by different edges. */
static bool is_vector(const struct network *net, size_t link, size_t variable)
{
    const struct link *l = &net->links[link];

    for (size_t c = 0; c < l->upper.channels; c++) {
        size_t found = SIZE_MAX;
        for (size_t e = 0; e < l->nedges; e++) {
            struct network_origin origin = network_origin(net, net->edges[l->first_edge + e].lower, c);
            if (origin.variable == variable && found != SIZE_MAX && found != origin.channel)
                return false;
            found = origin.variable == variable ? origin.channel : found;
        }
    }
    return true;
}

static struct flows_adjacent describe(const struct network *net, size_t link, size_t lower)
{
    return (struct flows_adjacent){link, lower, network_diagonal(&net->links[link]) && is_vector(net, link, lower)};
}

size_t flows_entries(const struct network *net, const struct flows_adjacent *pair)
{
    size_t upper = net->links[pair->link].upper.channels;

    return pair->diagonal ? upper : upper * network_shape(net, pair->lower).channels;
}

static bool is_written_by(const struct network *net, size_t variable, enum link_kind kind)
{
    return variable > 0 && net->links[variable - 1].kind == kind;
}

/* The groups that a pair belongs to. */
static unsigned groups_of(const struct network *net, size_t link, size_t lower)
{
    unsigned groups = CONFIG_FLOWS_DENSE;

    if (net->links[link].kind != LINK_DENSE)
        groups |= CONFIG_FLOWS_ADJACENT | CONFIG_FLOWS_ALL;
    else if (!is_written_by(net, lower, LINK_DENSE))
        groups |= CONFIG_FLOWS_ADJACENT;
    if ((groups & CONFIG_FLOWS_ADJACENT) && net->cut[lower] && net->cut[link + 1])
        groups |= CONFIG_FLOWS_CUTS;
    return groups;
}

static bool has_adjacent(const struct flows *flows, size_t link, size_t lower)
{
    for (size_t i = 0; i < flows->nadjacent; i++)
        if (flows->adjacent[i].link == link && flows->adjacent[i].lower == lower)
            return true;
    return false;
}

static bool add_adjacent(struct flows *flows, const struct network *net, size_t link, size_t lower)
{
    if (has_adjacent(flows, link, lower))
        return true;
    if (flows->nadjacent == FLOWS_MAX_ADJACENT)
        return false;
    flows->adjacent[flows->nadjacent++] = describe(net, link, lower);
    return true;
}

/* Until one returns false. */
static bool for_each(struct flows *flows, const struct network *net, unsigned wanted,
                     bool (*each)(struct flows *flows, const struct network *net, size_t link, size_t lower,
                                  unsigned wanted))
{
    for (size_t k = 0; k < net->nlinks; k++) {
        bool marked[NETWORK_MAX_VARIABLES];
        flows_origins(marked, net, k);
        for (size_t lower = 0; lower <= k && net->swept[k + 1]; lower++)
            if (marked[lower] && !each(flows, net, k, lower, wanted))
                return false;
    }
    return true;
}

static bool count_pair(struct flows *flows, const struct network *net, size_t link, size_t lower, unsigned wanted)
{
    struct flows_adjacent pair = describe(net, link, lower);

    if (groups_of(net, link, lower) & wanted)
        flows->entries += flows_entries(net, &pair);
    return true;
}

static bool add_wanted(struct flows *flows, const struct network *net, size_t link, size_t lower, unsigned wanted)
{
    return !(groups_of(net, link, lower) & wanted) || add_adjacent(flows, net, link, lower);
}

/* The groups that are wanted, with what the default stands for. */
static unsigned resolve(struct flows *flows, unsigned groups, const struct network *net)
{
    for_each(flows, net, CONFIG_FLOWS_ADJACENT, count_pair);
    if (!(groups & CONFIG_FLOWS_AUTO))
        return groups;
    flows->between_cuts = flows->entries > FLOWS_MOST_ENTRIES;
    return groups | (flows->between_cuts ? CONFIG_FLOWS_CUTS : CONFIG_FLOWS_ADJACENT);
}

static int compare_adjacent(const void *a, const void *b)
{
    const struct flows_adjacent *x = a, *y = b;

    if (x->link != y->link)
        return x->link < y->link ? -1 : 1;
    return x->lower < y->lower ? -1 : x->lower > y->lower;
}

/* Mark the edges that the pairs need. */
static void mark_edges(struct flows *flows, const struct network *net)
{
    for (size_t i = 0; i < flows->nadjacent; i++) {
        const struct link *link = &net->links[flows->adjacent[i].link];
        for (size_t e = link->first_edge; e < link->first_edge + link->nedges; e++) {
            bool marked[NETWORK_MAX_VARIABLES] = {false};
            mark_origins(marked, net, e);
            flows->edges[e] = flows->edges[e] || marked[flows->adjacent[i].lower];
        }
    }
}

/* ---- far pairs --------------------------------------------------------------------------------------------------- */

static const struct flows_pair *find(const struct flows *flows, size_t lower, size_t upper)
{
    for (size_t i = 0; i < flows->count; i++)
        if (flows->pairs[i].pair.lower == lower && flows->pairs[i].pair.upper == upper)
            return &flows->pairs[i];
    return NULL;
}

static bool is_sampled(const struct network *net, size_t variable)
{
    return variable == 0 || (net->swept[variable] && is_written_by(net, variable, LINK_CONVOLUTION));
}

/* Every pair of input and convolutions that are no neighbours, unless it is listed as an exact one. */
static bool add_sampled(struct flows *flows, const struct network *net)
{
    for (size_t upper = 1; upper <= net->nlinks; upper++)
        for (size_t lower = 0; lower < upper && is_sampled(net, upper); lower++) {
            if (!is_sampled(net, lower) || flows_reads(net, upper - 1, lower) || find(flows, lower, upper))
                continue;
            if (flows->count == FLOWS_MAX)
                return false;
            flows->pairs[flows->count++] = (struct flows_pair){{lower, upper, 0}, true};
            flows->sampled = true;
        }
    return true;
}

/* ---- single pairs ------------------------------------------------------------------------------------------------ */

/* Whether the variable's channels are its own: those that a link hands on are channels of another variable. */
static bool is_layer(const struct network *net, size_t variable)
{
    return variable == 0 || network_has_rule(&net->links[variable - 1]) || is_written_by(net, variable, LINK_CHANNELS);
}

/* The variable whose channels a pool, a pass or a gate hands on. */
static size_t handed_on(const struct network *net, size_t variable)
{
    while (!is_layer(net, variable))
        variable = network_edge(net, variable - 1, 0)->lower;
    return variable;
}

static enum status find_layer(size_t *variable, const char *name, size_t length, const struct config *config,
                              const struct network *net, struct error *err)
{
    char text[TOKEN], hint[64];
    struct suggest nearest;

    snprintf(text, sizeof text, "%.*s", (int)length, name);
    *variable = network_find(net, text);
    if (*variable <= net->nlinks && !net->swept[*variable])
        return config_fail(config, err, key, "%s serves as a gate only, and no relevance passes it", text);
    if (*variable <= net->nlinks && is_layer(net, *variable))
        return OK;
    if (*variable <= net->nlinks)
        return config_fail(config, err, key, "%s %s, whose channels are those of %s", text,
                           is_written_by(net, *variable, LINK_POOL) ? "is a pool" : "has no weights",
                           network_variable(net, handed_on(net, *variable)));
    suggest_init(&nearest, text);
    for (size_t k = 0; k <= net->nlinks; k++)
        if (is_layer(net, k))
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

static enum status too_many(const struct config *config, const struct network *net, int most, struct error *err)
{
    return config_fail(config, err, key, "%s has more than %d such pairs of layers; list the pairs that you need",
                       net->name, most);
}

static enum status add_pair(struct flows *flows, const char *text, const struct config *config,
                            const struct network *net, struct error *err)
{
    struct far_pair pair;
    enum status rc = parse_pair(&pair, text, config, net, err);

    if (rc != OK)
        return rc;
    bool neighbours = flows_reads(net, pair.upper - 1, pair.lower) && network_adjoin(net, pair.lower, pair.upper);
    if (neighbours && pair.rows)
        return config_fail(config, err, key, "%s: the flow of neighbours is always whole; leave out the colon", text);
    if (find(flows, pair.lower, pair.upper))
        return config_fail(config, err, key, "%s is listed twice", text);
    if (!neighbours && has_adjacent(flows, pair.upper - 1, pair.lower))
        return config_fail(config, err, key,
                           "%s: all walks between the two layers, and those along the connection alone that a group of "
                           "pairs has, cannot be in one store: name the pairs that you need",
                           text);
    if (!neighbours)
        flows->pairs[flows->count++] = (struct flows_pair){pair, false};
    else if (!add_adjacent(flows, net, pair.upper - 1, pair.lower))
        return too_many(config, net, FLOWS_MAX_ADJACENT, err);
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
    unsigned groups = resolve(flows, wanted->groups, net);
    if (!for_each(flows, net, groups, add_wanted))
        TRY(too_many(config, net, FLOWS_MAX_ADJACENT, err));
    if (wanted->pairs.count > FLOWS_MAX)
        TRY(config_fail(config, err, key, "more than %d pairs of layers", FLOWS_MAX));
    for (size_t i = 0; i < wanted->pairs.count; i++)
        TRY(add_pair(flows, wanted->pairs.items[i], config, net, err));
    if ((groups & CONFIG_FLOWS_ALL) && !add_sampled(flows, net))
        TRY(too_many(config, net, FLOWS_MAX, err));
    qsort(flows->adjacent, flows->nadjacent, sizeof flows->adjacent[0], compare_adjacent);
    mark_edges(flows, net);
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
