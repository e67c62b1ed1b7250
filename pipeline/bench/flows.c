#include "kernels/base/number.h"
#include "kernels/measure/far.h"
#include "pipeline/bench/bench.h"
#include "pipeline/bench/timing.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/mpi/huge_pages.h"
#include "pipeline/run/dry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Channels that are swept one by one; all of them would take too long. */
enum { SWEPT = 16 };

/* The watcher's state. */
struct work {
    const struct measure_plan *plan;
    struct far_pair pair;
    void *memory;
    struct far_work far;
    struct far_flow flow;
    struct sweep sweep;
    double *sums;
    struct bench_far *out;
};

static void place(struct work *w, struct arena *arena)
{
    size_t upper = network_shape(w->plan->net, w->pair.upper).channels;
    size_t lower = network_shape(w->plan->net, w->pair.lower).channels;

    far_place(&w->far, w->plan, w->pair, FLOWS_SWEEP_BYTES, arena);
    sweep_place(&w->sweep, w->plan, w->pair.lower, w->pair.upper, 1, arena);
    w->flow =
        (struct far_flow){arena_floats(arena, upper * lower), arena_doubles(arena, upper), arena_doubles(arena, upper),
                          arena_doubles(arena, lower), arena_bytes(arena, upper * sizeof(bool))};
    w->sums = arena_doubles(arena, lower);
}

/* Compute one row in the simplest way: mask the relevance to a channel, sweep it down alone, and sum by channel. */
static void sweep_channel(struct work *w, const struct measure_image *image, size_t channel)
{
    struct layout upper = network_layout(w->plan->net, w->pair.upper);
    struct shape shape = network_shape(w->plan->net, w->pair.upper);
    float *start = sweep_start(&w->sweep, w->pair.upper, 1);

    for (size_t y = 0; y < shape.height; y++)
        for (size_t x = 0; x < shape.width; x++) {
            size_t at = layout_index(upper, channel, y, x);
            start[at] = image->r[w->pair.upper][at];
        }
    layout_channel_sums(w->sums,
                        sweep_go(&w->sweep, image, w->pair.upper, w->pair.lower, 1, &(struct sweep_way){.masks = NULL}),
                        network_layout(w->plan->net, w->pair.lower));
}

/* Largest difference of a row from that of sweep_channel, relative to the row's largest value. */
static double row_error(const struct work *w, size_t channel)
{
    size_t lower = network_shape(w->plan->net, w->pair.lower).channels;
    double most = 0, error = 0;

    for (size_t c = 0; c < lower; c++) {
        most = fmax(most, fabs(w->sums[c]));
        error = fmax(error, fabs(w->sums[c] - (double)w->flow.joint[channel * lower + c]));
    }
    return most > 0 ? error / most : error;
}

static void watch(void *context, size_t index, const struct measure_result *result, const struct measure_image *image)
{
    struct work *w = context;
    size_t channels = network_shape(w->plan->net, w->pair.upper).channels;
    size_t swept = smaller(channels, SWEPT);
    double start = log_seconds(), one;

    (void)index;
    (void)result;
    if (w->out->channels) /* the first image is enough */
        return;
    far_compute(&w->flow, &w->far, image);
    w->out->seconds = log_seconds() - start;
    for (size_t i = 0; i < swept; i++) {
        start = log_seconds();
        sweep_channel(w, image, i * channels / swept);
        one = log_seconds() - start;
        w->out->single_seconds += one * (double)channels / (double)swept;
        w->out->error = fmax(w->out->error, row_error(w, i * channels / swept));
    }
    w->out->channels = channels;
    w->out->swept = swept;
    w->out->sweeps = w->far.cost.sweeps;
}

static const char upper[] = "conv4_2", above_lower[] = "pool5";

enum status bench_far_check(const struct network *net, struct error *err)
{
    if (network_find(net, upper) > net->nlinks || network_find(net, above_lower) > net->nlinks)
        return error_set(err, FAIL_CONFIG,
                         "--flows measures %s and the last convolution of a VGG network, which "
                         "this network does not have; leave it out",
                         upper);
    return OK;
}

enum status bench_far(struct bench_far *out, struct run_work *run, struct error *err)
{
    const struct network *net = &run->plan->model.net;
    struct arena arena = arena_over(NULL, 0);
    struct work work = {.plan = &run->plan->model.plan, .out = out};
    struct dry_block_times times;
    enum status rc = OK;

    *out = (struct bench_far){0};
    work.pair = (struct far_pair){network_find(net, upper), network_find(net, above_lower) - 1, 0};
    flows_name(out->name, net, work.pair);
    place(&work, &arena);
    size_t nbytes = arena.peak;
    work.memory = huge_pages_alloc(nbytes);
    if (!work.memory)
        rc = error_set(err, FAIL_RESOURCE, "no memory for far flows, %zu MiB", nbytes >> 20);
    TRY(agree(run->node->world, rc, err));
    arena = arena_over(work.memory, nbytes);
    place(&work, &arena);
    run->worker.watcher = (struct block_watcher){&work, watch};
    rows_free(&run->rows);
    TRY(dry_time_block(&times, run, run_plan_first_block(run->plan), err));
    rc = out->channels ? OK : error_set(err, FAIL_LIMIT, "no image of the first block can be measured");
    TRY(agree(run->node->world, rc, err));
    out->seconds = bench_slowest(out->seconds, run->node);
    out->single_seconds = bench_slowest(out->single_seconds, run->node);
done:
    free(work.memory);
    return rc;
}
