#include "pipeline/run/graph.h"

#include "kernels/base/network_words.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH = 96, MESSAGE = 256 };

/* ---- columns ----------------------------------------------------------------------------------------------------- */

/* Whole numbers, a dataset each: where they are in a link or an edge. */
struct column {
    const char *name;
    size_t offset;
};

static const struct column link_columns[] = {
    {"channels", offsetof(struct link, upper.channels)},
    {"height", offsetof(struct link, upper.height)},
    {"width", offsetof(struct link, upper.width)},
    {"window_height", offsetof(struct link, window.height)},
    {"window_width", offsetof(struct link, window.width)},
    {"stride_down", offsetof(struct link, window.down)},
    {"stride_across", offsetof(struct link, window.across)},
    {"pad_top", offsetof(struct link, window.top)},
    {"pad_left", offsetof(struct link, window.left)},
    {"pad_bottom", offsetof(struct link, window.bottom)},
    {"pad_right", offsetof(struct link, window.right)},
    {"groups", offsetof(struct link, groups)},
    {"gate", offsetof(struct link, gate)},
};

static const struct column edge_columns[] = {
    {"link", offsetof(struct edge, link)},
    {"variable", offsetof(struct edge, lower)},
    {"channel_from", offsetof(struct edge, channels.lower)},
    {"channel_to", offsetof(struct edge, channels.upper)},
    {"channel_step", offsetof(struct edge, channels.step)},
    {"channel_count", offsetof(struct edge, channels.count)},
};

/* Flags of a link. */
static const struct column flag_columns[] = {
    {"count_padding", offsetof(struct link, count_padding)},
    {"weighted", offsetof(struct link, weighted)},
};

/* Numbers of an activation. */
static const struct column bound_columns[] = {
    {"activation_a", offsetof(struct link, activation.a)},
    {"activation_b", offsetof(struct link, activation.b)},
};

#define LENGTH(a) (sizeof(a) / sizeof(a)[0])

static const void *member(const void *item, struct column column)
{
    return (const char *)item + column.offset;
}

static void *member_of(void *item, struct column column)
{
    return (char *)item + column.offset;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static enum status write_column(struct store *store, const char *table, const char *name, const void *values, size_t n,
                                struct error *err)
{
    char path[PATH];

    snprintf(path, sizeof path, "network/%s/%s", table, name);
    return store_write(store, path, values, 1, &n, err);
}

static enum status save_words(struct store *store, const struct network *net, struct error *err)
{
    const char *names[NETWORK_MAX_LINKS], *kinds[NETWORK_MAX_LINKS], *activations[NETWORK_MAX_LINKS];
    enum status rc = OK;

    for (size_t k = 0; k < net->nlinks; k++) {
        names[k] = net->links[k].name;
        kinds[k] = network_kind_word(net->links[k].kind);
        activations[k] = network_activation_word(net->links[k].activation.kind);
    }
    TRY(store_write_text(store, "network/links/name", names, net->nlinks, err));
    TRY(store_write_text(store, "network/links/kind", kinds, net->nlinks, err));
    TRY(store_write_text(store, "network/links/activation", activations, net->nlinks, err));
done:
    return rc;
}

static enum status save_links(struct store *store, const struct network *net, struct error *err)
{
    int64_t values[NETWORK_MAX_LINKS];
    float bounds[NETWORK_MAX_LINKS];
    enum status rc = OK;

    TRY(save_words(store, net, err));
    for (size_t i = 0; i < LENGTH(link_columns); i++) {
        for (size_t k = 0; k < net->nlinks; k++)
            values[k] = (int64_t) * (const size_t *)member(&net->links[k], link_columns[i]);
        TRY(write_column(store, "links", link_columns[i].name, values, net->nlinks, err));
    }
    for (size_t i = 0; i < LENGTH(flag_columns); i++) {
        for (size_t k = 0; k < net->nlinks; k++)
            values[k] = *(const bool *)member(&net->links[k], flag_columns[i]);
        TRY(write_column(store, "links", flag_columns[i].name, values, net->nlinks, err));
    }
    for (size_t i = 0; i < LENGTH(bound_columns); i++) {
        for (size_t k = 0; k < net->nlinks; k++)
            bounds[k] = *(const float *)member(&net->links[k], bound_columns[i]);
        TRY(write_column(store, "links", bound_columns[i].name, bounds, net->nlinks, err));
    }
done:
    return rc;
}

static enum status save_edges(struct store *store, const struct network *net, struct error *err)
{
    int64_t values[NETWORK_MAX_EDGES];
    enum status rc = OK;

    for (size_t i = 0; i < LENGTH(edge_columns); i++) {
        for (size_t e = 0; e < net->nedges; e++)
            values[e] = (int64_t) * (const size_t *)member(&net->edges[e], edge_columns[i]);
        TRY(write_column(store, "edges", edge_columns[i].name, values, net->nedges, err));
    }
done:
    return rc;
}

enum status graph_save(struct store *store, const struct network *net, struct error *err)
{
    const int64_t input[] = {(int64_t)net->input.channels, (int64_t)net->input.height, (int64_t)net->input.width};
    enum status rc = OK;

    TRY(save_links(store, net, err));
    TRY(save_edges(store, net, err));
    TRY(store_set_int(store, "network", "input_channels", input[0], err));
    TRY(store_set_int(store, "network", "input_height", input[1], err));
    TRY(store_set_int(store, "network", "input_width", input[2], err));
done:
    return rc;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* What the tables hold. */
struct tables {
    const struct store_reader *store;
    const char *path;
    size_t nlinks, nedges;
    struct link links[NETWORK_MAX_LINKS];
    struct edge edges[NETWORK_MAX_EDGES];
    struct shape input;
};

static enum status damaged(const struct tables *t, const char *what, struct error *err)
{
    return error_set(err, FAIL_FORMAT, "%s: /network is damaged: %s", t->path, what);
}

bool graph_is_stored(const struct store_reader *store)
{
    return store_has(store, "network/links/name");
}

static enum status read_numbers(int64_t **out, const struct tables *t, const char *table, const char *name, size_t *n,
                                struct error *err)
{
    char path[PATH];

    snprintf(path, sizeof path, "network/%s/%s", table, name);
    return store_read_int(out, t->store, path, 1, n, err);
}

static enum status read_link_column(struct tables *t, struct column column, bool flag, struct error *err)
{
    int64_t *values = NULL;
    enum status rc = OK;

    TRY(read_numbers(&values, t, "links", column.name, &t->nlinks, err));
    for (size_t k = 0; k < t->nlinks; k++) {
        if (values[k] < 0)
            rc = damaged(t, "a number of a layer is negative", err);
        else if (flag)
            *(bool *)member_of(&t->links[k], column) = values[k] != 0;
        else
            *(size_t *)member_of(&t->links[k], column) = (size_t)values[k];
    }
done:
    free(values);
    return rc;
}

static enum status read_bounds(struct tables *t, struct column column, struct error *err)
{
    double *values = NULL;
    char path[PATH];

    snprintf(path, sizeof path, "network/links/%s", column.name);
    enum status rc = store_read_real(&values, t->store, path, 1, &t->nlinks, err);
    for (size_t k = 0; rc == OK && k < t->nlinks; k++)
        *(float *)member_of(&t->links[k], column) = (float)values[k];
    free(values);
    return rc;
}

static enum status read_words(struct tables *t, struct error *err)
{
    char **names = NULL, **kinds = NULL, **activations = NULL;
    enum status rc = OK;

    t->nlinks = STORE_ANY;
    TRY(store_read_text(&names, t->store, "network/links/name", &t->nlinks, err));
    if (t->nlinks > NETWORK_MAX_LINKS) {
        rc = damaged(t, "it has more layers than a network can have", err);
        goto done;
    }
    TRY(store_read_text(&kinds, t->store, "network/links/kind", &t->nlinks, err));
    TRY(store_read_text(&activations, t->store, "network/links/activation", &t->nlinks, err));
    for (size_t k = 0; rc == OK && k < t->nlinks; k++) {
        struct link *link = &t->links[k];
        snprintf(link->name, sizeof link->name, "%s", names[k]);
        if (!network_find_kind(&link->kind, kinds[k]) ||
            !network_find_activation(&link->activation.kind, activations[k]))
            rc = damaged(t, "there is a layer of an unknown kind", err);
    }
done:
    free(names);
    free(kinds);
    free(activations);
    return rc;
}

static enum status read_links(struct tables *t, struct error *err)
{
    enum status rc = OK;

    TRY(read_words(t, err));
    for (size_t i = 0; i < LENGTH(link_columns); i++)
        TRY(read_link_column(t, link_columns[i], false, err));
    for (size_t i = 0; i < LENGTH(flag_columns); i++)
        TRY(read_link_column(t, flag_columns[i], true, err));
    for (size_t i = 0; i < LENGTH(bound_columns); i++)
        TRY(read_bounds(t, bound_columns[i], err));
done:
    return rc;
}

static enum status read_edges(struct tables *t, struct error *err)
{
    int64_t *values = NULL;
    enum status rc = OK;

    t->nedges = STORE_ANY;
    for (size_t i = 0; i < LENGTH(edge_columns); i++) {
        TRY(read_numbers(&values, t, "edges", edge_columns[i].name, &t->nedges, err));
        if (t->nedges > NETWORK_MAX_EDGES)
            rc = damaged(t, "it has more connections than a network can have", err);
        for (size_t e = 0; rc == OK && e < t->nedges; e++) {
            if (values[e] < 0)
                rc = damaged(t, "a number of a connection is negative", err);
            *(size_t *)member_of(&t->edges[e], edge_columns[i]) = (size_t)values[e];
        }
        TRY(rc);
        free(values);
        values = NULL;
    }
done:
    free(values);
    return rc;
}

static enum status read_input(struct tables *t, struct error *err)
{
    const struct {
        const char *name;
        size_t *to;
    } parts[] = {
        {"input_channels", &t->input.channels}, {"input_height", &t->input.height}, {"input_width", &t->input.width}};
    enum status rc = OK;

    for (size_t i = 0; i < LENGTH(parts); i++) {
        int64_t value = 0;
        TRY(store_get_int(&value, t->store, "network", parts[i].name, err));
        if (value < 1)
            TRY(damaged(t, "the input has no neurons", err));
        *parts[i].to = (size_t)value;
    }
done:
    return rc;
}

/* ---- the network ------------------------------------------------------------------------------------------------- */

/* Append link k with those of the edges that are its, which begin at *edge. */
static enum status push(struct network *net, const struct tables *t, size_t k, size_t *edge, struct error *err)
{
    size_t lower[NETWORK_MAX_EDGES], n = 0;
    struct edge_channels pieces[NETWORK_MAX_EDGES];
    bool channels = t->links[k].kind == LINK_CHANNELS;
    char message[MESSAGE] = "";

    for (; *edge < t->nedges && t->edges[*edge].link == k; ++*edge, n++) {
        lower[n] = t->edges[*edge].lower;
        pieces[n] = t->edges[*edge].channels;
    }
    if (network_push(net, &t->links[k], lower, n, channels ? pieces : NULL, message, sizeof message) == 0)
        return damaged(t, message, err);
    return OK;
}

static enum status build(struct network *net, const struct tables *t, const char *name, struct error *err)
{
    char message[MESSAGE] = "";
    size_t edge = 0;
    enum status rc = OK;

    network_start(net, name, t->input);
    for (size_t k = 0; k < t->nlinks; k++)
        TRY(push(net, t, k, &edge, err));
    if (edge != t->nedges)
        TRY(damaged(t, "its connections are not in the order of its layers", err));
    if (!network_finish(net, message, sizeof message))
        TRY(damaged(t, message, err));
done:
    return rc;
}

enum status graph_load(struct network *net, const struct store_reader *store, const char *path, struct error *err)
{
    struct tables *t = calloc(1, sizeof *t);
    char *name = NULL;
    enum status rc = OK;

    if (!t)
        return error_set(err, FAIL_SYSTEM, "no memory for the network of %s", path);
    t->store = store;
    t->path = path;
    TRY(store_get_text(&name, store, "", "network", err));
    TRY(read_links(t, err));
    TRY(read_edges(t, err));
    TRY(read_input(t, err));
    TRY(build(net, t, name, err));
done:
    free(t);
    free(name);
    return rc;
}
