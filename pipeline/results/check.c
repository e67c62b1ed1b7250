#include "pipeline/results/check.h"

#include "pipeline/results/check_context.h"
#include "pipeline/results/check_evaluation.h"
#include "pipeline/results/check_flows.h"
#include "pipeline/results/check_images.h"
#include "pipeline/results/check_layers.h"
#include "pipeline/results/check_totals.h"
#include "pipeline/results/origin.h"
#include "pipeline/run/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- groups ---------------------------------------------------------------------------------------------------- */

/* Damage in one place is a problem of the store and no reason to stop. */
static enum status keep_going(struct check *c, enum status rc, const char *path)
{
    if (rc != FAIL_FORMAT && rc != FAIL_UNSUPPORTED && rc != FAIL_LIMIT)
        return rc;
    store_problem_add(c->problems, path, "cannot be read: %s", c->err->message);
    error_clear(c->err);
    return OK;
}

static enum status read_config(struct check *c)
{
    char *text = NULL;
    enum status rc = OK;

    TRY(store_get_text(&text, c->reader, "", "config", c->err));
    TRY(config_parse_stored(&c->config, text, "config", c->err));
done:
    free(text);
    if (rc == FAIL_CONFIG) {
        error_clear(c->err);
        rc = error_set(c->err, FAIL_FORMAT, "the attribute config is no configuration of this program");
    }
    return rc;
}

static enum status read_network(struct check *c)
{
    if (!graph_is_stored(c->reader))
        return OK;
    c->net = malloc(sizeof *c->net);
    if (!c->net)
        return error_set(c->err, FAIL_SYSTEM, "no memory for the network of a store");
    return graph_load(c->net, c->reader, "it", c->err);
}

/* A layer's channels, and whether it has statistics. Those of chains always have. */
static enum status read_layer(struct check *c, size_t i)
{
    struct check_layer *layer = &c->layers[i];
    char path[CHECK_PATH];
    size_t ndim, dims[STORE_MAX_DIMS];
    enum status rc = OK;

    *layer = (struct check_layer){.name = c->names[i]};
    snprintf(path, sizeof path, "layers/%s", layer->name);
    layer->stored = !c->net || store_has(c->reader, path);
    if (layer->stored) {
        snprintf(path, sizeof path, "layers/%s/mean", layer->name);
        TRY(store_shape(&ndim, dims, c->reader, path, c->err));
        layer->channels = dims[0];
    } else
        layer->channels = network_shape(c->net, i).channels;
    if (c->net &&
        (strcmp(layer->name, network_variable(c->net, i)) != 0 || layer->channels != network_shape(c->net, i).channels))
        store_problem_add(c->problems, path, "is not layer %zu of /network", i);
done:
    return rc;
}

/* The layers' names and channels. */
static enum status read_layers(struct check *c)
{
    size_t ndim, dims[STORE_MAX_DIMS];
    enum status rc = OK;

    c->nlayers = c->classes = STORE_ANY;
    TRY(store_read_text(&c->names, c->reader, "variable", &c->nlayers, c->err));
    if (c->net && c->nlayers != c->net->nlinks + 1)
        TRY(error_set(c->err, FAIL_FORMAT, "/variable has %zu names, and /network %zu layers", c->nlayers,
                      c->net->nlinks + 1));
    c->layers = calloc(c->nlayers + 1, sizeof *c->layers);
    if (!c->layers)
        return error_set(c->err, FAIL_SYSTEM, "no memory for %zu layers", c->nlayers);
    for (size_t i = 0; i < c->nlayers; i++)
        TRY(read_layer(c, i));
    TRY(store_shape(&ndim, dims, c->reader, "class", c->err));
    c->classes = dims[0];
done:
    return rc;
}

static enum status check_layers(struct check *c)
{
    struct store_names names = {0};
    char path[CHECK_PATH];
    enum status rc = OK;

    TRY(store_list(&names, c->reader, "layers", c->err));
    for (size_t i = 0; i < names.count; i++) {
        snprintf(path, sizeof path, "layers/%s", names.names[i]);
        if (!check_find_layer(c, names.names[i]))
            store_problem_add(c->problems, path, "is no variable of the network (/variable)");
    }
    for (size_t i = 0; i < c->nlayers; i++) {
        snprintf(path, sizeof path, "layers/%s", c->names[i]);
        if (c->layers[i].stored)
            TRY(keep_going(c, check_layer(c, &c->layers[i]), path));
    }
done:
    store_names_free(&names);
    return rc;
}

/* All groups below `parent`, which may be missing. */
static enum status check_each(size_t *count, struct check *c, const char *parent,
                              enum status (*check)(struct check *c, const char *name))
{
    struct store_names names = {0};
    char path[CHECK_PATH];
    enum status rc = OK;

    if (!store_has(c->reader, parent))
        return OK;
    TRY(store_list(&names, c->reader, parent, c->err));
    *count = names.count;
    for (size_t i = 0; i < names.count; i++) {
        snprintf(path, sizeof path, "%s/%s", parent, names.names[i]);
        TRY(keep_going(c, check(c, names.names[i]), path));
    }
done:
    store_names_free(&names);
    return rc;
}

/* A store of maps or of an evaluation has no ledger and no statistics. */
static enum status check_partial(struct check_result *out, struct check *c)
{
    enum status rc = OK;

    c->images = STORE_ANY;
    TRY(store_read_int(&c->status, c->reader, "images/status", 1, &c->images, c->err));
    out->images = c->images;
    TRY(check_each(&out->queries, c, "queries", check_query));
    if (origin_is_evaluation(c->reader))
        TRY(check_evaluation(c, &out->results));
done:
    return rc;
}

static enum status check_numbers(struct check_result *out, struct check *c)
{
    enum status rc = OK;

    if (origin_is_evaluation(c->reader) || origin_is_map(c->reader))
        return check_partial(out, c);
    TRY(read_config(c));
    TRY(read_network(c));
    TRY(read_layers(c));
    TRY(check_images(c));
    out->images = c->images;
    out->layers = c->nlayers;
    out->weak = c->weak;
    TRY(check_layers(c));
    check_expect_flows(c);
    TRY(check_each(&out->flows, c, "flows", check_flow));
    check_totals(c);
    TRY(check_each(&out->queries, c, "queries", check_query));
    TRY(keep_going(c, check_classes(c), "classes"));
done:
    return rc;
}

static void release(struct check *c)
{
    for (size_t i = 0; c->layers && i < c->nlayers; i++) {
        free(c->layers[i].mean);
        free(c->layers[i].below.sums);
        free(c->layers[i].above.sums);
    }
    free(c->layers);
    free(c->net);
    free(c->names);
    free(c->status);
    free(c->class);
    free(c->given);
    config_free(&c->config);
}

enum status check_store(struct check_result *out, const char *path, struct error *err)
{
    struct store_reader *reader = NULL;
    struct check c = {.problems = &out->problems, .err = err};
    int64_t complete = 0;
    enum status rc = OK;

    *out = (struct check_result){.images = 0};
    TRY(store_open_read(&reader, path, err));
    c.reader = reader;
    TRY(store_check(&out->problems, reader, err));
    out->complete = store_get_int(&complete, reader, "", "complete", NULL) == OK && complete == 1;
    out->numbers = !out->problems.unreadable;
    if (out->numbers)
        TRY(keep_going(&c, check_numbers(out, &c), ""));
    if (out->problems.no_memory)
        TRY(error_set(err, FAIL_SYSTEM, "%s: no memory for what is wrong with it", path));
done:
    release(&c);
    store_close(reader);
    return rc;
}

void check_free(struct check_result *result)
{
    store_problems_free(&result->problems);
}
