#include "pipeline/results/layers.h"

#include "pipeline/run/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status allocate(struct layers *out, size_t count, struct error *err)
{
    out->count = count;
    out->items = calloc(count ? count : 1, sizeof *out->items);
    return out->items ? OK : error_set(err, FAIL_SYSTEM, "no memory for the names of %zu layers", count);
}

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

static struct layers_item describe(const struct network *net, size_t k)
{
    const struct link *link = k ? &net->links[k - 1] : NULL;
    struct layers_item item = {.cut = net->cut[k],
                               .own = !link || network_has_rule(link),
                               .pool = link && link->kind == LINK_POOL,
                               .map = shape_positions(network_shape(net, k)) > 1};

    snprintf(item.name, sizeof item.name, "%s", network_variable(net, k));
    item.features = link && (link->kind == LINK_CONVOLUTION || link->kind == LINK_ADD);
    return item;
}

static enum status read_graph(struct layers *out, const struct store_reader *reader, const char *path,
                              struct error *err)
{
    enum status rc = OK;

    out->net = malloc(sizeof *out->net);
    if (!out->net)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for the network of %s", path));
    TRY(graph_load(out->net, reader, path, err));
    TRY(allocate(out, out->net->nlinks + 1, err));
    for (size_t k = 0; k < out->count; k++)
        out->items[k] = describe(out->net, k);
done:
    return rc;
}

/* ---- stores without the network ---------------------------------------------------------------------------------- */

static bool begins(const char *name, const char *word)
{
    return strncmp(name, word, strlen(word)) == 0;
}

static enum status read_names(struct layers *out, const struct store_reader *reader, struct error *err)
{
    size_t count = STORE_ANY;
    char **names = NULL;
    enum status rc = OK;

    TRY(store_read_text(&names, reader, "variable", &count, err));
    TRY(allocate(out, count, err));
    for (size_t k = 0; k < count; k++) {
        bool pool = begins(names[k], "pool"), convolution = begins(names[k], "conv");
        out->items[k] = (struct layers_item){
            .cut = true, .own = !pool, .pool = pool, .features = convolution, .map = pool || convolution || k == 0};
        snprintf(out->items[k].name, sizeof out->items[k].name, "%s", names[k]);
    }
done:
    free(names);
    return rc;
}

/* ---- both -------------------------------------------------------------------------------------------------------- */

enum status layers_read(struct layers *out, const struct store_reader *reader, const char *path, struct error *err)
{
    *out = (struct layers){.count = 0};
    return graph_is_stored(reader) ? read_graph(out, reader, path, err) : read_names(out, reader, err);
}

void layers_free(struct layers *layers)
{
    free(layers->items);
    free(layers->net);
    *layers = (struct layers){.count = 0};
}

size_t layers_find(const struct layers *layers, const char *name)
{
    size_t k = 0;

    while (k < layers->count && strcmp(layers->items[k].name, name) != 0)
        k++;
    return k;
}

size_t layers_default(const struct layers *layers)
{
    for (size_t k = layers->count; k-- > 1;)
        if (layers->items[k].cut && layers->items[k].map && !layers->items[k].pool)
            return k;
    return layers->count ? layers->count - 1 : 0;
}

bool layers_adjoin(const struct layers *layers, size_t lower, size_t upper)
{
    if (layers->net)
        return network_adjoin(layers->net, lower, upper);
    for (size_t k = lower + 1; k < upper; k++)
        if (layers->items[k].own)
            return false;
    return true;
}
