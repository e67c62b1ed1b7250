#include "pipeline/run/probe.h"

#include "pipeline/config/load.h"
#include "pipeline/config/number.h"
#include "pipeline/config/pairs.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/run/internal.h"
#include "pipeline/util/option.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is not computed. */
static const char *const left_out[] = {
    "measure.given=none",   "measure.flows=none",     "store.top=0",     "store.histogram_bins=0", "store.classes=none",
    "store.per_image=none", "store.class_flows=none", "store.maps=none", "data.shard=1/1",
};

enum { LEFT_OUT = sizeof left_out / sizeof left_out[0], MOST_SETS = OPTION_MAX_ITEMS };

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

/* --images is instead of data.images. */
static enum status set_images(struct config *config, const char *images, struct error *err)
{
    struct error why = {0};

    if (images && config_number_parse_range(&config->data.images, NULL, images, &why) != OK)
        return error_set(err, FAIL_CONFIG, "--images: %s", why.message);
    return OK;
}

static enum status load_config(struct look *look, const struct look_options *options, const struct node *node,
                               struct error *err)
{
    const char *sets[MOST_SETS + LEFT_OUT];
    size_t nsets = 0;
    enum status rc = OK;

    for (size_t i = 0; i < options->nsets && i < MOST_SETS; i++)
        if (!is_left_out(options->sets[i]))
            sets[nsets++] = options->sets[i];
    for (size_t i = 0; i < LEFT_OUT; i++)
        sets[nsets++] = left_out[i];
    TRY(settings_load(&look->config, options->config, sets, nsets, node, err));
    TRY(set_images(&look->config, options->images, err));
    config_pairs_release(&look->config.measure.queries);
    if (options->query)
        TRY(config_pairs_set(&look->config.measure.queries, "", options->query, CONFIG_SET, err));
done:
    return rc;
}

enum status look_begin(struct look *out, const struct look_options *options, const struct node *node, struct log *log,
                       struct error *err)
{
    enum status rc = OK;

    *out = (struct look){.run = NULL};
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

const struct model *look_model(const struct look *look)
{
    return &look->run->model;
}

const struct query *look_query(const struct look *look)
{
    return &look->run->queries.items[0];
}

const char *look_class(const struct look *look, int class)
{
    const struct network *net = &look->run->model.net;
    bool known = class >= 0 && (size_t) class < network_shape(net, net->nlinks).channels && look->run->class_names;

    return known ? look->run->class_names[class] : "";
}

/* ---- images ---------------------------------------------------------------------------------------------------- */

/* Take over the rows of the block that was computed last. */
static void keep_rows(struct look *look, size_t first, size_t end)
{
    for (size_t index = first; index < end; index++) {
        struct look_image *image = &look->images[index - look->first];
        struct rows_image row = rows_get(&look->run->rows, index - first);
        *image = (struct look_image){.status = row.status,
                                     .predicted = row.predicted,
                                     .target = row.target,
                                     .label = dataset_listing_label(look->run->listing.memory, index),
                                     .logit = row.logit,
                                     .value = row.value,
                                     .given = row.given};
    }
    rows_free(&look->run->rows);
    rows_init(&look->run->rows, &look->run->layout);
}

/* One block, if it has images. */
static enum status compute_block(struct look *look, size_t block, struct error *err)
{
    struct run *run = look->run;
    struct block_outcome outcome;
    size_t first, end;
    char status[64];
    enum status rc = OK;

    block_range(&run->context, block, &first, &end);
    if (first >= end || (look->choice.has && !look->choice.has(look->choice.context, first, end)))
        return OK;
    snprintf(status, sizeof status, "image %zu of %zu", first - look->first, look->count);
    log_status(run->log, status);
    rc = block_compute(&outcome, &run->worker, block, &run->rows, &run->sums, err);
    if (rc == OK)
        keep_rows(look, first, end);
    return rc;
}

/* Blocks in turn. Collective. */
static enum status compute(struct look *look, struct look_round round, struct error *err)
{
    struct run *run = look->run;
    size_t size = run->config->run.block, end = (run->context.end - 1) / size + 1;
    size_t ranks = (size_t)run->node->nranks, rank = (size_t)run->node->rank;
    enum status rc = OK;

    for (size_t lead = look->first / size; rc == OK && lead < end; lead += ranks) {
        rc = compute_block(look, lead + rank, err);
        if (round.end)
            rc = agree(run->node->world, rc, err);
        if (round.end && rc == OK)
            rc = round.end(round.context, lead, err);
    }
    log_status(run->log, "");
    return round.end ? rc : agree(run->node->world, rc, err);
}

/* Bring the images of all ranks to rank 0; those of others are zero bytes here. */
static void gather(struct look *look)
{
    const struct node *node = look->run->node;
    size_t nbytes = look->count * sizeof *look->images;

    for (size_t done = 0; done < nbytes; done += 1 << 20) {
        unsigned char *at = (unsigned char *)look->images + done;
        int n = (int)(nbytes - done < 1 << 20 ? nbytes - done : 1 << 20);
        MPI_Reduce(node->rank == 0 ? MPI_IN_PLACE : at, at, n, MPI_BYTE, MPI_BOR, 0, node->world);
    }
}

enum status look_go(struct look *look, struct block_watcher watcher, struct look_round round, struct error *err)
{
    const struct node *node = look->run->node;
    enum status rc = OK;

    look->images = calloc(look->count, sizeof *look->images);
    TRY(agree(node->world,
              look->images ? OK : error_set(err, FAIL_SYSTEM, "no memory for the results of %zu images", look->count),
              err));
    look->run->context.watcher = watcher;
    TRY(compute(look, round, err));
    gather(look);
done:
    return rc;
}

void look_end(struct look *look)
{
    if (look->run)
        run_tear_down(look->run);
    free(look->run);
    free(look->images);
    config_free(&look->config);
    *look = (struct look){.run = NULL};
}
