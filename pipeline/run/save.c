#include "pipeline/run/save.h"

#include "pipeline/config/composite.h"
#include "pipeline/config/text.h"
#include "pipeline/run/graph.h"
#include "pipeline/run/pixels.h"
#include "pipeline/run/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- attributes and names -------------------------------------------------------------------------------------- */

static enum status save_texts(struct store *store, const struct save_inputs *inputs, struct error *err)
{
    const struct run_plan *plan = inputs->plan;
    static const char *const keys[] = {"bias", "pool", "given", "target"};
    char *config = config_text(plan->config), *measure[4];
    enum status rc = OK;

    for (size_t i = 0; i < 4; i++)
        measure[i] = config_text_value(plan->config, "measure", keys[i]);

    const struct {
        const char *name, *value;
    } texts[] = {
        {"config", config},
        {"network", plan->model.net.name},
        {"composite", plan->config->measure.composite},
        {"model_sha256", plan->model.sha256},
        {"bias", measure[0]},
        {"pool", measure[1]},
        {"given", measure[2]},
        {"target", measure[3]},
        {"dataset", inputs->dataset},
        {"dataset_sha256", plan->dataset_sha256},
    };

    for (size_t i = 0; rc == OK && i < sizeof texts / sizeof texts[0]; i++)
        rc = texts[i].value ? store_set_text(store, "", texts[i].name, texts[i].value, err)
                            : error_set(err, FAIL_SYSTEM, "no memory for the configuration's text");
    for (size_t i = 0; i < 4; i++)
        free(measure[i]);
    free(config);
    return rc;
}

enum status save_origin(struct store *store, const struct save_inputs *inputs, struct error *err)
{
    enum status rc = OK;

    TRY(save_texts(store, inputs, err));
    TRY(provenance_write(store, inputs->provenance, err));
    if (inputs->origin)
        TRY(pixels_copy(store, inputs->origin, err));
    else
        TRY(pixels_save(store, &inputs->plan->model.preprocessing, inputs->plan->model.pixels, inputs->plan->model.bgr,
                        err));
    TRY(store_set_int(store, "", "dataset_count", (int64_t)inputs->plan->dataset_count, err));
    TRY(store_set_int(store, "", "first_image", (int64_t)inputs->plan->images.first, err));
done:
    return rc;
}

/* Mark a store of a part of the images. */
static enum status save_shard(struct store *store, struct config_shard shard, struct error *err)
{
    char text[64];

    if (shard.count == 1)
        return OK;
    snprintf(text, sizeof text, "%zu/%zu", shard.index, shard.count);
    return store_set_text(store, "", "shard", text, err);
}

static enum status save_attributes(struct store *store, const struct save_inputs *inputs, struct finish_given given,
                                   bool complete, struct error *err)
{
    const struct config_measure *measure = &inputs->plan->config->measure;
    const char *warning = composite_warning(measure->composite, measure->given);
    enum status rc = OK;

    TRY(save_origin(store, inputs, err));
    if (warning)
        TRY(store_set_text(store, "", "condition_warning", warning, err));
    TRY(save_shard(store, inputs->plan->config->data.shard, err));
    TRY(store_set_int(store, "", "seed", (int64_t)inputs->plan->config->run.seed, err));
    TRY(store_set_int(store, "", "complete", complete, err));
    if (given.weak)
        TRY(store_set_int(store, "", "weak_condition", 1, err));
    TRY(store_set_real(store, "", "given_mean", given.mean, err));
    TRY(store_set_real(store, "", "given_std_error", given.std_error, err));
    for (size_t i = 0; i < BLOCK_STAGES; i++)
        TRY(store_set_real(store, "", stage_attribute(i), inputs->seconds[i], err));
done:
    return rc;
}

enum status save_listing(struct store *store, const struct run_plan *plan, struct error *err)
{
    const struct dataset_listing *listing = plan->listing.memory;
    size_t first = plan->images.first, n = plan->images.end - first;
    char **names = calloc(n, sizeof *names);
    int32_t *labels = malloc(n * sizeof *labels);
    enum status rc = OK;

    if (!names || !labels)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for the names of %zu images", n));
    for (size_t i = 0; i < n; i++) {
        size_t length = dataset_listing_name(NULL, 0, listing, first + i);
        char *name = malloc(length + 1);
        if (name)
            dataset_listing_name(name, length + 1, listing, first + i);
        names[i] = name ? store_escape_name(name) : NULL;
        free(name);
        if (!names[i])
            TRY(error_set(err, FAIL_SYSTEM, "no memory for the names of %zu images", n));
        labels[i] = dataset_listing_label(listing, first + i);
    }
    TRY(store_write_text(store, "images/path", (const char *const *)names, n, err));
    TRY(store_write(store, "images/label", labels, 1, &n, err));
done:
    for (size_t i = 0; names && i < n; i++)
        free(names[i]);
    free(names);
    free(labels);
    return rc;
}

/* Names of the variables; viewers show the last convolution first, or else the highest layer. */
static enum status save_variables(struct store *store, const struct run_plan *plan, struct error *err)
{
    const struct network *net = &plan->model.net;
    const bool *left_out = plan->statistics.options.left_out;
    const char *names[NETWORK_MAX_VARIABLES], *shown = NULL, *highest = NULL;
    enum status rc = OK;

    for (size_t k = 0; k <= net->nlinks; k++) {
        names[k] = network_variable(net, k);
        highest = left_out[k] ? highest : names[k];
        shown = k > 0 && net->links[k - 1].kind == LINK_CONVOLUTION && !left_out[k] ? names[k] : shown;
    }
    TRY(store_write_text(store, "variable", names, net->nlinks + 1, err));
    TRY(store_set_text(store, "layers", "default", shown ? shown : highest, err));
done:
    return rc;
}

enum status save_head(struct store *store, const struct save_inputs *inputs, struct finish_given given, bool complete,
                      struct error *err)
{
    size_t classes = network_shape(&inputs->plan->model.net, inputs->plan->model.net.nlinks).channels;
    enum status rc = OK;

    TRY(save_attributes(store, inputs, given, complete, err));
    TRY(save_variables(store, inputs->plan, err));
    TRY(graph_save(store, &inputs->plan->model.net, err));
    TRY(store_write_text(store, "class", (const char *const *)inputs->class_names, classes, err));
    TRY(store_write_text(store, "classes/name", (const char *const *)inputs->class_names, classes, err));
done:
    return rc;
}

/* ---- the store --------------------------------------------------------------------------------------------- */

/* Means of the queries, from their rows. */
static enum status save_queries(struct store *store, struct queries_weak *weak, const struct run_plan *plan,
                                const struct rows_parts *parts, struct error *err)
{
    size_t n = plan->images.end - plan->images.first;
    double *value = malloc(n * sizeof *value), *given = malloc(n * sizeof *given);
    enum status rc = OK;

    if (!value || !given)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for the queries of %zu images", n));
    for (size_t i = 0; i < plan->queries.count; i++) {
        TRY(rows_read_column(value, parts, plan->layout.query + 2 * i, n, err));
        TRY(rows_read_column(given, parts, plan->layout.query + 2 * i + 1, n, err));
        TRY(queries_finish(store, weak, &plan->queries.items[i], value, given, n, err));
    }
done:
    free(value);
    free(given);
    return rc;
}

/* An unfinished store is compressed lightly: it is soon replaced, and all ranks wait for it. */
static unsigned compression(const struct config *config, bool complete)
{
    unsigned wanted = (unsigned)config->store.compression;

    return complete || wanted < 1 ? wanted : 1;
}

enum status save_store(struct save_summary *summary, const struct save_inputs *inputs, const struct parts *parts,
                       const struct sums *sums, bool complete, const char *output, struct error *err)
{
    const struct run_plan *plan = inputs->plan;
    struct finish_given given = finish_given(&plan->statistics, sums);
    bool shard = plan->config->data.shard.count > 1;
    struct rows_parts rows = {0};
    struct queries_weak weak = {0};
    struct store *store = NULL;
    enum status rc = OK;

    TRY(parts_read(&rows, parts, &plan->layout, err));
    TRY(store_create(&store, output, compression(plan->config, complete), err));
    if (!complete)
        store_plain_state(store);
    TRY(save_head(store, inputs, given, complete, err));
    TRY(save_listing(store, plan, err));
    TRY(rows_pack(store, summary->counts, &rows, plan->images.end - plan->images.first, complete, err));
    TRY(save_queries(store, &weak, plan, &rows, err));
    TRY(finish_statistics(store, &plan->statistics, sums, err));
    if (!complete)
        TRY(survey_save(store, &plan->survey, err));
    if (!complete || shard)
        TRY(state_save(store, sums, (const char *const *)parts->names, complete ? 0 : parts->count, rows.nrows, err));
    rc = store_commit(store, err);
    store = NULL;
    summary->images = rows.nrows;
    summary->given = given;
    summary->weak_queries = weak;
done:
    store_discard(store);
    rows_parts_free(&rows);
    return rc;
}

enum status save_check_failed(const struct save_summary *summary, const struct config *config, const char *output,
                              struct error *err)
{
    size_t failed = summary->counts[STORE_IMAGE_UNREAD] + summary->counts[STORE_IMAGE_UNSUPPORTED];

    if ((double)failed <= config->data.max_failed * (double)summary->images)
        return OK;
    return error_set(err, FAIL_LIMIT,
                     "%zu of %zu images failed, more than data.max_failed = %g allows; %s is complete; its "
                     "images/status has the failed images, and the log the reasons",
                     failed, summary->images, config->data.max_failed, output);
}
