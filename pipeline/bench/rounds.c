#include "kernels/base/number.h"
#include "pipeline/bench/bench.h"
#include "pipeline/run/dry.h"

#include <time.h>

static const double MAX_SECONDS = 30; /* for alternating with one variant */

/* Seconds of processor time of all threads of this process. */
static double cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* One block, without its peak. */
static enum status time_round(struct bench_round *round, struct run_work *work, struct error *err)
{
    size_t block = run_plan_first_block(work->plan);
    double loaded = reader_seconds(work->worker.reader), cpu = cpu_seconds();
    struct dry_block_times times;
    enum status rc = OK;

    rows_free(&work->rows);
    block_announce(&work->worker, block); /* it follows itself */
    TRY(dry_time_block(&times, work, block, err));
    double images = (double)times.images;
    cpu = cpu_seconds() - cpu;
    *round = (struct bench_round){.total = bench_slowest(times.total / images, work->node)};
    round->cpu = bench_slowest(cpu / images, work->node);
    round->load = bench_slowest((reader_seconds(work->worker.reader) - loaded) / images, work->node);
    for (size_t i = 0; i < BLOCK_STAGES; i++)
        round->stages[i] = bench_slowest(times.stages[i] / images, work->node);
done:
    return rc;
}

enum status bench_warm(struct run_work *work, struct error *err)
{
    return time_round(&(struct bench_round){0}, work, err);
}

/* Ratios of the other's last rounds to those of the first that they lie between. */
static void set_ratios(struct bench_image *other, const struct bench_image *first, size_t n)
{
    const struct bench_round *around = first->rounds + first->nrounds - n - 1;
    struct bench_round *rounds = other->rounds + other->nrounds - n;

    for (size_t i = 0; i < n; i++)
        rounds[i].ratio = rounds[i].total / ((around[i].total + around[i + 1].total) / 2);
}

enum status bench_alternate(struct bench_image *first, struct run_work *first_work, struct bench_image *other,
                            struct run_work *other_work, size_t repeats, struct error *err)
{
    const char *peak_isa = first_work->plan->model.plan.options.ops->peak;
    const struct node *node = first_work->node;
    double begun = log_seconds(), before = bench_peak(peak_isa, node), after;
    size_t rounds = other ? 2 * repeats + 1 : repeats;
    enum status rc = OK;

    for (size_t r = 0; r < rounds; r++) {
        bool is_other = other && r % 2;
        struct bench_image *image = is_other ? other : first;
        struct bench_round *round = &image->rounds[image->nrounds];
        TRY(time_round(round, is_other ? other_work : first_work, err));
        after = bench_peak(peak_isa, node);
        round->peak = (before + after) / 2;
        before = after;
        image->nrounds++;
        if (bench_slowest(log_seconds() - begun, node) > MAX_SECONDS)
            rounds = other ? 2 * larger((r + 1) / 2, 1) + 1 : r + 1; /* one of the other at least, and a last first */
    }
    if (other)
        set_ratios(other, first, rounds / 2);
done:
    return rc;
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

/* The median of the rounds' member at this offset; all members are doubles. */
static double median_of(const struct bench_image *image, size_t offset)
{
    double values[BENCH_MAX_ROUNDS];

    for (size_t i = 0; i < image->nrounds; i++)
        values[i] = *(const double *)((const char *)&image->rounds[i] + offset);
    return bench_median(values, image->nrounds);
}

void bench_image_finish(struct bench_image *image)
{
    double more[BENCH_MAX_ROUNDS];

    for (size_t at = 0; at < sizeof image->median; at += sizeof(double))
        *(double *)((char *)&image->median + at) = median_of(image, at);
    for (size_t i = 0; i < image->nrounds; i++)
        more[i] = image->rounds[i].ratio - 1;
    image->more = image->median.ratio > 0 ? bench_spread(more, image->nrounds) : (struct bench_spread){0};
}

struct bench_spread bench_floor_ratio(const struct bench_image *image, double floor)
{
    double ratios[BENCH_MAX_ROUNDS];

    for (size_t i = 0; i < image->nrounds; i++)
        ratios[i] = floor / image->rounds[i].peak / image->rounds[i].total;
    return bench_spread(ratios, image->nrounds);
}
