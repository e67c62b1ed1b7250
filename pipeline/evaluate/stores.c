#include "pipeline/evaluate/stores.h"

#include "pipeline/config/pairs.h"
#include "pipeline/evaluate/answers_print.h"
#include "pipeline/evaluate/sources.h"
#include "pipeline/evaluate/stores_output.h"
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
    struct answers_cost circuit_cost, prune_cost; /* of dry runs */
    char *settings;                               /* rank 0, owned; these two if there is a file */
    struct stores_output output;
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

static uint64_t seed_of(const struct work *w, const struct stores_options *options)
{
    return options->seed == SIZE_MAX ? w->config.run.seed : options->seed;
}

static enum status measure(struct work *w, const struct stores_options *options, const struct node *node,
                           struct log *log, struct error *err)
{
    struct circuit_options circuit = options->circuit;
    struct prune_options prune = options->prune;
    struct answers_record *record = w->output.path ? &w->output.record : NULL;
    enum status rc = OK;

    circuit.seed = prune.seed = seed_of(w, options);
    if (circuit.stores.count)
        TRY(options->dry ? circuit_time(&w->circuit_cost, &circuit, &w->plan, node, log, err)
                         : circuit_measure(&w->circuit, &circuit, &w->plan, record, node, log, err));
    if (prune.store)
        TRY(options->dry ? prune_time(&w->prune_cost, &prune, &w->plan, node, log, err)
                         : prune_measure(&w->prune, &prune, &w->plan, record, node, log, err));
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

/* ---- what a dry run prints --------------------------------------------------------------------------------------- */

static void print_cost(const char *title, const struct answers_cost *cost, size_t images, size_t ranks)
{
    printf("%-17s %zu networks, and the whole one\n", title, cost->networks);
    printf("images            %zu on %zu ranks\n", images, ranks);
    printf("%d images          %.3g s on a rank, measured\n", ANSWERS_BATCH, cost->batch);
    if (cost->change > 0)
        printf("a network         %.3g s to cut its edges, measured\n", cost->change);
    if (cost->own > 0)
        printf("own circuits      %zu images, %.3g s each on a rank, measured\n", cost->own, cost->own_image);
    printf("time              %.3g s, without reading the model\n", answers_cost_seconds(cost, images, ranks));
}

static json_t *cost_object(const struct answers_cost *cost, size_t images, size_t ranks)
{
    return json_pack("{s:I,s:I,s:I,s:f,s:f,s:I,s:f,s:f}", "images", (json_int_t)images, "ranks", (json_int_t)ranks,
                     "networks", (json_int_t)cost->networks, "seconds_per_network", cost->change, "seconds_per_image",
                     cost->batch / ANSWERS_BATCH, "own", (json_int_t)cost->own, "seconds_per_own_image",
                     cost->own_image, "seconds", answers_cost_seconds(cost, images, ranks));
}

static void print_costs(const struct work *w, const struct stores_options *options, size_t ranks)
{
    const struct {
        bool wanted;
        const char *name, *title;
        const struct answers_cost *cost;
    } parts[] = {{options->circuit.stores.count > 0, "circuit", "circuits", &w->circuit_cost},
                 {options->prune.store != NULL, "prune", "pruning", &w->prune_cost}};

    size_t images = w->plan.images.end - w->plan.images.first;
    json_t *object = options->json ? json_object() : NULL;

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i].wanted && object)
            json_object_set_new(object, parts[i].name, cost_object(parts[i].cost, images, ranks));
        else if (parts[i].wanted)
            print_cost(parts[i].title, parts[i].cost, images, ranks);
    if (object)
        json_output_print(object);
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

/* A store by the run that it came from, since files are moved. */
static enum status put_store(FILE *out, const char *key, const char *path, struct error *err)
{
    char hex[SHA256_HEX];
    enum status rc = sources_identity(hex, path, err);

    if (rc == OK)
        fprintf(out, "%s=%.16s ", key, hex);
    return rc;
}

static enum status put_settings(FILE *out, const struct work *w, const struct stores_options *options,
                                struct error *err)
{
    const struct circuit_options *circuit = &options->circuit;
    const struct prune_options *prune = &options->prune;
    enum status rc = OK;

    for (size_t i = 0; i < circuit->stores.count; i++)
        TRY(put_store(out, "circuit", circuit->stores.items[i], err));
    if (circuit->stores.count)
        fprintf(out, "by=%s own=%zu ", edges_by_names[circuit->by], circuit->own);
    if (circuit->stores.count && circuit->class != SIZE_MAX)
        fprintf(out, "class=%zu ", circuit->class);
    if (prune->store) {
        TRY(put_store(out, "prune", prune->store, err));
        fprintf(out, "prune_by=%s rates=", prune_by_names[prune->by]);
        for (size_t i = 0; i < prune->nrates; i++)
            fprintf(out, "%s%.10g", i ? "," : "", prune->rates[i]);
        fputc(' ', out);
    }
    fprintf(out, "unit_layers=%d seed=%llu", prune->unit_layers || circuit->unit_layers,
            (unsigned long long)seed_of(w, options));
done:
    return rc;
}

/* What the figures depend on besides the configuration, into w->settings. Rank 0. */
static enum status make_settings(struct work *w, const struct stores_options *options, struct error *err)
{
    size_t size;
    FILE *out = open_memstream(&w->settings, &size);
    enum status rc = out ? put_settings(out, w, options, err) : OK;

    if (!out || fclose(out) != 0)
        return error_set(err, FAIL_SYSTEM, "no memory for the settings of an evaluation");
    return rc;
}

/* Collective. */
static enum status enter(struct work *w, const struct stores_options *options, const struct node *node, struct log *log,
                         struct error *err)
{
    enum status rc = OK;

    if (node->rank == 0)
        rc = make_settings(w, options, err);
    TRY(agree(node->world, rc, err));
    w->output.path = options->output;
    w->output.plan = &w->plan;
    w->output.settings = w->settings;
    w->output.node = node;
    TRY(stores_output_enter(&w->output, options->restart, log, err));
done:
    return rc;
}

/* Collective. */
static enum status write_file(struct work *w, const struct stores_options *options, struct error *err)
{
    struct answers_line circuit[CIRCUIT_ORDERS], prune[PRUNE_ORDERS];
    struct answers_part parts[2];
    struct answers_contents contents = {.plan = &w->plan,
                                        .rows = w->circuit.rows ? w->circuit.rows : w->prune.rows,
                                        .settings = w->settings,
                                        .parts = parts};

    if (options->circuit.stores.count)
        parts[contents.nparts++] = (struct answers_part){"circuit/edges", circuit_table(circuit, &w->circuit)};
    if (options->prune.store)
        parts[contents.nparts++] =
            (struct answers_part){"prune/convolutions", prune_table(prune, &w->prune, &options->prune)};
    return stores_output_write(&w->output, &contents, err);
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

/* Everything before the first image. Collective. */
static enum status begin(struct work *w, const struct stores_options *options, const struct node *node, struct log *log,
                         struct error *err)
{
    enum status rc = OK;

    TRY(config_load(&w->config, &options->source, node, err));
    TRY(agree(node->world, adapt_config(&w->config, options, err), err));
    TRY(run_plan_init(&w->plan, &w->config, NULL, node, log, err));
    if (options->output && !options->dry)
        TRY(enter(w, options, node, log, err));
done:
    return rc;
}

/* A stop is no failure: the answers so far are in the file. */
static enum status finish(enum stop_reason *reason, struct work *w, enum status rc, struct log *log, struct error *err)
{
    *reason = w->output.stop.reason;
    if (*reason == STOP_NONE)
        return rc;
    error_clear(err);
    log_warn(log, "stopped early, the same command continues path=%s answers=%zu reason=\"%s\"", w->output.path,
             w->output.record.known, stop_reason_name(*reason));
    return OK;
}

static enum status evaluate(enum stop_reason *reason, struct work *w, const struct stores_options *options,
                            const struct node *node, struct log *log, struct error *err)
{
    enum status rc = OK;

    TRY(begin(w, options, node, log, err));
    if (w->output.complete) {
        log_info(log, "the evaluation is complete, nothing to do path=%s; --restart computes it again",
                 options->output);
        return OK;
    }
    rc = finish(reason, w, measure(w, options, node, log, err), log, err);
    if (rc != OK || *reason != STOP_NONE)
        return rc;
    if (node->rank == 0 && options->dry)
        print_costs(w, options, (size_t)node->nranks);
    else if (node->rank == 0)
        print(w, options); /* first: a file that cannot be written is not to cost the figures */
    if (w->output.path)
        TRY(write_file(w, options, err));
done:
    return rc;
}

enum status stores_evaluate(enum stop_reason *reason, const struct stores_options *options, const struct node *node,
                            struct log *log, struct error *err)
{
    struct work *w = calloc(1, sizeof *w);
    enum status rc = agree(node->world, w ? OK : error_set(err, FAIL_SYSTEM, "no memory for the evaluation"), err);

    *reason = STOP_NONE;
    if (rc == OK)
        rc = evaluate(reason, w, options, node, log, err);
    if (w) {
        stores_output_free(&w->output);
        free(w->settings);
        free(w->circuit.rows);
        free(w->prune.rows);
        run_plan_free(&w->plan);
        config_free(&w->config);
    }
    free(w);
    return rc;
}
