#include "pipeline/stats/columns.h"

#include "kernels/base/network_origin.h"

#include <stdlib.h>
#include <string.h>

/* Items of the pair, or only their number if `items` is NULL. */
static size_t list_items(struct columns_item *items, const struct network *net, const struct flows_adjacent *pair)
{
    const struct link *link = &net->links[pair->link];
    size_t n = 0;

    for (size_t e = link->first_edge; e < link->first_edge + link->nedges; e++)
        for (size_t c = 0; c < network_shape(net, net->edges[e].lower).channels; c++) {
            struct network_origin origin = network_origin(net, net->edges[e].lower, c);
            if (origin.variable != pair->lower)
                continue;
            if (items)
                items[n] = (struct columns_item){(uint32_t)e, (uint32_t)c, (uint32_t)origin.channel};
            n++;
        }
    return n;
}

/* Whether the items are all columns of one edge, each at its own place. */
static bool is_whole(const struct columns *columns)
{
    const struct columns_item *items = columns->items;
    size_t n = columns->count;

    for (size_t i = 0; i < n; i++)
        if (items[i].edge != items[0].edge || items[i].from != i || items[i].to != i)
            return false;
    return n == columns->lower && n == network_shape(columns->net, columns->net->edges[items[0].edge].lower).channels &&
           columns->pair.diagonal == network_diagonal(&columns->net->links[columns->pair.link]);
}

enum status columns_init(struct columns *out, const struct network *net, const struct flows_adjacent *pair,
                         struct error *err)
{
    *out = (struct columns){.net = net,
                            .pair = *pair,
                            .upper = net->links[pair->link].upper.channels,
                            .lower = network_shape(net, pair->lower).channels,
                            .count = list_items(NULL, net, pair)};
    out->items = calloc(out->count, sizeof *out->items);
    if (!out->items)
        return error_set(err, FAIL_SYSTEM, "no memory for the columns of a flow");
    list_items(out->items, net, pair);
    out->whole = is_whole(out);
    return OK;
}

void columns_free(struct columns *columns)
{
    free(columns->items);
    columns->items = NULL;
}

void columns_row(double *out, const struct columns *columns, const float *const *joints, size_t k)
{
    bool vectors = network_diagonal(&columns->net->links[columns->pair.link]), vector = columns->pair.diagonal;

    memset(out, 0, (vector ? columns->upper : columns->lower) * sizeof *out);
    for (size_t i = 0; i < columns->count; i++) {
        struct columns_item item = columns->items[i];
        const float *joint = joints[item.edge];
        if (vector)
            out[item.from] += (double)joint[item.from];
        else if (!vectors)
            out[item.to] += (double)
                joint[k * network_shape(columns->net, columns->net->edges[item.edge].lower).channels + item.from];
        else if (item.from == k)
            out[item.to] += (double)joint[k];
    }
}

void columns_lower(int32_t *out, const struct columns *columns)
{
    for (size_t k = 0; k < columns->upper; k++)
        out[k] = -1;
    for (size_t i = 0; i < columns->count; i++)
        out[columns->items[i].from] = (int32_t)columns->items[i].to;
}
