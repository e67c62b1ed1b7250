#include "pipeline/run/probe.h"

#include "kernels/base/number.h"
#include "pipeline/config/pairs.h"
#include "pipeline/mpi/agree.h"

#include <stdio.h>
#include <stdlib.h>

/* The condition, which comes first, statistics and flows are not computed. */
static const struct {
    const char *section, *key, *value;
} left_out[] = {
    {"measure", "given", "none"}, {"measure", "flows", "none"},   {"store", "top", "0"},
    {"store", "classes", "none"}, {"store", "per_image", "none"}, {"store", "histogram_bins", "0"},
    {"store", "maps", "none"},    {"data", "shard", "1/1"},       {"store", "class_flows", "none"},
};

/* ---- configuration --------------------------------------------------------------------------------------------- */

static enum status adapt_config(struct config *config, const struct probe_options *options, struct error *err)
{
    enum status rc = OK;

    for (size_t i = options->given ? 1 : 0; i < sizeof left_out / sizeof left_out[0]; i++)
        TRY(config_set(config, left_out[i].section, left_out[i].key, left_out[i].value, err));
    if (options->block)
        config->run.block = options->block;
    if (options->images.end)
        config->data.images = options->images;
    config_pairs_release(&config->measure.queries);
    if (options->query)
        TRY(config_pairs_set(&config->measure.queries, "", options->query, CONFIG_SET, err));
done:
    return rc;
}

enum status probe_config(struct config *out, const struct probe_options *options, const struct node *node,
                         struct error *err)
{
    enum status rc = OK;

    TRY(config_load(out, &options->source, node, err));
    TRY(agree(node->world, adapt_config(out, options, err), err));
done:
    return rc;
}

enum status probe_begin(struct probe *out, const struct probe_options *options, const struct node *node,
                        struct log *log, struct error *err)
{
    enum status rc = OK;

    *out = (struct probe){.images = NULL};
    TRY(probe_config(&out->config, options, node, err));
    TRY(run_plan_init(&out->plan, &out->config, NULL, node, log, err));
    TRY(run_work_init(&out->work, &out->plan, node, log, err));
    out->first = out->plan.images.first;
    out->count = out->plan.images.end - out->plan.images.first;
done:
    return rc;
}

const struct model *probe_model(const struct probe *probe)
{
    return &probe->plan.model;
}

const struct query *probe_query(const struct probe *probe)
{
    return &probe->plan.queries.items[0];
}

const char *probe_class(const struct probe *probe, int class)
{
    const struct network *net = &probe->plan.model.net;
    bool known = class >= 0 && (size_t) class < network_shape(net, net->nlinks).channels && probe->plan.class_names;

    return known ? probe->plan.class_names[class] : "";
}

/* ---- images ---------------------------------------------------------------------------------------------------- */

/* Keep the rows of the block that was computed last as probe_images. */
static void keep_rows(struct probe *probe, size_t first, size_t end)
{
    for (size_t index = first; index < end; index++) {
        struct probe_image *image = &probe->images[index - probe->first];
        struct rows_image row = rows_get(&probe->work.rows, index - first);
        *image = (struct probe_image){.status = row.status,
                                      .predicted = row.predicted,
                                      .target = row.target,
                                      .label = dataset_listing_label(probe->plan.listing.memory, index),
                                      .logit = row.logit,
                                      .value = row.value,
                                      .given = row.given};
    }
    rows_free(&probe->work.rows);
    rows_init(&probe->work.rows, &probe->plan.layout);
}

/* One block, if it has images. */
static enum status compute_block(struct probe *probe, size_t block, struct error *err)
{
    struct shard_images images = run_plan_block(&probe->plan, block);
    size_t first = images.first, end = images.end;
    struct block_outcome outcome;
    char status[64];
    enum status rc = OK;

    if (first >= end || (probe->choice.has && !probe->choice.has(probe->choice.context, first, end)))
        return OK;
    snprintf(status, sizeof status, "image %zu of %zu", first - probe->first, probe->count);
    log_status(probe->work.log, status);
    rc = run_work_compute(&outcome, &probe->work, block, err);
    if (rc == OK)
        keep_rows(probe, first, end);
    return rc;
}

/* Blocks in turn. Collective. */
static enum status compute(struct probe *probe, struct probe_round round, struct error *err)
{
    const struct node *node = probe->work.node;
    size_t begin = run_plan_first_block(&probe->plan), end = begin + run_plan_blocks(&probe->plan);
    size_t ranks = (size_t)node->nranks, rank = (size_t)node->rank;
    enum status rc = OK;

    for (size_t lead = begin; rc == OK && lead < end; lead += ranks) {
        rc = compute_block(probe, lead + rank, err);
        if (round.end)
            rc = agree(node->world, rc, err);
        if (round.end && rc == OK)
            rc = round.end(round.context, lead, err);
    }
    log_status(probe->work.log, "");
    return round.end ? rc : agree(node->world, rc, err);
}

/* Gather the images of all ranks on rank 0. A rank's array is zero where other ranks have images. */
static void gather(struct probe *probe)
{
    const struct node *node = probe->work.node;
    size_t nbytes = probe->count * sizeof *probe->images;

    for (size_t done = 0; done < nbytes; done += 1 << 20) {
        unsigned char *at = (unsigned char *)probe->images + done;
        int n = (int)smaller(nbytes - done, 1 << 20);
        MPI_Reduce(node->rank == 0 ? MPI_IN_PLACE : at, at, n, MPI_BYTE, MPI_BOR, 0, node->world);
    }
}

enum status probe_run(struct probe *probe, struct block_watcher watcher, struct probe_round round, struct error *err)
{
    const struct node *node = probe->work.node;
    enum status rc = OK;

    probe->images = calloc(probe->count, sizeof *probe->images);
    TRY(agree(node->world,
              probe->images ? OK : error_set(err, FAIL_SYSTEM, "no memory for the results of %zu images", probe->count),
              err));
    probe->work.worker.watcher = watcher;
    TRY(compute(probe, round, err));
    gather(probe);
done:
    return rc;
}

void probe_end(struct probe *probe)
{
    run_work_free(&probe->work);
    run_plan_free(&probe->plan);
    free(probe->images);
    config_free(&probe->config);
    *probe = (struct probe){.images = NULL};
}
