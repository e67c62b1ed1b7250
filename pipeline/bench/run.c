#include "kernels/base/number.h"
#include "kernels/measure/cost.h"
#include "pipeline/bench/bench.h"
#include "pipeline/bench/images.h"
#include "pipeline/bench/timing.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/mpi/blas.h"
#include "pipeline/run/dry.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_IMAGES = 64, MAX_SETS = OPTION_MAX_ITEMS + 3, SETTING = 64, MAX_SECONDS = 15 };

const struct bench_variant_settings bench_variants[BENCH_VARIANTS] = {
    [BENCH_PLAIN] = {"given none", "none", "none"},
    [BENCH_FLOWS] = {"given none, flows", "none", "adjacent"},
    [BENCH_INPUT] = {"given input", "input", "none"},
    [BENCH_INPUT_FLOWS] = {"given input, flows", "input", "adjacent"},
};

/* ---- whole images ---------------------------------------------------------------------------------------------- */

static size_t shared_bytes(const struct run *run)
{
    return run->model.weights.nbytes + run->model.forms.nbytes + run->listing.nbytes + run->sums_memory.nbytes;
}

enum status bench_image(struct bench_image *out, struct run *run, size_t repeats, struct error *err)
{
    double total[BENCH_MAX_REPEATS], stages[BLOCK_STAGES][BENCH_MAX_REPEATS];
    size_t block = run->context.first / run->config->run.block;
    struct dry_block_times times;
    double loaded = 0, begun = log_seconds();
    size_t images = 0;
    enum status rc = OK;

    *out = (struct bench_image){.rank_bytes = block_worker_bytes(&run->context), .shared_bytes = shared_bytes(run)};
    for (size_t r = 0; r <= repeats; r++) {
        size_t at = r ? r - 1 : 0; /* the first is not counted */
        rows_free(&run->rows);
        block_announce(&run->worker, block); /* it follows itself */
        loaded = r == 1 ? reader_seconds(run->worker.reader) : loaded;
        TRY(dry_time_block(&times, run, block, err));
        images += r ? times.images : 0;
        total[at] = times.total / (double)times.images;
        for (size_t i = 0; i < BLOCK_STAGES; i++)
            stages[i][at] = times.stages[i] / (double)times.images;
        if (r && bench_slowest(log_seconds() - begun, run->node) > MAX_SECONDS)
            repeats = r;
    }
    out->load = bench_slowest((reader_seconds(run->worker.reader) - loaded) / (double)images, run->node);
    out->total = bench_slowest(bench_median(total, repeats), run->node);
    for (size_t i = 0; i < BLOCK_STAGES; i++)
        out->stages[i] = bench_slowest(bench_median(stages[i], repeats), run->node);
done:
    return rc;
}

enum status bench_store(struct bench_store *out, struct run *run, struct error *err)
{
    struct save_summary summary = {0};
    struct stat about = {0};
    enum status rc = OK;

    if (run->node->rank != 0) /* all ranks have computed the same block */
        rows_free(&run->rows);
    TRY(parts_open(&run->parts, run->output, run->node, err));
    double start = log_seconds();
    TRY(parts_write(&run->parts, &run->rows, run->node, err));
    TRY(run_save(run, &summary, false, err));
    out->seconds = bench_slowest(log_seconds() - start, run->node);
    if (run->node->rank == 0) {
        stat(run->output, &about);
        out->bytes = (double)about.st_size;
        parts_remove(&run->parts);
    }
done:
    return rc;
}

/* ---- the configuration ----------------------------------------------------------------------------------------- */

/* The user's configuration, or one for the made-up images in `folder`, with the settings of a variant (NULL: none).
 * Collective. */
static enum status make_config(struct config *config, const struct bench_options *options, const char *folder,
                               const struct bench_variant_settings *variant, const struct node *node, struct error *err)
{
    static const char *const varied[] = {"measure.given=", "measure.flows="};
    const char *sets[MAX_SETS];
    char *text = NULL, made[BENCH_IMAGES_PATH + 64], given[SETTING], flows[SETTING];
    size_t nsets = 0;
    enum status rc = OK;

    for (size_t i = 0; i < options->nsets; i++)
        if (strncmp(options->sets[i], varied[0], strlen(varied[0])) != 0 &&
            strncmp(options->sets[i], varied[1], strlen(varied[1])) != 0)
            sets[nsets++] = options->sets[i];
    if (variant) {
        snprintf(given, sizeof given, "measure.given=%s", variant->given);
        snprintf(flows, sizeof flows, "measure.flows=%s", variant->flows);
        sets[nsets++] = given;
        sets[nsets++] = flows;
    }
    snprintf(made, sizeof made, "[data]\npath = %s\nformat = folder\n[model]\nweights = random\n", folder);
    if (options->config)
        rc = config_read(&text, options->config, err);
    if (rc == OK)
        rc = config_parse(config, text ? text : made, options->config ? options->config : "bench", sets, nsets, err);
    free(text);
    return agree(node->world, rc, err);
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

/* Measurements that are made once, with the first variant's run, after it has computed a block. */
static enum status measure_parts(struct bench_results *out, const struct bench_options *options, struct run *run,
                                 struct error *err)
{
    const struct reader_batch *image;
    enum status rc = OK;

    out->net = run->model.net;
    out->floor = cost_floor(&run->model.plan);
    out->ranks = (size_t)run->node->nranks;
    out->block = run->config->run.block;
    out->blas_core = blas_core();
    out->isa = run->model.plan.options.ops->name;
    snprintf(out->composite, sizeof out->composite, "%s", run->config->measure.composite);
    TRY(bench_machine(&out->machine, &out->net, options->repeats, run->node, err));
    image = reader_take(run->worker.reader, run->context.first, run->context.first + 1);
    TRY(bench_layers(out->layers, &run->model, image->inputs, options, run->node, err));
done:
    return rc;
}

/* The query makes the run's measure keep images. */
static enum status measure_far(struct bench_results *out, const struct bench_options *options, const char *folder,
                               const struct node *node, struct log *log, struct error *err)
{
    static const struct bench_variant_settings plain = {"far", "none", "none"};
    struct bench_options more = *options;
    const char *sets[MAX_SETS];
    struct config config = {0};
    struct run run = {.config = &config,
                      .node = node,
                      .log = log,
                      .random = options->config ? NULL : &options->random,
                      .parts = {.lock = -1}};
    enum status rc = OK;

    memcpy(sets, options->sets, options->nsets * sizeof *sets);
    sets[more.nsets++] = "measure.query.bench=conv4_2[0]";
    more.sets = sets;
    TRY(make_config(&config, &more, folder, &plain, node, err));
    TRY(run_set_up(&run, err));
    TRY(bench_far(&out->far, &run, err));
    out->has_far = true;
done:
    run_tear_down(&run);
    config_free(&config);
    return rc;
}

static enum status measure_variant(struct bench_results *out, const struct bench_options *options, size_t variant,
                                   const char *folder, const struct node *node, struct log *log, struct error *err)
{
    char path[BENCH_IMAGES_PATH + SETTING];
    struct config config = {0};
    struct run run = {.config = &config,
                      .output = path,
                      .node = node,
                      .log = log,
                      .random = options->config ? NULL : &options->random,
                      .parts = {.lock = -1}};
    enum status rc = OK;

    snprintf(path, sizeof path, "%s/bench.h5", folder);
    TRY(make_config(&config, options, folder, &bench_variants[variant], node, err));
    TRY(run_set_up(&run, err));
    TRY(bench_image(&out->images[variant], &run, options->repeats, err));
    if (variant == BENCH_PLAIN)
        TRY(measure_parts(out, options, &run, err));
    out->epoch = config.run.epoch;
    if (variant == BENCH_INPUT_FLOWS)
        TRY(bench_store(&out->store, &run, err));
done:
    run_tear_down(&run);
    config_free(&config);
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
    for (size_t variant = 0; variant < BENCH_VARIANTS; variant++)
        TRY(measure_variant(out, options, variant, folder, node, log, err));
    if (options->flows)
        TRY(measure_far(out, options, folder, node, log, err));
done:
    config_free(&config);
    bench_images_remove(folder, node);
    return rc;
}
