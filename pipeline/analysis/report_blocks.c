#include "pipeline/analysis/report_blocks.h"

#include "pipeline/results/flow_matrix.h"
#include "pipeline/util/json_output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct way {
    size_t lower, steps;
    double share;
};

/* For every variable the most layers with rules on a path down to a cut. */
static void count_steps(size_t steps[NETWORK_MAX_VARIABLES], const struct network *net)
{
    for (size_t v = 0; v <= net->nlinks; v++) {
        const struct link *link = v ? &net->links[v - 1] : NULL;
        size_t most = 0;
        for (size_t e = 0; link && e < link->nedges; e++) {
            size_t below = steps[net->edges[link->first_edge + e].lower];
            most = below > most ? below : most;
        }
        steps[v] = net->cut[v] ? 0 : most + (network_has_rule(link) ? 1 : 0);
    }
}

/* The sum of a flow's means. */
static enum status read_share(double *share, const struct store_reader *reader, const char *pair, struct error *err)
{
    struct flow_matrix flow;
    double *row = NULL;
    enum status rc;

    *share = 0.0;
    TRY(flow_matrix_open(&flow, reader, pair, err));
    row = calloc(flow.lower + 1, sizeof *row);
    if (!row)
        TRY(error_system(err, "no memory for the flow %s", pair));
    for (size_t u = 0; u < flow.upper; u++) {
        TRY(flow_matrix_rows(row, &flow, "mean", u, 1, err));
        for (size_t l = 0; l < flow.lower; l++)
            *share += row[l];
    }
done:
    free(row);
    flow_matrix_free(&flow);
    return rc;
}

static int fewest_steps_first(const void *a, const void *b)
{
    const struct way *x = a, *y = b;

    if (x->steps != y->steps)
        return x->steps < y->steps ? -1 : 1;
    return x->lower < y->lower ? -1 : x->lower > y->lower;
}

static json_t *json_block(const struct layers *layers, size_t add, const struct way *ways, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:s,s:I,s:o}", "from", layers->items[ways[i].lower].name, "steps",
                                              (json_int_t)ways[i].steps, "share", json_output_real(ways[i].share)));
    return json_pack("{s:s,s:o}", "name", layers->items[add].name, "ways", list);
}

/* Append an add, if the store has the flows of at least two of its ways. */
static enum status add_block(json_t *blocks, const struct store_reader *reader, const struct summary *summary,
                             const struct layers *layers, size_t add, const size_t *steps, struct error *err)
{
    struct way ways[NETWORK_MAX_EDGES];
    size_t n = 0;
    enum status rc = OK;

    for (size_t lower = 0; lower < add && n < NETWORK_MAX_EDGES; lower++) {
        char pair[2 * NETWORK_NAME + 8], path[sizeof pair + 32];
        bool shown = false;
        snprintf(pair, sizeof pair, "%s-%s", layers->items[lower].name, layers->items[add].name);
        snprintf(path, sizeof path, "flows/%s/to_bias", pair); /* a flow along one connection, not all between two */
        for (size_t f = 0; f < summary->nflows && !shown; f++)
            shown = strcmp(summary->flows[f].name, pair) == 0 && store_has(reader, path);
        if (!shown)
            continue;
        ways[n] = (struct way){.lower = lower, .steps = steps[lower]};
        TRY(read_share(&ways[n].share, reader, pair, err));
        n++;
    }
    qsort(ways, n, sizeof *ways, fewest_steps_first);
    if (n > 1)
        json_array_append_new(blocks, json_block(layers, add, ways, n));
done:
    return rc;
}

enum status report_blocks(json_t **out, const struct store_reader *reader, const struct summary *summary,
                          const struct layers *layers, struct error *err)
{
    json_t *blocks = json_array();
    size_t *steps = calloc(NETWORK_MAX_VARIABLES, sizeof *steps);
    enum status rc = OK;

    *out = NULL;
    if (!blocks || !steps)
        TRY(error_system(err, "no memory for the blocks of a report"));
    if (layers->net) {
        count_steps(steps, layers->net);
        for (size_t v = 1; v < layers->count; v++)
            if (layers->net->links[v - 1].kind == LINK_ADD)
                TRY(add_block(blocks, reader, summary, layers, v, steps, err));
    }
    *out = json_incref(blocks);
done:
    json_decref(blocks);
    free(steps);
    return rc;
}
