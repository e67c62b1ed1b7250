#include "kernels/base/number.h"
#include "kernels/measure/cost.h"
#include "pipeline/bench/bench.h"
#include "pipeline/bench/images.h"
#include "pipeline/bench/timing.h"
#include "pipeline/config/pairs.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/mpi/blas.h"
#include "pipeline/run/dry.h"
#include "pipeline/run/output.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_IMAGES = 64, MAX_SECONDS = 15 };

const struct bench_variant_settings bench_variants[BENCH_VARIANTS] = {
    [BENCH_PLAIN] = {"given none", "none", "none"},
    [BENCH_FLOWS] = {"given none, flows", "none", "adjacent"},
    [BENCH_INPUT] = {"given input", "input", "none"},
    [BENCH_INPUT_FLOWS] = {"given input, flows", "input", "adjacent"},
};

/* ---- whole images ---------------------------------------------------------------------------------------------- */

static size_t shared_bytes(const struct run_work *work)
{
    return work->plan->model.weights.nbytes + work->plan->model.forms.nbytes + work->plan->listing.nbytes +
           work->sums_memory.nbytes;
}

enum status bench_image(struct bench_image *out, struct run_work *work, size_t repeats, struct error *err)
{
    double total[BENCH_MAX_REPEATS], stages[BLOCK_STAGES][BENCH_MAX_REPEATS];
    size_t block = run_plan_first_block(work->plan);
    struct dry_block_times times;
    double loaded = 0, begun = log_seconds();
    size_t images = 0;
    enum status rc = OK;

    *out = (struct bench_image){.rank_bytes = block_worker_bytes(work->plan), .shared_bytes = shared_bytes(work)};
    for (size_t r = 0; r <= repeats; r++) {
        size_t at = r ? r - 1 : 0; /* the first is not counted */
        rows_free(&work->rows);
        block_announce(&work->worker, block); /* it follows itself */
        loaded = r == 1 ? reader_seconds(work->worker.reader) : loaded;
        TRY(dry_time_block(&times, work, block, err));
        images += r ? times.images : 0;
        total[at] = times.total / (double)times.images;
        for (size_t i = 0; i < BLOCK_STAGES; i++)
            stages[i][at] = times.stages[i] / (double)times.images;
        if (r && bench_slowest(log_seconds() - begun, work->node) > MAX_SECONDS)
            repeats = r;
    }
    out->load = bench_slowest((reader_seconds(work->worker.reader) - loaded) / (double)images, work->node);
    out->total = bench_slowest(bench_median(total, repeats), work->node);
    for (size_t i = 0; i < BLOCK_STAGES; i++)
        out->stages[i] = bench_slowest(bench_median(stages[i], repeats), work->node);
done:
    return rc;
}

enum status bench_store(struct bench_store *out, struct run_work *work, const char *path, struct error *err)
{
    struct save_summary summary = {0};
    struct run_output output = {0};
    const struct node *node = work->node;
    struct stat about = {0};
    enum status rc = OK;

    if (node->rank != 0) /* all ranks have computed the same block */
        rows_free(&work->rows);
    TRY(run_output_init(&output, path, work, err));
    double start = log_seconds();
    TRY(parts_write(&output.parts, &work->rows, node, err));
    TRY(run_output_save(&output, &summary, false, err));
    out->seconds = bench_slowest(log_seconds() - start, node);
    if (node->rank == 0) {
        stat(path, &about);
        out->bytes = (double)about.st_size;
        parts_remove(&output.parts);
    }
done:
    run_output_free(&output);
    return rc;
}

/* ---- the configuration ----------------------------------------------------------------------------------------- */

/* The user's configuration, or one for the made-up images in `folder`, with the settings of a variant (NULL: none).
 * Collective. */
static enum status make_config(struct config *config, const struct bench_options *options, const char *folder,
                               const struct bench_variant_settings *variant, const struct node *node, struct error *err)
{
    char *text = NULL, made[BENCH_IMAGES_PATH + PATH_MAX + 64];
    enum status rc = OK;

    snprintf(made, sizeof made, "[data]\npath = %s\nformat = folder\n[model]\nweights = %s\n", folder,
             options->model ? options->model : "random");
    if (options->config)
        rc = config_read(&text, options->config, err);
    if (rc == OK)
        rc = config_parse(config, text ? text : made, options->config ? options->config : "bench", options->sets,
                          options->nsets, err);
    if (rc == OK && variant)
        rc = config_set(config, "measure", "given", variant->given, err);
    if (rc == OK && variant)
        rc = config_set(config, "measure", "flows", variant->flows, err);
    free(text);
    return agree(node->world, rc, err);
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

/* Measurements that are made once, with the first variant's run, after it has computed a block. */
static enum status measure_parts(struct bench_results *out, const struct bench_options *options, struct run_work *work,
                                 struct error *err)
{
    const struct run_plan *plan = work->plan;
    const struct reader_batch *image;
    enum status rc = OK;

    out->net = plan->model.net;
    out->floor = cost_floor(&plan->model.plan);
    out->ranks = (size_t)work->node->nranks;
    out->block = plan->config->run.block;
    out->blas_core = blas_core();
    out->isa = plan->model.plan.options.ops->name;
    snprintf(out->composite, sizeof out->composite, "%s", plan->config->measure.composite);
    TRY(bench_machine(&out->machine, &out->net, options->repeats, work->node, err));
    image = reader_take(work->worker.reader, plan->images.first, plan->images.first + 1);
    TRY(bench_layers(out->layers, &plan->model, image->inputs, options, work->node, err));
done:
    return rc;
}

/* A run of a variant, without a store. */
struct trial {
    struct config config;
    struct run_plan plan;
    struct run_work work;
};

/* Collective. Caller frees with trial_end, also after a failure. */
static enum status trial_begin(struct trial *trial, const struct bench_options *options, const struct node *node,
                               struct log *log, struct error *err)
{
    enum status rc = OK;

    TRY(run_plan_init(&trial->plan, &trial->config, options->config || options->model ? NULL : &options->random, node,
                      log, err));
    TRY(run_work_init(&trial->work, &trial->plan, node, log, err));
done:
    return rc;
}

static void trial_end(struct trial *trial)
{
    run_work_free(&trial->work);
    run_plan_free(&trial->plan);
    config_free(&trial->config);
}

/* The query makes the run's measure keep images. */
static enum status measure_far(struct bench_results *out, const struct bench_options *options, const char *folder,
                               const struct node *node, struct log *log, struct error *err)
{
    static const struct bench_variant_settings plain = {"far", "none", "none"};
    struct trial trial = {.config.name = NULL};
    struct config_pairs *queries = &trial.config.measure.queries;
    enum status rc = OK;

    TRY(make_config(&trial.config, options, folder, &plain, node, err));
    TRY(agree(node->world, config_pairs_set(queries, "bench", "conv4_2[0]", CONFIG_SET, err), err));
    TRY(trial_begin(&trial, options, node, log, err));
    TRY(bench_far(&out->far, &trial.work, err));
    out->has_far = true;
done:
    trial_end(&trial);
    return rc;
}

static enum status measure_variant(struct bench_results *out, const struct bench_options *options, size_t variant,
                                   const char *folder, const struct node *node, struct log *log, struct error *err)
{
    char path[BENCH_IMAGES_PATH + 16];
    struct trial trial = {.config.name = NULL};
    enum status rc = OK;

    snprintf(path, sizeof path, "%s/bench.h5", folder);
    TRY(make_config(&trial.config, options, folder, &bench_variants[variant], node, err));
    TRY(trial_begin(&trial, options, node, log, err));
    TRY(bench_image(&out->images[variant], &trial.work, options->repeats, err));
    if (variant == BENCH_PLAIN)
        TRY(measure_parts(out, options, &trial.work, err));
    out->epoch = trial.config.run.epoch;
    if (variant == BENCH_INPUT_FLOWS)
        TRY(bench_store(&out->store, &trial.work, path, err));
done:
    trial_end(&trial);
    return rc;
}

enum status bench_measure(struct bench_results *out, const struct bench_options *options, const struct node *node,
                          struct log *log, struct error *err)
{
    char folder[BENCH_IMAGES_PATH] = "";
    struct config config = {0};
    enum status rc = OK;

    *out = (struct bench_results){0};
    TRY(make_config(&config, options, ".", NULL, node, err));
    TRY(bench_images_make(folder, smaller(config.run.block, MAX_IMAGES), node, err));
    out->variants = options->plain ? 1 : BENCH_VARIANTS;
    for (size_t variant = 0; variant < out->variants; variant++)
        TRY(measure_variant(out, options, variant, folder, node, log, err));
    if (options->flows)
        TRY(measure_far(out, options, folder, node, log, err));
done:
    config_free(&config);
    bench_images_remove(folder, node);
    return rc;
}
