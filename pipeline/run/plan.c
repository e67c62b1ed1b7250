#include "pipeline/run/plan.h"

#include "kernels/base/number.h"
#include "pipeline/config/composite.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/mpi/blas.h"
#include "pipeline/mpi/isa.h"
#include "pipeline/run/class_names.h"

#include <stdlib.h>
#include <string.h>

/* Entries of adjacent flows that have sums of a block, 24 bytes each on every rank; those of chains always have: their
 * stores keep their bits. */
enum { MOST_IN_BLOCK = 1 << 22 };

/* ---- numbers --------------------------------------------------------------------------------------------------- */

size_t run_plan_classes(const struct run_plan *plan)
{
    return network_shape(&plan->model.net, plan->model.net.nlinks).channels;
}

size_t run_plan_first_block(const struct run_plan *plan)
{
    return plan->images.first / plan->config->run.block;
}

size_t run_plan_blocks(const struct run_plan *plan)
{
    return shard_blocks(plan->images, plan->config->run.block);
}

struct shard_images run_plan_block(const struct run_plan *plan, size_t block)
{
    size_t size = plan->config->run.block;

    return (struct shard_images){larger(block * size, plan->images.first),
                                 smaller((block + 1) * size, plan->images.end)};
}

/* ---- images ---------------------------------------------------------------------------------------------------- */

/* Rank 0 scans the dataset; every node gets one listing. Collective. */
static enum status load_listing(struct run_plan *plan, const struct node *node, struct error *err)
{
    static const char *const formats[] = {NULL, "folder", "list", "idx", "hdf5", "tar"};
    const struct config_data *data = &plan->config->data;
    bool labels = *data->labels.given != '\0';
    struct dataset_options options = {data->path.file, formats[data->format], labels ? data->labels.given : NULL,
                                      labels ? data->labels.file : NULL};
    struct dataset_listing *listing = NULL;
    unsigned long long nbytes = 0;
    enum status rc = OK;

    if (node->rank == 0)
        rc = dataset_scan(&listing, &options, err);
    TRY(agree(node->world, rc, err));
    if (listing)
        nbytes = dataset_listing_bytes(listing);
    MPI_Bcast(&nbytes, 1, MPI_UNSIGNED_LONG_LONG, 0, node->world);
    TRY(node_shared_alloc(node, &plan->listing, (size_t)nbytes, err));
    if (listing)
        memcpy(plan->listing.memory, listing, (size_t)nbytes);
    node_broadcast(node, &plan->listing);
    plan->dataset_count = dataset_listing_count(plan->listing.memory);
    identity_dataset_sha256(plan->dataset_sha256, plan->listing.memory);
done:
    free(listing);
    return rc;
}

/* If the configuration uses labels as classes of the network, there must be labels, and no more than the network has
 * classes. */
static enum status check_labels(const struct run_plan *plan, struct error *err)
{
    const struct config *config = plan->config;
    size_t labels = dataset_listing_classes(plan->listing.memory), classes = run_plan_classes(plan);
    bool needed = config->store.class_by == CONFIG_BY_LABEL || config->measure.target.kind == CONFIG_TARGET_LABEL;
    const char *key = config->measure.target.kind == CONFIG_TARGET_LABEL ? "measure.target" : "store.class_by";

    if (needed && labels == 0)
        return config_fail(config, err, key, "the dataset %s has no labels", config->data.path.file);
    if (needed && labels > classes)
        return config_fail(config, err, key,
                           "the dataset has %zu classes, but the network only %zu: its labels do not name classes of "
                           "the network",
                           labels, classes);
    return OK;
}

/* The histograms have an edge at zero, so the number of bins is even. */
static enum status check_bins(const struct config *config, struct error *err)
{
    if (config->store.histogram_bins % 2)
        return config_fail(config, err, "store.histogram_bins", "must be even, as zero is the middle edge");
    return OK;
}

/* Say what the scan has passed over, and how many images have no label. */
static void log_listing(const struct run_plan *plan, struct log *log)
{
    const struct dataset_listing *listing = plan->listing.memory;
    size_t count = plan->images.end - plan->images.first, labels = 0, without = SIZE_MAX;
    struct dataset_passed passed;
    char name[256];

    for (size_t i = 0; i < DATASET_PASSED_KINDS; i++)
        if (dataset_listing_passed(&passed, listing, i))
            (passed.minor ? log_info : log_warn)(log, "passed over %zu %s example=\"%s\"", passed.count, passed.what,
                                                 passed.example);
    if (dataset_listing_by_folder(listing))
        log_info(log, "labels are the folders in the tar files, sorted by name classes=%zu first=\"%s\"",
                 dataset_listing_classes(listing), dataset_listing_class(listing, 0));
    for (size_t i = plan->images.first; i < plan->images.end; i++) {
        bool labelled = dataset_listing_label(listing, i) >= 0;
        labels += labelled;
        without = !labelled && without == SIZE_MAX ? i : without;
    }
    if (labels == 0 || labels == count)
        return;
    dataset_listing_name(name, sizeof name, listing, without);
    log_warn(log, "labels are missing: labels=%zu of images=%zu example=\"%s\"", labels, count, name);
}

enum status run_plan_images(struct run_plan *plan, struct log *log, struct error *err)
{
    const struct config *config = plan->config;
    const struct dataset_listing *listing = plan->listing.memory;
    size_t count = dataset_listing_count(listing), end = config->data.images.end;
    const struct config_shard *shard = &config->data.shard;

    plan->whole = shard_whole(config, count);
    if (plan->whole.first >= plan->whole.end)
        return config_fail(config, err, "data.images", "the dataset has only %zu images", count);
    if (end != SIZE_MAX && end > count)
        log_warn(log, "data.images goes beyond the dataset images=%zu", count);
    if (shard->count > shard_blocks(plan->whole, config->run.block))
        return config_fail(config, err, "data.shard", "%zu images are only %zu blocks, fewer than shards",
                           plan->whole.end - plan->whole.first, shard_blocks(plan->whole, config->run.block));
    plan->images = shard_part(plan->whole, config->run.block, *shard);
    log_listing(plan, log);
    return check_labels(plan, err);
}

/* ---- what is kept ---------------------------------------------------------------------------------------------- */

/* Mark the variables that a list of names asks for. */
static enum status choose_variables(bool *chosen, const struct run_plan *plan, const struct config_words *words,
                                    const char *key, struct error *err)
{
    for (size_t k = 0; k <= plan->model.net.nlinks; k++)
        chosen[k] = words->all;
    for (size_t i = 0; i < words->count; i++) {
        size_t k = network_find(&plan->model.net, words->items[i]);
        if (k > plan->model.net.nlinks)
            return model_unknown_variable(&plan->model, plan->config, key, words->items[i], err);
        chosen[k] = true;
    }
    return OK;
}

/* The same, of the variables with statistics. */
static enum status choose_kept(bool *chosen, const struct run_plan *plan, const struct config_words *words,
                               const bool *left_out, const char *key, struct error *err)
{
    enum status rc = choose_variables(chosen, plan, words, key, err);

    for (size_t k = 0; rc == OK && k <= plan->model.net.nlinks; k++) {
        if (chosen[k] && left_out[k] && !words->all)
            rc = config_fail(plan->config, err, key, "%s has no statistics; store.layers must have it, too",
                             network_variable(&plan->model.net, k));
        chosen[k] = chosen[k] && !left_out[k];
    }
    return rc;
}

static bool is_chain(const struct network *net)
{
    bool chain = true;

    for (size_t k = 0; k <= net->nlinks; k++)
        chain = chain && net->cut[k];
    return chain;
}

/* By default a network with branches leaves out what is neither a cut nor written by weights; of a chain everything is
 * a cut. */
static enum status choose_layers(bool *left_out, const struct run_plan *plan, struct error *err)
{
    const struct config_words *words = &plan->config->store.layers;
    const struct network *net = &plan->model.net;
    bool chosen[NETWORK_MAX_VARIABLES] = {false};
    enum status rc = OK;

    if (words->count == 1 && strcmp(words->items[0], "auto") == 0)
        for (size_t k = 0; k <= net->nlinks; k++) {
            bool weighted =
                k > 0 && (net->links[k - 1].kind == LINK_CONVOLUTION || net->links[k - 1].kind == LINK_DENSE);
            chosen[k] = net->cut[k] || (weighted && net->swept[k]);
        }
    else if (!words->all && words->count == 0)
        rc = config_fail(plan->config, err, "store.layers", "a store has at least one layer");
    else
        rc = choose_variables(chosen, plan, words, "store.layers", err);
    for (size_t k = 0; k <= net->nlinks; k++)
        left_out[k] = !chosen[k];
    return rc;
}

/* The classes that a key asks for. */
static enum status choose_classes(struct statistics_classes *chosen, const struct run_plan *plan,
                                  const struct config_classes *wanted, const char *key, struct error *err)
{
    size_t classes = run_plan_classes(plan), last = wanted->count ? wanted->items[wanted->count - 1] : 0;

    if (last >= classes)
        return config_fail(plan->config, err, key, "there is no class %zu; the network has %zu classes, 0 to %zu", last,
                           classes, classes - 1);
    *chosen = wanted->all ? (struct statistics_classes){classes, NULL}
                          : (struct statistics_classes){wanted->count, wanted->items};
    return OK;
}

enum status run_plan_sums(struct run_plan *plan, struct error *err)
{
    const struct config *config = plan->config;
    struct statistics_options options = {.blocks = shard_blocks(plan->whole, config->run.block),
                                         .block = config->run.block,
                                         .top = config->store.top,
                                         .bins = config->store.histogram_bins,
                                         .flows = &plan->model.flows,
                                         .most_in_block = is_chain(&plan->model.net) ? SIZE_MAX : MOST_IN_BLOCK};
    struct rows_options rows = {0};
    enum status rc = OK;

    TRY(queries_init(&plan->queries, config, &plan->model.net, err));
    rows.nqueries = plan->queries.count;
    for (size_t i = 0; i < plan->queries.count; i++)
        rows.queries[i] = plan->queries.items[i].name;
    TRY(choose_layers(options.left_out, plan, err));
    TRY(choose_kept(options.maps, plan, &config->store.maps, options.left_out, "store.maps", err));
    TRY(choose_classes(&options.class_means, plan, &config->store.classes, "store.classes", err));
    TRY(choose_classes(&options.class_flows, plan, &config->store.class_flows, "store.class_flows", err));
    options.classes = options.class_means.count + options.class_flows.count ? run_plan_classes(plan) : 0;
    TRY(choose_kept(rows.relevance, plan, &config->store.per_image, options.left_out, "store.per_image", err));
    rows_layout_init(&plan->layout, &plan->model.plan, config->run.block, &rows);
    TRY(statistics_init(&plan->statistics, &plan->model.plan, &options, err));
done:
    return rc;
}

/* ---- the whole plan -------------------------------------------------------------------------------------------- */

static void log_condition(const struct config *config, struct log *log)
{
    const char *warning = composite_warning(config->measure.composite, config->measure.given);

    if (warning)
        log_warn(log, "%s composite=%s given=%s", warning, config->measure.composite, config->measure.given);
}

enum status run_plan_init(struct run_plan *plan, const struct config *config, const struct model_random *random,
                          const struct node *node, struct log *log, struct error *err)
{
    const struct ops *ops;
    enum status rc = OK;

    *plan = (struct run_plan){.config = config};
    TRY(blas_init(node->world, err));
    TRY(isa_choose(&ops, node, err));
    provenance_here(&plan->provenance, ops->name);
    TRY(agree(node->world, check_bins(config, err), err));
    if (random)
        TRY(model_random(&plan->model, random, config, BLOCK_GROUP, ops, node, err));
    else
        TRY(model_load(&plan->model, config, BLOCK_GROUP, ops, node, err));
    log_condition(config, log);
    TRY(load_listing(plan, node, err));
    TRY(agree(node->world, run_plan_images(plan, log, err), err));
    TRY(survey_images(&plan->survey, plan->listing.memory, plan->images, &plan->model.preprocessing, node, err));
    if (node->rank == 0)
        rc = class_names_load(&plan->class_names, run_plan_classes(plan), config, plan->listing.memory, log, err);
    TRY(agree(node->world, rc, err));
    if (node->rank == 0)
        class_names_check_labels(plan->class_names, run_plan_classes(plan), plan->listing.memory, log);
    TRY(agree(node->world, run_plan_sums(plan, err), err));
done:
    return rc;
}

enum status run_plan_outline(struct run_plan *plan, const struct config *config, const struct network *net,
                             struct shard_images images, struct error *err)
{
    enum status rc = OK;

    *plan = (struct run_plan){.config = config, .whole = images, .images = images};
    TRY(model_outline(&plan->model, net, config, err));
    TRY(run_plan_sums(plan, err));
done:
    return rc;
}

void run_plan_free(struct run_plan *plan)
{
    class_names_free(plan->class_names, plan->class_names ? run_plan_classes(plan) : 0);
    plan->class_names = NULL;
    queries_free(&plan->queries);
    statistics_free(&plan->statistics);
    survey_free(&plan->survey);
    node_shared_free(&plan->listing);
    model_free(&plan->model);
}
