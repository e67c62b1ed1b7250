#include "pipeline/evaluate/answers.h"

#include "kernels/base/number.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/mpi/gather.h"
#include "pipeline/mpi/huge_pages.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t image_count(const struct run_plan *plan)
{
    return plan->images.end - plan->images.first;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void place(struct answers *answers, const struct measure_plan *measure, struct arena *arena)
{
    size_t count = image_count(answers->plan), neurons = shape_neurons(network_shape(measure->net, 0));

    answers->inputs = arena_floats(arena, 2 * ANSWERS_BATCH * neurons);
    answers->targets = arena_bytes(arena, count * sizeof *answers->targets);
    answers->own = arena_bytes(arena, count * sizeof *answers->own);
    ablation_place(&answers->copies, measure, ANSWERS_BATCH, arena);
}

static enum status allocate(struct answers *answers, const struct measure_plan *measure, struct error *err)
{
    struct arena arena = arena_over(NULL, 0);

    place(answers, measure, &arena);
    size_t nbytes = arena.peak;
    answers->memory = huge_pages_alloc(nbytes);
    if (!answers->memory)
        return error_set(err, FAIL_SYSTEM, "no memory for the %zu MiB that a rank works in", nbytes >> 20);
    arena = arena_over(answers->memory, nbytes);
    place(answers, measure, &arena);
    for (size_t i = 0; i < image_count(answers->plan); i++)
        answers->targets[i] = -1;
    return reader_open(&answers->reader, answers->plan->listing.memory, &answers->plan->model.preprocessing,
                       ANSWERS_BATCH, answers->inputs, err);
}

enum status answers_init(struct answers *answers, const struct run_plan *plan, const struct measure_plan *measure,
                         struct answers_record *record, const struct node *node, struct log *log, struct error *err)
{
    *answers = (struct answers){.plan = plan, .record = record, .node = node, .log = log};
    if (run_plan_classes(plan) < 2)
        return error_set(err, FAIL_CONFIG, "%s has one logit: p and the next class need at least two",
                         plan->model.net.name);
    return agree(node->world, allocate(answers, measure, err), err);
}

void answers_free(struct answers *answers)
{
    reader_close(answers->reader);
    free(answers->memory);
    *answers = (struct answers){.plan = NULL};
}

/* ---- a group of images ------------------------------------------------------------------------------------------- */

static size_t largest(const float *z, size_t n)
{
    size_t at = 0;

    for (size_t i = 1; i < n; i++)
        at = z[i] > z[at] ? i : at;
    return at;
}

void answers_fill(struct answers_row *row, const float *z, size_t classes, size_t target)
{
    row->read = 1;
    row->predicted = (int32_t)largest(z, classes);
    row->target = (int32_t)target;
    curve_outcome(row->outcome, z, classes, target);
}

static void take_answer(struct answers *answers, size_t row, const float *z)
{
    size_t classes = run_plan_classes(answers->plan);

    if (answers->targets[row] < 0)
        answers->targets[row] = (int32_t)largest(z, classes);
    answers_fill(&answers->own[row], z, classes, (size_t)answers->targets[row]);
}

/* The images of a batch, from the first variable on. */
static void ask(struct answers *answers, const struct reader_batch *batch, struct ablation_hook hook)
{
    const struct network *net = &answers->plan->model.net;
    size_t neurons = shape_neurons(network_shape(net, 0)), n = batch->end - batch->first;
    size_t floats = layout_floats(network_layout(net, net->nlinks));
    struct measure_image image = {.a = {batch->inputs}};
    float *inputs = ablation_start(&answers->copies, &image, 0, n);

    for (size_t i = 0; i < n; i++) /* what cannot be read is undefined, and not looked at */
        if (batch->images[i].rc == OK)
            memcpy(inputs + i * neurons, batch->inputs + i * neurons, neurons * sizeof *inputs);
        else
            memset(inputs + i * neurons, 0, neurons * sizeof *inputs);
    const float *z = ablation_forward(&answers->copies, &image, 0, n, hook);
    for (size_t i = 0; i < n; i++)
        if (batch->images[i].rc == OK)
            take_answer(answers, batch->first + i - answers->plan->images.first, z + i * floats);
}

/* A failed image is left out, but not a dataset that is gone. */
static enum status check(const struct reader_batch *batch, struct error *err)
{
    for (size_t i = 0; i < batch->end - batch->first; i++)
        if (batch->images[i].rc == FAIL_RESOURCE)
            return error_set(err, FAIL_RESOURCE, "image %zu: %s", batch->first + i, batch->images[i].why.message);
    return OK;
}

/* This rank's part of the images, batch by batch; images up to `end` follow. */
static enum status compute(struct answers *answers, struct shard_images images, size_t end, struct ablation_hook hook,
                           struct error *err)
{
    size_t stride = ANSWERS_BATCH * (size_t)answers->node->nranks;
    enum status rc = OK;

    for (size_t first = images.first + ANSWERS_BATCH * (size_t)answers->node->rank; rc == OK && first < images.end;
         first += stride) {
        const struct reader_batch *batch =
            reader_take(answers->reader, first, smaller(first + ANSWERS_BATCH, images.end));
        if (first + stride < end)
            reader_ahead(answers->reader, first + stride, smaller(first + stride + ANSWERS_BATCH, end));
        rc = check(batch, err);
        if (rc == OK)
            ask(answers, batch, hook);
    }
    return rc;
}

/* ---- all images -------------------------------------------------------------------------------------------------- */

/* The targets of images whose answers were known. */
static void take_targets(struct answers *answers, const struct answers_row *rows, size_t n)
{
    for (size_t i = 0; i < n && rows; i++)
        answers->targets[i] = rows[i].read ? rows[i].target : -1;
    MPI_Bcast(answers->targets, (int)n, MPI_INT32_T, 0, answers->node->world);
}

/* Images first .. end - 1 of the run; rows of all on rank 0. */
static enum status compute_chunk(struct answers_row *rows, struct answers *answers, size_t first, size_t end,
                                 struct ablation_hook hook, struct error *err)
{
    size_t base = answers->plan->images.first;
    struct answers_row *at = rows ? rows + first : NULL;
    enum status rc = OK;

    TRY(agree(answers->node->world,
              compute(answers, (struct shard_images){base + first, base + end}, answers->plan->images.end, hook, err),
              err));
    gather_parts(at, answers->own + first, (end - first) * sizeof *rows, answers->node);
    if (answers->record)
        TRY(answers_record_add(answers->record, at, end - first, answers->node, err));
done:
    return rc;
}

enum status answers_compute(struct answers_row *rows, struct answers *answers, struct ablation_hook hook,
                            struct error *err)
{
    size_t n = image_count(answers->plan), chunk = ANSWERS_CHUNK * (size_t)answers->node->nranks;
    size_t first = answers_record_take(rows, answers->record, n);
    enum status rc = OK;

    memset(answers->own, 0, n * sizeof *answers->own);
    if (first > 0)
        take_targets(answers, rows, first);
    for (; first < n; first = smaller(first + chunk, n))
        TRY(compute_chunk(rows, answers, first, smaller(first + chunk, n), hook, err));
done:
    return rc;
}

enum status answers_time(double *seconds, struct answers *answers, struct ablation_hook hook, struct error *err)
{
    const double SHORT = 5; /* the first time also fetches memory: again, if that takes no longer */
    size_t ranks = (size_t)answers->node->nranks;
    struct shard_images images = answers->plan->images;
    enum status rc = OK;

    images.end = smaller(images.end, images.first + ANSWERS_BATCH * ranks);
    for (int i = 0; i < 2 && (i == 0 || *seconds < SHORT); i++) {
        double began = log_seconds(), mine;
        TRY(agree(answers->node->world, compute(answers, images, images.end, hook, err), err));
        mine = log_seconds() - began;
        MPI_Allreduce(&mine, seconds, 1, MPI_DOUBLE, MPI_MAX, answers->node->world);
    }
done:
    return rc;
}

double answers_cost_seconds(const struct answers_cost *cost, size_t images, size_t ranks)
{
    double batches = ceil((double)images / (double)(ANSWERS_BATCH * ranks));

    return (double)(cost->networks + 1) * batches * cost->batch + (double)cost->networks * cost->change +
           ceil((double)cost->own / (double)ranks) * cost->own_image;
}

/* ---- over images ------------------------------------------------------------------------------------------------- */

/* Sums over images, in their order. */
struct series {
    size_t n;
    double value, square;
};

static void add(struct series *series, double value)
{
    series->n++;
    series->value += value;
    series->square += value * value;
}

static struct answers_mean mean_of(const struct series *series)
{
    double n = (double)series->n, mean = series->n ? series->value / n : NAN;
    double variance = series->n > 1 ? fmax(series->square / n - mean * mean, 0) * n / (n - 1) : NAN;

    return (struct answers_mean){mean, sqrt(variance / n), series->n};
}

static bool chosen(const struct answers_row *row, int label, int class)
{
    return row->read && (class < 0 || (label >= 0 ? label : row->target) == class);
}

struct answers_summary answers_summarise(const struct answers_row *rows, const struct answers_row *less,
                                         struct answers_choice choice)
{
    const struct dataset_listing *listing = choice.plan->listing.memory;
    const struct answers_row none = {.predicted = -1, .target = 0};
    struct series accuracy = {0}, agreement = {0}, outcome[CURVE_OUTCOMES] = {{0}};
    struct answers_summary out = {.images = 0};

    for (size_t i = 0; i < image_count(choice.plan); i++) {
        const struct answers_row *row = &rows[i], *other = less ? &less[i] : &none;
        int label = dataset_listing_label(listing, choice.plan->images.first + i);
        if (!chosen(row, label, choice.class) || (less && !other->read))
            continue;
        if (label >= 0)
            add(&accuracy, (row->predicted == label) - (other->predicted == label));
        add(&agreement, (row->predicted == row->target) - (other->predicted == row->target));
        for (size_t o = 0; o < CURVE_OUTCOMES; o++)
            add(&outcome[o], row->outcome[o] - other->outcome[o]);
    }
    out.images = agreement.n;
    out.accuracy = mean_of(&accuracy);
    out.agreement = mean_of(&agreement);
    for (size_t o = 0; o < CURVE_OUTCOMES; o++)
        out.outcome[o] = mean_of(&outcome[o]);
    return out;
}
