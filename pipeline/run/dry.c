#include "pipeline/run/dry.h"

#include "kernels/measure/cost.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/run/memory.h"
#include "pipeline/run/place.h"
#include "pipeline/util/json_output.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- sizes ----------------------------------------------------------------------------------------------------- */

/* Doubles of a channel's statistics except histogram, classes and lists: count, mean, std, ..., max. */
enum { CHANNEL_NUMBERS = 8 };

/* Datasets of a variable and of a pair, and HDF5's overhead for one: header, attributes, scales. */
enum { LAYER_DATASETS = 20, FLOW_DATASETS = 10, DATASET_BYTES = 2048 };

static size_t rows_size(const struct run_plan *plan, size_t blocks)
{
    size_t name = dataset_listing_name(NULL, 0, plan->listing.memory, plan->images.first);

    return blocks * (plan->layout.offset[plan->layout.ncolumns] + plan->config->run.block * (name + sizeof(int32_t)));
}

static size_t layers_size(const struct statistics *s)
{
    size_t numbers = CHANNEL_NUMBERS + s->options.bins + 2 * s->options.class_means.count + 6 * s->options.top;
    size_t total = (s->measure->net->nlinks + 2) * LAYER_DATASETS * DATASET_BYTES; /* and as many for the images */

    for (size_t k = 0; k <= s->measure->net->nlinks; k++)
        if (s->options.maps[k])
            total += shape_neurons(network_shape(s->measure->net, k)) * sizeof(float);
    return total + statistics_channels(s) * numbers * sizeof(double);
}

/* Mean and error of every entry in double precision, and of every class in single; for a sampled pair also the sampling
 * error. */
static size_t flows_size(const struct statistics *s)
{
    size_t entries = 0, means = 2 + s->options.class_flows.count;
    size_t pairs = statistics_far_pairs(s) + statistics_adjacent_pairs(s);

    for (size_t i = 0; i < statistics_adjacent_pairs(s); i++)
        entries += means * flows_entries(s->measure->net, &s->options.flows->adjacent[i]);
    for (size_t i = 0; i < statistics_far_pairs(s); i++)
        entries += (s->options.flows->pairs[i].sampled ? 3 : means) *
                   statistics_far_entries(s, s->options.flows->pairs[i].pair);
    return entries * sizeof(double) + pairs * FLOW_DATASETS * DATASET_BYTES;
}

/* ---- the plan -------------------------------------------------------------------------------------------------- */

static enum status measure_sizes(struct dry_plan *out, const struct run_plan *plan, const struct node *node,
                                 struct error *err)
{
    unsigned long long fullest;
    struct memory_plan memory;
    enum status rc = OK;

    TRY(agree(node->world, memory_plan(&memory, plan, (size_t)node->nlocal, err), err));
    fullest = memory.node;
    MPI_Allreduce(MPI_IN_PLACE, &fullest, 1, MPI_UNSIGNED_LONG_LONG, MPI_MAX, node->world);
    memcpy(out->network, plan->model.net.name, sizeof out->network);
    out->adjacent = plan->model.flows.nadjacent;
    out->between_cuts = plan->model.flows.between_cuts;
    out->flow_numbers = plan->model.flows.entries;
    out->sums_bytes = sums_bytes(&plan->statistics.plan);
    out->images = plan->images.end - plan->images.first;
    out->blocks = run_plan_blocks(plan);
    out->ranks = (size_t)node->nranks;
    out->nodes = (size_t)node->nnodes;
    out->rank_bytes = memory.work + memory.rows;
    out->shared_bytes = memory.shared;
    out->writing_bytes = memory.writing;
    out->node_bytes = (size_t)fullest;
    out->store_bytes = rows_size(plan, out->blocks) + layers_size(&plan->statistics) + flows_size(&plan->statistics);
    out->flops = cost_floor(&plan->model.plan);
    out->far = flows_cost(&plan->model.flows, &plan->model.plan);
done:
    return rc;
}

/* ---- the time of a block --------------------------------------------------------------------------------------- */

enum status dry_time_block(struct dry_block_times *out, struct run_work *work, size_t block, struct error *err)
{
    double before[BLOCK_STAGES];
    struct block_outcome outcome;
    enum status rc;

    memcpy(before, work->worker.seconds, sizeof before);
    MPI_Barrier(work->node->world);
    double start = log_seconds();
    rc = run_work_compute(&outcome, work, block, err);
    out->total = log_seconds() - start;
    out->images = outcome.images;
    for (size_t i = 0; i < BLOCK_STAGES; i++)
        out->stages[i] = work->worker.seconds[i] - before[i];
    return agree(work->node->world, rc, err);
}

/* A faster block is computed twice: the first time includes the system's work on new memory. */
static const double short_block = 5; /* seconds */

/* Every rank computes one of the first blocks. */
static enum status measure_time(struct dry_plan *out, struct run_work *work, struct error *err)
{
    size_t block = run_plan_first_block(work->plan) + (size_t)work->node->rank % out->blocks;
    struct dry_block_times times;
    enum status rc = OK;

    for (int i = 0; i < 2 && (i == 0 || out->block_seconds < short_block); i++) {
        TRY(dry_time_block(&times, work, block, err));
        MPI_Allreduce(&times.total, &out->block_seconds, 1, MPI_DOUBLE, MPI_MAX, work->node->world);
    }
    out->seconds = out->block_seconds * ceil((double)out->blocks / (double)out->ranks);
done:
    return rc;
}

enum status dry_run(struct dry_plan *out, const struct config *config, const char *output, const struct node *node,
                    struct log *log, struct error *err)
{
    struct run_plan plan = {0};
    struct run_work work = {0};
    bool exists = false;
    enum status rc = OK;

    *out = (struct dry_plan){.output = output, .composite = config->measure.composite, .given = config->measure.given};
    if (node->rank == 0)
        rc = place_check(&exists, output, config, err);
    TRY(agree(node->world, rc, err));
    TRY(run_plan_init(&plan, config, NULL, node, log, err));
    TRY(run_work_init(&work, &plan, node, log, err));
    TRY(measure_sizes(out, &plan, node, err));
    TRY(measure_time(out, &work, err));
done:
    run_work_free(&work);
    run_plan_free(&plan);
    return rc;
}

/* ---- output ------------------------------------------------------------------------------------------------ */

static void print_time(double seconds)
{
    if (seconds < 120)
        printf("%.1f s\n", seconds);
    else if (seconds < 7200)
        printf("%.0f min\n", seconds / 60);
    else
        printf("%.1f h\n", seconds / 3600);
}

void dry_print(const struct dry_plan *plan)
{
    printf("network           %s, %s, given %s\n", plan->network, plan->composite, plan->given);
    printf("flows             %zu adjacent pairs, %zu far pairs exact, %zu sampled\n", plan->adjacent, plan->far.exact,
           plan->far.sampled);
    if (plan->between_cuts)
        printf("                  between cuts only: all neighbouring layers would have %zu numbers, which\n"
               "                  `measure.flows = adjacent` keeps\n",
               plan->flow_numbers);
    printf("images            %zu in %zu block%s\n", plan->images, plan->blocks, plan->blocks == 1 ? "" : "s");
    printf("ranks             %zu on %zu node%s\n", plan->ranks, plan->nodes, plan->nodes == 1 ? "" : "s");
    printf("memory of a rank  %zu MiB\n", plan->rank_bytes >> 20);
    printf("memory of a node  %zu MiB, of which %zu MiB are shared by its ranks, %zu MiB for sums\n",
           plan->node_bytes >> 20, plan->shared_bytes >> 20, plan->sums_bytes >> 20);
    printf("store             %s, %.1f MiB at most, before compression\n", plan->output,
           (double)plan->store_bytes / 0x1p20);
    printf("an image          %.1f GFLOP by direct convolution\n", plan->flops * 1e-9);
    if (plan->far.exact + plan->far.sampled)
        printf("its far flows     %.1f GFLOP, %.1f sweeps\n", plan->far.flops * 1e-9, plan->far.sweeps);
    printf("a block           %.2f s, measured\n", plan->block_seconds);
    fputs("expected          ", stdout);
    print_time(plan->seconds);
}

static json_t *integer(size_t n)
{
    return json_integer((json_int_t)n);
}

void dry_print_json(const struct dry_plan *plan)
{
    json_t *root = json_pack(
        "{s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:f, s:f, s:o, s:o, s:f, s:f, "
        "s:b, s:o, s:o}",
        "store", json_output_text(plan->output), "network", plan->network, "composite", plan->composite, "given",
        plan->given, "adjacent", integer(plan->adjacent), "images", integer(plan->images), "blocks",
        integer(plan->blocks), "ranks", integer(plan->ranks), "nodes", integer(plan->nodes), "rank_bytes",
        integer(plan->rank_bytes), "shared_bytes", integer(plan->shared_bytes), "writing_bytes",
        integer(plan->writing_bytes), "node_bytes", integer(plan->node_bytes), "store_bytes",
        integer(plan->store_bytes), "image_gflop", plan->flops * 1e-9, "far_gflop", plan->far.flops * 1e-9,
        "far_sweeps", plan->far.sweeps, "far_exact", integer(plan->far.exact), "far_sampled",
        integer(plan->far.sampled), "block_seconds", plan->block_seconds, "seconds", plan->seconds,
        "flows_between_cuts", (int)plan->between_cuts, "flow_numbers", integer(plan->flow_numbers), "sums_bytes",
        integer(plan->sums_bytes));

    json_output_print(root);
}
