#include "pipeline/run/probe.h"

#include "kernels/base/number.h"
#include "pipeline/config/pairs.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/run/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Statistics and flows are not computed. */
static const char *const left_out[] = {
    "measure.given=none",   "measure.flows=none",     "store.top=0",     "store.histogram_bins=0", "store.classes=none",
    "store.per_image=none", "store.class_flows=none", "store.maps=none", "data.shard=1/1",
};

enum { LEFT_OUT = sizeof left_out / sizeof left_out[0] };

/* ---- configuration --------------------------------------------------------------------------------------------- */

static bool same_key(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");

    return strncmp(a, b, n + 1) == 0;
}

static bool is_left_out(const char *set)
{
    for (size_t i = 0; i < LEFT_OUT; i++)
        if (same_key(left_out[i], set))
            return true;
    return false;
}

static enum status load_config(struct probe *probe, const struct probe_options *options, const struct node *node,
                               struct error *err)
{
    const struct option_list *sets = &options->source.sets;
    struct config_source source = {.path = options->source.path};
    enum status rc = OK;

    for (size_t i = 0; i < sets->count; i++)
        if (!is_left_out(sets->items[i]))
            TRY(option_append(&source.sets, sets->items[i], err));
    for (size_t i = 0; i < LEFT_OUT; i++)
        TRY(option_append(&source.sets, left_out[i], err));
    TRY(config_load(&probe->config, &source, node, err));
    if (options->images.end)
        probe->config.data.images = options->images;
    config_pairs_release(&probe->config.measure.queries);
    if (options->query)
        TRY(config_pairs_set(&probe->config.measure.queries, "", options->query, CONFIG_SET, err));
done:
    return rc;
}

enum status probe_begin(struct probe *out, const struct probe_options *options, const struct node *node,
                        struct log *log, struct error *err)
{
    enum status rc = OK;

    *out = (struct probe){.run = NULL};
    TRY(load_config(out, options, node, err));
    out->run = calloc(1, sizeof *out->run);
    TRY(agree(node->world, out->run ? OK : error_set(err, FAIL_SYSTEM, "no memory for a run"), err));
    out->run->config = &out->config;
    out->run->node = node;
    out->run->log = log;
    out->run->parts.lock = -1;
    TRY(run_set_up(out->run, err));
    out->first = out->run->context.first;
    out->count = out->run->context.end - out->run->context.first;
done:
    return rc;
}

const struct model *probe_model(const struct probe *probe)
{
    return &probe->run->model;
}

const struct query *probe_query(const struct probe *probe)
{
    return &probe->run->queries.items[0];
}

const char *probe_class(const struct probe *probe, int class)
{
    const struct network *net = &probe->run->model.net;
    bool known = class >= 0 && (size_t) class < network_shape(net, net->nlinks).channels && probe->run->class_names;

    return known ? probe->run->class_names[class] : "";
}

/* ---- images ---------------------------------------------------------------------------------------------------- */

/* Keep the rows of the block that was computed last as probe_images. */
static void keep_rows(struct probe *probe, size_t first, size_t end)
{
    for (size_t index = first; index < end; index++) {
        struct probe_image *image = &probe->images[index - probe->first];
        struct rows_image row = rows_get(&probe->run->rows, index - first);
        *image = (struct probe_image){.status = row.status,
                                      .predicted = row.predicted,
                                      .target = row.target,
                                      .label = dataset_listing_label(probe->run->listing.memory, index),
                                      .logit = row.logit,
                                      .value = row.value,
                                      .given = row.given};
    }
    rows_free(&probe->run->rows);
    rows_init(&probe->run->rows, &probe->run->layout);
}

/* One block, if it has images. */
static enum status compute_block(struct probe *probe, size_t block, struct error *err)
{
    struct run *run = probe->run;
    struct block_outcome outcome;
    size_t first, end;
    char status[64];
    enum status rc = OK;

    block_range(&run->context, block, &first, &end);
    if (first >= end || (probe->choice.has && !probe->choice.has(probe->choice.context, first, end)))
        return OK;
    snprintf(status, sizeof status, "image %zu of %zu", first - probe->first, probe->count);
    log_status(run->log, status);
    rc = block_compute(&outcome, &run->worker, block, &run->rows, &run->sums, err);
    if (rc == OK)
        keep_rows(probe, first, end);
    return rc;
}

/* Blocks in turn. Collective. */
static enum status compute(struct probe *probe, struct probe_round round, struct error *err)
{
    struct run *run = probe->run;
    size_t size = run->config->run.block, end = (run->context.end - 1) / size + 1;
    size_t ranks = (size_t)run->node->nranks, rank = (size_t)run->node->rank;
    enum status rc = OK;

    for (size_t lead = probe->first / size; rc == OK && lead < end; lead += ranks) {
        rc = compute_block(probe, lead + rank, err);
        if (round.end)
            rc = agree(run->node->world, rc, err);
        if (round.end && rc == OK)
            rc = round.end(round.context, lead, err);
    }
    log_status(run->log, "");
    return round.end ? rc : agree(run->node->world, rc, err);
}

/* Gather the images of all ranks on rank 0. A rank's array is zero where other ranks have images. */
static void gather(struct probe *probe)
{
    const struct node *node = probe->run->node;
    size_t nbytes = probe->count * sizeof *probe->images;

    for (size_t done = 0; done < nbytes; done += 1 << 20) {
        unsigned char *at = (unsigned char *)probe->images + done;
        int n = (int)smaller(nbytes - done, 1 << 20);
        MPI_Reduce(node->rank == 0 ? MPI_IN_PLACE : at, at, n, MPI_BYTE, MPI_BOR, 0, node->world);
    }
}

enum status probe_run(struct probe *probe, struct block_watcher watcher, struct probe_round round, struct error *err)
{
    const struct node *node = probe->run->node;
    enum status rc = OK;

    probe->images = calloc(probe->count, sizeof *probe->images);
    TRY(agree(node->world,
              probe->images ? OK : error_set(err, FAIL_SYSTEM, "no memory for the results of %zu images", probe->count),
              err));
    probe->run->context.watcher = watcher;
    TRY(compute(probe, round, err));
    gather(probe);
done:
    return rc;
}

void probe_end(struct probe *probe)
{
    if (probe->run)
        run_tear_down(probe->run);
    free(probe->run);
    free(probe->images);
    config_free(&probe->config);
    *probe = (struct probe){.run = NULL};
}
