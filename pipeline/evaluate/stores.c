#include "pipeline/evaluate/stores.h"

#include "pipeline/config/pairs.h"
#include "pipeline/evaluate/answers_file.h"
#include "pipeline/evaluate/answers_print.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/util/json_output.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* No statistics, and nothing is kept. */
static const struct {
    const char *section, *key, *value;
} left_out[] = {
    {"measure", "flows", "none"},     {"store", "top", "0"},
    {"store", "classes", "none"},     {"store", "per_image", "none"},
    {"store", "maps", "none"},        {"data", "shard", "1/1"},
    {"store", "histogram_bins", "0"}, {"store", "class_flows", "none"},
};

/* The state of the work. */
struct work {
    struct config config;
    struct run_plan plan;
    struct circuit circuit;
    struct prune prune;
};

static enum status adapt_config(struct config *config, const struct stores_options *options, struct error *err)
{
    enum status rc = OK;

    for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++)
        TRY(config_set(config, left_out[i].section, left_out[i].key, left_out[i].value, err));
    if (options->images.end)
        config->data.images = options->images;
    config_pairs_release(&config->measure.queries);
done:
    return rc;
}

static enum status measure(struct work *w, const struct stores_options *options, const struct node *node,
                           struct log *log, struct error *err)
{
    struct circuit_options circuit = options->circuit;
    struct prune_options prune = options->prune;
    enum status rc = OK;

    TRY(config_load(&w->config, &options->source, node, err));
    TRY(agree(node->world, adapt_config(&w->config, options, err), err));
    TRY(run_plan_init(&w->plan, &w->config, NULL, node, log, err));
    if (options->output && node->rank == 0)
        rc = answers_file_check(options->output, &w->plan, options->restart, err);
    TRY(agree(node->world, rc, err));
    circuit.seed = prune.seed = w->config.run.seed;
    if (circuit.stores.count)
        TRY(circuit_measure(&w->circuit, &circuit, &w->plan, node, log, err));
    if (prune.store)
        TRY(prune_measure(&w->prune, &prune, &w->plan, node, log, err));
done:
    return rc;
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

/* The tables of both; they point to `lines`. */
static struct answers_table circuit_table(struct answers_line *lines, const struct circuit *circuit)
{
    for (size_t i = 0; i < circuit->norders; i++)
        lines[i] = (struct answers_line){circuit->orders[i].name, circuit->orders[i].at, circuit->orders[i].excess};
    return (struct answers_table){.test = "circuit",
                                  .share_title = "edges kept",
                                  .kept = true,
                                  .shares = circuit_shares,
                                  .nshares = CIRCUIT_SHARES,
                                  .whole = circuit->whole,
                                  .lines = lines,
                                  .nlines = circuit->norders};
}

static struct answers_table prune_table(struct answers_line *lines, const struct prune *prune,
                                        const struct prune_options *options)
{
    for (size_t i = 0; i < PRUNE_ORDERS; i++)
        lines[i] = (struct answers_line){prune->orders[i].name, prune->orders[i].at, prune->orders[i].excess};
    return (struct answers_table){.test = "prune",
                                  .share_title = "channels pruned",
                                  .shares = options->rates,
                                  .nshares = options->nrates,
                                  .whole = prune->whole,
                                  .lines = lines,
                                  .nlines = PRUNE_ORDERS};
}

/* ---- what is printed -------------------------------------------------------------------------------------------- */

static void print_circuit(const struct circuit *circuit)
{
    struct answers_line lines[CIRCUIT_ORDERS];
    struct answers_table table = circuit_table(lines, circuit);

    printf("circuits: only the first edges of an order are kept, of %zu edges of %zu links, for all images alike\n",
           circuit->edges, circuit->links);
    if (circuit->whole_links)
        printf("%zu links of weights that the store has no flows of stay whole; measure.flows = dense keeps more\n",
               circuit->whole_links);
    answers_print(stdout, &table);
}

static void print_prune(const struct prune *prune, const struct prune_options *options)
{
    struct answers_line lines[PRUNE_ORDERS];
    struct answers_table table = prune_table(lines, prune, options);

    printf("pruning: the last channels of an order are replaced by zero, of %zu channels of %zu convolutions\n",
           prune->channels, prune->layers);
    answers_print(stdout, &table);
    printf("\narea over the rates:");
    for (size_t i = 0; i < PRUNE_ORDERS; i++)
        printf("%s %s %.4f", i ? "," : "", prune->orders[i].name, prune->orders[i].area);
    puts("");
}

static json_t *circuit_object(const struct circuit *circuit, const struct circuit_options *options)
{
    struct answers_line lines[CIRCUIT_ORDERS];
    struct answers_table table = circuit_table(lines, circuit);
    json_t *object = json_object();

    json_object_set_new(object, "by", json_output_text(edges_by_names[options->by]));
    json_object_set_new(object, "unit_layers", json_boolean(options->unit_layers));
    json_object_set_new(object, "edges", json_integer((json_int_t)circuit->edges));
    json_object_set_new(object, "links", json_integer((json_int_t)circuit->links));
    json_object_set_new(object, "whole_links", json_integer((json_int_t)circuit->whole_links));
    answers_json(object, &table);
    return object;
}

static json_t *prune_object(const struct prune *prune, const struct prune_options *options)
{
    struct answers_line lines[PRUNE_ORDERS];
    struct answers_table table = prune_table(lines, prune, options);
    json_t *object = json_object(), *areas = json_object();

    json_object_set_new(object, "channels", json_integer((json_int_t)prune->channels));
    json_object_set_new(object, "by", json_output_text(prune_by_names[options->by]));
    json_object_set_new(object, "unit_layers", json_boolean(options->unit_layers));
    for (size_t i = 0; i < PRUNE_ORDERS; i++)
        json_object_set_new(areas, prune->orders[i].name, json_output_real(prune->orders[i].area));
    answers_json(object, &table);
    json_object_set_new(object, "areas", areas);
    return object;
}

static void print(const struct work *w, const struct stores_options *options)
{
    json_t *object = options->json ? json_object() : NULL;
    bool both = options->circuit.stores.count && options->prune.store;

    if (object && options->circuit.stores.count)
        json_object_set_new(object, "circuit", circuit_object(&w->circuit, &options->circuit));
    if (object && options->prune.store)
        json_object_set_new(object, "prune", prune_object(&w->prune, &options->prune));
    if (object) {
        json_output_print(object);
        return;
    }
    if (options->circuit.stores.count)
        print_circuit(&w->circuit);
    if (both)
        puts("");
    if (options->prune.store)
        print_prune(&w->prune, &options->prune);
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

/* What the figures depend on besides the configuration; the caller frees it. NULL without memory. */
static char *settings_text(const struct stores_options *options)
{
    const struct circuit_options *circuit = &options->circuit;
    const struct prune_options *prune = &options->prune;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    for (size_t i = 0; i < circuit->stores.count; i++)
        fprintf(out, "circuit=%s ", circuit->stores.items[i]);
    if (circuit->stores.count)
        fprintf(out, "by=%s own=%zu ", edges_by_names[circuit->by], circuit->own);
    if (circuit->stores.count && circuit->class != SIZE_MAX)
        fprintf(out, "class=%zu ", circuit->class);
    if (prune->store)
        fprintf(out, "prune=%s prune_by=%s ", prune->store, prune_by_names[prune->by]);
    fprintf(out, "unit_layers=%d", prune->unit_layers || circuit->unit_layers);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* Rank 0. */
static enum status write_file(const struct work *w, const struct stores_options *options, struct error *err)
{
    struct answers_line circuit[CIRCUIT_ORDERS], prune[PRUNE_ORDERS];
    struct answers_part parts[2];
    struct answers_contents contents = {
        .plan = &w->plan, .rows = w->circuit.rows ? w->circuit.rows : w->prune.rows, .parts = parts};
    char *settings = settings_text(options);
    enum status rc = OK;

    if (!settings)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for the settings of an evaluation"));
    contents.settings = settings;
    if (options->circuit.stores.count)
        parts[contents.nparts++] = (struct answers_part){"circuit/edges", circuit_table(circuit, &w->circuit)};
    if (options->prune.store)
        parts[contents.nparts++] =
            (struct answers_part){"prune/convolutions", prune_table(prune, &w->prune, &options->prune)};
    rc = answers_file_write(options->output, &contents, err);
done:
    free(settings);
    return rc;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

enum status stores_evaluate(const struct stores_options *options, const struct node *node, struct log *log,
                            struct error *err)
{
    struct work *w = calloc(1, sizeof *w);
    enum status rc = agree(node->world, w ? OK : error_set(err, FAIL_SYSTEM, "no memory for the evaluation"), err);

    if (rc == OK)
        rc = measure(w, options, node, log, err);
    if (rc == OK && options->output)
        rc = agree(node->world, node->rank == 0 ? write_file(w, options, err) : OK, err);
    if (rc == OK && node->rank == 0)
        print(w, options);
    if (w) {
        free(w->circuit.rows);
        free(w->prune.rows);
        run_plan_free(&w->plan);
        config_free(&w->config);
    }
    free(w);
    return rc;
}
