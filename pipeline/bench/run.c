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

enum { MAX_IMAGES = 64 };

const struct bench_variant_settings bench_variants[BENCH_VARIANTS] = {
    [BENCH_PLAIN] = {"given none", "none", "none"},
    [BENCH_FLOWS] = {"given none, flows", "none", "adjacent"},
    [BENCH_INPUT] = {"given input", "input", "none"},
    [BENCH_INPUT_FLOWS] = {"given input, flows", "input", "adjacent"},
};

/* ---- the store -------------------------------------------------------------------------------------------------- */

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
    out->peak_isa = plan->model.plan.options.ops->peak;
    snprintf(out->composite, sizeof out->composite, "%s", plan->config->measure.composite);
    TRY(bench_machine(&out->machine, &out->net, out->peak_isa, options->repeats, work->node, err));
    image = reader_take(work->worker.reader, plan->images.first, plan->images.first + 1);
    TRY(bench_layers(out->layers, &plan->model, image->inputs, options, work->node, err));
done:
    return rc;
}

static size_t shared_bytes(const struct run_work *work)
{
    return work->plan->model.weights.nbytes + work->plan->model.forms.nbytes + work->plan->listing.nbytes +
           work->sums_memory.nbytes;
}

/* A run of a variant, without a store. */
struct trial {
    const struct node *node; /* borrowed */
    struct log *log;
    struct config config;
    struct run_plan plan;
    struct run_work work;
};

/* Collective. Caller frees with trial_end, also after a failure. */
static enum status trial_begin(struct trial *trial, const struct bench_options *options, struct error *err)
{
    enum status rc = OK;

    TRY(run_plan_init(&trial->plan, &trial->config, options->config || options->model ? NULL : &options->random,
                      trial->node, trial->log, err));
    TRY(run_work_init(&trial->work, &trial->plan, trial->node, trial->log, err));
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
    struct trial trial = {.node = node, .log = log};
    struct config_pairs *queries = &trial.config.measure.queries;
    enum status rc = OK;

    TRY(make_config(&trial.config, options, folder, &plain, node, err));
    TRY(agree(node->world, config_pairs_set(queries, "bench", "conv4_2[0]", CONFIG_SET, err), err));
    TRY(trial_begin(&trial, options, err));
    TRY(bench_far(&out->far, &trial.work, err));
    out->has_far = true;
done:
    trial_end(&trial);
    return rc;
}

/* Begin a variant's run, and compute a block. */
static enum status begin_variant(struct trial *trial, struct bench_results *out, const struct bench_options *options,
                                 size_t variant, const char *folder, struct error *err)
{
    enum status rc = OK;

    TRY(make_config(&trial->config, options, folder, &bench_variants[variant], trial->node, err));
    TRY(trial_begin(trial, options, err));
    out->images[variant].rank_bytes = block_worker_bytes(&trial->plan);
    out->images[variant].shared_bytes = shared_bytes(&trial->work);
    TRY(bench_warm(&trial->work, err));
done:
    return rc;
}

/* Two runs at a time are in memory: the first variant's and that of the one compared. */
static enum status measure_variant(struct bench_results *out, const struct bench_options *options, size_t variant,
                                   struct trial *first, const char *folder, struct error *err)
{
    char path[BENCH_IMAGES_PATH + 16];
    struct trial trial = {.node = first->node, .log = first->log};
    enum status rc = OK;

    snprintf(path, sizeof path, "%s/bench.h5", folder);
    TRY(begin_variant(&trial, out, options, variant, folder, err));
    TRY(bench_alternate(&out->images[BENCH_PLAIN], &first->work, &out->images[variant], &trial.work, options->repeats,
                        err));
    bench_image_finish(&out->images[variant]);
    if (variant == BENCH_INPUT_FLOWS)
        TRY(bench_store(&out->store, &trial.work, path, err));
done:
    trial_end(&trial);
    return rc;
}

static enum status measure_images(struct bench_results *out, const struct bench_options *options, const char *folder,
                                  const struct node *node, struct log *log, struct error *err)
{
    struct trial first = {.node = node, .log = log};
    struct bench_image *plain = &out->images[BENCH_PLAIN];
    enum status rc = OK;

    TRY(begin_variant(&first, out, options, BENCH_PLAIN, folder, err));
    if (options->flows)
        TRY(bench_far_check(&first.plan.model.net, err)); /* before minutes of measuring; the same on all ranks */
    TRY(measure_parts(out, options, &first.work, err));
    if (options->plain)
        TRY(bench_alternate(plain, &first.work, NULL, NULL, options->repeats, err));
    for (size_t variant = BENCH_PLAIN + 1; variant < out->variants; variant++)
        TRY(measure_variant(out, options, variant, &first, folder, err));
    bench_image_finish(plain);
    out->floor_ratio = bench_floor_ratio(plain, out->floor);
    out->epoch = first.config.run.epoch;
done:
    trial_end(&first);
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
    TRY(measure_images(out, options, folder, node, log, err));
    if (options->flows)
        TRY(measure_far(out, options, folder, node, log, err));
done:
    config_free(&config);
    bench_images_remove(folder, node);
    return rc;
}
