#include "pipeline/evaluate/evaluate.h"

#include "pipeline/evaluate/compute.h"
#include "pipeline/evaluate/file.h"
#include "pipeline/evaluate/randomised.h"
#include "pipeline/evaluate/rows.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/run/lock.h"
#include "pipeline/run/parts.h"

#include <stdlib.h>
#include <string.h>

/* ---- the plan ---------------------------------------------------------------------------------------------------- */

static enum status plan(struct evaluation *out, const struct evaluate_options *options, const struct node *node,
                        struct log *log, struct error *err)
{
    enum status rc = OK;

    *out = (struct evaluation){.rows = NULL};
    TRY(probe_config(&out->config, &options->probe, node, err));
    TRY(run_plan_init(&out->run, &out->config, NULL, node, log, err));
    TRY(agree(node->world, design_init(&out->design, &options->design, &out->run, err), err));
done:
    return rc;
}

void evaluate_free(struct evaluation *evaluation)
{
    gains_free(&evaluation->gains);
    free(evaluation->rows);
    design_free(&evaluation->design);
    run_plan_free(&evaluation->run);
    config_free(&evaluation->config);
    *evaluation = (struct evaluation){.rows = NULL};
}

/* ---- computing --------------------------------------------------------------------------------------------------- */

/* The state of an evaluation that is being computed. */
struct computing {
    struct evaluation *out;
    const struct evaluate_options *options;
    struct evaluate_work *work;
    struct evaluate_rows rows;
    struct parts lock; /* rank 0: the folder that keeps other runs and evaluations off the file */
    double *means;     /* [all channels], if units are replaced by them; owned */
    float *values;     /* the same in float32; owned */
    const struct node *node;
    struct log *log;
    struct error *err;
};

static size_t channels_of(const struct evaluation *evaluation)
{
    return evaluation->run.model.plan.channel[evaluation->run.model.net.nlinks + 1];
}

/* Lock the file, and read an evaluation that is there. Rank 0. */
static enum status enter(struct computing *c, bool *exists)
{
    struct evaluation *out = c->out;
    const char *path = c->options->output;
    enum status rc = OK;

    TRY(file_check_place(path, &out->design, c->options->restart, c->err));
    TRY(parts_enter(&c->lock, path, c->node->host, out->config.run.lock, c->log, c->err));
    if (!c->options->restart)
        TRY(file_read(exists, &out->complete, path, &out->design, c->rows.rows, c->means, c->err));
done:
    return rc;
}

/* Look for an evaluation to continue. Collective. */
static enum status resume(struct computing *c, bool *exists)
{
    struct evaluation *out = c->out;
    int found[2] = {0, 0};
    enum status rc = OK;

    if (c->node->rank == 0)
        rc = enter(c, exists);
    found[0] = *exists;
    found[1] = out->complete;
    TRY(agree(c->node->world, rc, c->err));
    MPI_Bcast(found, 2, MPI_INT, 0, c->node->world);
    *exists = found[0];
    out->complete = found[1];
done:
    return rc;
}

/* Statistics, on rank 0. */
static enum status summarise(struct computing *c)
{
    struct evaluation *out = c->out;

    gains_free(&out->gains);
    return gains_init(&out->gains, &out->design, c->rows.rows, out->run.images.end - out->run.images.first, c->err);
}

/* Statistics and file, on rank 0. */
static enum status save(struct computing *c, bool complete)
{
    struct evaluation *out = c->out;
    struct file_contents contents = {&out->design, &out->gains, c->rows.rows, c->means, complete};
    enum status rc = OK;

    TRY(summarise(c));
    TRY(lock_check(c->lock.lock, c->err));
    TRY(file_write(c->options->output, &contents, c->err));
done:
    return rc;
}

/* Mean activations, unless an unfinished evaluation had them. Collective. */
static enum status find_means(struct computing *c, bool known)
{
    size_t n = channels_of(c->out);
    enum status rc = OK;

    if (!c->out->design.mean)
        return OK;
    if (known)
        MPI_Bcast(c->means, (int)n, MPI_DOUBLE, 0, c->node->world);
    else
        TRY(evaluate_rows_means(c->means, &c->rows, c->work, c->err));
    for (size_t i = 0; i < n; i++)
        c->values[i] = (float)c->means[i];
    c->work->means = c->values;
done:
    return rc;
}

/* Put the similarities of a permuted network into the rows, on rank 0. */
static void put_randomised(struct computing *c, const struct randomised_options *options,
                           const struct similarity *found)
{
    const struct design *design = &c->out->design;

    for (size_t i = 0; i < options->images; i++)
        for (size_t r = design->first[TEST_RANDOMISED]; r < design->first[TEST_RANDOMISED + 1]; r++) {
            size_t at = r - design->first[TEST_RANDOMISED], views = options->nviews, measures = options->nmeasures;
            const struct similarity *s =
                &found[randomised_place(options, at / measures / views, at / measures % views, at % measures, i)];
            float *row = c->rows.rows + i * design->row + design->results[r].at;
            row[0] = (float)s->cosine;
            row[1] = (float)s->pearson;
            row[2] = (float)s->spearman;
        }
}

/* The test of all images together. Collective. */
static enum status randomise(struct computing *c)
{
    const struct design *design = &c->out->design;
    size_t views[NETWORK_MAX_VARIABLES] = {0};
    struct randomised_options options = {.images = design_randomised(design),
                                         .views = views,
                                         .nviews = 1 + design->nlayers,
                                         .measures = {&c->work->plan.options, &c->work->gradient.options},
                                         .nmeasures = design->orders[ORDER_GRADIENT] ? 2 : 1,
                                         .seed = design->seed};
    size_t n = (design->first[TEST_RANDOMISED + 1] - design->first[TEST_RANDOMISED]) * options.images;
    struct similarity *found = NULL;
    enum status rc = OK;

    if (!design->tests[TEST_RANDOMISED])
        return OK;
    memcpy(views + 1, design->layers, design->nlayers * sizeof *views);
    if (c->node->rank == 0 && !(found = malloc(n * sizeof *found)))
        rc = error_set(c->err, FAIL_SYSTEM, "no memory for the results of permuted networks");
    TRY(agree(c->node->world, rc, c->err));
    TRY(randomised_measure(found, &options, &c->out->run, c->node, c->log, c->err));
    if (found)
        put_randomised(c, &options, found);
done:
    free(found);
    return rc;
}

/* Epochs until all images are finished or a stop is requested; each but the last leaves an unfinished file.
 * Collective. */
static enum status compute(struct computing *c, struct stop *stop)
{
    bool more = true;
    enum stop_reason reason = STOP_NONE;
    enum status rc = OK;

    TRY(evaluate_rows_start(&c->rows, c->err));
    while (rc == OK && more && reason == STOP_NONE) {
        rc = evaluate_rows_epoch(&c->rows, c->work, stop, &more, &reason, c->err);
        double ended = log_seconds();
        if (rc == OK && !more)
            rc = randomise(c);
        if (rc == OK)
            rc = agree(c->node->world, c->node->rank == 0 ? save(c, !more) : OK, c->err);
        stop_took_save(stop, log_seconds() - ended);
    }
    progress_finish(&c->rows.progress);
    progress_free(&c->rows.progress);
    if (rc == OK && reason != STOP_NONE)
        log_warn(c->log, "stopped early, the same command continues path=%s finished=%zu reason=\"%s\"",
                 c->options->output, c->out->gains.finished, stop_reason_name(reason));
    stop->reason = reason;
    c->out->complete = !more;
done:
    return rc;
}

static enum status allocate(struct computing *c)
{
    size_t n = channels_of(c->out);

    c->work = calloc(1, sizeof *c->work);
    if (c->out->design.mean) {
        c->means = calloc(n, sizeof *c->means);
        c->values = calloc(n, sizeof *c->values);
    }
    if (!c->work || (c->out->design.mean && (!c->means || !c->values)))
        return error_set(c->err, FAIL_SYSTEM, "no memory for the work of an evaluation");
    return OK;
}

static void release(struct computing *c)
{
    if (c->work)
        evaluate_work_free(c->work);
    free(c->work);
    free(c->means);
    free(c->values);
    parts_free(&c->lock);
}

enum status evaluate_run(struct evaluation *out, const struct evaluate_options *options, struct stop *stop,
                         const struct node *node, struct log *log, struct error *err)
{
    struct computing c = {.out = out, .options = options, .node = node, .log = log, .err = err};
    bool exists = false;
    enum status rc = OK;

    TRY(plan(out, options, node, log, err));
    TRY(agree(node->world, allocate(&c), err));
    TRY(evaluate_rows_init(&c.rows, &out->design, node, log, err));
    TRY(resume(&c, &exists));
    if (out->complete) {
        log_info(log, "the evaluation is complete, nothing to do path=%s; --restart computes it again",
                 options->output);
        TRY(agree(node->world, node->rank == 0 ? summarise(&c) : OK, err));
    } else {
        TRY(evaluate_work_init(c.work, &out->design, node, log, err));
        TRY(find_means(&c, exists));
        TRY(compute(&c, stop));
    }
    out->rows = c.rows.rows;
    c.rows.rows = NULL;
done:
    evaluate_rows_free(&c.rows);
    release(&c);
    return rc;
}

/* ---- dry runs ---------------------------------------------------------------------------------------------------- */

/* Compute an image on every rank; twice if that was short, since the first one also fetches memory. Collective. */
static enum status time_image(double *seconds, struct computing *c, float *row, size_t index)
{
    const double SHORT = 5;
    enum status rc = OK;

    for (int i = 0; i < 2 && (i == 0 || *seconds < SHORT); i++) {
        double began = log_seconds(), mine;
        TRY(agree(c->node->world, compute_image(c->work, row, index, c->err), c->err));
        mine = log_seconds() - began;
        MPI_Allreduce(&mine, seconds, 1, MPI_DOUBLE, MPI_MAX, c->node->world);
    }
done:
    return rc;
}

enum status evaluate_dry(struct evaluation *out, struct evaluate_cost *cost, const struct evaluate_options *options,
                         const struct node *node, struct log *log, struct error *err)
{
    struct computing c = {.out = out, .options = options, .node = node, .log = log, .err = err};
    size_t images, index;
    float *row = NULL;
    double seconds;
    enum status rc = OK;

    TRY(plan(out, options, node, log, err));
    images = out->run.images.end - out->run.images.first;
    index = out->run.images.first + (size_t)node->rank % images;
    row = malloc(out->design.row * sizeof *row);
    rc = allocate(&c);
    TRY(agree(node->world, rc == OK && !row ? error_set(err, FAIL_SYSTEM, "no memory for a row") : rc, err));
    TRY(evaluate_work_init(c.work, &out->design, node, log, err));
    c.work->means = c.values;
    TRY(time_image(&seconds, &c, row, index));
    *cost = (struct evaluate_cost){.images = images,
                                   .ranks = (size_t)node->nranks,
                                   .bytes = evaluate_work_bytes(&out->design),
                                   .flops = compute_flops(&out->design, &c.work->plan),
                                   .seconds = seconds};
done:
    free(row);
    release(&c);
    return rc;
}
