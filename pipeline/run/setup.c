#include "pipeline/mpi/agree.h"
#include "pipeline/mpi/blas.h"
#include "pipeline/mpi/isa.h"
#include "pipeline/run/class_names.h"
#include "pipeline/run/internal.h"
#include "pipeline/run/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rank 0 scans the dataset; every node gets one listing. Collective. */
static enum status load_listing(struct run *run, struct error *err)
{
    static const char *const formats[] = {NULL, "folder", "list", "idx", "hdf5", "tar"};
    const struct config_data *data = &run->config->data;
    const char *labels = data->format == CONFIG_FORMAT_HDF5 ? data->labels.given : data->labels.file;
    struct dataset_options options = {data->path.file, formats[data->format], *labels ? labels : NULL};
    struct dataset_listing *listing = NULL;
    unsigned long long nbytes = 0;
    enum status rc = OK;

    if (run->node->rank == 0)
        rc = dataset_scan(&listing, &options, err);
    TRY(agree(run->node->world, rc, err));
    if (listing)
        nbytes = dataset_listing_bytes(listing);
    MPI_Bcast(&nbytes, 1, MPI_UNSIGNED_LONG_LONG, 0, run->node->world);
    TRY(node_shared_alloc(run->node, &run->listing, (size_t)nbytes, err));
    if (listing)
        memcpy(run->listing.memory, listing, (size_t)nbytes);
    node_broadcast(run->node, &run->listing);
done:
    free(listing);
    return rc;
}

static size_t class_count(const struct run *run)
{
    return network_shape(&run->model.net, run->model.net.nlinks).channels;
}

/* If the configuration uses labels as classes of the network, there must be labels, and no more than the network has
 * classes. The labels of a folder are the order of its class folders, so a different number deserves a warning. */
static enum status check_labels(const struct run *run, struct error *err)
{
    const struct config *config = run->config;
    size_t labels = dataset_listing_classes(run->listing.memory), classes = class_count(run);
    bool needed = config->store.class_by == CONFIG_BY_LABEL || config->measure.target.kind == CONFIG_TARGET_LABEL;
    const char *key = config->measure.target.kind == CONFIG_TARGET_LABEL ? "measure.target" : "store.class_by";

    if (needed && labels == 0)
        return config_fail(config, err, key, "the dataset %s has no labels", config->data.path.file);
    if (needed && labels > classes)
        return config_fail(config, err, key,
                           "the dataset has %zu classes, but the network only %zu: its labels do not name classes of "
                           "the network",
                           labels, classes);
    if (labels > 0 && labels != classes)
        log_warn(run->log, "labels may not be the network's classes dataset_classes=%zu network_classes=%zu", labels,
                 classes);
    return OK;
}

/* The histograms have an edge at zero, so the number of bins is even. */
static enum status check_bins(const struct config *config, struct error *err)
{
    if (config->store.histogram_bins % 2)
        return config_fail(config, err, "store.histogram_bins", "must be even, as zero is the middle edge");
    return OK;
}

/* The images that the run covers. */
static enum status choose_images(struct run *run, struct error *err)
{
    const struct config *config = run->config;
    const struct dataset_listing *listing = run->listing.memory;
    size_t count = dataset_listing_count(listing), end = config->data.images.end;
    const struct config_shard *shard = &config->data.shard;

    run->whole = shard_whole(config, count);
    if (run->whole.first >= run->whole.end)
        return config_fail(config, err, "data.images", "the dataset has only %zu images", count);
    if (end != SIZE_MAX && end > count)
        log_warn(run->log, "data.images goes beyond the dataset images=%zu", count);
    if (shard->count > shard_blocks(run->whole, config->run.block))
        return config_fail(config, err, "data.shard", "%zu images are only %zu blocks, fewer than shards",
                           run->whole.end - run->whole.first, shard_blocks(run->whole, config->run.block));
    struct shard_images own = shard_part(run->whole, config->run.block, *shard);
    run->context = (struct block_context){.config = config,
                                          .model = &run->model,
                                          .listing = listing,
                                          .statistics = &run->statistics,
                                          .queries = &run->queries,
                                          .log = run->log,
                                          .first = own.first,
                                          .end = own.end};
    return check_labels(run, err);
}

/* Mark the variables that a list of names asks for. */
static enum status choose_variables(bool *chosen, const struct run *run, const struct config_words *words,
                                    const char *key, struct error *err)
{
    for (size_t k = 0; k <= run->model.net.nlinks; k++)
        chosen[k] = words->all;
    for (size_t i = 0; i < words->count; i++) {
        size_t k = network_find(&run->model.net, words->items[i]);
        if (k > run->model.net.nlinks)
            return model_unknown_variable(&run->model, run->config, key, words->items[i], err);
        chosen[k] = true;
    }
    return OK;
}

/* Number of blocks that hold images of the run. */
static size_t block_count(const struct run *run)
{
    return shard_blocks((struct shard_images){run->context.first, run->context.end}, run->config->run.block);
}

/* The classes that a key asks for. */
static enum status choose_classes(struct statistics_classes *chosen, const struct run *run,
                                  const struct config_classes *wanted, const char *key, struct error *err)
{
    size_t classes = class_count(run), last = wanted->count ? wanted->items[wanted->count - 1] : 0;

    if (last >= classes)
        return config_fail(run->config, err, key, "there is no class %zu; the network has %zu classes, 0 to %zu", last,
                           classes, classes - 1);
    *chosen = wanted->all ? (struct statistics_classes){classes, NULL}
                          : (struct statistics_classes){wanted->count, wanted->items};
    return OK;
}

enum status run_plan(struct run *run, struct error *err)
{
    const struct config *config = run->config;
    struct statistics_options options = {.blocks = shard_blocks(run->whole, config->run.block),
                                         .block = config->run.block,
                                         .top = config->store.top,
                                         .bins = config->store.histogram_bins,
                                         .flows = &run->model.flows};
    struct rows_options rows = {0};
    enum status rc = OK;

    TRY(queries_init(&run->queries, config, &run->model.net, err));
    rows.nqueries = run->queries.count;
    for (size_t i = 0; i < run->queries.count; i++)
        rows.queries[i] = run->queries.items[i].name;
    TRY(choose_variables(options.maps, run, &config->store.maps, "store.maps", err));
    TRY(choose_classes(&options.class_means, run, &config->store.classes, "store.classes", err));
    TRY(choose_classes(&options.class_flows, run, &config->store.class_flows, "store.class_flows", err));
    options.classes = options.class_means.count + options.class_flows.count ? class_count(run) : 0;
    TRY(choose_variables(rows.relevance, run, &config->store.per_image, "store.per_image", err));
    rows_layout_init(&run->layout, &run->model.plan, config->run.block, &rows);
    rows_init(&run->rows, &run->layout);
    TRY(statistics_init(&run->statistics, &run->model.plan, &options, err));
done:
    return rc;
}

/* Plan the memory, and log it. A plan beyond run.memory is refused. */
static enum status plan_memory(struct run *run, struct error *err)
{
    struct memory_plan plan;
    enum status rc = memory_plan(&plan, run, err);

    if (rc != OK)
        return rc;
    run->rows_most = plan.rows;
    log_info(run->log, "memory planned rank_MiB=%zu shared_MiB=%zu ranks_per_node=%zu node_MiB=%zu",
             (plan.work + plan.rows) >> 20, plan.shared >> 20, plan.ranks, memory_mebibytes(plan.node));
    return OK;
}

/* Warn of memory that could not be shared, with the reason. */
static void warn_of_copies(const struct run *run)
{
    const struct {
        const char *what;
        const struct node_block *block;
    } blocks[] = {{"weights", &run->model.weights},
                  {"transformed weights", &run->model.forms},
                  {"listing", &run->listing},
                  {"sums", &run->sums_memory}};

    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        if (!blocks[i].block->shared)
            log_warn(run->log, "shared memory not available, every rank keeps a copy of the %s reason=\"%s\"",
                     blocks[i].what, blocks[i].block->why);
}

static void log_flows(const struct run *run)
{
    struct flows_cost cost = flows_cost(&run->model.flows, &run->model.plan);

    if (run->model.flows.count)
        log_info(run->log, "far flows planned exact=%zu sampled=%zu sweeps_per_image=%.4g GFLOP_per_image=%.4g",
                 cost.exact, cost.sampled, cost.sweeps, cost.flops * 1e-9);
}

static enum status allocate(struct run *run, struct error *err)
{
    enum status rc = OK;

    TRY(agree(run->node->world, plan_memory(run, err), err));
    log_flows(run);
    TRY(node_shared_alloc(run->node, &run->sums_memory, sums_bytes(&run->statistics.plan), err));
    sums_attach(&run->sums, &run->statistics.plan, run->sums_memory.memory);
    if (run->sums_memory.holder)
        sums_start(&run->sums);
    node_barrier(run->node);
    warn_of_copies(run);
    TRY(agree(run->node->world, block_worker_init(&run->worker, &run->context, err), err));
done:
    return rc;
}

/* Mark the blocks whose rows are in part files. */
static enum status mark_finished(bool *finished, struct run *run, struct error *err)
{
    size_t size = run->config->run.block, first = run->context.first / size;
    struct rows_parts parts;
    enum status rc = parts_read(&parts, &run->parts, &run->layout, err);

    for (size_t i = 0; rc == OK && i < parts.nplaces; i++) {
        size_t block = (run->context.first + parts.places[i].first) / size;
        if (block < first || block - first >= block_count(run))
            rc = error_set(err, FAIL_FORMAT, "the part files of %s hold rows beyond its images", run->output);
        else
            finished[block - first] = true;
    }
    run->before = parts.nrows;
    rows_parts_free(&parts);
    return rc;
}

enum status run_make_schedule(struct run *run, struct error *err)
{
    size_t first = run->context.first / run->config->run.block, nblocks = block_count(run), count = 0;
    size_t *blocks = calloc(nblocks, sizeof *blocks);
    bool *finished = calloc(nblocks, sizeof *finished);
    unsigned long long before;
    enum status rc = OK;

    if (!blocks || !finished)
        rc = error_set(err, FAIL_SYSTEM, "no memory for a list of %zu blocks", nblocks);
    else if (run->node->rank == 0)
        rc = mark_finished(finished, run, err);
    TRY(agree(run->node->world, rc, err));
    MPI_Bcast(finished, (int)(nblocks * sizeof *finished), MPI_BYTE, 0, run->node->world);
    before = run->before;
    MPI_Bcast(&before, 1, MPI_UNSIGNED_LONG_LONG, 0, run->node->world);
    run->before = (size_t)before;
    for (size_t i = 0; i < nblocks; i++)
        if (!finished[i])
            blocks[count++] = first + i;
    TRY(schedule_init(&run->schedule, blocks, count, run->node->world, err));
done:
    free(blocks);
    free(finished);
    return rc;
}

enum status run_set_up(struct run *run, struct error *err)
{
    const struct ops *ops;
    enum status rc = OK;

    TRY(blas_init(run->node->world, err));
    TRY(isa_choose(&ops, run->node, err));
    provenance_here(&run->provenance, ops->name);
    TRY(agree(run->node->world, check_bins(run->config, err), err));
    if (run->random)
        TRY(model_random(&run->model, run->random, run->config, BLOCK_GROUP, ops, run->node, err));
    else
        TRY(model_load(&run->model, run->config, BLOCK_GROUP, ops, run->node, err));
    TRY(load_listing(run, err));
    TRY(agree(run->node->world, choose_images(run, err), err));
    if (run->node->rank == 0)
        rc = class_names_load(&run->class_names, class_count(run), run->config, run->listing.memory, err);
    TRY(agree(run->node->world, rc, err));
    TRY(agree(run->node->world, run_plan(run, err), err));
    TRY(allocate(run, err));
done:
    return rc;
}

void run_tear_down(struct run *run)
{
    parts_free(&run->parts);
    class_names_free(run->class_names, run->class_names ? class_count(run) : 0);
    schedule_free(&run->schedule);
    block_worker_free(&run->worker);
    rows_free(&run->rows);
    node_shared_free(&run->sums_memory);
    queries_free(&run->queries);
    statistics_free(&run->statistics);
    node_shared_free(&run->listing);
    model_free(&run->model);
}
